//! Status: whether a password is set, and how many tries it has left.

use chrono::{DateTime, Utc};
use kassa_core::app::App;
use kassa_core::password::PasswordRules;
use kassa_core::text::UserId;
use runtime::store::PaymentPassword;

use crate::{Error, Kassa};

/// What may be known of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordStatus {
    /// Whose password.
    pub user_id: UserId,
    /// Whether there is one.
    pub is_set: bool,
    /// Wrong tries until it is locked.
    pub tries_left: u16,
    /// Until when it is locked, if it is.
    pub unlock_time: Option<DateTime<Utc>>,
}

/// The status of a user's password. Of a user of whom nothing is known, there is none.
///
/// # Errors
/// [`Error::Store`].
pub async fn status(kassa: &Kassa, app: &App, user: &UserId) -> Result<PasswordStatus, Error> {
    let rules = &app.policies.payment_config.password.rules;
    let found = kassa.store.find_payment_password(&app.id, user).await?;
    Ok(match found {
        Some(password) => of(&password, rules, kassa.clock.now()),
        None => PasswordStatus {
            user_id: user.clone(),
            is_set: false,
            tries_left: rules.tries_max,
            unlock_time: None,
        },
    })
}

pub(super) fn of(
    password: &PaymentPassword,
    rules: &PasswordRules,
    now: DateTime<Utc>,
) -> PasswordStatus {
    let unlock_time = password.tries.lock_at(now);
    let has_ended = password.tries.locked_until.is_some() && unlock_time.is_none();
    PasswordStatus {
        user_id: password.user_id.clone(),
        is_set: password.hash_sealed.is_some(),
        tries_left: if has_ended {
            rules.tries_max
        } else {
            password.tries.left(rules)
        },
        unlock_time,
    }
}
