//! Checks of a request that Alipay makes before it looks at the business: parameters, app, time,
//! signature (alipay sheet §2, §3). The app is checked before the signature.

use axum::body::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use super::{Params, answer::GatewayError, fields, sign};
use crate::{
    accounts::AlipayApp,
    fault::Operation,
    schema::{self, Violation},
    shared::Shared,
};

/// How far a request's timestamp may be off; the sheet names no number.
pub(super) const TIMESTAMP_SKEW: TimeDelta = TimeDelta::minutes(15);
/// Characters of `notify_url` (alipay sheet §2).
const NOTIFY_URL_MAX: usize = 256;
/// How Alipay writes times, in China's zone.
pub(super) const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S";
/// Hours that China is ahead.
const CHINA_AHEAD: TimeDelta = TimeDelta::hours(8);

/// Public parameters; the last ones are added by official SDKs.
const PUBLIC_PARAMETERS: [&str; 18] = [
    "app_id",
    "method",
    "format",
    "charset",
    "sign_type",
    "sign",
    "timestamp",
    "version",
    "notify_url",
    "return_url",
    "app_auth_token",
    "biz_content",
    "app_cert_sn",
    "alipay_root_cert_sn",
    "encrypt_type",
    "alipay_sdk",
    "prod_code",
    "terminal_type",
];

/// The methods that this sandbox serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    PagePay,
    WapPay,
    AppPay,
    Precreate,
    Create,
    Pay,
    Query,
    Close,
    Cancel,
    Refund,
    RefundQuery,
}

const METHODS: [(&str, Method); 11] = [
    ("alipay.trade.page.pay", Method::PagePay),
    ("alipay.trade.wap.pay", Method::WapPay),
    ("alipay.trade.app.pay", Method::AppPay),
    ("alipay.trade.precreate", Method::Precreate),
    ("alipay.trade.create", Method::Create),
    ("alipay.trade.pay", Method::Pay),
    ("alipay.trade.query", Method::Query),
    ("alipay.trade.close", Method::Close),
    ("alipay.trade.cancel", Method::Cancel),
    ("alipay.trade.refund", Method::Refund),
    ("alipay.trade.fastpay.refund.query", Method::RefundQuery),
];

impl Method {
    pub(super) fn find(params: &Params) -> Option<Self> {
        let name = params.get("method")?;
        METHODS
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, method)| *method)
    }

    fn name(self) -> &'static str {
        METHODS
            .iter()
            .find(|(_, method)| *method == self)
            .map_or("", |(name, _)| *name)
    }

    pub(super) fn node_name(self) -> String {
        format!("{}_response", self.name().replace('.', "_"))
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::PagePay
            | Self::WapPay
            | Self::AppPay
            | Self::Precreate
            | Self::Create
            | Self::Pay => Operation::Create,
            Self::Query => Operation::Query,
            Self::Close | Self::Cancel => Operation::Close,
            Self::Refund => Operation::Refund,
            Self::RefundQuery => Operation::RefundQuery,
        }
    }

    /// Page and wap requests are made by the payer's browser at the gateway's address.
    pub(super) fn is_for_browser(self) -> bool {
        matches!(self, Self::PagePay | Self::WapPay)
    }
}

/// A request that the gateway lets in.
pub(super) struct Checked<'a> {
    pub(super) app: &'a AlipayApp,
    pub(super) method: Method,
    pub(super) params: Params,
    pub(super) biz: Map<String, Value>,
}

impl Checked<'_> {
    /// A text of `biz_content`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.biz.get(name).and_then(Value::as_str)
    }
}

/// Decodes query and form body once. No parameter may come twice.
pub(super) fn read(query: &str, headers: &HeaderMap, body: &Bytes) -> Result<Params, GatewayError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_form = content_type.is_some_and(|value| {
        value
            .to_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    let form: &[u8] = if is_form { body } else { &[] };
    let mut params = Params::new();
    for (name, value) in
        form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form))
    {
        if params
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return Err(GatewayError::invalid("isv.invalid-parameter"));
        }
    }
    Ok(params)
}

/// `biz_content` as an object, unchecked.
pub(super) fn biz_content(params: &Params) -> Option<Map<String, Value>> {
    params
        .get("biz_content")
        .and_then(|text| serde_json::from_str(text).ok())
}

/// Lets a request in or words the refusal.
pub(super) fn request<'a>(
    shared: &'a Shared,
    params: &Params,
) -> Result<Checked<'a>, GatewayError> {
    let present = |name: &str| params.get(name).filter(|value| !value.is_empty());
    present("method").ok_or_else(|| GatewayError::missing("isv.missing-method"))?;
    let method = Method::find(params).ok_or_else(|| GatewayError::invalid("isv.invalid-method"))?;
    let app_id = present("app_id").ok_or_else(|| GatewayError::missing("isv.missing-app-id"))?;
    let app = shared
        .accounts
        .alipay_app(app_id)
        .ok_or_else(|| GatewayError::invalid("isv.invalid-app-id"))?;
    public_parameters(shared.now(), method, params)?;
    certificate_serials(app, params)?;
    if !sign::is_request_signed(&app.public_key, params) {
        return Err(GatewayError::invalid("isv.invalid-signature"));
    }
    let biz = biz_content(params).ok_or_else(|| GatewayError::invalid("isv.invalid-parameter"))?;
    Ok(Checked {
        app,
        method,
        params: params.clone(),
        biz,
    })
}

/// Checks `biz_content` against the method's table. This refusal is the business's own and signed.
pub(super) fn business(checked: &Checked<'_>) -> Result<(), GatewayError> {
    match schema::violation(fields::of(checked.method), &checked.biz) {
        None => Ok(()),
        Some(Violation { path, issue, .. }) => {
            let sub_msg = format!("参数无效：{path} {issue}");
            Err(GatewayError::business("ACQ.INVALID_PARAMETER", &sub_msg))
        }
    }
}

fn public_parameters(
    now: DateTime<Utc>,
    method: Method,
    params: &Params,
) -> Result<(), GatewayError> {
    let value = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    for (name, sub_code) in [
        ("sign", "isv.missing-signature"),
        ("sign_type", "isv.missing-signature-type"),
        ("charset", "isv.missing-charset"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
        ("biz_content", "isv.missing-biz-content"),
    ] {
        if value(name).is_empty() {
            return Err(GatewayError::missing(sub_code));
        }
    }
    if params
        .keys()
        .any(|name| !PUBLIC_PARAMETERS.contains(&name.as_str()))
    {
        return Err(GatewayError::invalid("isv.invalid-parameter"));
    }
    let is_json = matches!(value("format"), "" | "JSON" | "json");
    let is_utf8 = value("charset").eq_ignore_ascii_case("utf-8");
    let is_url = |name: &str| {
        let url = value(name);
        url.is_empty()
            || (url.chars().count() <= NOTIFY_URL_MAX
                && (url.starts_with("http://") || url.starts_with("https://")))
    };
    let takes_return_url = matches!(method, Method::PagePay | Method::WapPay);
    for (is_fine, sub_code) in [
        (value("sign_type") == "RSA2", "isv.invalid-signature-type"),
        (is_utf8, "isv.invalid-charset"),
        (value("version") == "1.0", "isv.invalid-parameter"),
        (is_json, "isv.invalid-format"),
        (is_recent(now, value("timestamp")), "isv.invalid-timestamp"),
        (is_url("notify_url"), "isv.invalid-parameter"),
        (is_url("return_url"), "isv.invalid-parameter"),
        (
            takes_return_url || value("return_url").is_empty(),
            "isv.invalid-parameter",
        ),
    ] {
        if !is_fine {
            return Err(GatewayError::invalid(sub_code));
        }
    }
    if !value("encrypt_type").is_empty() {
        return Err(GatewayError::condition("isv.missing-encrypt-key"));
    }
    Ok(())
}

/// An app is in exactly one mode (alipay sheet §1): the serial numbers come with certificates.
fn certificate_serials(app: &AlipayApp, params: &Params) -> Result<(), GatewayError> {
    let value = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let (app_sn, root_sn) = (value("app_cert_sn"), value("alipay_root_cert_sn"));
    match &app.certificate_sns {
        None if app_sn.is_empty() && root_sn.is_empty() => Ok(()),
        None => Err(GatewayError::invalid("isv.invalid-app-cert-sn")),
        Some(_) if app_sn.is_empty() => Err(GatewayError::missing("isv.missing-app-cert-sn")),
        Some(_) if root_sn.is_empty() => {
            Err(GatewayError::missing("isv.missing-alipay-root-cert-sn"))
        }
        Some(sns) if sns.app != app_sn => Err(GatewayError::invalid("isv.invalid-app-cert-sn")),
        Some(sns) if sns.root != root_sn => {
            Err(GatewayError::invalid("isv.invalid-alipay-root-cert-sn"))
        }
        Some(_) => Ok(()),
    }
}

/// Reads a time as Alipay writes it.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    const LENGTH: usize = 19;
    let china = NaiveDateTime::parse_from_str(text, TIME_FORMAT).ok()?;
    let utc = china.checked_sub_signed(CHINA_AHEAD)?.and_utc();
    (text.len() == LENGTH).then_some(utc)
}

fn is_recent(now: DateTime<Utc>, text: &str) -> bool {
    time(text).is_some_and(|at| now.signed_duration_since(at).abs() <= TIMESTAMP_SKEW)
}
