//! Change: a new password for whoever knows the old one.

use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::event::EventKind;
use kassa_core::text::UserId;

use super::judge::judge;
use super::record::record_change_in_tx;
use super::status::{PasswordStatus, of};
use super::{RESOURCE, check_new, seal};
use crate::{Error, Kassa};

/// A request to change a password.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// Whose password.
    pub user_id: UserId,
    /// The one in force.
    pub old_password: Secret,
    /// The new one.
    pub new_password: Secret,
}

/// Sets a new password in place of the old one, which costs a try if it is wrong.
///
/// # Errors
/// [`Error::InvalidInput`] for a new password that is not allowed or is the old one, and those of
/// [`super::verify`].
pub async fn change(
    kassa: &Kassa,
    app: &App,
    request: &ChangePassword,
) -> Result<PasswordStatus, Error> {
    check_new(app, "new_password", &request.new_password)?;
    // Both are the caller's: comparing them tells nothing to anybody else.
    if request.new_password.expose() == request.old_password.expose() {
        return Err(Error::field("new_password", "must not be the old one"));
    }
    let user = &request.user_id;
    let judged = judge(kassa, app, user, &request.old_password).await?;
    let salt = kassa.ids.random_bytes();
    let hash = kassa.passwords.hash(&request.new_password, salt).await?;

    let now = kassa.clock.now();
    let tx = kassa.store.begin().await?;
    let locked = tx
        .lock_payment_password_in_tx(&app.id, user, judged.id, now)
        .await?;
    let mut password = locked.get().clone();
    if password.hash_sealed != judged.hash_sealed {
        return Err(Error::VersionConflict {
            resource: RESOURCE,
            name: user.to_string(),
        });
    }
    password.hash_sealed = Some(seal(kassa, password.id, &hash)?);
    password.updated_at = now;
    let status = of(&password, &app.policies.payment_config.password.rules, now);
    let told = (EventKind::PasswordChanged, "password.change");
    record_change_in_tx(kassa, &tx, &mut password, told, &status).await?;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    Ok(status)
}
