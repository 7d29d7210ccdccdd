//! How the payment, its attempts and its refunds changed: from the events' payloads, which show each
//! resource as it was after its change, and from the rows.

use std::collections::BTreeMap;

use kassa_core::id::RefundId;
use kassa_core::payment::{Attempt, AttemptStatus, PaymentStatus};
use proto::v1;
use runtime::store::{OutboxContent, OutboxTrace};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::load::Sources;
use super::story::{Entry, Subject, What};
use crate::Error;

/// Details of an entry.
type Details = Vec<(&'static str, String)>;

pub(super) fn of(sources: &Sources) -> Result<Vec<Entry>, Error> {
    let mut entries = vec![Entry {
        at: sources.payment.created_at,
        what: What::Begun {
            subject: Subject::Payment,
            status: PaymentStatus::PendingCreate.as_str(),
            details: vec![("amount", sources.payment.amount_requested.to_string())],
        },
    }];
    for attempt in &sources.attempts {
        entries.extend(of_attempt(attempt));
    }
    for refund in &sources.refunds {
        let refund_no = sources.refund_no(refund.id);
        entries.extend(refund.submitted_at.map(|at| Entry {
            at,
            what: What::Submitted { refund_no },
        }));
    }
    let mut told = Told {
        payment: None,
        refunds: BTreeMap::new(),
        sources,
    };
    for row in &sources.outbox {
        entries.extend(told.read(row)?);
    }
    Ok(entries)
}

/// The two points of an attempt's life that its row keeps.
fn of_attempt(attempt: &Attempt) -> Vec<Entry> {
    let subject = Subject::Attempt(attempt.attempt_no);
    let mut details = vec![
        ("request_number", attempt.request_number()),
        ("amount", attempt.amount.to_string()),
    ];
    if let Some(retry) = &attempt.retry {
        details.push(("request_id", retry.id.to_string()));
    }
    let mut entries = vec![Entry {
        at: attempt.created_at,
        what: What::Begun {
            subject,
            status: AttemptStatus::Prepared.as_str(),
            details,
        },
    }];
    if attempt.status != AttemptStatus::Prepared {
        let mut details = Details::new();
        if let Some(id) = &attempt.gateway_transaction_id {
            details.push(("gateway_transaction_id", id.clone()));
        }
        if let Some(failure) = &attempt.failure {
            details.push(("failure", format!("{} {}", failure.code, failure.message)));
        }
        entries.push(Entry {
            at: attempt.updated_at,
            what: What::Transition {
                subject,
                from: None,
                to: attempt.status.as_str(),
                details,
            },
        });
    }
    entries
}

/// What the events told so far.
struct Told<'a> {
    payment: Option<v1::PaymentTransaction>,
    refunds: BTreeMap<String, v1::RefundTransaction>,
    sources: &'a Sources,
}

impl Told<'_> {
    fn read(&mut self, row: &OutboxTrace) -> Result<Option<Entry>, Error> {
        let OutboxContent::Event { payload, .. } = &row.content else {
            return Ok(None);
        };
        let what = if let Some(payment) = resource(payload, "transaction")? {
            self.payment_changed(payment)
        } else if let Some(refund) = resource(payload, "refund")? {
            self.refund_changed(refund)
        } else {
            None
        };
        let at = row.created_at;
        Ok(what.map(|what| Entry { at, what }))
    }

    fn payment_changed(&mut self, now: v1::PaymentTransaction) -> Option<What> {
        let before = self.payment.take();
        let from = before
            .as_ref()
            .map_or(PaymentStatus::PendingCreate.as_str(), payment_status);
        let mut details = Details::new();
        let paid = before
            .as_ref()
            .and_then(|before| before.amount_paid.clone());
        let refunded = before
            .as_ref()
            .and_then(|before| before.amount_refunded.clone());
        if now.amount_paid != paid
            && let Some(amount) = shown(now.amount_paid.as_ref())
        {
            details.push(("amount_paid", amount));
        }
        if now.amount_refunded != refunded
            && let Some(amount) = shown(now.amount_refunded.as_ref())
        {
            details.push(("amount_refunded", amount));
        }
        if let Some(failure) = &now.failure {
            details.push(("failure", failed(failure)));
        }
        let to = payment_status(&now);
        self.payment = Some(now);
        // An event need not tell of a change of the payment itself.
        (from != to || !details.is_empty()).then_some(What::Transition {
            subject: Subject::Payment,
            from: Some(from),
            to,
            details,
        })
    }

    fn refund_changed(&mut self, now: v1::RefundTransaction) -> Option<What> {
        let before = self.refunds.insert(now.refund_id.clone(), now.clone());
        let refund_no = now
            .refund_id
            .parse::<RefundId>()
            .map_or(0, |id| self.sources.refund_no(id));
        let subject = Subject::Refund(refund_no);
        let status = refund_status(&now);
        let mut details = Details::new();
        let Some(before) = before else {
            details.push(("refund_id", now.refund_id.clone()));
            details.extend(shown(now.amount_requested.as_ref()).map(|it| ("amount", it)));
            if !now.reason.is_empty() {
                details.push(("reason", now.reason));
            }
            return Some(What::Begun {
                subject,
                status,
                details,
            });
        };
        if now.gateway_refund_id != before.gateway_refund_id {
            details.push(("gateway_refund_id", now.gateway_refund_id.clone()));
        }
        if let Some(failure) = &now.failure {
            details.push(("failure", failed(failure)));
        }
        let from = refund_status(&before);
        (from != status).then_some(What::Transition {
            subject,
            from: Some(from),
            to: status,
            details,
        })
    }
}

fn failed(failure: &v1::Failure) -> String {
    format!("{} {}", failure.error_code, failure.error_message)
}

fn payment_status(payment: &v1::PaymentTransaction) -> &'static str {
    let name = payment.status().as_str_name();
    name.strip_prefix("PAYMENT_STATUS_").unwrap_or(name)
}

fn refund_status(refund: &v1::RefundTransaction) -> &'static str {
    let name = refund.status().as_str_name();
    name.strip_prefix("REFUND_STATUS_").unwrap_or(name)
}

/// The resource of this name in a CloudEvent.
fn resource<T: DeserializeOwned>(event: &Value, name: &str) -> Result<Option<T>, Error> {
    let found = event.get("data").and_then(|data| data.get(name));
    found
        .map(|resource| serde_json::from_value(resource.clone()).map_err(Error::internal))
        .transpose()
}

/// An amount that is not nothing.
fn shown(amount: Option<&v1::Money>) -> Option<String> {
    let amount = amount?;
    let is_nothing = amount
        .amount
        .bytes()
        .all(|byte| matches!(byte, b'0' | b'.'));
    (!is_nothing).then(|| format!("{} {}", amount.amount, amount.currency_code))
}
