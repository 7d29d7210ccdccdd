//! The conformance suite: other people's software on the other side of every gateway.
//!
//! | way | what a script proves with the software that it is named after |
//! | --- | --- |
//! | drives | it calls our simulator as it would call the gateway, and takes the signed answers |
//! | judges | it verifies what our adapter sends or gives to the payer's client, and refuses it altered |
//! | reads | it verifies and reads the callbacks of our simulator |
//! | signs | it makes callbacks that our ingress takes and that pay, and altered ones that it refuses |
//! | agrees | it signs, takes and refuses the vectors that the room's own tests run, alike |
//!
//! `proofs.toml` says what is proven by what; `docs/gateways.md` shows it. A script that proves less
//! or more than the table says fails the suite, and so does an operation that nothing proves.
//!
//! No package knows Baidu or UnionPay: there the software is OpenSSL's command line, which makes and judges what
//! they and their merchants sign (`kit/command_line.py`).
//!
//! `scripts/test conformance` installs the software and runs this; plain `cargo test` leaves it out.

#![expect(clippy::expect_used, reason = "tests")]

mod adapter;
mod ground;
mod recorder;
mod script;
mod table;

use std::collections::BTreeSet;

use gateways::registry;
use kassa_core::channel::GatewayName;
use serde_json::Value;

use ground::Ground;
use script::Told;
use table::{Check, Table};

/// Runs every script of one gateway, each over the same recorded calls of our adapter.
async fn conforms(gateway: GatewayName) {
    let table = Table::read();
    let software = table.software_of(gateway);
    assert!(!software.is_empty(), "{gateway}: no software proves it");
    let ground = Ground::start(gateway, software.len()).await;
    for (turn, name) in software.iter().enumerate() {
        let told = proves(&table, gateway, name, &ground.input(turn)).await;
        ground.assert_settled(&told.settled).await;
    }
    Box::pin(ground.finish()).await;
}

/// Runs one script, which has to prove what the table says, no less and no more.
async fn proves(table: &Table, gateway: GatewayName, name: &str, input: &Value) -> Told {
    let expected: BTreeSet<Check> = table.checks_of(gateway, name);
    let told = script::run(gateway, name, table.software(name), input).await;
    assert_eq!(
        told.proven, expected,
        "{name} proves something else than proofs.toml says"
    );
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alipay_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::Alipay)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wechat_v3_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::WechatV3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::Stripe)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wechat_v2_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::WechatV2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baidu_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::Baidu)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unionpay_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::Unionpay)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paypal_is_what_other_software_takes_it_for() {
    Box::pin(conforms(GatewayName::Paypal)).await;
}

#[test]
fn every_operation_of_every_room_has_its_proof() {
    let table = Table::read();
    let mut missing = Vec::new();
    for gateway in GatewayName::ALL {
        for (product, operation) in table::operations(registry::capabilities(*gateway)) {
            if !table.is_proven(*gateway, product, operation) {
                missing.push(format!("{gateway} {product} {operation}"));
            }
        }
    }
    assert!(missing.is_empty(), "without a proof: {missing:#?}");
}

#[test]
fn every_software_of_the_table_proves_something_and_every_proof_names_software_of_the_table() {
    Table::read().assert_consistent();
}
