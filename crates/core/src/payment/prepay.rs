//! What a client needs to let the payer pay.

use serde::{Deserialize, Serialize};

/// What the caller's client needs to let the payer pay; which kind depends on channel and method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PrepayInfo {
    /// Show `content` as a QR code, unchanged.
    QrCode {
        /// What the code says.
        content: String,
    },
    /// Send the payer's browser there.
    Redirect {
        /// The address.
        url: String,
    },
    /// Let the payer's browser post this form.
    Form {
        /// Where to.
        action: String,
        /// Its hidden inputs, in order: name and value, not yet escaped.
        fields: Vec<(String, String)>,
        /// The same as a complete, escaped HTML form that submits itself.
        html: String,
    },
    /// Hand this to the gateway's client SDK untouched (Alipay app).
    AppOrder {
        /// The signed order string.
        order_string: String,
    },
    /// Parameters of WeChat's JSAPI or `wx.requestPayment`.
    Jsapi {
        /// The app id that signed.
        app_id: String,
        /// Unix seconds, as text.
        time_stamp: String,
        /// Random text.
        nonce_str: String,
        /// `prepay_id=…`.
        package: String,
        /// `RSA`; `MD5` or `HMAC-SHA256` of accounts at API v2.
        sign_type: String,
        /// The signature.
        pay_sign: String,
    },
    /// Parameters of WeChat's client SDK for apps.
    WechatApp {
        /// The app id that signed.
        app_id: String,
        /// The merchant id.
        partner_id: String,
        /// The prepay id.
        prepay_id: String,
        /// `Sign=WXPay`.
        package: String,
        /// Random text.
        nonce_str: String,
        /// Unix seconds, as text.
        time_stamp: String,
        /// The signature.
        sign: String,
    },
}
