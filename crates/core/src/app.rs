//! Apps: the business systems that call Kassa.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::code::codes;
use crate::id::ChannelAccountId;
use crate::payment_config::PaymentConfig;
use crate::text::AppId;

/// The name under which operators are told of what belongs to no app. No app can have it.
pub const OPERATIONS_APP: &str = "kassa-operations";

codes! {
    /// What an app may do. Every RPC needs exactly one scope.
    Scope as "scope" {
        /// Create, close and synchronise payments.
        PaymentsWrite = "payments:write",
        /// Read and watch payments.
        PaymentsRead = "payments:read",
        /// Create refunds.
        RefundsWrite = "refunds:write",
        /// Read refunds.
        RefundsRead = "refunds:read",
        /// Credit, debit, freeze wallets, move between them.
        WalletsWrite = "wallets:write",
        /// Read wallets and their statements.
        WalletsRead = "wallets:read",
        /// Set, change, reset and verify payment passwords, ask for one-time codes.
        PasswordsWrite = "passwords:write",
        /// Read whether a payment password is set or locked.
        PasswordsRead = "passwords:read",
        /// Read events.
        EventsRead = "events:read",
        /// Create, change, enable and disable channel accounts.
        ChannelsWrite = "channels:write",
        /// Read channel accounts.
        ChannelsRead = "channels:read",
        /// Inspect notifications, parked messages and anomalies.
        OperationsRead = "operations:read",
        /// Re-drive parked messages, resolve anomalies.
        OperationsWrite = "operations:write",
    }
}

/// A business system that calls Kassa.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name; the first word of its events' routing keys.
    pub id: AppId,
    /// For people.
    pub display_name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The keys that its tokens are verified with. Several at once, so that it can rotate them.
    pub keys: Vec<AppKey>,
    /// The channel accounts that it may use; the first that fits is taken unless it names one.
    pub channel_accounts: Vec<ChannelAccountId>,
    /// A disabled app is refused everything.
    pub is_active: bool,
    /// What Kassa does for it without being asked.
    pub policies: Policies,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What Kassa does for an app without being asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Money that comes after its payment was closed or had failed is given back.
    pub refund_late_payments: bool,
    /// Money that comes a second time is given back.
    pub refund_duplicate_payments: bool,
    /// What it allows its payers.
    pub payment_config: PaymentConfig,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            refund_late_payments: true,
            refund_duplicate_payments: true,
            payment_config: PaymentConfig::default(),
        }
    }
}

codes! {
    /// How a token is signed.
    KeyAlgorithm as "key algorithm" {
        /// Ed25519.
        EdDsa = "EdDSA",
        /// RSA with SHA-256, 2048 bits or more.
        Rs256 = "RS256",
    }
}

/// A public key of an app.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AppKey {
    /// The token header's `kid`.
    pub kid: String,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The public key, SPKI in PEM.
    pub public_key_pem: String,
}
