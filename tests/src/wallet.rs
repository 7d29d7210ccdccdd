//! Wallets: filling them, and what is booked about them.

use kassa_core::app::{App, Policies};
use kassa_core::id::EventId;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::money::Points;
use kassa_core::payment_config::PaymentConfig;
use kassa_core::text::UserId;
use kassa_core::wallet::WalletKey;
use kassa_core::{Currency, Money};
use proto::v1::{self, PaymentChannel, PaymentMethod};
use runtime::store::{Movement, TransferRecord};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::wish::{Wish, money};

/// Points on the wire.
pub fn points(amount: &str) -> v1::Points {
    v1::Points {
        amount: amount.to_owned(),
    }
}

/// A leg that the balance pays.
pub fn balance_leg(amount: &str) -> v1::PaymentLegRequest {
    v1::PaymentLegRequest {
        payment_channel: PaymentChannel::Balance.into(),
        amount: Some(money(amount)),
        ..Default::default()
    }
}

/// A leg that points pay.
pub fn points_leg(amount: &str) -> v1::PaymentLegRequest {
    v1::PaymentLegRequest {
        payment_channel: PaymentChannel::Points.into(),
        points: Some(points(amount)),
        ..Default::default()
    }
}

/// A leg that a gateway collects.
pub fn gateway_leg(
    channel: PaymentChannel,
    method: PaymentMethod,
    amount: &str,
) -> v1::PaymentLegRequest {
    v1::PaymentLegRequest {
        payment_channel: channel.into(),
        payment_method: method.into(),
        amount: Some(money(amount)),
        points: None,
    }
}

impl Wish {
    /// Out of the user's balance alone.
    pub fn balance(order: &str, amount: &str) -> Self {
        let method = PaymentMethod::Wallet;
        Self::new(PaymentChannel::Balance, method, order, amount)
    }

    /// With the user's points alone.
    pub fn points(order: &str, amount: &str) -> Self {
        Self::new(PaymentChannel::Points, PaymentMethod::Wallet, order, amount)
    }

    /// By these legs.
    pub fn legs(order: &str, amount: &str, legs: Vec<v1::PaymentLegRequest>) -> Self {
        let is_jsapi = |leg: &v1::PaymentLegRequest| leg.payment_method() == PaymentMethod::Jsapi;
        let mut wish = if legs.iter().any(is_jsapi) {
            Self::wechat_jsapi(order, amount)
        } else {
            Self::alipay_qr(order, amount)
        };
        wish.0.payment_channel = 0;
        wish.0.payment_method = 0;
        wish.0.legs = legs;
        wish
    }

    /// By these channels as far as each can pay, in this order.
    pub fn by_priority(order: &str, amount: &str, channels: &[PaymentChannel]) -> Self {
        let mut wish = if channels.contains(&PaymentChannel::WechatPay) {
            Self::wechat_jsapi(order, amount)
        } else {
            Self::balance(order, amount)
        };
        wish.0.payment_channel = 0;
        if !channels.contains(&PaymentChannel::WechatPay) {
            wish.0.payment_method = 0;
        }
        wish.0.allocation_priority = channels.iter().copied().map(i32::from).collect();
        wish
    }

    /// Of this user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.0.user_id);
        self
    }
}

impl TestApp {
    /// The shop's payment configuration, as an operator writes it; without a payment password unless
    /// it says otherwise.
    pub async fn configure_payments(&self, mut config: Value) {
        if config.pointer("/balance/require_password").is_none() {
            let config = config.as_object_mut().expect("an object");
            let balance = config.entry("balance").or_insert_with(|| json!({}));
            let balance = balance.as_object_mut().expect("an object");
            balance.insert("require_password".to_owned(), json!(false));
        }
        let payment_config: PaymentConfig =
            serde_json::from_value(config).expect("a payment configuration");
        let store = &self.kassa().store;
        let shop = store.find_app(&self.shop.app).await.expect("the store");
        let shop = shop.expect("the shop");
        let policies = Policies {
            payment_config,
            ..shop.policies.clone()
        };
        let tx = store.begin().await.expect("a transaction");
        let changed = App { policies, ..shop };
        tx.upsert_app_in_tx(&changed).await.expect("the app");
        tx.commit().await.expect("committed");
    }

    /// Puts something into the wallet of a user of the shop.
    pub async fn fill(&self, user: &str, amount: Amount) {
        let kassa = self.kassa();
        let id = EventId::new(&kassa.ids).to_string();
        let transfer = self.wallet(user).credit(id, amount).expect("a transfer");
        let tx = kassa.store.begin().await.expect("a transaction");
        let movements = [Movement::Transfer(transfer)];
        tx.book_in_tx(&movements, None, &kassa.ids, kassa.clock.now())
            .await
            .expect("booked");
        tx.commit().await.expect("committed");
    }

    /// Puts money into the wallet of a user of the shop.
    pub async fn fill_balance(&self, user: &str, amount: &str) {
        let amount = Money::parse(amount, Currency::CNY).expect("an amount");
        self.fill(user, amount.into()).await;
    }

    /// Puts points into the wallet of a user of the shop.
    pub async fn fill_points(&self, user: &str, amount: &str) {
        let amount = Points::parse(amount).expect("points");
        self.fill(user, amount.into()).await;
    }

    /// `DebitWallet` of money, once for each user and amount.
    pub async fn debit(&self, user: &str, amount: &str) {
        let request = v1::DebitWalletRequest {
            request_id: format!("debit-{user}-{amount}"),
            user_id: user.to_owned(),
            amount: Some(v1::debit_wallet_request::Amount::Money(money(amount))),
            reason: "spent".to_owned(),
        };
        let answer = self.shop.wallets().debit_wallet(request).await;
        answer.expect("it is there");
    }

    /// `FreezeWallet`.
    pub async fn freeze(&self, user: &str) {
        let request = v1::FreezeWalletRequest {
            user_id: user.to_owned(),
            reason: "the phone was lost".to_owned(),
        };
        let answer = self.shop.wallets().freeze_wallet(request).await;
        answer.expect("it can be frozen");
    }

    /// What a user of the shop can spend, and what is held: `80.00 CNY`, `held 10.00 CNY`, and so on.
    pub async fn purse(&self, user: &str) -> [String; 2] {
        let mut purse = Vec::new();
        for unit in [Unit::Currency(Currency::CNY), Unit::Points] {
            let account = self.wallet(user).account(unit);
            let balances = self.kassa().store.balances(&account).await;
            let balances = balances.expect("the store answers");
            let shown = |minor| Amount::of(unit, minor).expect("an amount").to_string();
            let (available, held) = (shown(balances.available_minor()), balances.held_minor);
            purse.push(if held == 0 {
                available
            } else {
                format!("{available}, held {}", shown(held))
            });
        }
        purse.try_into().expect("two")
    }

    /// What was booked for a payment, in words, sorted, since the clock stands still.
    pub async fn books_of(&self, id: &str) -> Vec<String> {
        let id = id.parse().expect("a transaction id");
        let found = self.kassa().store.list_transfers_of(id).await;
        let mut lines: Vec<_> = found.expect("the store answers").iter().map(line).collect();
        lines.sort_unstable();
        lines
    }

    fn wallet(&self, user: &str) -> WalletKey {
        WalletKey {
            app_id: self.shop.app.clone(),
            user_id: UserId::try_new(user).expect("a user id"),
        }
    }
}

fn line(transfer: &TransferRecord) -> String {
    let mut entries: Vec<_> = transfer
        .entries
        .iter()
        .map(|entry| {
            let sign = if entry.amount_minor < 0 { "-" } else { "+" };
            let minor = entry.amount_minor.checked_abs().expect("an amount");
            let amount = Amount::of(entry.account.unit, minor).expect("an amount");
            format!("{} {sign}{amount}", entry.account.kind)
        })
        .collect();
    entries.sort_unstable();
    format!("{}: {}", transfer.cause.kind, entries.join(", "))
}
