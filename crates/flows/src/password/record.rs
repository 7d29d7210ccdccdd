//! What is written down of a password: the audit log's record and the event for the app.

use kassa_core::event::EventKind;
use proto::v1;
use runtime::store::{PaymentPassword, Tx};
use serde_json::{Value, json};

use super::status::PasswordStatus;
use crate::audit::{self, Action};
use crate::event::record_password_event_in_tx;
use crate::{Error, Kassa, resource};

/// Writes who did what. `detail` holds no secret.
async fn record_audit_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    password: &PaymentPassword,
    name: &'static str,
    detail: Value,
) -> Result<(), Error> {
    let action = Action {
        actor: password.app_id.as_str(),
        name,
        subject: format!("payment-passwords/{}", password.id),
        detail,
    };
    audit::record_in_tx(kassa, tx, action).await
}

/// Writes the event of a change, and who made it.
pub(super) async fn record_change_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    password: &mut PaymentPassword,
    (kind, name): (EventKind, &'static str),
    status: &PasswordStatus,
) -> Result<(), Error> {
    let mut detail = json!({ "user_id": password.user_id });
    if let (Some(detail), Some(until)) = (detail.as_object_mut(), status.unlock_time) {
        detail.insert("until".to_owned(), json!(until));
    }
    record_audit_in_tx(kassa, tx, password, name, detail).await?;
    let resource = resource::payment_password(status);
    let data = serde_json::to_value(resource).map_err(Error::internal)?;
    let data = json!({ "payment_password": data });
    record_password_event_in_tx(kassa, tx, password, kind, &data).await
}

/// Writes the event that carries an encrypted code.
pub(super) async fn record_code_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    password: &mut PaymentPassword,
    code: &v1::PasswordCode,
) -> Result<(), Error> {
    let detail = json!({ "user_id": code.user_id, "purpose": code.purpose().as_str_name() });
    record_audit_in_tx(kassa, tx, password, "password.request_code", detail).await?;
    let data = serde_json::to_value(code).map_err(Error::internal)?;
    let (kind, data) = (
        EventKind::PasswordCodeRequested,
        json!({ "password_code": data }),
    );
    record_password_event_in_tx(kassa, tx, password, kind, &data).await
}
