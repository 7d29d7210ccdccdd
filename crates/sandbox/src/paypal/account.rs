//! The accounts that are registered with the simulated PayPal, and what each merchant would find at PayPal's
//! developer site (paypal sheet §1).

use std::fmt;

use rsa::RsaPrivateKey;

use crate::{error::KeysError, keys::Keys};

/// The name in the certificate that signs webhooks (paypal sheet §10.2).
const SIGNER: &str = "messageverificationcerts.paypal.com";
/// The key that signs them.
const SIGNING_KEY: &str = "wechat_public_key";
/// Where the certificate is said to be. Nobody fetches it: it is among the credentials.
pub(super) const CERT_URL: &str =
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-sandbox-0001";

/// PayPal's number of each account, and the key that its secrets follow from.
const ACCOUNTS: [(&str, &str); 2] = [
    ("SANDBXMERCH22", "wechat_merchant"),
    ("SANDBXMERCH23", "wechat_merchant_foreign"),
];

/// What a merchant's developer gets from PayPal.
#[derive(Clone)]
pub struct PaypalCredentials {
    /// Base of `/v2/…`: the root of this sandbox, without a slash at its end.
    pub api_base_url: String,
    /// PayPal's number of the account.
    pub merchant_id: String,
    /// Of the REST app.
    pub client_id: String,
    /// Of the REST app.
    pub client_secret: String,
    /// PayPal's number of the registered webhook.
    pub webhook_id: String,
    /// What `PAYPAL-CERT-URL` says.
    pub certificate_url: String,
    /// The certificate (PEM) from there.
    pub certificate_pem: String,
    /// The authority that issued it.
    pub root_certificate_pem: String,
}

impl fmt::Debug for PaypalCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PaypalCredentials")
            .field("api_base_url", &self.api_base_url)
            .field("merchant_id", &self.merchant_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The accounts, and the key that signs webhooks.
pub(crate) struct Platform {
    accounts: Vec<PaypalCredentials>,
    pub(super) private: RsaPrivateKey,
}

impl Platform {
    pub(crate) fn try_new(keys: &Keys) -> Result<Self, KeysError> {
        let accounts = (0..ACCOUNTS.len()).map(|index| credentials(keys, "", index));
        Ok(Self {
            accounts: accounts.collect::<Result<_, _>>()?,
            private: keys.pair(SIGNING_KEY)?.private,
        })
    }

    pub(super) fn find(&self, merchant_id: &str) -> Option<&PaypalCredentials> {
        self.accounts
            .iter()
            .find(|it| it.merchant_id == merchant_id)
    }

    pub(super) fn find_by_client(&self, id: &str, secret: &str) -> Option<&PaypalCredentials> {
        let mut accounts = self.accounts.iter();
        accounts.find(|it| it.client_id == id && it.client_secret == secret)
    }

    /// Any other account than this one.
    pub(super) fn other(&self, merchant_id: &str) -> Option<&PaypalCredentials> {
        self.accounts
            .iter()
            .find(|it| it.merchant_id != merchant_id)
    }
}

/// The credentials of the account with this index.
pub(crate) fn credentials(
    keys: &Keys,
    base_url: &str,
    index: usize,
) -> Result<PaypalCredentials, KeysError> {
    let (merchant_id, key) = ACCOUNTS
        .get(index)
        .ok_or_else(|| KeysError::Incomplete("accounts".into()))?;
    let pair = keys.pair(key)?;
    Ok(PaypalCredentials {
        api_base_url: base_url.to_owned(),
        merchant_id: (*merchant_id).to_owned(),
        client_id: format!("A{}", pair.secret("paypal client")),
        client_secret: format!("E{}", pair.secret("paypal secret")),
        webhook_id: pair
            .secret("paypal webhook")
            .to_uppercase()
            .chars()
            .take(24)
            .collect(),
        certificate_url: CERT_URL.to_owned(),
        certificate_pem: keys.issue(SIGNING_KEY, SIGNER, None)?,
        root_certificate_pem: keys.root_certificate()?,
    })
}
