//! Starting a payment (sheet §3): nothing is called. The order information is signed, and the order exists at
//! Baidu once the payer's smart program brings it to the cashier.

use std::collections::BTreeMap;

use kassa_core::channel::Method;
use kassa_core::payment::{BaiduOrder, PrepayInfo};
use serde_json::json;

use super::super::config::Settings;
use super::super::sign::sign;
use super::fen;
use crate::error::unsupported;
use crate::{CallError, PlaceOrder, Placed};

/// The signature covers the amount too; `0` would leave it out (sheet §3).
const SIGN_FIELDS_RANGE: &str = "1";

pub(in crate::baidu) fn place(
    settings: &Settings,
    order: &PlaceOrder,
) -> Result<Placed, CallError> {
    if order.method != Method::MiniProgram {
        return Err(unsupported("baidu takes orders of smart programs only"));
    }
    let total_amount = fen(order.amount)?;
    let fields = BTreeMap::from([
        ("appKey", settings.app_key.clone()),
        ("dealId", settings.deal_id.clone()),
        ("totalAmount", total_amount.clone()),
        ("tpOrderId", order.request_number.clone()),
    ]);
    let rsa_sign = sign(&settings.merchant_private_key, &fields)
        .map_err(|error| CallError::NotSent(error.to_string()))?;
    let biz_info = json!({
        "tpData": {
            "appKey": settings.app_key,
            "dealId": settings.deal_id,
            "tpOrderId": order.request_number,
            "rsaSign": rsa_sign,
            "totalAmount": total_amount,
            "returnData": {},
            "displayData": {"cashierTopBlock": [[]]},
        },
    });
    let prepay = PrepayInfo::BaiduOrder(BaiduOrder {
        deal_id: settings.deal_id.clone(),
        app_key: settings.app_key.clone(),
        total_amount,
        tp_order_id: order.request_number.clone(),
        deal_title: order.subject.as_str().to_owned(),
        sign_fields_range: SIGN_FIELDS_RANGE.to_owned(),
        rsa_sign,
        biz_info: biz_info.to_string(),
        notify_url: order.notify_url.to_string(),
    });
    Ok(Placed::open(prepay, None))
}
