//! The fields that `biz_content` may and must have (alipay sheet §6, §7).

use super::check::Method;
use crate::schema::{Field, Kind, optional, required, text};

/// Characters of an order or refund number.
const NUMBER_MAX: usize = 64;

const fn number() -> Kind {
    Kind::Chars {
        min: 1,
        max: NUMBER_MAX,
        allowed: is_number_character,
    }
}

fn is_number_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The subject must not contain these "and similar" characters.
fn is_subject_character(character: char) -> bool {
    !matches!(character, '/' | '=' | '&') && !character.is_control()
}

/// `passback_params` must be URL-encoded by the merchant.
fn is_encoded_character(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(
            character,
            '%' | '+' | '-' | '_' | '.' | '*' | '~' | '!' | '\'' | '(' | ')'
        )
}

fn is_amount_character(character: char) -> bool {
    character.is_ascii_digit() || character == '.'
}

const fn amount() -> Kind {
    Kind::Chars {
        min: 1,
        max: 12,
        allowed: is_amount_character,
    }
}

const GOODS: &[Field] = &[
    required("goods_id", text(64)),
    required("goods_name", text(256)),
    required("quantity", Kind::Int { min: 1 }),
    required("price", amount()),
    optional("alipay_goods_id", text(32)),
    optional("goods_category", text(24)),
    optional("categories_tree", text(128)),
    optional("body", text(1000)),
    optional("show_url", text(400)),
];

/// The common fields of a payment with its product code and those of the product.
macro_rules! payment {
    ($product_code:expr, $($own:expr),* $(,)?) => {
        &[
            required("out_trade_no", number()),
            required("total_amount", amount()),
            required("subject", Kind::Chars { min: 1, max: 256, allowed: is_subject_character }),
            $product_code,
            optional("body", text(128)),
            optional("timeout_express", text(6)),
            optional("time_expire", text(32)),
            optional(
                "passback_params",
                Kind::Chars { min: 1, max: 512, allowed: is_encoded_character },
            ),
            optional("goods_detail", Kind::List(GOODS)),
            optional("extend_params", Kind::AnyObject),
            optional("business_params", Kind::AnyObject),
            optional("seller_id", text(28)),
            optional("store_id", text(32)),
            optional("operator_id", text(28)),
            optional("terminal_id", text(32)),
            optional("enable_pay_channels", text(128)),
            optional("disable_pay_channels", text(128)),
            optional("goods_type", Kind::Choice(&["0", "1"])),
            optional("merchant_order_no", text(32)),
            $($own),*
        ]
    };
}

const PAGE_PAY: &[Field] = payment!(
    required("product_code", Kind::Choice(&["FAST_INSTANT_TRADE_PAY"])),
    optional("qr_pay_mode", Kind::Choice(&["0", "1", "2", "3", "4"])),
    optional("qrcode_width", Kind::Int { min: 1 }),
    optional("integration_type", Kind::Choice(&["PCWEB", "ALIAPP"])),
    optional("request_from_url", text(256)),
);

const WAP_PAY: &[Field] = payment!(
    required("product_code", Kind::Choice(&["QUICK_WAP_WAY"])),
    optional("quit_url", text(400)),
);

const APP_PAY: &[Field] = payment!(optional(
    "product_code",
    Kind::Choice(&["QUICK_MSECURITY_PAY"])
),);

const PRECREATE: &[Field] = payment!(required(
    "product_code",
    Kind::Choice(&["QR_CODE_OFFLINE", "FACE_TO_FACE_PAYMENT"])
),);

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

const PAY: &[Field] = payment!(
    optional(
        "product_code",
        Kind::Choice(&["FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT"])
    ),
    required("scene", Kind::Choice(&["bar_code"])),
    required(
        "auth_code",
        Kind::Chars {
            min: 16,
            max: 24,
            allowed: is_digit
        }
    ),
);

const CREATE: &[Field] = payment!(
    required("product_code", Kind::Choice(&["JSAPI_PAY"])),
    required("op_app_id", text(32)),
    optional("buyer_id", text(28)),
    optional("buyer_open_id", text(128)),
);

const QUERY: &[Field] = &[
    optional("out_trade_no", number()),
    optional("trade_no", number()),
    optional("query_options", Kind::Texts),
];

const CLOSE: &[Field] = &[
    optional("out_trade_no", number()),
    optional("trade_no", number()),
    optional("operator_id", text(28)),
];

const CANCEL: &[Field] = &[
    optional("out_trade_no", number()),
    optional("trade_no", number()),
];

const REFUND: &[Field] = &[
    optional("out_trade_no", number()),
    optional("trade_no", number()),
    required("refund_amount", amount()),
    optional("out_request_no", number()),
    optional("refund_reason", text(256)),
    optional("query_options", Kind::Texts),
];

const REFUND_QUERY: &[Field] = &[
    optional("out_trade_no", number()),
    optional("trade_no", number()),
    required("out_request_no", number()),
    optional("query_options", Kind::Texts),
];

/// The table of a method.
pub(super) fn of(method: Method) -> &'static [Field] {
    match method {
        Method::PagePay => PAGE_PAY,
        Method::WapPay => WAP_PAY,
        Method::AppPay => APP_PAY,
        Method::Precreate => PRECREATE,
        Method::Create => CREATE,
        Method::Pay => PAY,
        Method::Query => QUERY,
        Method::Close => CLOSE,
        Method::Cancel => CANCEL,
        Method::Refund => REFUND,
        Method::RefundQuery => REFUND_QUERY,
    }
}
