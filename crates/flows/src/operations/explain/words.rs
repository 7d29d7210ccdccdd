//! An entry in words: one title, and details by name. What the API, the command line and its JSON show
//! is made here, so that they tell the same story.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use kassa_core::anomaly::Anomaly;
use kassa_core::ledger::{self, Amount, CauseKind, LedgerAccountKind};
use runtime::store::{AuditRecord, NotificationTrace, OutboxContent, OutboxTrace, TransferRecord};
use serde_json::Value;

use super::story::{Entry, Subject, What};

/// The details of an entry: name and value.
type Details = Vec<(String, String)>;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment => f.write_str("payment"),
            Self::Attempt(number) => write!(f, "attempt {number}"),
            Self::Refund(number) => write!(f, "refund {number}"),
        }
    }
}

impl Entry {
    /// What happened, in one line.
    pub fn title(&self) -> String {
        match &self.what {
            What::Request(record) => format!("{} by {}", record.action, record.actor),
            What::Begun {
                subject, status, ..
            } => format!("{subject} begins as {status}"),
            What::Submitted { refund_no } => {
                format!("refund {refund_no} may reach the gateway from here on")
            }
            What::Call {
                call,
                account,
                attempt_no,
                refund_no,
            } => {
                let about = refund_no.map_or(Subject::Attempt(*attempt_no), Subject::Refund);
                let (operation, outcome) = (call.operation, call.outcome);
                format!("{operation} {about} at {account}: {outcome}")
            }
            What::Notification {
                notification,
                account,
            } => {
                let (route, status) = (notification.route, notification.status);
                format!("{route} callback of {account}: {status}")
            }
            What::Transition {
                subject, from, to, ..
            } => match from {
                Some(from) if from == to => format!("{subject} changed and stays {to}"),
                Some(from) => format!("{subject} {from} → {to}"),
                None => format!("{subject} is {to}"),
            },
            What::Transfer(transfer) => cause(transfer.cause.kind).to_owned(),
            What::Anomaly { anomaly, .. } => anomaly.kind.to_string(),
            What::Resolution {
                kind, resolution, ..
            } => format!("{kind}: {} by {}", resolution.action, resolution.by),
            What::Told(row) => match &row.content {
                OutboxContent::Event { kind, sequence, .. } => format!("#{sequence} {kind}"),
                OutboxContent::Command { queue, kind } => format!("{kind} to {queue}"),
            },
        }
    }

    /// More about it, by name, in an order that reads well. Holds no secrets.
    pub fn details(&self) -> Vec<(String, String)> {
        match &self.what {
            What::Request(record) => of_request(record),
            What::Begun { details, .. } | What::Transition { details, .. } => details
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            What::Submitted { .. } => Details::new(),
            What::Call { call, .. } => {
                let mut details = vec![named("duration_ms", call.duration_ms)];
                details.extend(call.code.as_ref().map(|code| named("code", code)));
                details
            }
            What::Notification { notification, .. } => of_notification(notification),
            What::Transfer(transfer) => of_transfer(transfer),
            What::Anomaly { anomaly, account } => of_anomaly(anomaly, account),
            What::Resolution {
                anomaly_id,
                resolution,
                ..
            } => vec![
                named("reason", &resolution.reason),
                named("anomaly_id", anomaly_id),
            ],
            What::Told(row) => of_told(row),
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers hand over values and references alike"
)]
fn named(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn cause(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Payment => "payment booked",
        CauseKind::UnexpectedPayment => "unexpected payment booked into suspense",
        CauseKind::Refund => "refund booked",
        CauseKind::UnexpectedRefund => "unexpected refund booked against suspense",
        CauseKind::WalletCredit => "wallet credited",
        CauseKind::WalletDebit => "wallet debited",
        CauseKind::WalletTransfer => "transfer between wallets booked",
        CauseKind::TopUp => "top-up booked into the wallet",
        CauseKind::TopUpRefund => "refund of the top-up booked out of the wallet",
        CauseKind::BalancePayment => "payment by balance booked",
        CauseKind::BalanceRefund => "refund to the balance booked",
        CauseKind::PointsPayment => "payment by points booked",
        CauseKind::PointsRefund => "refund of points booked",
        CauseKind::PointsGrant => "points given",
        CauseKind::PointsDebit => "points taken back",
        CauseKind::PointsTransfer => "transfer of points booked",
        CauseKind::PointsExpiry => "points expired",
        CauseKind::Fee => "gateway's fee booked",
        CauseKind::FeeRefund => "part of the gateway's fee booked back",
    }
}

fn of_request(record: &AuditRecord) -> Details {
    let mut details = Details::new();
    flatten("", &record.detail, &mut details);
    details.push(named("audit_id", record.id));
    details
}

fn of_notification(notification: &NotificationTrace) -> Details {
    let mut details = vec![named("key", &notification.key)];
    details.extend(notification.note.as_ref().map(|note| named("kind", note)));
    let processed = notification.processed_at.map(time);
    details.push(named(
        "processed",
        processed.as_deref().unwrap_or("not yet"),
    ));
    details
}

/// Debits and credits, each with its account.
fn of_transfer(transfer: &TransferRecord) -> Details {
    let sides = transfer.entries.iter().map(|entry| {
        let name = match entry.account.kind {
            LedgerAccountKind::GatewayReceivable => "gateway_receivable",
            LedgerAccountKind::AppPayable => "app_payable",
            LedgerAccountKind::Suspense => "suspense",
            LedgerAccountKind::Wallet => "wallet",
            LedgerAccountKind::PointsWallet => "points_wallet",
            LedgerAccountKind::PointsPool => "points_pool",
            LedgerAccountKind::PointsExpense => "points_expense",
            LedgerAccountKind::FeeExpense => "fee_expense",
        };
        named(name, format!("{} {}", entry.account.owner, side(entry)))
    });
    let id = named("transfer_id", transfer.id);
    sides.chain([id]).collect()
}

/// `+1.00 CNY` for a debit, `-1.00 CNY` for a credit.
fn side(entry: &ledger::Entry) -> String {
    let sign = if entry.amount_minor < 0 { '-' } else { '+' };
    let size = i64::try_from(entry.amount_minor.unsigned_abs());
    let size = size.ok().map(|size| Amount::of(entry.account.unit, size));
    match size {
        Some(Ok(amount)) => format!("{sign}{amount}"),
        Some(Err(_)) | None => format!("{} minor units", entry.amount_minor),
    }
}

fn of_anomaly(anomaly: &Anomaly, account: &str) -> Details {
    let mut details = Details::new();
    flatten("", &anomaly.evidence, &mut details);
    details.push(named("account", account));
    let due = anomaly
        .refund_due_at
        .map(|at| named("refund_due", time(at)));
    details.extend(due);
    details.push(named("status_now", anomaly.status()));
    details.push(named("anomaly_id", anomaly.id));
    details
}

fn of_told(row: &OutboxTrace) -> Details {
    let published = row.published_at.map(time);
    let published = named("published", published.as_deref().unwrap_or("not yet"));
    match &row.content {
        OutboxContent::Event { position, .. } => {
            let mut details = vec![published];
            details.extend(position.map(|position| named("cursor", position)));
            details.push(named("event_id", &row.id));
            details
        }
        OutboxContent::Command { .. } => vec![published, named("message_id", &row.id)],
    }
}

/// The fields of an object that hold something, one per line; what is nested is shown as JSON.
fn flatten(name: &str, value: &Value, details: &mut Details) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => details.push(named(name, text)),
        Value::Object(fields) if name.is_empty() => {
            for (field, value) in fields {
                flatten(field, value, details);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            details.push(named(name, value));
        }
    }
}
