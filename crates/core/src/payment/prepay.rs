//! What a client needs to let the payer pay.

use std::fmt;

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
    /// What `swan.requestPolymerPayment` takes as `orderInfo` in Baidu's smart programs.
    BaiduOrder(BaiduOrder),
    /// Lets the gateway's own code in the caller's client confirm the payment (Stripe).
    ClientSecret {
        /// For the payer's client only.
        client_secret: ClientSecret,
        /// The account's public key for that code; empty if the account names none.
        publishable_key: String,
    },
}

/// Order information of Baidu's cashier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaiduOrder {
    /// The settlement agreement.
    pub deal_id: String,
    /// The payment appKey.
    pub app_key: String,
    /// The amount in fen, as text.
    pub total_amount: String,
    /// Our request number.
    pub tp_order_id: String,
    /// What the payer sees.
    pub deal_title: String,
    /// `1`: the signature covers the amount.
    pub sign_fields_range: String,
    /// The signature.
    pub rsa_sign: String,
    /// JSON, as text.
    pub biz_info: String,
    /// Where Baidu posts its callback about the payment.
    pub notify_url: String,
}

/// Whoever holds it can confirm this one payment, with means of payment of their own. It goes to the payer's
/// client and does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// Wraps it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the caller.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
