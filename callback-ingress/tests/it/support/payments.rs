//! Payments in the database, and returns that Alipay has signed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use kassa_core::Money;
use kassa_core::app::App;
use kassa_core::channel::{Channel, FeeTerms, Method};
use kassa_core::id::{AttemptId, LegId, TransactionId};
use kassa_core::money::Currency;
use kassa_core::payment::{
    Attempt, AttemptStatus, Leg, LegStatus, PaymentStatus, PaymentTransaction,
};
use kassa_core::text::{AppId, BusinessOrderId, RequestId, Subject};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};

use super::{TestIngress, vectors};

/// What a test chooses.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) status: PaymentStatus,
    pub(crate) subject: &'static str,
    pub(crate) return_url: Option<&'static str>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            status: PaymentStatus::PaidSuccess,
            subject: "Teapot",
            return_url: Some("https://shop.example/done?order=7&x=1"),
        }
    }
}

/// Writes a payment of 88.88 CNY placed with `alipay-main`.
pub(crate) async fn insert(ingress: &TestIngress, wanted: &Wanted) -> PaymentTransaction {
    let payment = payment(ingress, wanted);
    let leg = Leg {
        id: LegId::new(&ingress.ids),
        transaction_id: payment.id,
        leg_no: 1,
        channel: payment.channel,
        method: payment.method,
        amount: payment.amount_requested,
        status: LegStatus::Pending,
        points: None,
        hold_id: None,
        amount_refunded: Money::zero(Currency::CNY),
        amount_refund_reserved: Money::zero(Currency::CNY),
    };
    let attempt = attempt(ingress, &payment, &leg);
    let tx = ingress.database.store.begin().await.expect("a transaction");
    tx.upsert_app_in_tx(&app(&payment)).await.expect("an app");
    tx.insert_payment_in_tx(&payment, &[leg], Some(&attempt))
        .await
        .expect("a payment");
    tx.commit().await.expect("committed");
    payment
}

fn app(payment: &PaymentTransaction) -> App {
    App {
        policies: kassa_core::app::Policies::default(),
        id: payment.app_id.clone(),
        display_name: "Shop".to_owned(),
        scopes: BTreeSet::new(),
        keys: Vec::new(),
        channel_accounts: Vec::new(),
        is_active: true,
        version: 1,
        created_at: payment.created_at,
        updated_at: payment.created_at,
    }
}

fn payment(ingress: &TestIngress, wanted: &Wanted) -> PaymentTransaction {
    let (ids, now) = (&ingress.ids, ingress.clock.now());
    let amount = Money::try_new(8_888, Currency::CNY).expect("an amount");
    let none = Money::zero(Currency::CNY);
    let id = TransactionId::new(ids);
    let is_refunded = wanted.status == PaymentStatus::RefundFull;
    PaymentTransaction {
        id,
        app_id: AppId::try_new("shop").expect("an app"),
        request_id: RequestId::try_new(id.to_string()).expect("a request id"),
        request_fingerprint: "0".repeat(64),
        business_order_id: BusinessOrderId::try_new(id.to_string()).expect("an order"),
        business_order_type: None,
        user_id: None,
        channel: Channel::Alipay,
        method: Method::Page,
        legs: Vec::new(),
        amount_requested: amount,
        amount_paid: if wanted.status.is_paid() {
            amount
        } else {
            none
        },
        amount_refunded: if is_refunded { amount } else { none },
        amount_refund_reserved: none,
        status: wanted.status,
        current_attempt_id: Some(AttemptId::new(ids)),
        gateway_transaction_id: None,
        failure: None,
        subject: Subject::try_new(wanted.subject).expect("a subject"),
        client_ip: None,
        return_url: wanted.return_url.map(str::to_owned),
        metadata: BTreeMap::new(),
        expires_at: now + TimeDelta::minutes(15),
        created_at: now,
        updated_at: now,
        paid_at: None,
        closed_at: None,
        version: 1,
        event_sequence: 0,
    }
}

fn attempt(ingress: &TestIngress, payment: &PaymentTransaction, leg: &Leg) -> Attempt {
    let account = ingress
        .accounts
        .find_by_code(Channel::Alipay, "alipay-main")
        .expect("an account");
    Attempt {
        next_query_at: None,
        query_count: 0,
        retry: None,
        id: payment.current_attempt_id.expect("an attempt"),
        transaction_id: payment.id,
        leg_id: leg.id,
        attempt_no: 1,
        channel_account_id: account.account.id,
        method: payment.method,
        amount: payment.amount_requested,
        fee: FeeTerms::default(),
        payer: None,
        status: AttemptStatus::Open,
        prepay: None,
        gateway_transaction_id: None,
        failure: None,
        expires_at: payment.expires_at,
        created_at: payment.created_at,
        updated_at: payment.updated_at,
        version: 1,
    }
}

/// The query string with which Alipay sends the payer back, signed with its key of the vectors.
pub(crate) fn signed_return(request_number: &str) -> String {
    let vectors = vectors::alipay();
    let fields = BTreeMap::from([
        ("app_id", "2021000000000001"),
        ("charset", "utf-8"),
        ("method", "alipay.trade.page.pay.return"),
        ("out_trade_no", request_number),
        ("seller_id", "2088101106499364"),
        ("timestamp", "2026-01-01 08:01:45"),
        ("total_amount", "88.88"),
        ("trade_no", "2026010122001400000000000001"),
        ("version", "1.0"),
    ]);
    let message: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let pem = vectors::text(&vectors["keys"]["alipay_test_private_key_pkcs8_pem"]);
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(&pem).expect("a key");
    let signature = SigningKey::<Sha256>::new(key)
        .sign(message.join("&").as_bytes())
        .to_bytes();
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("sign_type", "RSA2")
        .append_pair("sign", &STANDARD.encode(signature))
        .finish()
}
