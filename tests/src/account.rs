//! Channel accounts as an operator changes them.

use std::collections::BTreeMap;

use flows::channel::{self, ChannelAccountChange, Limits};
use kassa_core::channel::FeeTerms;
use kassa_core::text::AccountCode;
use serde_json::Value;

use crate::TestApp;

impl TestApp {
    /// From now on the gateway keeps this part of each payment over the account; `returned` if it gives it
    /// back with refunds.
    pub async fn charge(&self, code: &str, rate: &str, returned: bool) {
        let fee = FeeTerms {
            rate: rate.parse().expect("a rate"),
            is_returned: returned,
        };
        self.change(code, |change| change.limits.fee = fee).await;
    }

    /// From now on the account has this setting.
    pub async fn set(&self, code: &str, field: &str, value: impl Into<Value>) {
        self.change(code, |change| {
            let settings = change.settings.as_object_mut().expect("settings");
            settings.insert(field.to_owned(), value.into());
        })
        .await;
    }

    /// An operator takes one of the account's settings away.
    pub async fn unset(&self, code: &str, field: &str) {
        self.change(code, |change| {
            let settings = change.settings.as_object_mut().expect("settings");
            settings.remove(field).expect("a setting that is there");
        })
        .await;
    }

    async fn change(&self, code: &str, how: impl FnOnce(&mut ChannelAccountChange)) {
        let kassa = self.kassa();
        let code = AccountCode::try_new(code.to_owned()).expect("a code");
        let account = channel::find(kassa, &code).await.expect("an account");
        let mut change = ChannelAccountChange {
            code,
            version: account.version,
            display_name: account.display_name,
            settings: account.settings,
            secrets: BTreeMap::new(),
            limits: Limits {
                amount_min: account.limits.amount_min,
                amount_max: account.limits.amount_max,
                fee: account.fee,
                callback_cidrs: account.callback_cidrs,
            },
        };
        how(&mut change);
        let changed = channel::update(kassa, "operator", change).await;
        changed.expect("the account is changed");
    }
}
