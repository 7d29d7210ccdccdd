//! One-time codes: made here, kept as a keyed digest, told to nobody but whoever holds the app's key.

use kassa_core::Secret;
use kassa_core::id::PasswordId;
use kassa_core::password::{CodePurpose, CodeTried};
use kassa_core::payment_config::PasswordConfig;
use runtime::keyring::Place;
use runtime::store::{Locked, PasswordCode, PaymentPassword, Tx};

use super::PasswordError;
use crate::{Error, Kassa};

/// A new code of so many digits. 64 random bits for at most 40: every code is as likely as another.
pub(super) fn make(kassa: &Kassa, digits: u8) -> Secret {
    let random = u64::from_be_bytes(kassa.ids.random_bytes());
    let codes = 10_u64.saturating_pow(u32::from(digits));
    let code = random.checked_rem(codes).unwrap_or_default();
    Secret::new(format!("{code:0width$}", width = usize::from(digits)))
}

/// The digest that is kept of a code.
pub(super) fn mac(
    kassa: &Kassa,
    id: PasswordId,
    purpose: CodePurpose,
    code: &Secret,
) -> Result<Vec<u8>, Error> {
    let row = row(id, purpose);
    let mac = kassa.keyring.mac(place(&row), code.expose().as_bytes());
    mac.map_err(Error::internal)
}

/// What came of trying a code.
pub(super) enum Tried {
    /// It was right, and is used with this transaction.
    Used,
    /// It was not; the transaction is to be committed, so that the try counts.
    Refused(PasswordError),
}

/// Tries a code for a locked password.
pub(super) async fn try_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    config: &PasswordConfig,
    password: &Locked<PaymentPassword>,
    purpose: CodePurpose,
    code: &Secret,
) -> Result<Tried, Error> {
    let Some(kept) = tx.find_password_code_in_tx(password, purpose).await? else {
        return Ok(Tried::Refused(PasswordError::CodeExpired));
    };
    let row = row(password.get().id, purpose);
    let given = code.expose().as_bytes();
    let fits = kassa.keyring.is_mac_of(place(&row), &kept.mac, given);
    let (state, tried) = match kept.state.attempt(&config.rules, fits, kassa.clock.now()) {
        CodeTried::Used(state) => (state, Tried::Used),
        CodeTried::Wrong { state, tries_left } => (
            state,
            Tried::Refused(PasswordError::CodeWrong { tries_left }),
        ),
        CodeTried::Gone => return Ok(Tried::Refused(PasswordError::CodeExpired)),
    };
    tx.put_password_code_in_tx(&PasswordCode { state, ..kept })
        .await?;
    Ok(tried)
}

fn row(id: PasswordId, purpose: CodePurpose) -> String {
    format!("{id}/{purpose}")
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "password_codes",
        column: "code_mac",
        row,
    }
}
