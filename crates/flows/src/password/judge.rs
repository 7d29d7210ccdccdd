//! Judge a password: count the try, compute the hash, give the try back if it was right.

use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::event::EventKind;
use kassa_core::id::PasswordId;
use kassa_core::password::Tries;
use kassa_core::text::UserId;
use runtime::store::PaymentPassword;

use super::record::record_change_in_tx;
use super::status::of;
use super::{PasswordError, RESOURCE, open, seal};
use crate::{Error, Kassa};

/// Whether a user may pay from the balance: the password is right, or the app does not demand one.
///
/// Opens transactions of its own; none may be open around it.
///
/// # Errors
/// [`PasswordError::Required`], and those of [`verify`].
pub async fn check(
    kassa: &Kassa,
    app: &App,
    user: &UserId,
    password: Option<&Secret>,
) -> Result<(), Error> {
    if !app.policies.payment_config.balance.require_password {
        return Ok(());
    }
    verify(kassa, app, user, password.ok_or(PasswordError::Required)?).await
}

/// Judges a user's password. A wrong one costs a try.
///
/// # Errors
/// [`PasswordError::NotSet`], [`PasswordError::Wrong`], [`PasswordError::Locked`].
pub async fn verify(
    kassa: &Kassa,
    app: &App,
    user: &UserId,
    password: &Secret,
) -> Result<(), Error> {
    judge(kassa, app, user, password).await.map(|_judged| ())
}

/// As [`verify`]; answers the row as it is after a right try.
pub(super) async fn judge(
    kassa: &Kassa,
    app: &App,
    user: &UserId,
    password: &Secret,
) -> Result<PaymentPassword, Error> {
    let _turn = kassa.passwords.turn(&app.id, user).await;
    let taken = take_try(kassa, app, user).await?;
    let hash = open(kassa, &taken)?;
    let is_set = hash.is_some();
    let verdict = kassa.passwords.judge(password, hash).await?;
    let came_of_it = match (is_set, verdict.is_right) {
        (false, _) => "not_set",
        (true, false) => "wrong",
        (true, true) => "right",
    };
    metrics::counter!("kassa_password_tries_total", "outcome" => came_of_it).increment(1);
    if !is_set {
        return Err(PasswordError::NotSet.into());
    }
    if !verdict.is_right {
        tell_of_lock(kassa, app, &taken).await?;
        let rules = &app.policies.payment_config.password.rules;
        return Err(PasswordError::Wrong {
            tries_left: taken.tries.left(rules),
            unlock_time: taken.tries.lock_at(kassa.clock.now()),
        }
        .into());
    }
    let anew = if verdict.is_outdated {
        let hash = kassa.passwords.hash(password, kassa.ids.random_bytes());
        Some(seal(kassa, taken.id, &hash.await?)?)
    } else {
        None
    };
    give_back(kassa, app, &taken, anew).await
}

/// Counts a try before anybody knows whether it is right.
async fn take_try(kassa: &Kassa, app: &App, user: &UserId) -> Result<PaymentPassword, Error> {
    let (now, rules) = (
        kassa.clock.now(),
        &app.policies.payment_config.password.rules,
    );
    let tx = kassa.store.begin().await?;
    let id = PasswordId::new(&kassa.ids);
    let locked = tx
        .lock_payment_password_in_tx(&app.id, user, id, now)
        .await?;
    let mut password = locked.get().clone();
    if password.hash_sealed.is_none() {
        return Ok(password);
    }
    let taken = password.tries.take(rules, now);
    password.tries = taken.map_err(|locked| PasswordError::Locked {
        unlock_time: locked.until,
    })?;
    password.updated_at = now;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    Ok(password)
}

/// The try that locked is written down, and the app is told, now that it was wrong: the last try locks
/// before it is judged, and a right one lifts that again. So does whoever sets another password meanwhile,
/// and then there is no lock to tell of.
async fn tell_of_lock(kassa: &Kassa, app: &App, taken: &PaymentPassword) -> Result<(), Error> {
    let now = kassa.clock.now();
    if taken.tries.lock_at(now).is_none() {
        return Ok(());
    }
    let tx = kassa.store.begin().await?;
    let locked = tx
        .lock_payment_password_in_tx(&app.id, &taken.user_id, taken.id, now)
        .await?;
    let Some(until) = locked.get().tries.lock_at(now) else {
        return Ok(());
    };
    let mut password = locked.get().clone();
    password.updated_at = now;
    let rules = &app.policies.payment_config.password.rules;
    let status = of(&password, rules, now);
    let told = (EventKind::PasswordLocked, "password.lock");
    record_change_in_tx(kassa, &tx, &mut password, told, &status).await?;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    tracing::warn!(app.id = %app.id, %until, "a payment password is locked");
    Ok(())
}

/// All tries are there again; a hash that was made anew takes the place of the one that was judged.
async fn give_back(
    kassa: &Kassa,
    app: &App,
    judged: &PaymentPassword,
    anew: Option<Vec<u8>>,
) -> Result<PaymentPassword, Error> {
    let now = kassa.clock.now();
    let tx = kassa.store.begin().await?;
    let (app_id, user) = (&app.id, &judged.user_id);
    let locked = tx
        .lock_payment_password_in_tx(app_id, user, judged.id, now)
        .await?;
    let mut password = locked.get().clone();
    if password.hash_sealed != judged.hash_sealed {
        // Another password is in force since; what was right is right no more.
        return Err(Error::VersionConflict {
            resource: RESOURCE,
            name: user.to_string(),
        });
    }
    if anew.is_none() && password.tries == Tries::default() {
        return Ok(password);
    }
    password.tries = Tries::default();
    password.hash_sealed = anew.or(password.hash_sealed);
    password.updated_at = now;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    Ok(password)
}
