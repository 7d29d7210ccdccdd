//! Checks of a request before its business: merchant, certificate, signature, fields (`wechat_v2` sheet §3
//! to §5).

use chrono::NaiveDateTime;

use super::{Refusal, Route, sign, xml::Fields};
use crate::{accounts::WechatV2Merchant, server::ClientCertificate, shared::Shared};

/// A field: its name, its longest value in bytes, and whether it must be there.
type Rule = (&'static str, usize, bool);

const COMMON: &[Rule] = &[
    ("appid", 32, true),
    ("mch_id", 32, true),
    ("nonce_str", 32, true),
    ("sign", 64, true),
    ("sign_type", 32, false),
];
const UNIFIED_ORDER: &[Rule] = &[
    ("device_info", 32, false),
    ("body", 128, true),
    ("detail", 6_000, false),
    ("attach", 127, false),
    ("out_trade_no", 32, true),
    ("fee_type", 16, false),
    ("total_fee", 18, true),
    ("spbill_create_ip", 64, true),
    ("time_start", 14, false),
    ("time_expire", 14, false),
    ("goods_tag", 32, false),
    ("notify_url", 256, true),
    ("trade_type", 16, true),
    ("product_id", 32, false),
    ("limit_pay", 32, false),
    ("openid", 128, false),
    ("receipt", 8, false),
    ("profit_sharing", 16, false),
    ("scene_info", 256, false),
];
const MICROPAY: &[Rule] = &[
    ("device_info", 32, false),
    ("body", 128, true),
    ("detail", 6_000, false),
    ("attach", 127, false),
    ("out_trade_no", 32, true),
    ("fee_type", 16, false),
    ("total_fee", 18, true),
    ("spbill_create_ip", 64, true),
    ("time_start", 14, false),
    ("time_expire", 14, false),
    ("goods_tag", 32, false),
    ("limit_pay", 32, false),
    ("auth_code", 128, true),
    ("receipt", 8, false),
    ("profit_sharing", 16, false),
    ("scene_info", 256, false),
];
const ORDER: &[Rule] = &[("out_trade_no", 32, false), ("transaction_id", 32, false)];
const CLOSE: &[Rule] = &[("out_trade_no", 32, true)];
const REFUND: &[Rule] = &[
    ("transaction_id", 32, false),
    ("out_trade_no", 32, false),
    ("out_refund_no", 64, true),
    ("total_fee", 18, true),
    ("refund_fee", 18, true),
    ("refund_fee_type", 8, false),
    ("refund_desc", 80, false),
    ("refund_account", 30, false),
    ("notify_url", 256, false),
];
const REFUND_QUERY: &[Rule] = &[
    ("transaction_id", 32, false),
    ("out_trade_no", 32, false),
    ("out_refund_no", 64, false),
    ("refund_id", 32, false),
    ("offset", 8, false),
];

/// The merchant that signed; the error is the text of `return_msg`.
pub(super) fn authorize<'a>(
    shared: &'a Shared,
    fields: &Fields,
    certificate: Option<&ClientCertificate>,
) -> Result<&'a WechatV2Merchant, &'static str> {
    let mch_id = fields.get("mch_id").map_or("", String::as_str);
    let merchant = shared.accounts.wechat_v2_merchant(mch_id);
    let merchant = merchant.ok_or("mch_id参数格式错误")?;
    if !sign::is_signed(fields, &merchant.api_key) {
        return Err("签名错误");
    }
    if certificate.is_some_and(|shown| shown.0 != merchant.certificate_der) {
        return Err("证书与商户不匹配");
    }
    Ok(merchant)
}

/// Whether the fields are those that the call takes.
pub(super) fn fields(route: Route, fields: &Fields) -> Result<(), Refusal> {
    let own = match route {
        Route::UnifiedOrder => UNIFIED_ORDER,
        Route::Micropay => MICROPAY,
        Route::OrderQuery | Route::Reverse => ORDER,
        Route::CloseOrder => CLOSE,
        Route::Refund => REFUND,
        Route::RefundQuery => REFUND_QUERY,
    };
    let rules = || COMMON.iter().chain(own);
    for (name, bytes_max, is_required) in rules() {
        let length = fields.get(*name).map_or(0, String::len);
        if *is_required && length == 0 {
            return Err(Refusal::new("LACK_PARAMS", "缺少参数"));
        }
        if length > *bytes_max {
            return Err(bad());
        }
    }
    let is_known = |name: &String| rules().any(|(known, _, _)| known == name);
    if !fields.keys().all(is_known) {
        return Err(bad());
    }
    let text = |name: &str| fields.get(name).map_or("", String::as_str);
    for (name, extra) in [("out_trade_no", "_-|*"), ("out_refund_no", "_-|*@")] {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
        if !text(name).chars().all(is_allowed) {
            return Err(bad());
        }
    }
    for name in ["total_fee", "refund_fee"] {
        let is_number = text(name).parse::<u32>().is_ok_and(|fen| fen > 0);
        let is_plain = text(name).bytes().all(|byte| byte.is_ascii_digit());
        let is_given = !text(name).is_empty();
        if is_given && (!is_number || !is_plain) {
            return Err(bad());
        }
    }
    match route {
        Route::UnifiedOrder => order(fields),
        Route::Micropay => times(fields),
        Route::OrderQuery
        | Route::CloseOrder
        | Route::Reverse
        | Route::Refund
        | Route::RefundQuery => Ok(()),
    }
}

/// What a trade type needs.
fn order(fields: &Fields) -> Result<(), Refusal> {
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_empty());
    let trade_type = fields.get("trade_type").map_or("", String::as_str);
    let lacks = match trade_type {
        "NATIVE" => !has("product_id"),
        "JSAPI" => !has("openid"),
        "MWEB" => !has("scene_info"),
        "APP" => false,
        _ => return Err(bad()),
    };
    if lacks {
        return Err(Refusal::new("LACK_PARAMS", "缺少参数"));
    }
    times(fields)
}

fn times(fields: &Fields) -> Result<(), Refusal> {
    let is_time = |text: &String| NaiveDateTime::parse_from_str(text, super::handle::TIME).is_ok();
    if !fields.get("time_expire").is_none_or(is_time) {
        return Err(bad());
    }
    Ok(())
}

pub(super) fn bad() -> Refusal {
    Refusal::new("PARAM_ERROR", "参数错误")
}
