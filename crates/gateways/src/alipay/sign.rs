//! What we send: the canonical string, its signature, and the three shapes of a signed request
//! (sheet §2, §3 and §6). Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use form_urlencoded::Serializer;
use url::Url;

use super::config::Settings;
use crate::china_time;
use crate::crypto::{RsaPrivateKey, SignFailed};

const BIZ_CONTENT: &str = "biz_content";
const SIGN: &str = "sign";

/// What a request is about, before it is signed.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Alipay's name of the call, for example `alipay.trade.query`.
    pub(super) method: &'static str,
    /// The business fields as JSON.
    pub(super) biz_content: String,
    /// Where Alipay posts its notifications about the order.
    pub(super) notify_url: Option<&'a Url>,
    /// Where the payer's browser goes afterwards.
    pub(super) return_url: Option<&'a Url>,
}

/// A signed request.
#[derive(Debug)]
pub(super) struct Signed {
    params: BTreeMap<&'static str, String>,
}

impl Signed {
    /// Adds the public parameters and signs.
    pub(super) fn try_new(
        settings: &Settings,
        request: Request<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, SignFailed> {
        let mut params = BTreeMap::from([
            ("app_id", settings.app_id.clone()),
            ("method", request.method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", china_time::plain(now)),
            ("version", "1.0".to_owned()),
            (BIZ_CONTENT, request.biz_content),
        ]);
        if let Some(url) = request.notify_url {
            params.insert("notify_url", url.to_string());
        }
        if let Some(url) = request.return_url {
            params.insert("return_url", url.to_string());
        }
        if let Some(serials) = &settings.serials {
            params.insert("app_cert_sn", serials.app.clone());
            params.insert("alipay_root_cert_sn", serials.root.clone());
        }
        let signature = sign(
            params.iter().map(|(k, v)| (*k, v.as_str())),
            &settings.app_private_key,
        )?;
        params.insert(SIGN, signature);
        Ok(Self { params })
    }

    /// The address with everything but `biz_content` in its query.
    pub(super) fn action(&self, gateway_url: &Url) -> Url {
        let mut url = gateway_url.clone();
        let params = self.params.iter().filter(|(name, _)| **name != BIZ_CONTENT);
        url.set_query(Some(&encode(params)));
        url
    }

    /// The business fields, not encoded.
    pub(super) fn biz_content(&self) -> &str {
        self.params.get(BIZ_CONTENT).map_or("", String::as_str)
    }

    /// The form body that goes with [`Self::action`].
    pub(super) fn body(&self) -> String {
        encode(self.params.iter().filter(|(name, _)| **name == BIZ_CONTENT))
    }

    /// Everything in one query string or order string.
    pub(super) fn all(&self) -> String {
        encode(self.params.iter())
    }
}

/// The string that is signed: all parameters but `sign` that have a value, sorted by name.
pub(super) fn string_to_sign<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<&str, &str> = params
        .into_iter()
        .filter(|(name, value)| *name != SIGN && !value.is_empty())
        .collect();
    let pairs: Vec<String> = sorted
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The signature of `params`.
pub(super) fn sign<'a>(
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
    key: &RsaPrivateKey,
) -> Result<String, SignFailed> {
    key.sign_sha256(string_to_sign(params).as_bytes())
}

fn encode<'a>(params: impl Iterator<Item = (&'a &'static str, &'a String)>) -> String {
    let mut serializer = Serializer::new(String::new());
    serializer.extend_pairs(params);
    serializer.finish()
}
