//! The access token of interface 2.0 (sheet §8): fetched when needed, kept until shortly before its end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use kassa_core::Secret;

use super::super::config::Settings;
use super::super::wire::Token;
use super::{Client, Target};
use crate::CallError;
use crate::error::reason;

/// A token is not used any more this long before its end.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// A token is fetched anew at least this often, whatever it says of its end.
const AGE_MAX: TimeDelta = TimeDelta::days(30);

/// The token in use, if there is one. The lock is held for moments, never while a call is under way: two
/// tasks may fetch one each, which harms nobody.
#[derive(Debug, Default)]
pub(super) struct TokenCache(Mutex<Option<Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    token: Secret,
    until: DateTime<Utc>,
}

impl TokenCache {
    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a token that was not taken.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }
}

impl Client {
    /// A token that should be taken.
    pub(super) async fn token(&self, settings: &Settings) -> Result<Secret, CallError> {
        let now = self.clock.now();
        let kept = self.tokens.lock().clone();
        if let Some(kept) = kept.filter(|kept| now < kept.until) {
            return Ok(kept.token);
        }
        let (token, valid_for) = self.fetch(settings).await?;
        let until = now.checked_add_signed(valid_for).unwrap_or(now);
        *self.tokens.lock() = Some(Kept {
            token: token.clone(),
            until,
        });
        Ok(token)
    }

    async fn fetch(&self, settings: &Settings) -> Result<(Secret, TimeDelta), CallError> {
        let target = Target {
            name: "token",
            path: "/oauth/2.0/token".to_owned(),
            query: vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", settings.client_id.clone()),
                ("client_secret", settings.client_secret.expose().clone()),
                ("scope", "smartapp_snsapi_base".to_owned()),
            ],
            form: None,
        };
        let answer = self.send(settings, target).await.map_err(not_sent)?;
        // Refusals come as 400 and 401, in JSON too.
        if answer.status != StatusCode::OK && !answer.status.is_client_error() {
            let status = answer.status.as_u16();
            return Err(CallError::NotSent(format!(
                "no access token: http {status}"
            )));
        }
        let told: Token = serde_json::from_slice(&answer.body)
            .map_err(|_other_shape| CallError::NotSent("no access token".to_owned()))?;
        if let Some(error) = &told.error {
            let text = told.error_description.as_deref().unwrap_or_default();
            return Err(CallError::Misconfigured(reason(error, text)));
        }
        let token = told.access.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| CallError::NotSent("no access token".to_owned()))?;
        let valid_for = told
            .expires_in
            .and_then(TimeDelta::try_seconds)
            .map_or(TimeDelta::zero(), |whole| whole.min(AGE_MAX));
        let valid_for = valid_for.checked_sub(&MARGIN).unwrap_or_default();
        Ok((Secret::new(token), valid_for))
    }
}

/// A token that could not be had: the call itself was never sent.
fn not_sent(error: CallError) -> CallError {
    match error {
        CallError::NotSent(text) | CallError::Unknown(text) => {
            CallError::NotSent(format!("no access token: {text}"))
        }
        other @ (CallError::Refused(_) | CallError::Later(_) | CallError::Misconfigured(_)) => {
            other
        }
    }
}
