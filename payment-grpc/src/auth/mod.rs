//! Who calls, and what they may do.
//!
//! Callers prove themselves with a JWT that they sign themselves; Kassa holds their public keys. The
//! header's `alg` must be the algorithm of the key that `kid` names, so that neither `none` nor an
//! HMAC with the public key as its secret can pass. `iss` and `sub` name the app, `aud` names this
//! installation, `scope` holds what the token may do, cut to what the app may do.

mod apps;
mod scopes;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use kassa_core::app::{App, Scope};
use kassa_core::{Clock, ErrorKind};
use runtime::store::Store;

pub(crate) use scopes::{Access, Rpc, find as find_rpc};

use self::apps::Apps;
use crate::error::{Error, TokenProblem};

/// The longest token, in bytes: an RS256 token with every scope has about 900.
const TOKEN_BYTES_MAX: usize = 4096;
const SCHEME: &str = "bearer";

/// What a token must be like.
#[derive(Debug, Clone)]
pub struct AuthOptions {
    /// The `aud` that it must name.
    pub audience: String,
    /// How far the caller's clock may be off.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp`.
    pub lifetime_max: Duration,
}

/// A caller who proved who it is.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The app.
    pub(crate) app: App,
    /// What it may do: the token's scopes, cut to the app's.
    pub(crate) scopes: BTreeSet<Scope>,
    /// When the proof ends, leeway included; streams end with it.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Caller {
    /// Refuses what the caller may not do.
    pub(crate) fn ensure(&self, rpc: &'static str, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Error::ScopeMissing { rpc, scope })
        }
    }
}

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    options: AuthOptions,
    clock: Clock,
    apps: Apps,
}

impl Authenticator {
    pub(crate) fn new(options: AuthOptions, store: Store, clock: Clock) -> Self {
        let apps = Apps::new(store, clock.clone());
        Self {
            options,
            clock,
            apps,
        }
    }

    /// The caller whose token is in the headers.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let token = bearer(headers).map_err(Error::Unauthenticated)?;
        let claimed = token::read(token).map_err(Error::Unauthenticated)?;
        let found = self
            .apps
            .find(&claimed.app_id, &claimed.kid)
            .await
            .map_err(|error| {
                if error.kind() == ErrorKind::Internal {
                    tracing::error!(app.id = %claimed.app_id, "an app could not be read");
                }
                Error::Flow(error.into())
            })?;
        let untrusted = Error::Unauthenticated(TokenProblem::Untrusted);
        let Some(known) = found else {
            return Err(untrusted);
        };
        let Some(key) = known.key(&claimed.kid, claimed.algorithm) else {
            return Err(untrusted);
        };
        let claims = token::verify(token, &claimed, key, &self.options.audience)
            .map_err(Error::Unauthenticated)?;
        if !known.app.is_active {
            return Err(Error::Unauthenticated(TokenProblem::AppDisabled));
        }
        let expires_at = self.check_times(&claims).map_err(Error::Unauthenticated)?;
        let scopes = claims
            .scopes()
            .filter(|scope| known.app.scopes.contains(scope))
            .collect();
        Ok(Caller {
            app: known.app.clone(),
            scopes,
            expires_at,
        })
    }

    fn check_times(&self, claims: &token::Claims) -> Result<DateTime<Utc>, TokenProblem> {
        let span = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenProblem::Malformed);
        let (now, leeway) = (self.clock.now(), span(self.options.leeway));
        let (issued_at, expiry) = (time(claims.iat)?, time(claims.exp)?);
        let not_before = claims.nbf.map(time).transpose()?.unwrap_or(issued_at);
        let latest_start = now
            .checked_add_signed(leeway)
            .ok_or(TokenProblem::Malformed)?;
        let expires_at = expiry
            .checked_add_signed(leeway)
            .ok_or(TokenProblem::Malformed)?;
        if now >= expires_at {
            return Err(TokenProblem::Expired);
        }
        if issued_at > latest_start || not_before > latest_start {
            return Err(TokenProblem::NotYetValid);
        }
        if expiry.signed_duration_since(issued_at) > span(self.options.lifetime_max) {
            return Err(TokenProblem::LifetimeTooLong);
        }
        Ok(expires_at)
    }
}

/// The one bearer token of a call.
fn bearer(headers: &HeaderMap) -> Result<&str, TokenProblem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(TokenProblem::Missing);
    };
    let value = value.to_str().map_err(|_binary| TokenProblem::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(TokenProblem::Missing)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(TokenProblem::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenProblem::Malformed);
    }
    Ok(token)
}
