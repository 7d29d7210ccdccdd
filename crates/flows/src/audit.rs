//! The audit log: who did what, written with what was done.

use kassa_core::id::AuditId;
use runtime::store::{NewAudit, Tx};
use serde_json::Value;

use crate::{Error, Kassa};

/// What was done.
#[derive(Debug)]
pub(crate) struct Action<'a> {
    /// Who did it: an app, or `cli` for the operator's command line.
    pub(crate) actor: &'a str,
    /// What, for example `refund.create`.
    pub(crate) name: &'static str,
    /// To what, for example `refunds/…`.
    pub(crate) subject: String,
    /// What else matters. Holds no secrets.
    pub(crate) detail: Value,
}

/// Writes an audit record in the transaction of what it tells of.
pub(crate) async fn record_in_tx(kassa: &Kassa, tx: &Tx, action: Action<'_>) -> Result<(), Error> {
    let audit = NewAudit {
        id: AuditId::new(&kassa.ids),
        actor: action.actor.to_owned(),
        action: action.name,
        subject: action.subject,
        detail: action.detail,
        at: kassa.clock.now(),
    };
    tx.append_audit_in_tx(&audit).await?;
    Ok(())
}
