//! Alipay's own structures, names as Alipay spells them (sheet §6 and §7). Amounts are yuan.

#[cfg(feature = "client")]
use serde::{Deserialize, Serialize};

/// Fields of a notification (sheet §8).
pub(super) mod field {
    pub(in super::super) const APP_ID: &str = "app_id";
    pub(in super::super) const GMT_PAYMENT: &str = "gmt_payment";
    pub(in super::super) const GMT_REFUND: &str = "gmt_refund";
    pub(in super::super) const NOTIFY_TYPE: &str = "notify_type";
    pub(in super::super) const OUT_BIZ_NO: &str = "out_biz_no";
    pub(in super::super) const OUT_REQUEST_NO: &str = "out_request_no";
    pub(in super::super) const OUT_TRADE_NO: &str = "out_trade_no";
    pub(in super::super) const REFUND_FEE: &str = "refund_fee";
    pub(in super::super) const SELLER_ID: &str = "seller_id";
    pub(in super::super) const TOTAL_AMOUNT: &str = "total_amount";
    pub(in super::super) const TRADE_NO: &str = "trade_no";
    pub(in super::super) const TRADE_STATUS: &str = "trade_status";
}

/// The `notify_type` of notifications about orders.
pub(super) const TRADE_STATUS_SYNC: &str = "trade_status_sync";

/// `biz_content` of `alipay.trade.precreate`, `page.pay`, `wap.pay` and `app.pay`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct CreateTrade<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) total_amount: String,
    pub(super) subject: String,
    pub(super) product_code: &'a str,
    /// China time.
    pub(super) time_expire: String,
}

/// `biz_content` of `alipay.trade.create`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct JsapiTrade<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) total_amount: String,
    pub(super) subject: String,
    pub(super) product_code: &'static str,
    /// The mini program inside which it is paid.
    pub(super) op_app_id: &'a str,
    #[serde(flatten)]
    pub(super) buyer: Buyer<'a>,
    /// China time.
    pub(super) time_expire: String,
}

/// Who pays, by one of Alipay's two kinds of id.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) enum Buyer<'a> {
    #[serde(rename = "buyer_id")]
    UserId(&'a str),
    #[serde(rename = "buyer_open_id")]
    OpenId(&'a str),
}

/// `biz_content` of `alipay.trade.pay`. It carries the payer's code and does not print.
#[cfg(feature = "client")]
#[derive(Serialize)]
pub(super) struct PayTrade<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) total_amount: String,
    pub(super) subject: String,
    pub(super) scene: &'static str,
    pub(super) auth_code: &'a str,
    pub(super) product_code: &'static str,
    /// China time.
    pub(super) time_expire: String,
}

/// `biz_content` of `alipay.trade.query`, `alipay.trade.close` and `alipay.trade.cancel`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct Trade<'a> {
    pub(super) out_trade_no: &'a str,
}

/// `biz_content` of `alipay.trade.refund`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "names as Alipay spells them")]
pub(super) struct Refund<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) refund_amount: String,
    pub(super) out_request_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_reason: Option<&'a str>,
}

/// `biz_content` of `alipay.trade.fastpay.refund.query`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct RefundQuery<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) out_request_no: &'a str,
    pub(super) query_options: [&'static str; 1],
}

/// The result node of every call: what of it is there depends on the call.
#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) code: String,
    pub(super) msg: Option<String>,
    pub(super) sub_code: Option<String>,
    pub(super) sub_msg: Option<String>,
    pub(super) out_trade_no: Option<String>,
    pub(super) trade_no: Option<String>,
    /// `precreate`.
    pub(super) qr_code: Option<String>,
    /// `query`.
    pub(super) trade_status: Option<String>,
    /// `query`, and the order's amount in the refund query.
    pub(super) total_amount: Option<String>,
    /// `query`: when it was paid, China time.
    pub(super) send_pay_date: Option<String>,
    /// `cancel`: `Y` if the call is to be made again.
    pub(super) retry_flag: Option<String>,
    /// `cancel`: `close` or `refund`.
    pub(super) action: Option<String>,
    /// `refund`: `Y` if this call moved money.
    pub(super) fund_change: Option<String>,
    /// `refund`: what the order has given back so far, this refund included.
    pub(super) refund_fee: Option<String>,
    /// Refund query.
    pub(super) out_request_no: Option<String>,
    /// Refund query.
    pub(super) refund_status: Option<String>,
    /// Refund query: this refund's amount.
    pub(super) refund_amount: Option<String>,
    /// Refund query, China time.
    pub(super) gmt_refund_pay: Option<String>,
}
