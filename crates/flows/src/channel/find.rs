//! Read channel accounts.

use kassa_core::channel::ChannelAccount;
use kassa_core::text::AccountCode;
use runtime::store::SealedAccount;

use crate::{Error, Kassa};

/// The account with this code.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find(kassa: &Kassa, code: &AccountCode) -> Result<ChannelAccount, Error> {
    Ok(find_sealed(kassa, code).await?.account)
}

/// Accounts by code: those after `after`, at most `limit`, and whether there are more.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(
    kassa: &Kassa,
    after: Option<&AccountCode>,
    limit: usize,
) -> Result<(Vec<ChannelAccount>, bool), Error> {
    let mut accounts: Vec<_> = kassa
        .store
        .list_channel_accounts()
        .await?
        .into_iter()
        .map(|sealed| sealed.account)
        .filter(|account| after.is_none_or(|after| account.code > *after))
        .collect();
    accounts.sort_by(|left, right| left.code.cmp(&right.code));
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    Ok((accounts, more))
}

pub(super) async fn find_sealed(kassa: &Kassa, code: &AccountCode) -> Result<SealedAccount, Error> {
    kassa
        .store
        .find_channel_account_by_code(code)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "channel_account",
            name: code.to_string(),
        })
}
