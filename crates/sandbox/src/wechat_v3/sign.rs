//! WeChat Pay's strings to sign (`wechat_v3` sheet §2, §3) and the `Authorization` header.

use std::collections::HashMap;

/// Scheme of the `Authorization` header and value of `Wechatpay-Signature-Type`.
pub(crate) const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// The five pairs of an `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) mchid: String,
    pub(crate) nonce: String,
    pub(crate) signature: String,
    pub(crate) timestamp: String,
    pub(crate) serial_no: String,
}

impl Authorization {
    /// One space after the scheme, double quotes, commas without spaces, any order.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let pairs = header.strip_prefix(SCHEME)?.strip_prefix(' ')?;
        let mut found = HashMap::new();
        for pair in pairs.split(',') {
            let (name, quoted) = pair.split_once('=')?;
            let value = quoted.strip_prefix('"')?.strip_suffix('"')?;
            if value.is_empty() || found.insert(name, value.to_owned()).is_some() {
                return None;
            }
        }
        let parsed = Self {
            mchid: found.remove("mchid")?,
            nonce: found.remove("nonce_str")?,
            signature: found.remove("signature")?,
            timestamp: found.remove("timestamp")?,
            serial_no: found.remove("serial_no")?,
        };
        found.is_empty().then_some(parsed)
    }
}

/// What the merchant signs: five lines, each ended by a line feed, the body as it was sent.
pub(crate) fn request_bytes(
    method: &str,
    path: &str,
    (timestamp, nonce): (&str, &str),
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!("{method}\n{path}\n{timestamp}\n{nonce}\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes.push(b'\n');
    bytes
}

/// What WeChat Pay signs in answers and callbacks: three lines.
pub(crate) fn response_bytes(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{timestamp}\n{nonce}\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes.push(b'\n');
    bytes
}
