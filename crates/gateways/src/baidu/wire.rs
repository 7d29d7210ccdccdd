//! Baidu's structures, names as Baidu spells them.

/// Fields of the callbacks (sheet §4 to §6).
pub(super) mod field {
    pub(in super::super) const APPLY_REFUND_MONEY: &str = "applyRefundMoney";
    pub(in super::super) const DEAL_ID: &str = "dealId";
    pub(in super::super) const ORDER_ID: &str = "orderId";
    pub(in super::super) const PAY_TIME: &str = "payTime";
    pub(in super::super) const REFUND_BATCH_ID: &str = "refundBatchId";
    pub(in super::super) const REFUND_STATUS: &str = "refundStatus";
    pub(in super::super) const RSA_SIGN: &str = "rsaSign";
    pub(in super::super) const STATUS: &str = "status";
    pub(in super::super) const TOTAL_MONEY: &str = "totalMoney";
    pub(in super::super) const TP_ORDER_ID: &str = "tpOrderId";
}

#[cfg(feature = "client")]
pub(super) use outbound::{Answer, FoundOrder, FoundRefund, MadeRefund, Token};

#[cfg(feature = "client")]
mod outbound {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    /// A number or a text: the SDK has ids and amounts as either (sheet §8).
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(from = "Either")]
    pub(in super::super) struct Text(pub(in super::super) String);

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }

    impl From<Either> for Text {
        fn from(either: Either) -> Self {
            match either {
                Either::Number(number) => Self(number.to_string()),
                Either::Text(text) => Self(text),
            }
        }
    }

    /// Any answer: of the service (`errno`) or of the gateway before it (`error_code`).
    #[derive(Debug, Deserialize)]
    pub(in super::super) struct Answer<'a> {
        pub(in super::super) errno: Option<i64>,
        pub(in super::super) msg: Option<String>,
        #[serde(borrow)]
        pub(in super::super) data: Option<&'a RawValue>,
        pub(in super::super) error_code: Option<i64>,
        pub(in super::super) error_msg: Option<String>,
    }

    /// The answer of the token endpoint.
    #[derive(Deserialize)]
    pub(in super::super) struct Token {
        #[serde(rename = "access_token")]
        pub(in super::super) access: Option<String>,
        pub(in super::super) expires_in: Option<i64>,
        pub(in super::super) error: Option<String>,
        pub(in super::super) error_description: Option<String>,
    }

    /// `findByTpOrderId`.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in super::super) struct FoundOrder {
        pub(in super::super) order_id: Option<Text>,
        pub(in super::super) user_id: Option<Text>,
        pub(in super::super) tp_order_id: Option<String>,
        pub(in super::super) deal_id: Option<Text>,
        pub(in super::super) status: Option<i64>,
        pub(in super::super) total_money: Option<Text>,
    }

    /// One entry of `findOrderRefund`.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in super::super) struct FoundRefund {
        pub(in super::super) biz_refund_batch_id: Option<Text>,
        pub(in super::super) refund_batch_id: Option<Text>,
        #[serde(rename = "refundStatus")]
        pub(in super::super) status: Option<i64>,
    }

    /// `applyOrderRefund`.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in super::super) struct MadeRefund {
        pub(in super::super) refund_batch_id: Option<Text>,
        pub(in super::super) refund_pay_money: Option<Text>,
    }
}
