//! Reads and verifies one token. Pure: no clock, no store.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous};
use kassa_core::app::{KeyAlgorithm, Scope};
use kassa_core::text::AppId;
use serde::Deserialize;

use crate::error::TokenProblem;

/// The longest `kid`, in bytes.
const KID_BYTES_MAX: usize = 128;
/// The claims that must be there.
const REQUIRED: [&str; 4] = ["exp", "aud", "iss", "sub"];

/// What an unverified token says about itself: enough to find the key, and good for nothing else.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) app_id: AppId,
    pub(super) kid: String,
    pub(super) algorithm: KeyAlgorithm,
}

/// The claims that count. Times are Unix seconds.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    pub(super) exp: i64,
    pub(super) iat: i64,
    #[serde(default)]
    pub(super) nbf: Option<i64>,
    #[serde(default)]
    scope: String,
}

impl Claims {
    /// The scopes that we know; words that we do not know grant nothing.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scope
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
    }
}

/// Which app, which key and which algorithm a token claims.
pub(super) fn read(token: &str) -> Result<Claimed, TokenProblem> {
    let unverified = dangerous::insecure_decode::<Claims>(token)
        .map_err(|_unreadable| TokenProblem::Malformed)?;
    let header = unverified.header;
    let algorithm = match header.alg {
        Algorithm::EdDSA => KeyAlgorithm::EdDsa,
        Algorithm::RS256 => KeyAlgorithm::Rs256,
        _ => return Err(TokenProblem::Malformed),
    };
    // Extensions that the signer calls critical must be understood; we know none.
    if header.crit.is_some() || unverified.claims.iss != unverified.claims.sub {
        return Err(TokenProblem::Malformed);
    }
    let kid = header
        .kid
        .filter(|kid| !kid.is_empty() && kid.len() <= KID_BYTES_MAX);
    let app_id = AppId::try_new(unverified.claims.iss);
    match (kid, app_id) {
        (Some(kid), Ok(app_id)) => Ok(Claimed {
            app_id,
            kid,
            algorithm,
        }),
        _ => Err(TokenProblem::Malformed),
    }
}

/// Verifies the signature, the audience and the names. Times are the caller's business: they need a
/// clock.
pub(super) fn verify(
    token: &str,
    claimed: &Claimed,
    key: &DecodingKey,
    audience: &str,
) -> Result<Claims, TokenProblem> {
    let mut validation = Validation::new(match claimed.algorithm {
        KeyAlgorithm::EdDsa => Algorithm::EdDSA,
        KeyAlgorithm::Rs256 => Algorithm::RS256,
    });
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&REQUIRED);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[claimed.app_id.as_str()]);
    validation.sub = Some(claimed.app_id.to_string());
    match jsonwebtoken::decode::<Claims>(token, key, &validation) {
        Ok(verified) => Ok(verified.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidAudience => TokenProblem::Audience,
            ErrorKind::MissingRequiredClaim(_) => TokenProblem::Malformed,
            _ => TokenProblem::Untrusted,
        }),
    }
}
