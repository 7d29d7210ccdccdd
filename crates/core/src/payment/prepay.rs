//! What a client needs to let the payer pay.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Secret;

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
    /// The trade that `my.tradePay` or `AlipayJSBridge` pays inside Alipay (JSAPI).
    AlipayTrade {
        /// Alipay's number of the trade, which is what they take as `tradeNO`.
        trade_no: String,
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
/// client and does not print. Open it does not serialise: it is written down sealed.
#[derive(Clone)]
pub enum ClientSecret {
    /// As the gateway gave it.
    Open(Secret),
    /// As it is stored.
    Sealed(String),
}

impl ClientSecret {
    /// The text, if it is open.
    pub fn expose(&self) -> Option<&str> {
        match self {
            Self::Open(secret) => Some(secret.expose()),
            Self::Sealed(_) => None,
        }
    }
}

impl PartialEq for ClientSecret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open(one), Self::Open(other)) => one.expose() == other.expose(),
            (Self::Sealed(one), Self::Sealed(other)) => one == other,
            (Self::Open(_) | Self::Sealed(_), _) => false,
        }
    }
}

impl Eq for ClientSecret {}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(_) => Err(serde::ser::Error::custom("an open client secret")),
            Self::Sealed(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepay(client_secret: ClientSecret) -> PrepayInfo {
        PrepayInfo::ClientSecret {
            client_secret,
            publishable_key: "pk_1".to_owned(),
        }
    }

    #[test]
    fn a_client_secret_is_written_down_sealed_only() {
        let open = prepay(ClientSecret::Open(Secret::new("pi_1_secret".to_owned())));
        assert!(!format!("{open:?}").contains("pi_1_secret"));
        assert!(serde_json::to_string(&open).is_err());
        let sealed = prepay(ClientSecret::Sealed("c2VhbGVk".to_owned()));
        let written = serde_json::to_string(&sealed).unwrap();
        let read: PrepayInfo = serde_json::from_str(&written).unwrap();
        assert_eq!(read, sealed);
        assert_ne!(read, open);
    }
}
