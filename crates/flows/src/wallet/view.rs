//! A wallet with what is in it, as the API shows it.

use kassa_core::ledger::{Amount, Unit};
use kassa_core::wallet::{Wallet, WalletKey, WalletStatus};
use proto::v1;
use runtime::store::{Balances, Tx};

use crate::{Error, resource};

/// A wallet and its balances; `wallet` is none before its first use.
pub(super) fn wallet(
    key: &WalletKey,
    wallet: Option<&Wallet>,
    balances: &[(Unit, Balances)],
) -> Result<v1::Wallet, Error> {
    let mut money = Vec::new();
    let mut points = points_balance(Balances::default())?;
    for (unit, balances) in balances {
        match unit {
            Unit::Currency(_) => money.push(money_balance(*unit, *balances)?),
            Unit::Points => points = points_balance(*balances)?,
        }
    }
    let status = wallet.map_or(WalletStatus::Active, |wallet| wallet.status);
    Ok(v1::Wallet {
        wallet_id: wallet
            .map(|wallet| wallet.id.to_string())
            .unwrap_or_default(),
        app_id: key.app_id.to_string(),
        user_id: key.user_id.to_string(),
        status: status_of(status).into(),
        money,
        points: Some(points),
        create_time: wallet.map(|wallet| resource::time(wallet.created_at)),
        update_time: wallet.map(|wallet| resource::time(wallet.updated_at)),
    })
}

/// As [`wallet`], as a transaction sees it after what it did.
pub(super) async fn wallet_in_tx(tx: &Tx, changed: &Wallet) -> Result<v1::Wallet, Error> {
    let balances = tx.list_wallet_balances_in_tx(&changed.key).await?;
    wallet(&changed.key, Some(changed), &balances)
}

/// What is available, as an amount.
pub(super) fn available(unit: Unit, balances: Balances) -> Result<Amount, Error> {
    Amount::of(unit, balances.available_minor()).map_err(Error::internal)
}

/// What was in a wallet at some time, as an amount: its account's balance is what is owed.
pub(super) fn owed(unit: Unit, balance_minor: i64) -> Result<Amount, Error> {
    Amount::of(unit, balance_minor.saturating_neg()).map_err(Error::internal)
}

/// An amount as the two fields that the API has for it.
pub(super) fn fields(amount: Amount) -> (Option<v1::Money>, Option<v1::Points>) {
    match amount {
        Amount::Money(money) => (Some(resource::money(money)), None),
        Amount::Points(points) => (None, Some(resource::points(points))),
    }
}

fn money_balance(unit: Unit, balances: Balances) -> Result<v1::MoneyBalance, Error> {
    let shown = |amount: Result<Amount, Error>| amount.map(|amount| fields(amount).0);
    let held = Amount::of(unit, balances.held_minor).map_err(Error::internal);
    Ok(v1::MoneyBalance {
        balance: shown(owed(unit, balances.balance_minor))?,
        held: shown(held)?,
        available: shown(available(unit, balances))?,
    })
}

fn points_balance(balances: Balances) -> Result<v1::PointsBalance, Error> {
    let shown = |amount: Result<Amount, Error>| amount.map(|amount| fields(amount).1);
    let held = Amount::of(Unit::Points, balances.held_minor).map_err(Error::internal);
    Ok(v1::PointsBalance {
        balance: shown(owed(Unit::Points, balances.balance_minor))?,
        held: shown(held)?,
        available: shown(available(Unit::Points, balances))?,
    })
}

fn status_of(status: WalletStatus) -> v1::WalletStatus {
    match status {
        WalletStatus::Active => v1::WalletStatus::Active,
        WalletStatus::Frozen => v1::WalletStatus::Frozen,
    }
}
