//! Which payment a verified return belongs to. Reads only.

use std::future::Future;

use gateways::Gateway;
use kassa_core::channel::Channel;
use kassa_core::id::AttemptId;
use kassa_core::payment::PaymentTransaction;
use runtime::store::StoreError;

use super::verified_request_number;
use crate::error::loggable;
use crate::handler::Handler;

/// What may be shown.
#[derive(Debug)]
pub(super) enum Found {
    /// The payment that the payer comes back from.
    Payment(Box<PaymentTransaction>),
    /// Not verified, or unknown.
    Nothing,
    /// Verified, but the database is away.
    Away,
}

/// Looks up the payment that the signed query names.
pub(super) async fn find(handler: &Handler, channel: Channel, code: &str, signed: &str) -> Found {
    let Some(account) = handler.deps.accounts.find_by_code(channel, code) else {
        return Found::Nothing;
    };
    let gateway: &dyn Gateway = account.gateway.as_ref();
    let number = verified_request_number(gateway, signed);
    let Some(attempt_id) = number.and_then(|number| number.parse::<AttemptId>().ok()) else {
        return Found::Nothing;
    };
    let store = &handler.deps.store;
    let attempt = match in_time(handler, store.find_attempt(attempt_id)).await {
        // A signature of one account says nothing about an order of another.
        Ok(Some(attempt)) if attempt.channel_account_id == account.account.id => attempt,
        Ok(Some(_) | None) => return Found::Nothing,
        Err(Away) => return Found::Away,
    };
    match in_time(handler, store.find_payment(attempt.transaction_id)).await {
        Ok(Some(payment)) => Found::Payment(Box::new(payment)),
        Ok(None) => Found::Nothing,
        Err(Away) => Found::Away,
    }
}

struct Away;

async fn in_time<T>(
    handler: &Handler,
    read: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Away> {
    match tokio::time::timeout(handler.options.lookup_timeout, read).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::warn!(
                error = loggable(&error),
                "the return page could not look up a payment"
            );
            Err(Away)
        }
        Err(_elapsed) => {
            tracing::warn!("the return page waited too long for the database");
            Err(Away)
        }
    }
}
