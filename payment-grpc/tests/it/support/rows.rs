//! Rows, written as flows would.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flows::Kassa;
use kassa_core::channel::{AccountLimits, Channel, ChannelAccount, FeeTerms, GatewayName, Method};
use kassa_core::id::{AttemptId, ChannelAccountId, LegId, TransactionId};
use kassa_core::payment::{
    Attempt, AttemptStatus, Leg, LegStatus, PaymentStatus, PaymentTransaction,
};
use kassa_core::text::{AccountCode, AppId, BusinessOrderId, RequestId, Subject};
use kassa_core::{Currency, Money};
use runtime::store::SealedAccount;

/// The account of all payments here. It does not open, so no gateway is called.
async fn account(kassa: &Kassa) -> ChannelAccountId {
    let code = AccountCode::try_new("closed-shop").unwrap();
    if let Some(found) = kassa
        .store
        .find_channel_account_by_code(&code)
        .await
        .unwrap()
    {
        return found.account.id;
    }
    let now = kassa.clock.now();
    let account = ChannelAccount {
        id: ChannelAccountId::new(&kassa.ids),
        code,
        display_name: "closed".to_owned(),
        gateway: GatewayName::Alipay,
        settings: serde_json::json!({}),
        fingerprints: BTreeMap::new(),
        limits: AccountLimits::default(),
        fee: FeeTerms::default(),
        callback_cidrs: Vec::new(),
        is_active: true,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let id = account.id;
    let tx = kassa.store.begin().await.unwrap();
    let row = SealedAccount {
        account,
        credentials_sealed: vec![0],
    };
    tx.insert_channel_account_in_tx(&row).await.unwrap();
    tx.commit().await.unwrap();
    id
}

fn leg(kassa: &Kassa, transaction_id: TransactionId, amount: Money) -> Leg {
    Leg {
        id: LegId::new(&kassa.ids),
        transaction_id,
        leg_no: 1,
        channel: Channel::Alipay,
        method: Method::Qr,
        amount,
        status: LegStatus::Pending,
        points: None,
        hold_id: None,
        amount_refunded: Money::zero(Currency::CNY),
        amount_refund_reserved: Money::zero(Currency::CNY),
    }
}

/// Writes a payment of `app` that waits for its payer.
pub(crate) async fn payment(kassa: &Kassa, app: &AppId, order: &str) -> PaymentTransaction {
    let now = kassa.clock.now();
    let amount = Money::try_new(1000, Currency::CNY).unwrap();
    let zero = Money::zero(Currency::CNY);
    let id = TransactionId::new(&kassa.ids);
    let leg = leg(kassa, id, amount);
    let attempt = Attempt {
        next_query_at: None,
        query_count: 0,
        retry: None,
        id: AttemptId::new(&kassa.ids),
        transaction_id: id,
        leg_id: leg.id,
        attempt_no: 1,
        channel_account_id: account(kassa).await,
        method: Method::Qr,
        amount,
        fee: FeeTerms::default(),
        payer: None,
        status: AttemptStatus::Open,
        prepay: None,
        gateway_transaction_id: None,
        failure: None,
        expires_at: now + TimeDelta::minutes(30),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let payment = PaymentTransaction {
        id,
        app_id: app.clone(),
        request_id: RequestId::try_new(order).unwrap(),
        request_fingerprint: "0".repeat(64),
        business_order_id: BusinessOrderId::try_new(order).unwrap(),
        business_order_type: None,
        user_id: None,
        channel: Channel::Alipay,
        method: Method::Qr,
        legs: Vec::new(),
        amount_requested: amount,
        amount_paid: zero,
        amount_refunded: zero,
        amount_refund_reserved: zero,
        status: PaymentStatus::PendingPayment,
        current_attempt_id: Some(attempt.id),
        gateway_transaction_id: None,
        failure: None,
        subject: Subject::try_new("coffee").unwrap(),
        client_ip: None,
        return_url: None,
        metadata: BTreeMap::new(),
        expires_at: now + TimeDelta::minutes(30),
        created_at: now,
        updated_at: now,
        paid_at: None,
        closed_at: None,
        version: 1,
        event_sequence: 0,
    };
    let tx = kassa.store.begin().await.unwrap();
    tx.insert_payment_in_tx(&payment, &[leg], Some(&attempt))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    payment
}

/// Closes a payment.
pub(crate) async fn closed(kassa: &Kassa, id: TransactionId) {
    let tx = kassa.store.begin().await.unwrap();
    let locked = tx.load_payment_for_update_in_tx(id).await.unwrap();
    let mut after = locked.get().clone();
    after.status = PaymentStatus::Closed;
    after.closed_at = Some(kassa.clock.now());
    tx.update_payment_in_tx(locked, after).await.unwrap();
    tx.commit().await.unwrap();
}
