//! The fields that a request's body may and must have (`wechat_v3` sheet §5 to §7).

use super::Route;
use crate::{
    schema::{Field, Kind, optional, required, text},
    state::Product,
};

fn is_number_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '|' | '*')
}

fn is_refund_number_character(character: char) -> bool {
    is_number_character(character) || character == '@'
}

const AMOUNT: &[Field] = &[
    required("total", Kind::Int { min: 1 }),
    optional("currency", Kind::Choice(&["CNY"])),
];

const PAYER: &[Field] = &[required("openid", text(128))];

const GOODS: &[Field] = &[
    required("merchant_goods_id", text(32)),
    optional("wechatpay_goods_id", text(32)),
    optional("goods_name", text(256)),
    required("quantity", Kind::Int { min: 1 }),
    required("unit_price", Kind::Int { min: 0 }),
];

const DETAIL: &[Field] = &[
    optional("cost_price", Kind::Int { min: 0 }),
    optional("invoice_id", text(32)),
    optional("goods_detail", Kind::List(GOODS)),
];

const STORE: &[Field] = &[
    required("id", text(32)),
    optional("name", text(256)),
    optional("area_code", text(32)),
    optional("address", text(512)),
];

const H5: &[Field] = &[
    required("type", Kind::Choice(&["Wap", "iOS", "Android"])),
    optional("app_name", text(64)),
    optional("app_url", text(128)),
    optional("bundle_id", text(128)),
    optional("package_name", text(128)),
];

const SCENE: &[Field] = &[
    required("payer_client_ip", text(45)),
    optional("device_id", text(32)),
    optional("store_info", Kind::Object(STORE)),
];

const H5_SCENE: &[Field] = &[
    required("payer_client_ip", text(45)),
    optional("device_id", text(32)),
    optional("store_info", Kind::Object(STORE)),
    required("h5_info", Kind::Object(H5)),
];

const SETTLE: &[Field] = &[optional("profit_sharing", Kind::Bool)];

/// The common fields of an order and those of the product.
macro_rules! order {
    ($($own:expr),* $(,)?) => {
        &[
            required("appid", text(32)),
            required("mchid", text(32)),
            required("description", text(127)),
            required(
                "out_trade_no",
                Kind::Chars { min: 6, max: 32, allowed: is_number_character },
            ),
            required("notify_url", text(255)),
            required("amount", Kind::Object(AMOUNT)),
            optional("time_expire", text(64)),
            optional("attach", text(128)),
            optional("goods_tag", text(32)),
            optional("support_fapiao", Kind::Bool),
            optional("limit_pay", Kind::Texts),
            optional("detail", Kind::Object(DETAIL)),
            optional("settle_info", Kind::Object(SETTLE)),
            $($own),*
        ]
    };
}

const JSAPI: &[Field] = order!(
    required("payer", Kind::Object(PAYER)),
    optional("scene_info", Kind::Object(SCENE)),
);

const H5_ORDER: &[Field] = order!(required("scene_info", Kind::Object(H5_SCENE)),);

const ORDER: &[Field] = order!(optional("scene_info", Kind::Object(SCENE)),);

const CODE_PAYER: &[Field] = &[required("auth_code", text(32))];

const COUNTER_STORE: &[Field] = &[optional("id", text(32)), optional("out_id", text(32))];

const COUNTER_SCENE: &[Field] = &[
    optional("device_id", text(32)),
    optional("device_ip", text(45)),
    required("store_info", Kind::Object(COUNTER_STORE)),
];

const COUNTER_GOODS: &[Field] = &[
    required("merchant_goods_id", text(32)),
    optional("wxpay_goods_id", text(32)),
    optional("goods_name", text(256)),
    required("quantity", Kind::Int { min: 1 }),
    required("unit_price", Kind::Int { min: 0 }),
];

const COUNTER_DETAIL: &[Field] = &[
    optional("cost_price", Kind::Int { min: 0 }),
    optional("invoice_id", text(32)),
    optional("goods_detail", Kind::List(COUNTER_GOODS)),
];

const CODE_PAY: &[Field] = &[
    required("appid", text(32)),
    required("mchid", text(32)),
    required("description", text(127)),
    required(
        "out_trade_no",
        Kind::Chars {
            min: 6,
            max: 32,
            allowed: is_number_character,
        },
    ),
    optional("attach", text(128)),
    optional("goods_tag", text(32)),
    optional("support_fapiao", Kind::Bool),
    required("payer", Kind::Object(CODE_PAYER)),
    required("amount", Kind::Object(AMOUNT)),
    required("scene_info", Kind::Object(COUNTER_SCENE)),
    optional("detail", Kind::Object(COUNTER_DETAIL)),
    optional("settle_info", Kind::Object(SETTLE)),
];

const REVERSE: &[Field] = &[required("appid", text(32)), required("mchid", text(32))];

const CLOSE: &[Field] = &[required("mchid", text(32))];

const FROM: &[Field] = &[
    required("account", Kind::Choice(&["AVAILABLE", "UNAVAILABLE"])),
    required("amount", Kind::Int { min: 1 }),
];

const REFUND_AMOUNT: &[Field] = &[
    required("refund", Kind::Int { min: 1 }),
    required("total", Kind::Int { min: 1 }),
    required("currency", Kind::Choice(&["CNY"])),
    optional("from", Kind::List(FROM)),
];

const REFUND_GOODS: &[Field] = &[
    required("merchant_goods_id", text(32)),
    optional("wechatpay_goods_id", text(32)),
    optional("goods_name", text(256)),
    required("unit_price", Kind::Int { min: 0 }),
    required("refund_amount", Kind::Int { min: 0 }),
    required("refund_quantity", Kind::Int { min: 1 }),
];

const REFUND: &[Field] = &[
    optional("transaction_id", text(32)),
    optional(
        "out_trade_no",
        Kind::Chars {
            min: 6,
            max: 32,
            allowed: is_number_character,
        },
    ),
    required(
        "out_refund_no",
        Kind::Chars {
            min: 1,
            max: 64,
            allowed: is_refund_number_character,
        },
    ),
    optional("reason", text(80)),
    optional("notify_url", text(256)),
    optional("funds_account", Kind::Choice(&["AVAILABLE", "UNSETTLED"])),
    required("amount", Kind::Object(REFUND_AMOUNT)),
    optional("goods_detail", Kind::List(REFUND_GOODS)),
];

const ABNORMAL_REFUND: &[Field] = &[
    required(
        "out_refund_no",
        Kind::Chars {
            min: 1,
            max: 64,
            allowed: is_refund_number_character,
        },
    ),
    required(
        "type",
        Kind::Choice(&["USER_BANK_CARD", "MERCHANT_BANK_CARD"]),
    ),
    optional("bank_type", text(16)),
    optional("bank_account", text(1024)),
    optional("real_name", text(1024)),
];

/// The table of a route; `None` where there is no body.
pub(super) fn of(route: &Route) -> Option<&'static [Field]> {
    match route {
        Route::Create(Product::WechatJsapi) => Some(JSAPI),
        Route::Create(Product::WechatH5) => Some(H5_ORDER),
        Route::Create(_) => Some(ORDER),
        Route::CodePay => Some(CODE_PAY),
        Route::Close(_) => Some(CLOSE),
        Route::Reverse(_) => Some(REVERSE),
        Route::Refund => Some(REFUND),
        Route::AbnormalRefund(_) => Some(ABNORMAL_REFUND),
        Route::QueryByNumber(_)
        | Route::QueryById(_)
        | Route::RefundQuery(_)
        | Route::Certificates => None,
    }
}
