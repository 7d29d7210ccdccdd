//! Tokens for development: what a business system signs with its own key, made here with a key that
//! lies in the data folder.

mod code;
mod key;
mod pem;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kassa_core::Secret;
use kassa_core::app::Scope;
use kassa_core::text::AppId;
use serde::{Deserialize, Serialize};

pub use code::{AppCodeKey, NotOpened};
pub use key::{AppSigningKey, KeyError};

/// What a token says (RFC 7519). Kassa demands all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The app.
    pub iss: String,
    /// The app.
    pub sub: String,
    /// The installation: `auth.audience`.
    pub aud: String,
    /// Until when it holds, in seconds since 1970.
    pub exp: i64,
    /// From when on.
    pub nbf: i64,
    /// When it was made.
    pub iat: i64,
    /// Scopes, separated by blanks.
    pub scope: String,
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The app.
    pub app: AppId,
    /// The installation.
    pub audience: String,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// How long it holds.
    pub ttl: Duration,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It would hold longer than a clock counts.
    #[error("the token would hold too long")]
    Ttl,
    /// The key does not sign.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Signs a token that holds from `now` on.
///
/// # Errors
/// [`TokenError`].
pub fn mint(
    key: &AppSigningKey,
    request: &TokenRequest,
    now: DateTime<Utc>,
) -> Result<Secret, TokenError> {
    let ttl = TimeDelta::from_std(request.ttl).map_err(|_too_long| TokenError::Ttl)?;
    let expires = now.checked_add_signed(ttl).ok_or(TokenError::Ttl)?;
    let scopes: Vec<_> = request.scopes.iter().map(|scope| scope.as_str()).collect();
    let claims = Claims {
        iss: request.app.to_string(),
        sub: request.app.to_string(),
        aud: request.audience.clone(),
        exp: expires.timestamp(),
        nbf: now.timestamp(),
        iat: now.timestamp(),
        scope: scopes.join(" "),
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid().to_owned());
    let signer = EncodingKey::from_ed_pem(key.private_pem().expose().as_bytes())
        .map_err(TokenError::Sign)?;
    jsonwebtoken::encode(&header, &claims, &signer)
        .map(Secret::new)
        .map_err(TokenError::Sign)
}

/// Every scope there is.
pub fn all_scopes() -> BTreeSet<Scope> {
    Scope::ALL.iter().copied().collect()
}
