//! Set and reset: a new password for whoever has the one-time code.

use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::event::EventKind;
use kassa_core::id::PasswordId;
use kassa_core::password::{CodePurpose, Tries};
use kassa_core::text::UserId;
use runtime::store::PaymentPassword;

use super::code::{self, Tried};
use super::record::record_change_in_tx;
use super::status::{PasswordStatus, of};
use super::{PasswordError, RESOURCE, check_new, seal};
use crate::{Error, Kassa};

/// A request to set or reset a password.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose password.
    pub user_id: UserId,
    /// The new password.
    pub password: Secret,
    /// The one-time code.
    pub code: Secret,
}

/// Sets the first password of a user.
///
/// # Errors
/// [`Error::InvalidInput`] for a password that is not allowed, [`Error::AlreadyExists`],
/// [`PasswordError::CodeWrong`], [`PasswordError::CodeExpired`].
pub async fn set(kassa: &Kassa, app: &App, request: &SetPassword) -> Result<PasswordStatus, Error> {
    let told = (EventKind::PasswordSet, "password.set");
    with_code(kassa, app, request, CodePurpose::Set, told).await
}

/// Sets a new password in place of one that was forgotten, and lifts its lock.
///
/// # Errors
/// [`Error::InvalidInput`] for a password that is not allowed, [`PasswordError::NotSet`],
/// [`PasswordError::CodeWrong`], [`PasswordError::CodeExpired`].
pub async fn reset(
    kassa: &Kassa,
    app: &App,
    request: &SetPassword,
) -> Result<PasswordStatus, Error> {
    let told = (EventKind::PasswordReset, "password.reset");
    with_code(kassa, app, request, CodePurpose::Reset, told).await
}

/// The first password is set once; only one that is set is reset.
pub(super) fn check_state(password: &PaymentPassword, purpose: CodePurpose) -> Result<(), Error> {
    match (purpose, &password.hash_sealed) {
        (CodePurpose::Set, None) | (CodePurpose::Reset, Some(_)) => Ok(()),
        (CodePurpose::Set, Some(_)) => Err(Error::AlreadyExists {
            resource: RESOURCE,
            name: password.user_id.to_string(),
        }),
        (CodePurpose::Reset, None) => Err(PasswordError::NotSet.into()),
    }
}

async fn with_code(
    kassa: &Kassa,
    app: &App,
    request: &SetPassword,
    purpose: CodePurpose,
    told: (EventKind, &'static str),
) -> Result<PasswordStatus, Error> {
    let config = &app.policies.payment_config.password;
    check_new(app, "password", &request.password)?;
    let salt = kassa.ids.random_bytes();
    let hash = kassa.passwords.hash(&request.password, salt).await?;

    let now = kassa.clock.now();
    let tx = kassa.store.begin().await?;
    let id = PasswordId::new(&kassa.ids);
    let locked = tx
        .lock_payment_password_in_tx(&app.id, &request.user_id, id, now)
        .await?;
    let mut password = locked.get().clone();
    check_state(&password, purpose)?;
    let tried = code::try_in_tx(kassa, &tx, config, &locked, purpose, &request.code).await?;
    if let Tried::Refused(refused) = tried {
        tx.commit().await?;
        return Err(refused.into());
    }
    password.hash_sealed = Some(seal(kassa, password.id, &hash)?);
    password.tries = Tries::default();
    password.updated_at = now;
    let status = of(&password, &config.rules, now);
    record_change_in_tx(kassa, &tx, &mut password, told, &status).await?;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    Ok(status)
}
