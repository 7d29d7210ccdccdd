//! What UnionPay checks before it looks at the business: form, fields, merchant, time, signature
//! (unionpay sheet §2 to §6).

use axum::body::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::{HeaderMap, header::CONTENT_TYPE};

use super::{Fields, sign};
use crate::{
    accounts::UnionpayMerchant,
    fault::Operation,
    shared::Shared,
    state::{Gateway, OrderKey},
};

/// Page orders, posted by browsers.
pub(super) const FRONT: &str = "frontTransReq.do";
/// How far `txnTime` may be off. The sheet says "now" and names no number; refunds may have waited.
const TXN_TIME_SKEW: TimeDelta = TimeDelta::days(1);
/// Hours that China is ahead.
const CHINA_AHEAD: TimeDelta = TimeDelta::hours(8);
const TIME_FORMAT: &str = "%Y%m%d%H%M%S";
const TIME_LENGTH: usize = 14;
/// Characters of `orderId` (sheet §4).
const ORDER_ID_LENGTH: std::ops::RangeInclusive<usize> = 8..=40;
/// Digits of `txnAmt`.
const AMOUNT_LENGTH_MAX: usize = 12;
/// Characters of `frontUrl` and `backUrl`.
const URL_LENGTH_MAX: usize = 256;
/// Bytes of `reqReserved` (sheet §4), and of texts that the sheet gives no limit for.
const TEXT_LENGTH_MAX: usize = 1024;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Page,
    App,
    Qr,
    Query,
    Refund,
    Unknown,
}

impl Kind {
    /// By endpoint, `txnType` and `txnSubType` (sheet §5 to §8).
    fn find(endpoint: &str, fields: &Fields) -> Self {
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        match (endpoint, field("txnType"), field("txnSubType")) {
            (FRONT, "01", "01") => Self::Page,
            ("appTransReq.do", "01", "01") => Self::App,
            ("backTransReq.do", "01", "07") => Self::Qr,
            ("backTransReq.do", "04", "00") => Self::Refund,
            ("queryTrans.do", "00", "00") => Self::Query,
            _ => Self::Unknown,
        }
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Page | Self::App | Self::Qr => Operation::Create,
            Self::Query => Operation::Query,
            Self::Refund => Operation::Refund,
            Self::Unknown => Operation::Unknown,
        }
    }

    /// `bizType`, and the channel types that go with it.
    fn product(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Page => (&["000201"], &["07", "08"]),
            Self::App => (&["000201", "000000"], &["08"]),
            Self::Qr => (&["000000"], &["08"]),
            Self::Refund => (&["000201", "000000"], &["07", "08"]),
            Self::Query | Self::Unknown => (&["000201", "000000"], &[]),
        }
    }

    /// Fields beside the common ones that must be there.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Page => &["txnAmt", "currencyCode", "frontUrl", "backUrl"],
            Self::App | Self::Qr => &["txnAmt", "currencyCode", "backUrl"],
            Self::Refund => &["txnAmt", "currencyCode", "backUrl", "origQryId"],
            Self::Query | Self::Unknown => &[],
        }
    }
}

/// A refusal in UnionPay's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: &str, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    fn missing(field: &str) -> Self {
        Self::new("13", &format!("报文字段缺失{field}"))
    }

    fn format(field: &str) -> Self {
        Self::new("10", &format!("报文格式错误{field}"))
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} {}", self.code, self.message)
    }

    pub(super) fn fields(&self) -> Fields {
        Fields::from([
            ("respCode".to_owned(), self.code.clone()),
            (
                "respMsg".to_owned(),
                format!("{}[10000{}]", self.message, self.code),
            ),
        ])
    }
}

/// A request that UnionPay lets in.
pub(super) struct Checked {
    pub(super) kind: Kind,
    pub(super) mer_id: String,
    pub(super) fields: Fields,
    pub(super) txn_time: DateTime<Utc>,
}

impl Checked {
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    pub(super) fn order_key(&self) -> OrderKey {
        OrderKey {
            gateway: Gateway::Unionpay,
            account: self.mer_id.clone(),
            out_trade_no: self.text("orderId").to_owned(),
        }
    }
}

/// Decodes a form once. No name may come twice, and no value may be empty.
pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Fields, Refusal> {
    let is_form = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .to_lowercase()
                .starts_with("application/x-www-form-urlencoded")
        });
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(if is_form { body } else { &[] }) {
        if value.is_empty()
            || fields
                .insert(name.clone().into_owned(), value.into_owned())
                .is_some()
        {
            return Err(Refusal::format(&name));
        }
    }
    Ok(fields)
}

/// Lets a request in or words the refusal.
pub(super) fn request(
    shared: &Shared,
    endpoint: &str,
    fields: &Fields,
) -> Result<Checked, Refusal> {
    let field = |name: &'static str| {
        fields
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| Refusal::missing(name))
    };
    for (name, expected) in [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("accessType", "0"),
    ] {
        if field(name)? != expected {
            return Err(Refusal::format(name));
        }
    }
    let mer_id = field("merId")?;
    let merchant = shared
        .accounts
        .unionpay_merchant(mer_id)
        .ok_or_else(|| Refusal::new("31", "商户状态不正确"))?;
    signature(merchant, field("certId")?, field("signature")?, fields)?;
    let kind = Kind::find(endpoint, fields);
    if kind == Kind::Unknown {
        return Err(Refusal::format("txnType"));
    }
    let (biz_types, channel_types) = kind.product();
    if !biz_types.contains(&field("bizType")?) {
        return Err(Refusal::format("bizType"));
    }
    if !channel_types.is_empty() && !channel_types.contains(&field("channelType")?) {
        return Err(Refusal::format("channelType"));
    }
    for name in kind.required() {
        field(name)?;
    }
    lengths(fields)?;
    let txn_time = time(field("txnTime")?).ok_or_else(|| Refusal::format("txnTime"))?;
    let is_now = shared.now().signed_duration_since(txn_time).abs() <= TXN_TIME_SKEW;
    if kind != Kind::Query && !is_now {
        return Err(Refusal::format("txnTime"));
    }
    field("orderId")?;
    Ok(Checked {
        kind,
        mer_id: mer_id.to_owned(),
        fields: fields.clone(),
        txn_time,
    })
}

fn signature(
    merchant: &UnionpayMerchant,
    cert_id: &str,
    signature: &str,
    fields: &Fields,
) -> Result<(), Refusal> {
    let is_good = cert_id == merchant.cert_id
        && !signature.is_empty()
        && sign::is_signed(&merchant.public_key, fields);
    if is_good {
        Ok(())
    } else {
        Err(Refusal::new("11", "验证签名失败"))
    }
}

/// Form and length of each field that is there.
fn lengths(fields: &Fields) -> Result<(), Refusal> {
    for (name, value) in fields {
        let is_plain = |length_max: usize| {
            value.len() <= length_max && value.bytes().all(|b| b.is_ascii_digit())
        };
        let is_fine = match name.as_str() {
            "orderId" => {
                ORDER_ID_LENGTH.contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric())
            }
            "txnAmt" => is_plain(AMOUNT_LENGTH_MAX) && fen(value).is_some(),
            "currencyCode" => value == "156",
            "payTimeout" => time(value).is_some(),
            "frontUrl" | "backUrl" => {
                let is_web = value.starts_with("http://") || value.starts_with("https://");
                is_web && value.chars().count() <= URL_LENGTH_MAX && !value.contains('?')
            }
            "signature" => value.len() <= 1024,
            _ => value.len() <= TEXT_LENGTH_MAX && !value.contains(['&', '{', '}', '[', ']']),
        };
        if !is_fine {
            return Err(Refusal::format(name));
        }
    }
    Ok(())
}

/// An amount: at least one fen, no leading zero.
pub(super) fn fen(text: &str) -> Option<i64> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|fen| is_plain && *fen >= 1)
}

/// Reads a time as UnionPay writes it.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    let china = NaiveDateTime::parse_from_str(text, TIME_FORMAT).ok()?;
    let utc = china.checked_sub_signed(CHINA_AHEAD)?.and_utc();
    (text.len() == TIME_LENGTH).then_some(utc)
}
