//! `docs/gateways.md` is made of the rooms' capabilities and of what other people's software proves of
//! them (`tests/conformance/proofs.toml`): this test compares. After a change, run it once with
//! `KASSA_UPDATE=1` and commit the file.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use gateways::Capabilities;
use gateways::registry;
use kassa_core::channel::{GatewayName, Method};

const HEAD: &str = "# Gateways\n\n\
    What each gateway can do, generated from the `CAPABILITIES` of its room in `crates/gateways/src` by the test\n\
    `crates/gateways/tests/manifest.rs` (`KASSA_UPDATE=1` rewrites it). Amounts are in minor units. A field that holds a secret\n\
    is sealed at rest, write-only in the API and shown as a fingerprint.\n\n\
    Who proved what, beside our own tests, is from `tests/conformance/proofs.toml`; `scripts/test conformance` runs it:\n\n\
    - *drives*: the software calls our simulator as it would call the gateway, and takes the signed answers\n\
    - *judges*: the software verifies what our adapter sends or gives to the payer's client, and refuses it altered\n\
    - *reads*: the software verifies and reads the callbacks of our simulator\n\
    - *signs*: the software makes callbacks that our ingress takes and that pay, and altered ones that it refuses\n\
    - *agrees*: the software signs, takes and refuses the vectors that the room's own tests run, alike\n\
    - *vectors*: the room's own tests run examples that other software made, which is not run here\n";

/// Operations in the order of a payment's life.
const OPERATIONS: [&str; 10] = [
    "place",
    "query",
    "cancel",
    "close",
    "payment_callback",
    "return",
    "refund",
    "query_refund",
    "refund_callback",
    "refund_to_merchant",
];

/// How an operation is proven: lists of software, or a text.
type Proof = BTreeMap<String, toml::Value>;

/// As much of `proofs.toml` as the manifest shows.
#[derive(serde::Deserialize)]
struct Proofs {
    software: BTreeMap<String, Software>,
    /// By gateway, product and operation.
    proof: BTreeMap<String, BTreeMap<String, BTreeMap<String, Proof>>>,
}

#[derive(serde::Deserialize)]
struct Software {
    package: String,
}

#[test]
fn the_committed_manifest_is_what_the_rooms_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gateways.md");
    let expected = manifest();
    if is_update() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == expected,
        "docs/gateways.md is stale: run this test with KASSA_UPDATE=1"
    );
}

#[test]
fn every_room_is_complete_and_limits_make_sense() {
    for gateway in GatewayName::ALL {
        let capabilities = registry::capabilities(*gateway);
        assert!(!capabilities.methods.is_empty() && !capabilities.currencies.is_empty());
        assert!(capabilities.amount_minor_max > 0);
        for (code, minor) in capabilities.amount_minor_max_of {
            assert!(capabilities.currencies.contains(code) && *minor > 0);
            assert_eq!(capabilities.amount_max(code.parse().unwrap()), *minor);
        }
        assert!(capabilities.expiry_min_secs < capabilities.expiry_max_secs);
        assert!(!registry::secret_fields(*gateway).is_empty());
        for method in capabilities.methods {
            assert_eq!(
                capabilities.method(method.method),
                Some(method),
                "listed twice"
            );
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for people who update the manifest"
)]
fn is_update() -> bool {
    std::env::var("KASSA_UPDATE").is_ok_and(|value| value == "1")
}

fn manifest() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/proofs.toml");
    let proofs: Proofs = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut text = HEAD.to_owned();
    for gateway in GatewayName::ALL {
        section(&mut text, *gateway, registry::capabilities(*gateway));
        proven(&mut text, *gateway, &proofs);
    }
    writeln!(
        text,
        "\n## Other people's software\n\n| name | package |\n| --- | --- |"
    )
    .unwrap();
    for (name, software) in &proofs.software {
        writeln!(text, "| {name} | {} |", software.package).unwrap();
    }
    text
}

fn proven(text: &mut String, gateway: GatewayName, proofs: &Proofs) {
    let Some(products) = proofs.proof.get(gateway.as_str()) else {
        writeln!(text, "\nNo other software has proven anything of it yet.").unwrap();
        return;
    };
    writeln!(
        text,
        "\n| product | operation | proven by |\n| --- | --- | --- |"
    )
    .unwrap();
    for (product, operations) in products {
        let mut left = operations.len();
        for name in OPERATIONS {
            let Some(proof) = operations.get(name) else {
                continue;
            };
            left -= 1;
            writeln!(text, "| {product} | {name} | {} |", ways(proof)).unwrap();
        }
        assert_eq!(left, 0, "{gateway} {product}: an operation of another name");
    }
}

fn ways(proof: &Proof) -> String {
    let ways = proof.iter().map(|(way, by)| match by.as_array() {
        Some(names) => {
            let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
            format!("{way}: {}", names.join(", "))
        }
        None => format!("{way}: {}", by.as_str().unwrap()),
    });
    ways.collect::<Vec<_>>().join("; ")
}

fn section(text: &mut String, gateway: GatewayName, capabilities: &Capabilities) {
    let channel = gateway.channel();
    writeln!(text, "\n## {gateway}\n").unwrap();
    writeln!(text, "| | |\n| --- | --- |").unwrap();
    writeln!(text, "| channel | `{channel}` |").unwrap();
    writeln!(
        text,
        "| currencies | {} |",
        capabilities.currencies.join(", ")
    )
    .unwrap();
    writeln!(text, "| amount | {} |", amounts(capabilities)).unwrap();
    writeln!(
        text,
        "| time to expiry | {} s to {} s |",
        capabilities.expiry_min_secs, capabilities.expiry_max_secs
    )
    .unwrap();
    let refunds = yes(capabilities.refund_callbacks);
    writeln!(
        text,
        "| refund callbacks on a route of their own | {refunds} |"
    )
    .unwrap();
    let repeatable = yes(capabilities.is_refund_repeatable);
    writeln!(text, "| a refund may be submitted again | {repeatable} |").unwrap();
    let to_merchant = yes(capabilities.refund_to_merchant);
    writeln!(
        text,
        "| a refund that hangs can go to the merchant | {to_merchant} |"
    )
    .unwrap();
    writeln!(
        text,
        "| signed return of the payer | {} |",
        yes(capabilities.signed_return)
    )
    .unwrap();
    let secrets: Vec<String> = registry::secret_fields(gateway)
        .iter()
        .map(|field| format!("`{field}`"))
        .collect();
    writeln!(text, "| secrets | {} |\n", secrets.join(", ")).unwrap();
    writeln!(
        text,
        "| method | product | payer id | client address | return URL | parameters good for |"
    )
    .unwrap();
    writeln!(text, "| --- | --- | --- | --- | --- | --- |").unwrap();
    for method in capabilities.methods {
        writeln!(
            text,
            "| {} | `{}` | {} | {} | {} | {} |",
            method.method,
            method.product,
            needed(method.needs_payer),
            needed(method.needs_client_ip),
            if method.takes_return_url { "used" } else { "-" },
            match method.prepay_valid_secs {
                Some(secs) => format!("{secs} s"),
                // There are none.
                None if method.method == Method::BarCode => "-".to_owned(),
                None => "the order".to_owned(),
            },
        )
        .unwrap();
    }
}

fn amounts(capabilities: &Capabilities) -> String {
    let mut text = format!("1 to {}", capabilities.amount_minor_max);
    for (code, minor) in capabilities.amount_minor_max_of {
        write!(text, "; to {minor} {code}").unwrap();
    }
    text
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn needed(flag: bool) -> &'static str {
    if flag { "needed" } else { "-" }
}
