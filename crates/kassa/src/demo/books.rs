//! Our books against themselves, and against the gateways'.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use kassa_core::id::TransactionId;
use kassa_core::ledger::LedgerAccountKind;
use sandbox::{Control, Gateway};

use super::timeline::Seen;
use crate::node::Node;

/// A payment of the story.
#[derive(Debug, Clone)]
pub(super) struct Paid {
    /// Our id.
    pub(super) transaction_id: TransactionId,
    /// The gateway's memory of it.
    pub(super) gateway: Gateway,
    /// The account at the gateway.
    pub(super) account: String,
}

/// What a gateway's receivable took and gave back for a payment, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    /// Taken.
    pub(super) paid_minor: i64,
    /// Given back.
    pub(super) refunded_minor: i64,
    /// How many transfers.
    pub(super) transfers: usize,
}

/// The sums of one payment in our books.
pub(super) async fn sums(node: &Node, transaction: TransactionId) -> anyhow::Result<Sums> {
    let mut sums = Sums::default();
    for transfer in node.kassa().store.list_transfers_of(transaction).await? {
        sums.transfers = sums.transfers.saturating_add(1);
        for entry in transfer.entries {
            if entry.account.kind != LedgerAccountKind::GatewayReceivable {
                continue;
            }
            let (side, amount) = match entry.amount_minor {
                amount if amount > 0 => (&mut sums.paid_minor, amount),
                amount => (&mut sums.refunded_minor, amount.saturating_neg()),
            };
            *side = side.checked_add(amount).context("a sum is too large")?;
        }
    }
    Ok(sums)
}

/// All books of the installation prove themselves.
pub(super) async fn verify(node: &Node) -> anyhow::Result<Seen<()>> {
    let report = node.kassa().store.verify_books().await?;
    ensure!(report.is_clean(), "differences: {:?}", report.differences);
    let (transfers, entries) = (report.transfers, report.entries);
    Ok(Seen::new(
        (),
        format!("{transfers} transfers, {entries} entries, no difference"),
    ))
}

/// The sums of each account's payments are those that the gateway's books show. The sandbox's memory is as
/// old as the story.
pub(super) async fn compare(
    node: &Node,
    control: &Control,
    paid: &[Paid],
) -> anyhow::Result<Seen<()>> {
    let mut ours: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for payment in paid {
        let sums = sums(node, payment.transaction_id).await?;
        let sum = ours
            .entry((payment.gateway, payment.account.clone()))
            .or_default();
        sum.0 = sum.0.saturating_add(sums.paid_minor);
        sum.1 = sum.1.saturating_add(sums.refunded_minor);
    }
    let theirs = control.books();
    ensure!(
        theirs.len() == ours.len(),
        "the gateways know {} accounts, we {}",
        theirs.len(),
        ours.len()
    );
    let mut details = Vec::new();
    for account in theirs {
        let ours = ours.get(&(account.gateway, account.account.clone()));
        let theirs = (account.paid_minor, account.refunded_minor);
        let agrees = ours == Some(&theirs) && account.refunding_minor == 0;
        ensure!(agrees, "ours {ours:?}, theirs {account:?}");
        let (paid, refunded) = theirs;
        details.push(format!("{paid} fen in, {refunded} fen back"));
    }
    Ok(Seen::new((), details.join("; ")))
}
