//! WeChat's messages: flat XML, names as WeChat spells them.

use std::collections::BTreeMap;

use crate::xml::{self, XmlError};

/// The value of `return_code` and `result_code` that is good news.
pub(super) const SUCCESS: &str = "SUCCESS";

/// Names of fields that are read in several places.
pub(super) mod field {
    pub(in super::super) const APPID: &str = "appid";
    pub(in super::super) const ERR_CODE: &str = "err_code";
    pub(in super::super) const ERR_CODE_DES: &str = "err_code_des";
    pub(in super::super) const FEE_TYPE: &str = "fee_type";
    pub(in super::super) const MCH_ID: &str = "mch_id";
    pub(in super::super) const NONCE_STR: &str = "nonce_str";
    pub(in super::super) const OUT_REFUND_NO: &str = "out_refund_no";
    pub(in super::super) const OUT_TRADE_NO: &str = "out_trade_no";
    pub(in super::super) const REFUND_FEE: &str = "refund_fee";
    pub(in super::super) const REFUND_ID: &str = "refund_id";
    pub(in super::super) const REFUND_STATUS: &str = "refund_status";
    pub(in super::super) const REQ_INFO: &str = "req_info";
    pub(in super::super) const RESULT_CODE: &str = "result_code";
    pub(in super::super) const RETURN_CODE: &str = "return_code";
    pub(in super::super) const RETURN_MSG: &str = "return_msg";
    pub(in super::super) const SIGN: &str = "sign";
    pub(in super::super) const SIGN_TYPE: &str = "sign_type";
    pub(in super::super) const TIME_END: &str = "time_end";
    pub(in super::super) const TOTAL_FEE: &str = "total_fee";
    pub(in super::super) const TRADE_STATE: &str = "trade_state";
    pub(in super::super) const TRANSACTION_ID: &str = "transaction_id";
}

/// Fields by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(BTreeMap<String, String>);

impl Message {
    /// Reads a request or an answer.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        xml::parse(bytes, "xml").map(Self)
    }

    /// Reads what `req_info` held.
    pub(super) fn parse_opened(bytes: &[u8]) -> Result<Self, XmlError> {
        xml::parse(bytes, "root").map(Self)
    }

    /// A field's text; `None` where it is absent or empty, which mean the same here.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Whether `name` says `SUCCESS`.
    pub(super) fn is_success(&self, name: &str) -> bool {
        self.get(name) == Some(SUCCESS)
    }

    /// All fields, by name.
    pub(super) fn fields(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(feature = "client")]
impl Message {
    /// Sets a field.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// As it is sent.
    pub(super) fn to_xml(&self) -> String {
        xml::write(&self.0)
    }
}

#[cfg(test)]
impl FromIterator<(String, String)> for Message {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}
