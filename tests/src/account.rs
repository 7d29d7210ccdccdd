//! Channel accounts as an operator changes them.

use std::collections::BTreeMap;

use flows::channel::{self, ChannelAccountChange, Limits};
use kassa_core::channel::FeeTerms;
use kassa_core::text::AccountCode;

use crate::TestApp;

impl TestApp {
    /// From now on the gateway keeps this part of each payment over the account; `returned` if it gives it
    /// back with refunds.
    pub async fn charge(&self, code: &str, rate: &str, returned: bool) {
        let kassa = self.kassa();
        let code = AccountCode::try_new(code.to_owned()).expect("a code");
        let account = channel::find(kassa, &code).await.expect("an account");
        let fee = FeeTerms {
            rate: rate.parse().expect("a rate"),
            is_returned: returned,
        };
        let change = ChannelAccountChange {
            code,
            version: account.version,
            display_name: account.display_name,
            settings: account.settings,
            secrets: BTreeMap::new(),
            limits: Limits {
                amount_min: account.limits.amount_min,
                amount_max: account.limits.amount_max,
                fee,
                callback_cidrs: account.callback_cidrs,
            },
        };
        let changed = channel::update(kassa, "operator", change).await;
        changed.expect("the account is changed");
    }
}
