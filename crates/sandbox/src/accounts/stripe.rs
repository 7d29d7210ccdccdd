//! Accounts at Stripe.

use std::fmt;

use crate::{error::KeysError, keys::Keys};

/// What a merchant's developer gets from Stripe's dashboard (stripe sheet §1), in test mode.
#[derive(Clone)]
pub struct StripeCredentials {
    /// Base of `/v1/…`: the root of this sandbox, without a slash at its end.
    pub api_base_url: String,
    /// Stripe's number of the account, by which its endpoint is registered.
    pub account: String,
    /// `sk_test_…`.
    pub secret_key: String,
    /// `pk_test_…`.
    pub publishable_key: String,
    /// `whsec_…` of its endpoint.
    pub webhook_secret: String,
}

impl fmt::Debug for StripeCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StripeCredentials")
            .field("api_base_url", &self.api_base_url)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// One account as Stripe knows it.
pub(crate) struct StripeMerchant {
    pub(crate) account: String,
    pub(crate) secret_key: String,
    pub(crate) webhook_secret: String,
}

/// Stripe's number of each account, and the key that its secrets follow from.
pub(super) const STRIPE_ACCOUNTS: [(&str, &str); 2] = [
    ("acct_1Sandbox00000001", "wechat_merchant"),
    ("acct_1Sandbox00000002", "wechat_merchant_foreign"),
];

/// Stripe's secrets are texts: they follow from a key that is kept anyway.
pub(super) fn stripe_credentials(
    keys: &Keys,
    base_url: &str,
    (account, key): (&str, &str),
) -> Result<StripeCredentials, KeysError> {
    let pair = keys.pair(key)?;
    Ok(StripeCredentials {
        api_base_url: base_url.to_owned(),
        account: account.to_owned(),
        secret_key: format!("sk_test_{}", pair.secret("stripe secret")),
        publishable_key: format!("pk_test_{}", pair.secret("stripe publishable")),
        webhook_secret: format!("whsec_{}", pair.secret("stripe webhook")),
    })
}
