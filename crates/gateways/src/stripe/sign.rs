//! What proves that a call is ours (sheet §2 and §12). Stripe's calls are not signed: each carries the account's
//! key, and the version of the API that it is written in.

use http::Method as Verb;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue};

use super::config::Settings;
use crate::CallError;

/// The version of the API that this room is written for: names of fields depend on it (sheet §14).
pub(super) const API_VERSION: &str = "2026-10-28.endive";

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// The headers of a call; the same `idempotency_key` makes its repetition harmless.
pub(super) fn headers(
    settings: &Settings,
    verb: &Verb,
    idempotency_key: Option<&str>,
) -> Result<HeaderMap, CallError> {
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|error: InvalidHeaderValue| CallError::NotSent(error.to_string()))
    };
    let mut key = value(&format!("Bearer {}", settings.secret_key.expose()))?;
    key.set_sensitive(true);
    let mut headers = HeaderMap::from_iter([(AUTHORIZATION, key)]);
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    if *verb == Verb::POST {
        headers.insert(CONTENT_TYPE, FORM);
    }
    if let Some(key) = idempotency_key {
        headers.insert("idempotency-key", value(key)?);
    }
    if let Some(account) = &settings.stripe_account {
        headers.insert("stripe-account", value(account)?);
    }
    Ok(headers)
}
