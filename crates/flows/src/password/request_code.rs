//! Request a code: make one, keep its digest, and tell the app, encrypted to the app's own key, so that
//! it can send it to the user.

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::Secret;
use kassa_core::app::App;
use kassa_core::id::PasswordId;
use kassa_core::password::{CodePurpose, CodeState};
use kassa_core::text::UserId;
use proto::v1;
use runtime::jwe::RecipientKey;
use runtime::store::PasswordCode;
use serde_json::json;

use super::record::record_code_in_tx;
use super::set::check_state;
use super::{PasswordError, code};
use crate::{Error, Kassa, resource};

/// A request for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCode {
    /// Whose password is to be set.
    pub user_id: UserId,
    /// What the code is to be good for.
    pub purpose: CodePurpose,
}

/// A code that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeSent {
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When the next one may be asked for.
    pub next_at: DateTime<Utc>,
}

/// Makes a code for a user of the app; one that was made before for the same purpose is good no more.
///
/// # Errors
/// [`PasswordError::CodeKeyMissing`], [`Error::AlreadyExists`] for the first password of a user who has one,
/// [`PasswordError::NotSet`] for resetting none, [`PasswordError::TooManyCodes`].
pub async fn request_code(
    kassa: &Kassa,
    app: &App,
    request: &RequestCode,
) -> Result<CodeSent, Error> {
    let config = &app.policies.payment_config.password;
    let key = config
        .code_key
        .as_ref()
        .ok_or(PasswordError::CodeKeyMissing)?;
    let key = RecipientKey::try_parse(&key.kid, &key.public_key_pem).map_err(Error::internal)?;
    let secret = code::make(kassa, config.rules.code_digits);
    let encrypted = encrypt(&key, request, &secret)?;

    let now = kassa.clock.now();
    let after = |length| {
        now.checked_add_signed(length)
            .ok_or_else(|| Error::internal("the clock is out of range"))
    };
    let sent = CodeSent {
        expires_at: after(TimeDelta::minutes(i64::from(config.rules.code_minutes)))?,
        next_at: after(TimeDelta::seconds(i64::from(
            config.rules.code_pause_seconds,
        )))?,
    };
    let tx = kassa.store.begin().await?;
    let id = PasswordId::new(&kassa.ids);
    let user = &request.user_id;
    let locked = tx
        .lock_payment_password_in_tx(&app.id, user, id, now)
        .await?;
    let mut password = locked.get().clone();
    check_state(&password, request.purpose)?;
    let counted = password.code_requests.count(&config.rules, now);
    password.code_requests = counted.map_err(|allowed_at| PasswordError::TooManyCodes {
        retry_after: (allowed_at - now).to_std().unwrap_or_default(),
    })?;
    password.updated_at = now;
    let kept = PasswordCode {
        password_id: password.id,
        purpose: request.purpose,
        mac: code::mac(kassa, password.id, request.purpose, &secret)?,
        state: CodeState {
            tries: 0,
            expires_at: sent.expires_at,
            used_at: None,
        },
        created_at: now,
    };
    tx.put_password_code_in_tx(&kept).await?;
    let told = v1::PasswordCode {
        user_id: user.to_string(),
        purpose: resource::code_purpose(request.purpose).into(),
        code_jwe: encrypted,
        expire_time: Some(resource::time(sent.expires_at)),
    };
    record_code_in_tx(kassa, &tx, &mut password, &told).await?;
    tx.update_payment_password_in_tx(&locked, &password).await?;
    tx.commit().await?;
    Ok(sent)
}

/// The code with what it is for, so that an encrypted code cannot pass for another user's.
fn encrypt(key: &RecipientKey, request: &RequestCode, code: &Secret) -> Result<String, Error> {
    let content = json!({
        "code": code.expose(),
        "user_id": request.user_id,
        "purpose": request.purpose,
    });
    let content = Secret::new(content.to_string());
    key.encrypt(content.expose().as_bytes())
        .map_err(Error::internal)
}
