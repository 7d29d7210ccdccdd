//! UnionPay's messages: names as UnionPay spells them (sheet §2 and §4), and the two ways in which
//! they come: notifications as forms, answers as raw pairs.

#[cfg(feature = "client")]
use crate::form::Form;

/// Names of fields.
pub(super) mod field {
    pub(in super::super) const CURRENCY_CODE: &str = "currencyCode";
    pub(in super::super) const ENCODING: &str = "encoding";
    pub(in super::super) const MER_ID: &str = "merId";
    pub(in super::super) const ORDER_ID: &str = "orderId";
    #[cfg(feature = "client")]
    pub(in super::super) const ORIG_RESP_CODE: &str = "origRespCode";
    #[cfg(feature = "client")]
    pub(in super::super) const ORIG_RESP_MSG: &str = "origRespMsg";
    #[cfg(feature = "client")]
    pub(in super::super) const QR_CODE: &str = "qrCode";
    pub(in super::super) const QUERY_ID: &str = "queryId";
    pub(in super::super) const REQ_RESERVED: &str = "reqReserved";
    pub(in super::super) const RESP_CODE: &str = "respCode";
    pub(in super::super) const RESP_MSG: &str = "respMsg";
    pub(in super::super) const SIGN_METHOD: &str = "signMethod";
    pub(in super::super) const SIGN_PUB_KEY_CERT: &str = "signPubKeyCert";
    pub(in super::super) const SIGNATURE: &str = "signature";
    #[cfg(feature = "client")]
    pub(in super::super) const TN: &str = "tn";
    pub(in super::super) const TRACE_TIME: &str = "traceTime";
    pub(in super::super) const TXN_AMT: &str = "txnAmt";
    pub(in super::super) const TXN_TIME: &str = "txnTime";
    pub(in super::super) const TXN_TYPE: &str = "txnType";
    pub(in super::super) const VERSION: &str = "version";
}

pub(super) const VERSION: &str = "5.1.0";
pub(super) const ENCODING: &str = "UTF-8";
/// RSA with SHA-256, certificates.
pub(super) const SIGN_METHOD: &str = "01";
/// ISO 4217's number of CNY.
pub(super) const CURRENCY_CNY: &str = "156";

/// `txnType` of a payment.
pub(super) const TYPE_PAYMENT: &str = "01";
/// `txnType` of a refund.
pub(super) const TYPE_REFUND: &str = "04";

/// Reads an answer: `k=v&k=v` as it stands, not percent-encoded. An `&` inside of braces or brackets
/// belongs to the value, and so does every `=` but the first. `None` if that gives no fields.
#[cfg(feature = "client")]
pub(super) fn parse_answer(body: &[u8]) -> Option<Form> {
    let whole = body
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"))
        .unwrap_or(body);
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut depth = 0_usize;
    let at_top = whole.split(|byte| {
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b'&' && depth == 0
    });
    for pair in at_top.filter(|pair| !pair.is_empty()) {
        let split = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at(split);
        pairs.push((name.to_vec(), value.get(1..)?.to_vec()));
    }
    Form::try_from_pairs(pairs.into_iter()).ok()
}
