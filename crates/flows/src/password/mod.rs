//! Payment passwords: set and reset with a one-time code, changed with the old one, judged when a user
//! pays from the balance.
//!
//! A password is kept as an Argon2id hash, sealed by the keyring and bound to its row; a code as a
//! keyed digest. Neither is ever in a log, an error, an event or a row in plain text.
//!
//! A try is counted before it is judged: however many are made at once, in however many processes, no
//! more than the app allows are judged before the password is locked
//! ([ADR 0011](../../../../docs/adr/0011-one-time-codes.md) on codes).

mod change;
mod code;
mod error;
mod hash;
mod judge;
mod record;
mod request_code;
mod set;
mod status;

pub use change::{ChangePassword, change};
pub use error::PasswordError;
pub use hash::{HasherError, PasswordHasher};
pub use judge::{check, verify};
pub use request_code::{CodeSent, RequestCode, request_code};
pub use set::{SetPassword, reset, set};
pub use status::{PasswordStatus, status};

use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::id::PasswordId;
use runtime::keyring::Place;
use runtime::store::PaymentPassword;

use crate::{Error, Kassa};

/// What errors call it.
const RESOURCE: &str = "payment password";
const TABLE: &str = "payment_passwords";

/// Refuses what cannot be set as a password.
fn check_new(app: &App, field: &str, password: &Secret) -> Result<(), Error> {
    let rules = &app.policies.payment_config.password.rules;
    let checked = rules.check_new(password.expose());
    checked.map_err(|refused| Error::field(field, refused))
}

/// Seals a hash for its row.
fn seal(kassa: &Kassa, id: PasswordId, hash: &Secret) -> Result<Vec<u8>, Error> {
    let row = id.to_string();
    let sealed = kassa.keyring.seal(place(&row), hash.expose().as_bytes());
    sealed
        .map(runtime::keyring::Sealed::into_bytes)
        .map_err(Error::internal)
}

/// The hash of a row, opened; none if no password is set.
fn open(kassa: &Kassa, password: &PaymentPassword) -> Result<Option<Secret>, Error> {
    let Some(sealed) = &password.hash_sealed else {
        return Ok(None);
    };
    let row = password.id.to_string();
    let bytes = kassa.keyring.open(place(&row), sealed);
    let bytes = bytes.map_err(Error::internal)?;
    let hash = std::str::from_utf8(bytes.expose()).map_err(Error::internal)?;
    Ok(Some(Secret::new(hash.to_owned())))
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: TABLE,
        column: "hash_sealed",
        row,
    }
}
