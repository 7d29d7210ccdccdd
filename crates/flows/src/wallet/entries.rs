//! Read a wallet's statement.

use kassa_core::ledger::{Amount, CauseKind, Unit};
use kassa_core::text::{AppId, UserId};
use kassa_core::wallet::WalletKey;
use proto::v1;
use runtime::store::StatementEntry;

use super::view;
use crate::page::{Page, PageRequest};
use crate::{Error, Kassa, resource};

/// Which statement, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntries {
    /// Whose wallet.
    pub user_id: UserId,
    /// In which unit.
    pub unit: Unit,
    /// Which page; an entry is named by its time and its number.
    pub page: PageRequest,
}

/// One page of the statement of a user of `app`, newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list_entries(
    kassa: &Kassa,
    app: &AppId,
    query: &ListEntries,
) -> Result<Page<v1::WalletEntry>, Error> {
    let key = WalletKey {
        app_id: app.clone(),
        user_id: query.user_id.clone(),
    };
    let wanted = query.page.to_store();
    let before = wanted.after.map(|(_, number)| number.parse::<i64>());
    let before = before.transpose().map_err(Error::internal)?;
    let account = key.account(query.unit);
    let entries = kassa.store.list_statement(&account, before, wanted.limit);
    let page = query.page.page(entries.await?, |entry: &StatementEntry| {
        (entry.created_at, entry.sequence.to_string())
    });
    let items = page.items.iter().map(|entry| shown(query.unit, entry));
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        next: page.next,
    })
}

fn shown(unit: Unit, entry: &StatementEntry) -> Result<v1::WalletEntry, Error> {
    let size = i64::try_from(entry.amount_minor.unsigned_abs()).map_err(Error::internal)?;
    let (money, points) = view::fields(Amount::of(unit, size).map_err(Error::internal)?);
    let (money_balance, points_balance) =
        view::fields(view::owed(unit, entry.balance_after_minor)?);
    let direction = if entry.amount_minor < 0 {
        v1::WalletEntryDirection::In
    } else {
        v1::WalletEntryDirection::Out
    };
    let transaction = entry.transaction_id.as_ref();
    Ok(v1::WalletEntry {
        sequence: entry.sequence,
        kind: kind(entry.cause.kind).into(),
        direction: direction.into(),
        money,
        points,
        money_balance,
        points_balance,
        transfer_id: entry.transfer_id.to_string(),
        cause_id: entry.cause.id.clone(),
        transaction_id: transaction.map(ToString::to_string).unwrap_or_default(),
        reason: entry.reason.clone().unwrap_or_default(),
        create_time: Some(resource::time(entry.created_at)),
    })
}

/// What made an entry, as the API says it. What moves gateways' money only never touches a wallet.
fn kind(cause: CauseKind) -> v1::WalletEntryKind {
    match cause {
        CauseKind::WalletCredit | CauseKind::PointsGrant => v1::WalletEntryKind::Credit,
        CauseKind::WalletDebit | CauseKind::PointsDebit => v1::WalletEntryKind::Debit,
        CauseKind::WalletTransfer | CauseKind::PointsTransfer => v1::WalletEntryKind::Transfer,
        CauseKind::TopUp => v1::WalletEntryKind::TopUp,
        CauseKind::TopUpRefund => v1::WalletEntryKind::TopUpRefund,
        CauseKind::BalancePayment | CauseKind::PointsPayment => v1::WalletEntryKind::Payment,
        CauseKind::BalanceRefund | CauseKind::PointsRefund => v1::WalletEntryKind::Refund,
        CauseKind::PointsExpiry => v1::WalletEntryKind::Expiry,
        CauseKind::Payment
        | CauseKind::UnexpectedPayment
        | CauseKind::Refund
        | CauseKind::UnexpectedRefund
        | CauseKind::Fee
        | CauseKind::FeeRefund => v1::WalletEntryKind::Unspecified,
    }
}
