//! WeChat Pay's own structures, names as WeChat spells them (sheet §5 to §10). Amounts are fen.

use serde::Deserialize;
#[cfg(feature = "client")]
use serde::Serialize;

/// As much of a notification as the door looks at.
#[derive(Debug, Deserialize)]
pub(super) struct EnvelopeHead {
    pub(super) id: String,
    pub(super) event_type: String,
}

/// A notification.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) event_type: String,
    pub(super) resource: Sealed,
}

/// Something sealed with the `APIv3` key.
#[derive(Debug, Deserialize)]
pub(super) struct Sealed {
    pub(super) algorithm: String,
    pub(super) ciphertext: String,
    /// May be empty or absent.
    #[serde(default)]
    pub(super) associated_data: String,
    pub(super) nonce: String,
}

/// An order, in notifications and queries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "names as WeChat spells them")]
pub(super) struct Transaction {
    pub(super) mchid: Option<String>,
    pub(super) appid: Option<String>,
    pub(super) out_trade_no: Option<String>,
    /// Absent while unpaid.
    pub(super) transaction_id: Option<String>,
    pub(super) trade_state: Option<String>,
    pub(super) trade_state_desc: Option<String>,
    /// RFC 3339.
    pub(super) success_time: Option<String>,
    pub(super) amount: Option<Amount>,
}

/// A refund, in notifications (`refund_status`) and answers (`status`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "names as WeChat spells them")]
pub(super) struct Refund {
    /// In notifications only.
    pub(super) mchid: Option<String>,
    pub(super) out_trade_no: Option<String>,
    pub(super) out_refund_no: Option<String>,
    pub(super) refund_id: Option<String>,
    /// In answers.
    pub(super) status: Option<String>,
    /// In notifications.
    pub(super) refund_status: Option<String>,
    /// RFC 3339.
    pub(super) success_time: Option<String>,
    pub(super) amount: Option<Amount>,
}

/// Amounts of an order or refund.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Amount {
    /// Of the order.
    pub(super) total: Option<i64>,
    /// Of the refund.
    pub(super) refund: Option<i64>,
    /// Absent in refund notifications: then it is CNY.
    pub(super) currency: Option<String>,
}

/// Body of `POST /v3/pay/transactions/{product}`. It depends on the order alone: a repeat must be
/// the same to the byte.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct CreateOrder<'a> {
    pub(super) appid: &'a str,
    pub(super) mchid: &'a str,
    pub(super) description: &'a str,
    pub(super) out_trade_no: &'a str,
    pub(super) time_expire: String,
    pub(super) notify_url: &'a str,
    pub(super) amount: OrderAmount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payer: Option<Payer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scene_info: Option<SceneInfo<'a>>,
}

#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct OrderAmount {
    pub(super) total: i64,
    pub(super) currency: &'static str,
}

#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct Payer<'a> {
    pub(super) openid: &'a str,
}

/// Needed by H5.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct SceneInfo<'a> {
    pub(super) payer_client_ip: String,
    pub(super) h5_info: H5Info<'a>,
}

#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct H5Info<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_url: Option<&'a str>,
}

/// Answer of a create; which field is there depends on the product.
#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Created {
    pub(super) prepay_id: Option<String>,
    pub(super) code_url: Option<String>,
    pub(super) h5_url: Option<String>,
}

/// Body of `POST /v3/pay/transactions/codepay`. It holds a payer's code, so it does not print.
#[cfg(feature = "client")]
#[derive(Serialize)]
pub(super) struct CodePay<'a> {
    pub(super) appid: &'a str,
    pub(super) mchid: &'a str,
    pub(super) description: &'a str,
    pub(super) out_trade_no: &'a str,
    pub(super) payer: CodePayer<'a>,
    pub(super) amount: OrderAmount,
    pub(super) scene_info: CounterScene<'a>,
}

#[cfg(feature = "client")]
#[derive(Serialize)]
pub(super) struct CodePayer<'a> {
    pub(super) auth_code: &'a str,
}

/// Where the code was scanned.
#[cfg(feature = "client")]
#[derive(Serialize)]
pub(super) struct CounterScene<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_ip: Option<String>,
    pub(super) store_info: StoreInfo<'a>,
}

#[cfg(feature = "client")]
#[derive(Serialize)]
pub(super) struct StoreInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) out_id: Option<&'a str>,
}

/// Body of a reversal.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct ReverseOrder<'a> {
    pub(super) appid: &'a str,
    pub(super) mchid: &'a str,
}

/// Body of a close.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct CloseOrder<'a> {
    pub(super) mchid: &'a str,
}

/// Body of `POST /v3/refund/domestic/refunds`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct CreateRefund<'a> {
    pub(super) out_trade_no: &'a str,
    pub(super) out_refund_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    pub(super) notify_url: &'a str,
    pub(super) amount: RefundAmount,
}

#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct RefundAmount {
    pub(super) refund: i64,
    pub(super) total: i64,
    pub(super) currency: &'static str,
}

/// Body of `POST …/refunds/{refund_id}/apply-abnormal-refund`.
#[cfg(feature = "client")]
#[derive(Debug, Serialize)]
pub(super) struct ApplyAbnormalRefund<'a> {
    pub(super) out_refund_no: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// Body of every refusal. Refusals are not signed.
#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

/// Answer of `GET /v3/certificates`.
#[cfg(feature = "client")]
#[derive(Debug, Deserialize)]
pub(super) struct Certificates {
    pub(super) data: Vec<SealedCertificate>,
}

#[cfg(feature = "client")]
#[derive(Debug, Deserialize)]
pub(super) struct SealedCertificate {
    pub(super) serial_no: String,
    /// RFC 3339.
    pub(super) effective_time: String,
    /// RFC 3339.
    pub(super) expire_time: String,
    pub(super) encrypt_certificate: Sealed,
}
