//! Means: what a payer has left to pay a new payment with, seen before anything is taken.
//!
//! Nothing is locked for it: what is found here decides which shares are tried, and refuses what cannot
//! be paid before an older payment of the same order is closed for it. The transaction that writes the
//! payment down has the last word. The older payments count as ended: what they hold, and what they count
//! for in limits, is free by the time that the new one takes its part.

use kassa_core::app::App;
use kassa_core::id::LegId;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::limits::Spending;
use kassa_core::payment::{PaymentTransaction, Share};
use kassa_core::text::UserId;
use kassa_core::wallet::WalletKey;

use super::{CreatePayment, legs, shares};
use crate::limits::{self, Used};
use crate::{Error, Kassa, wallet};

/// What the payer of a request has left.
pub(super) struct Means<'a> {
    kassa: &'a Kassa,
    app: &'a App,
    user: Option<&'a UserId>,
    replaced: &'a [PaymentTransaction],
}

impl<'a> Means<'a> {
    /// Of the payer of `request`, which takes the place of the open payments `replaced`.
    pub(super) fn new(
        kassa: &'a Kassa,
        app: &'a App,
        request: &'a CreatePayment,
        replaced: &'a [PaymentTransaction],
    ) -> Self {
        let user = request.user_id.as_ref();
        Self {
            kassa,
            app,
            user,
            replaced,
        }
    }

    fn wallet(&self) -> Option<WalletKey> {
        self.user.map(|user_id| WalletKey {
            app_id: self.app.id.clone(),
            user_id: user_id.clone(),
        })
    }

    /// What there is of a unit in the payer's wallet, in minor units.
    pub(super) async fn available_minor(&self, unit: Unit) -> Result<i64, Error> {
        let Some(wallet) = self.wallet() else {
            return Ok(0);
        };
        let balances = self.kassa.store.balances(&wallet.account(unit)).await?;
        let held = self
            .replaced
            .iter()
            .filter(|other| other.user_id.as_ref() == self.user)
            .flat_map(PaymentTransaction::internal_legs)
            .map(legs::amount_of)
            .filter(|held| held.unit() == unit)
            .fold(0_i64, |sum, held| sum.saturating_add(held.minor()));
        Ok(balances.available_minor().saturating_add(held).max(0))
    }

    /// What the payer has used of the daily limit of a spending, if there is one.
    pub(super) async fn used(&self, spending: Spending) -> Result<Option<Used>, Error> {
        let Some(user) = self.user else {
            return Ok(None);
        };
        if spending.daily(&self.app.policies.payment_config).is_none() {
            return Ok(None);
        }
        let mut ending: Vec<LegId> = Vec::new();
        for other in self.replaced {
            let legs = self.kassa.store.list_legs(other.id).await?;
            ending.extend(legs.iter().map(|leg| leg.id));
        }
        limits::used(self.kassa, self.app, user, spending, &ending).await
    }

    /// Refuses shares that the payer cannot pay now.
    ///
    /// # Errors
    /// [`Error::WalletFrozen`], [`Error::InsufficientFunds`], [`Error::Limit`].
    pub(super) async fn check(&self, shares: &[Share]) -> Result<(), Error> {
        if shares.iter().any(|share| share.channel.is_internal())
            && let Some(key) = self.wallet()
            && let Some(found) = self.kassa.store.find_wallet(&key).await?
        {
            wallet::refuse_frozen(&found)?;
        }
        for share in shares {
            let used = self.used(shares::spending(share)).await?;
            if let Some(used) = used.filter(|used| !used.is_enough()) {
                return Err(used.exceeded());
            }
        }
        for share in shares {
            let wanted = match shares::spending(share) {
                Spending::Balance(amount) => Amount::Money(amount),
                Spending::Points(points) => Amount::Points(points),
                Spending::External(..) => continue,
            };
            let available = self.available_minor(wanted.unit()).await?;
            if available < wanted.minor() {
                let available = Amount::of(wanted.unit(), available).map_err(Error::internal)?;
                return Err(self.shortage(available));
            }
        }
        Ok(())
    }

    /// The refusal of a payment for which no more than this is there.
    pub(super) fn shortage(&self, available: Amount) -> Error {
        Error::InsufficientFunds {
            user_id: self.user.map(ToString::to_string).unwrap_or_default(),
            available,
        }
    }
}
