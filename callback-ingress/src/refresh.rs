//! Keeps the channel accounts in memory fresh.

use std::time::Duration;

use runtime::accounts::AccountDirectory;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::error::loggable;

/// Reads the accounts now and then `every` so often, until told to stop. While the database is away,
/// what was known stays in use; that is logged once when it begins and once when it ends.
pub async fn keep_accounts_fresh<G: Clone>(
    accounts: AccountDirectory<G>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(result) = stop.run_until_cancelled(accounts.refresh()).await else {
            return;
        };
        let was_away = is_away;
        is_away = result.is_err();
        match result {
            Ok(()) if was_away => tracing::info!("channel accounts can be read again"),
            Err(error) if !was_away => tracing::warn!(
                error = loggable(&error),
                accounts.loaded = accounts.is_loaded(),
                "channel accounts cannot be read; those in memory stay in use"
            ),
            Ok(()) | Err(_) => {}
        }
    }
}
