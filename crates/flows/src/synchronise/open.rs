//! What has no final state, for operators.

use chrono::{DateTime, Utc};
use kassa_core::channel::Channel;
use runtime::store::OpenOf;

use crate::{Error, Kassa};

/// How much is open, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// How many.
    pub count: u64,
    /// When the oldest was made; `None` if there is none.
    pub oldest_created_at: Option<DateTime<Utc>>,
}

/// What is open on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOfChannel {
    /// The channel.
    pub channel: Channel,
    /// Orders that are neither paid nor closed.
    pub attempts: Open,
    /// Refunds that neither succeeded nor failed.
    pub refunds: Open,
}

/// What is open on every channel, also where nothing is.
///
/// # Errors
/// [`Error::Store`].
pub async fn count_open(kassa: &Kassa) -> Result<Vec<OpenOfChannel>, Error> {
    let attempts = kassa.store.count_open_attempts().await?;
    let refunds = kassa.store.count_open_refunds().await?;
    let of_channel = |channel: &Channel| OpenOfChannel {
        channel: *channel,
        attempts: sum(kassa, *channel, &attempts),
        refunds: sum(kassa, *channel, &refunds),
    };
    Ok(Channel::ALL.iter().map(of_channel).collect())
}

fn sum(kassa: &Kassa, channel: Channel, accounts: &[OpenOf]) -> Open {
    let on_channel = |open: &&OpenOf| {
        let account = kassa.accounts.find(open.channel_account_id);
        account.is_some_and(|account| account.account.channel() == channel)
    };
    accounts
        .iter()
        .filter(on_channel)
        .fold(Open::default(), |sum, open| Open {
            count: sum.count.saturating_add(open.count),
            oldest_created_at: match sum.oldest_created_at {
                Some(oldest) => Some(oldest.min(open.oldest_created_at)),
                None => Some(open.oldest_created_at),
            },
        })
}
