//! Booking: transfers and holds, all those of one database transaction in one call.
//!
//! Locks are taken in one order: the holds by id, then the accounts by kind, owner and unit. A
//! transaction that booked twice could wait for an account that another one holds, which waits for one
//! of its own; in one call it cannot.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::{ledger_entry, ledger_transfer};
use kassa_core::IdSource;
use kassa_core::id::{HoldId, TransactionId, TransferId};
use kassa_core::ledger::{
    Amount, Hold, HoldDecision, HoldFact, LedgerAccountKey, Transfer, TransferCause,
};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;

use super::accounts::{Account, Accounts, sort_key};
use crate::store::row::to_micros;
use crate::store::{StoreError, Tx};

const OPERATION: &str = "book";

/// Whether a movement was booked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It was booked.
    New,
    /// Its cause was booked before; nothing changed.
    AlreadyPosted,
}

/// A hold to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Its id.
    pub id: HoldId,
    /// The wallet's account.
    pub account: LedgerAccountKey,
    /// How much of it, in the account's unit.
    pub amount: Amount,
    /// What it is made for: one cause holds once.
    pub cause: TransferCause,
    /// When it may be voided, if what it was made for has ended by then.
    pub expires_at: DateTime<Utc>,
}

/// One thing to book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movement {
    /// Reserves what is in a wallet.
    Hold(NewHold),
    /// Ends a hold by a transfer, which debits the hold's account by at most what is held. What it leaves
    /// is available again.
    PostHold {
        /// The hold.
        hold: HoldId,
        /// What it was held for.
        transfer: Transfer,
    },
    /// Gives up a hold.
    VoidHold(HoldId),
    /// Books a transfer. Points that it brings into a wallet do not expire, unless they come out of
    /// another wallet, where they keep their day.
    Transfer(Transfer),
    /// Books a transfer that brings points into a wallet, which expire.
    Grant {
        /// The transfer.
        transfer: Transfer,
        /// When what is left of them expires.
        expires_at: DateTime<Utc>,
    },
}

impl Movement {
    fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::PostHold { transfer, .. }
            | Self::Transfer(transfer)
            | Self::Grant { transfer, .. } => Some(transfer),
            Self::Hold(_) | Self::VoidHold(_) => None,
        }
    }

    fn existing_hold(&self) -> Option<HoldId> {
        match self {
            Self::PostHold { hold, .. } | Self::VoidHold(hold) => Some(*hold),
            Self::Hold(_) | Self::Transfer(_) | Self::Grant { .. } => None,
        }
    }
}

/// What everything in a booking shares.
#[derive(Debug, Clone, Copy)]
struct Context<'a> {
    transaction: Option<TransactionId>,
    ids: &'a IdSource,
    at: DateTime<Utc>,
}

/// A movement that is not in the books yet.
struct News<'a> {
    movement: &'a Movement,
    index: usize,
    transfer_id: Option<String>,
}

impl Tx {
    /// Books a transfer, once per cause. What else its database transaction moves belongs into the same
    /// call: [`Tx::book_in_tx`].
    ///
    /// # Errors
    /// As [`Tx::book_in_tx`].
    pub async fn post_transfer_in_tx(
        &self,
        transfer: &Transfer,
        transaction: Option<TransactionId>,
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<Posted, StoreError> {
        let movement = [Movement::Transfer(transfer.clone())];
        let posted = self.book_in_tx(&movement, transaction, ids, at).await?;
        posted
            .first()
            .copied()
            .ok_or_else(|| StoreError::not_found("movement", "that was booked"))
    }

    /// Books movements in their order, each once per cause, and says of each whether it was booked now.
    /// Accounts are made on demand. After an error the transaction is of no use any more.
    ///
    /// # Errors
    /// [`StoreError::InsufficientFunds`] if a wallet would be overdrawn, [`StoreError::HoldState`] if a
    /// hold has ended otherwise or holds less, [`StoreError::OutOfRange`] if a balance would leave the
    /// range of 64 bits.
    pub async fn book_in_tx(
        &self,
        movements: &[Movement],
        transaction: Option<TransactionId>,
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<Vec<Posted>, StoreError> {
        let context = Context {
            transaction,
            ids,
            at: to_micros(at),
        };
        let mut posted = vec![Posted::AlreadyPosted; movements.len()];
        let mut holds = self
            .lock_holds(movements.iter().filter_map(Movement::existing_hold))
            .await?;
        let news = self.news(movements, &holds, context).await?;
        let mut accounts = self.lock_accounts(keys(&news, &holds), ids).await?;
        for new in &news {
            if self.apply(new, &mut accounts, &mut holds, context).await?
                && let Some(outcome) = posted.get_mut(new.index)
            {
                *outcome = Posted::New;
            }
        }
        self.write_accounts(&accounts).await?;
        Ok(posted)
    }

    /// What of the movements is not in the books yet. Transfers are written down here: their cause is
    /// taken before any account is locked.
    async fn news<'a>(
        &self,
        movements: &'a [Movement],
        holds: &BTreeMap<HoldId, Hold>,
        context: Context<'_>,
    ) -> Result<Vec<News<'a>>, StoreError> {
        let mut news = Vec::with_capacity(movements.len());
        for (index, movement) in movements.iter().enumerate() {
            if let Some(hold) = movement.existing_hold().and_then(|id| holds.get(&id)) {
                match hold.decide(fact(hold, movement)) {
                    HoldDecision::Applied { .. } => {}
                    HoldDecision::AlreadyApplied => continue,
                    HoldDecision::Refused => return Err(refused(hold)),
                }
            }
            let mut transfer_id = None;
            if let Some(transfer) = movement.transfer() {
                let id = TransferId::new(context.ids).to_string();
                if !self.insert_transfer(&id, transfer, context).await? {
                    match movement {
                        // Booked without its hold, which would reserve for nothing.
                        Movement::PostHold { .. } => {
                            return Err(StoreError::UniqueViolation {
                                operation: OPERATION,
                            });
                        }
                        Movement::Hold(_)
                        | Movement::VoidHold(_)
                        | Movement::Transfer(_)
                        | Movement::Grant { .. } => continue,
                    }
                }
                transfer_id = Some(id);
            }
            news.push(News {
                movement,
                index,
                transfer_id,
            });
        }
        Ok(news)
    }

    /// Books one movement on locked accounts; says whether it was news.
    async fn apply(
        &self,
        new: &News<'_>,
        accounts: &mut Accounts,
        holds: &mut BTreeMap<HoldId, Hold>,
        context: Context<'_>,
    ) -> Result<bool, StoreError> {
        if let Movement::Hold(hold) = new.movement {
            let account = account_mut(accounts, &hold.account)?;
            if !self
                .insert_hold(hold, account.id(), context.transaction, context.at)
                .await?
            {
                return Ok(false);
            }
            return reserve(account, hold.amount).map(|()| true);
        }
        if let Some(hold) = new
            .movement
            .existing_hold()
            .and_then(|id| holds.get_mut(&id))
        {
            let HoldDecision::Applied {
                status,
                posted_minor,
            } = hold.decide(fact(hold, new.movement))
            else {
                // The same hold occurs twice among the movements.
                return Err(refused(hold));
            };
            let account = account_mut(accounts, &hold.account)?;
            account.held_minor = checked(account.held_minor.checked_sub(hold.amount.minor()))?;
            hold.status = status;
            hold.posted_minor = posted_minor;
            hold.ended_at = Some(context.at);
            self.write_hold(hold).await?;
            hold.version = checked(hold.version.checked_add(1))?;
        }
        if let (Some(transfer), Some(id)) = (new.movement.transfer(), &new.transfer_id) {
            self.enter(transfer, id, accounts, context).await?;
            let expires_at = match new.movement {
                Movement::Grant { expires_at, .. } => Some(*expires_at),
                Movement::Hold(_)
                | Movement::PostHold { .. }
                | Movement::VoidHold(_)
                | Movement::Transfer(_) => None,
            };
            self.move_lots(transfer, accounts, expires_at, (context.ids, context.at))
                .await?;
        }
        Ok(true)
    }

    /// Writes the entries of a transfer and moves the balances; no wallet may be overdrawn by it.
    async fn enter(
        &self,
        transfer: &Transfer,
        transfer_id: &str,
        accounts: &mut Accounts,
        context: Context<'_>,
    ) -> Result<(), StoreError> {
        let before = accounts.clone();
        let mut entries = Vec::with_capacity(transfer.entries().len());
        for (entry_no, entry) in (1_i32..).zip(transfer.entries()) {
            let account = account_mut(accounts, &entry.account)?;
            account.balance_minor = checked(account.balance_minor.checked_add(entry.amount_minor))?;
            account.entry_count = checked(account.entry_count.checked_add(1))?;
            entries.push(ledger_entry::ActiveModel {
                id: Set(context.ids.next().simple().to_string()),
                transfer_id: Set(transfer_id.to_owned()),
                account_id: Set(account.id().to_owned()),
                entry_no: Set(entry_no),
                amount_minor: Set(entry.amount_minor),
                balance_after_minor: Set(account.balance_minor),
                sequence: Set(account.entry_count),
            });
        }
        for entry in transfer.entries() {
            let sort = sort_key(&entry.account);
            if let (Some(account), Some(before)) = (accounts.get(&sort), before.get(&sort)) {
                refuse_overdrawn(account, before)?;
            }
        }
        ledger_entry::Entity::insert_many(entries)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert ledger entries", error))?;
        Ok(())
    }

    async fn insert_transfer(
        &self,
        id: &str,
        transfer: &Transfer,
        context: Context<'_>,
    ) -> Result<bool, StoreError> {
        let row = ledger_transfer::ActiveModel {
            id: Set(id.to_owned()),
            cause_kind: Set(transfer.cause().kind.to_string()),
            cause_id: Set(transfer.cause().id.clone()),
            transaction_id: Set(context.transaction.map(|id| id.to_string())),
            created_at: Set(context.at),
        };
        let once = OnConflict::columns([
            ledger_transfer::Column::CauseKind,
            ledger_transfer::Column::CauseId,
        ])
        .do_nothing()
        .to_owned();
        let rows = ledger_transfer::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a transfer", error))?;
        Ok(rows > 0)
    }
}

/// The accounts that news move.
fn keys<'a>(news: &'a [News<'a>], holds: &'a BTreeMap<HoldId, Hold>) -> Vec<&'a LedgerAccountKey> {
    let mut keys = Vec::new();
    for new in news {
        if let Movement::Hold(hold) = new.movement {
            keys.push(&hold.account);
        }
        let hold = new.movement.existing_hold().and_then(|id| holds.get(&id));
        keys.extend(hold.map(|hold| &hold.account));
        let entries = new.movement.transfer().map(Transfer::entries);
        keys.extend(
            entries
                .unwrap_or_default()
                .iter()
                .map(|entry| &entry.account),
        );
    }
    keys
}

/// What a movement wants of its hold.
fn fact(hold: &Hold, movement: &Movement) -> HoldFact {
    match movement.transfer() {
        Some(transfer) => HoldFact::Post(debited(transfer, &hold.account)),
        None => HoldFact::Void,
    }
}

/// How much a transfer takes out of an account; 0 if it does not.
fn debited(transfer: &Transfer, account: &LedgerAccountKey) -> i64 {
    let of_account = transfer
        .entries()
        .iter()
        .filter(|entry| entry.account == *account);
    of_account
        .map(|entry| entry.amount_minor)
        .try_fold(0_i64, i64::checked_add)
        .unwrap_or_default()
}

fn reserve(account: &mut Account, amount: Amount) -> Result<(), StoreError> {
    let before = account.clone();
    account.held_minor = checked(account.held_minor.checked_add(amount.minor()))?;
    refuse_overdrawn(account, &before)
}

fn refuse_overdrawn(account: &Account, before: &Account) -> Result<(), StoreError> {
    if !account.key.kind.is_wallet() || checked(account.available_minor())? >= 0 {
        return Ok(());
    }
    Err(StoreError::InsufficientFunds {
        account: Box::new(account.key.clone()),
        available_minor: checked(before.available_minor())?,
    })
}

fn account_mut<'a>(
    accounts: &'a mut Accounts,
    key: &LedgerAccountKey,
) -> Result<&'a mut Account, StoreError> {
    accounts
        .get_mut(&sort_key(key))
        .ok_or_else(|| StoreError::not_found("ledger account", &key.owner))
}

fn checked<T>(sum: Option<T>) -> Result<T, StoreError> {
    sum.ok_or(StoreError::OutOfRange {
        operation: OPERATION,
    })
}

fn refused(hold: &Hold) -> StoreError {
    StoreError::HoldState {
        hold: hold.id,
        status: hold.status,
    }
}
