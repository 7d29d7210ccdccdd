//! What a story is told from: a fixed number of queries, each with its index.

use std::collections::BTreeMap;

use kassa_core::anomaly::{Anomaly, AnomalyStatus};
use kassa_core::gateway_call::GatewayCall;
use kassa_core::id::{AttemptId, ChannelAccountId, RefundId, TransactionId};
use kassa_core::payment::{Attempt, PaymentTransaction};
use kassa_core::refund::RefundTransaction;
use kassa_core::text::AccountCode;
use runtime::store::{
    AuditRecord, NotificationTrace, OutboxContent, OutboxTrace, PAGE_LIMIT_MAX, TransferRecord,
};

use super::story::{AttemptLine, Entry, RefundLine, Story, What};
use super::transitions;
use crate::{Error, Kassa};

/// The rows of one payment.
pub(super) struct Sources {
    pub(super) payment: PaymentTransaction,
    pub(super) attempts: Vec<Attempt>,
    /// Oldest first: a refund's place is its number in the story.
    pub(super) refunds: Vec<RefundTransaction>,
    pub(super) outbox: Vec<OutboxTrace>,
    requests: Vec<AuditRecord>,
    calls: Vec<GatewayCall>,
    notifications: Vec<NotificationTrace>,
    transfers: Vec<TransferRecord>,
    anomalies: Vec<Anomaly>,
    codes: BTreeMap<ChannelAccountId, AccountCode>,
}

pub(super) async fn load(kassa: &Kassa, id: TransactionId) -> Result<Sources, Error> {
    let store = &kassa.store;
    let attempts = store.list_attempts(id).await?;
    let mut refunds = store.list_refunds_of_payment(id).await?;
    refunds.reverse();
    let mut anomalies = store.list_anomalies_of(id).await?;
    anomalies.reverse();
    let calls = store.list_gateway_calls(id).await?;
    let notifications = store.list_notifications_of(id).await?;
    let outbox = store.list_outbox_of(id).await?;
    let transfers = store.list_transfers_of(id).await?;

    let mut subjects = vec![format!("payments/{id}")];
    subjects.extend(
        refunds
            .iter()
            .map(|refund| format!("refunds/{}", refund.id)),
    );
    subjects.extend(
        anomalies
            .iter()
            .map(|anomaly| format!("anomalies/{}", anomaly.id)),
    );
    let requests = store.list_audit_of(&subjects).await?;

    let mut accounts: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.channel_account_id)
        .chain(notifications.iter().map(|it| it.channel_account_id))
        .chain(anomalies.iter().map(|anomaly| anomaly.channel_account_id))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    let codes = store.channel_account_codes(&accounts).await?;
    let payment = store
        .find_payment(id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        })?;
    Ok(Sources {
        payment,
        attempts,
        refunds,
        outbox,
        requests,
        calls,
        notifications,
        transfers,
        anomalies,
        codes,
    })
}

impl Sources {
    pub(super) fn into_story(self) -> Result<Story, Error> {
        let mut entries = transitions::of(&self)?;
        entries.extend(self.other_entries());
        // Stable: entries of the same time and kind stay as their rows are ordered.
        entries.sort_by_key(|entry| (entry.at, entry.what.rank()));
        let anomalies_open = self
            .anomalies
            .iter()
            .filter(|anomaly| anomaly.status() == AnomalyStatus::Open)
            .cloned()
            .collect();
        let is_event = |row: &&OutboxTrace| matches!(row.content, OutboxContent::Event { .. });
        let events = self.outbox.iter().filter(is_event);
        let events_waiting = events.filter(|row| row.published_at.is_none()).count();
        let attempts_due = self.attempts.iter().filter_map(|it| it.next_query_at);
        let refunds_due = self.refunds.iter().filter_map(|it| it.next_query_at);
        Ok(Story {
            amount_refundable: self.payment.amount_refundable().map_err(Error::internal)?,
            attempts: self.attempts.iter().map(|it| self.attempt(it)).collect(),
            refunds: self.refunds.iter().map(|it| self.refund(it)).collect(),
            anomalies_open,
            events_waiting,
            next_query_at: attempts_due.chain(refunds_due).min(),
            is_cut: self.is_cut(),
            payment: self.payment,
            entries,
        })
    }

    /// Whether a list was as long as lists can be, so that there may be more.
    fn is_cut(&self) -> bool {
        let longest = [
            self.attempts.len(),
            self.refunds.len(),
            self.outbox.len(),
            self.requests.len(),
            self.calls.len(),
            self.notifications.len(),
            self.transfers.len(),
            self.anomalies.len(),
        ];
        let longest = longest.into_iter().max().unwrap_or_default();
        u64::try_from(longest).is_ok_and(|longest| longest >= PAGE_LIMIT_MAX)
    }

    fn attempt(&self, attempt: &Attempt) -> AttemptLine {
        AttemptLine {
            id: attempt.id,
            attempt_no: attempt.attempt_no,
            account: self.code(attempt.channel_account_id),
            method: attempt.method,
            status: attempt.status,
            next_query_at: attempt.next_query_at,
        }
    }

    fn refund(&self, refund: &RefundTransaction) -> RefundLine {
        RefundLine {
            id: refund.id,
            refund_no: self.refund_no(refund.id),
            amount: refund.amount_requested,
            source: refund.source,
            status: refund.status,
            next_query_at: refund.next_query_at,
        }
    }

    /// What people call an account; its id where it has gone.
    fn code(&self, id: ChannelAccountId) -> String {
        self.codes
            .get(&id)
            .map_or_else(|| id.to_string(), ToString::to_string)
    }

    pub(super) fn attempt_no(&self, id: AttemptId) -> i32 {
        let found = self.attempts.iter().find(|attempt| attempt.id == id);
        found.map_or(0, |attempt| attempt.attempt_no)
    }

    pub(super) fn refund_no(&self, id: RefundId) -> usize {
        let place = self.refunds.iter().position(|refund| refund.id == id);
        place.map_or(0, |place| place.saturating_add(1))
    }

    fn other_entries(&self) -> Vec<Entry> {
        let requests = self.requests.iter().map(|record| Entry {
            at: record.created_at,
            what: What::Request(record.clone()),
        });
        let calls = self.calls.iter().map(|call| Entry {
            at: call.called_at,
            what: What::Call {
                account: self.code(call.channel_account_id),
                attempt_no: self.attempt_no(call.attempt_id),
                refund_no: call.refund_id.map(|id| self.refund_no(id)),
                call: call.clone(),
            },
        });
        let notifications = self.notifications.iter().map(|notification| Entry {
            at: notification.received_at,
            what: What::Notification {
                account: self.code(notification.channel_account_id),
                notification: notification.clone(),
            },
        });
        let transfers = self.transfers.iter().map(|transfer| Entry {
            at: transfer.created_at,
            what: What::Transfer(self.with_codes(transfer)),
        });
        let outbox = self.outbox.iter().map(|row| Entry {
            at: row.created_at,
            what: What::Told(without_payload(row)),
        });
        let anomalies = self.anomalies.iter().flat_map(|anomaly| {
            let account = self.code(anomaly.channel_account_id);
            let opened = Entry {
                at: anomaly.created_at,
                what: What::Anomaly {
                    anomaly: anomaly.clone(),
                    account,
                },
            };
            let resolved = anomaly.resolution.as_ref().map(|resolution| Entry {
                at: resolution.at,
                what: What::Resolution {
                    anomaly_id: anomaly.id,
                    kind: anomaly.kind,
                    resolution: resolution.clone(),
                },
            });
            [Some(opened), resolved].into_iter().flatten()
        });
        requests
            .chain(calls)
            .chain(notifications)
            .chain(transfers)
            .chain(anomalies)
            .chain(outbox)
            .collect()
    }

    /// Ledger accounts of channel accounts are named by their codes.
    fn with_codes(&self, transfer: &TransferRecord) -> TransferRecord {
        let mut named = transfer.clone();
        for entry in &mut named.entries {
            if let Ok(id) = entry.account.owner.parse() {
                entry.account.owner = self.code(id);
            }
        }
        named
    }
}

/// What is told does not repeat what the transitions say already.
fn without_payload(row: &OutboxTrace) -> OutboxTrace {
    let mut row = row.clone();
    if let OutboxContent::Event { payload, .. } = &mut row.content {
        *payload = serde_json::Value::Null;
    }
    row
}
