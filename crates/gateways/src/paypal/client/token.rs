//! The access token (sheet §2): fetched by one task while the others wait for it, kept until shortly before
//! its end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::Secret;
use kassa_core::channel::GatewayName;
use tokio::sync::Mutex;

use super::super::config::Settings;
use super::super::wire::Token;
use super::{Client, address, secret_value};
use crate::CallError;
use crate::error::reason;
use crate::http::Call;

/// A token is not used any more this long before its end.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// A token is fetched anew at least this often, whatever it says of its end.
const AGE_MAX: TimeDelta = TimeDelta::hours(24);
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The token in use, if there is one. The lock is held while one is fetched: PayPal refuses whoever asks for
/// many (sheet §2).
#[derive(Debug, Default)]
pub(super) struct TokenCache(Mutex<Option<Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    token: Secret,
    until: DateTime<Utc>,
}

impl TokenCache {
    /// Forgets a token that was not taken, unless another has come in its place.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut kept = self.0.lock().await;
        if kept
            .as_ref()
            .is_some_and(|kept| kept.token.expose() == refused.expose())
        {
            *kept = None;
        }
    }
}

impl Client {
    /// A token that should be taken.
    pub(super) async fn token(&self, settings: &Settings) -> Result<Secret, CallError> {
        let mut kept = self.tokens.0.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.token.clone());
        }
        let (token, valid_for) = self.fetch(settings).await?;
        *kept = Some(Kept {
            token: token.clone(),
            until: now.checked_add_signed(valid_for).unwrap_or(now),
        });
        Ok(token)
    }

    async fn fetch(&self, settings: &Settings) -> Result<(Secret, TimeDelta), CallError> {
        let (id, secret) = (&settings.client_id, settings.client_secret.expose());
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        let basic = secret_value(&format!("Basic {basic}"))?;
        let call = Call {
            gateway: GatewayName::Paypal,
            operation: "token",
            method: Verb::POST,
            url: address(settings, "/v1/oauth2/token")?,
            headers: HeaderMap::from_iter([(AUTHORIZATION, basic), (CONTENT_TYPE, FORM)]),
            body: Bytes::from_static(b"grant_type=client_credentials"),
        };
        let answer = self.http.send(call).await;
        let answer = answer.map_err(|error| not_sent(&error.to_string()))?;
        let status = answer.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::Later(reason("RATE_LIMIT_REACHED", "no token")));
        }
        // Refusals come in JSON too.
        if status != StatusCode::OK && !status.is_client_error() {
            return Err(not_sent(&format!("http {}", status.as_u16())));
        }
        let told: Token = serde_json::from_slice(&answer.body)
            .map_err(|_other_shape| not_sent("the answer cannot be read"))?;
        if let Some(error) = &told.error {
            let text = told.error_description.as_deref().unwrap_or_default();
            return Err(CallError::Misconfigured(reason(error, text)));
        }
        let token = told.access.filter(|token| !token.expose().is_empty());
        let token = token.ok_or_else(|| not_sent("the answer holds none"))?;
        let valid_for = told
            .expires_in
            .and_then(TimeDelta::try_seconds)
            .map_or(TimeDelta::zero(), |whole| whole.min(AGE_MAX));
        let valid_for = valid_for.checked_sub(&MARGIN).unwrap_or_default();
        Ok((token, valid_for))
    }
}

/// A token that could not be had: the call itself was never sent.
fn not_sent(why: &str) -> CallError {
    CallError::NotSent(format!("no access token: {why}"))
}
