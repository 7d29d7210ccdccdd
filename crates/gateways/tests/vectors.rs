//! Every vector of every room is used by a test, or stands in a list here with the reason why not. A name in a file of
//! `src/<room>/testdata` counts as used where the tests of the room, of `crypto`, of the ingress or of the conformance
//! suite name it; lists are gone through whole, so their items need no names.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

use kassa_core::channel::GatewayName;
use serde_json::Value;

/// Names of what people read: where a vector comes from and what it is about.
const PROSE: [&str; 7] = [
    "about",
    "_about",
    "algorithm",
    "note",
    "source",
    "sources",
    "WARNING",
];

const NO_BILLS: &str = "bills are not read yet";
const IN_WORDS: &str = "a rule in words: `conversion_cases` has a case of it";

/// Room, file, name, and why no test uses it.
const UNUSED: &[(&str, &str, &str, &str)] = &[
    (
        "alipay",
        "vectors",
        "request_signing_gbk",
        "every request is UTF-8",
    ),
    (
        "alipay",
        "vectors",
        "aes",
        "the encryption of contents is not built",
    ),
    (
        "alipay",
        "vectors",
        "rest_v3_optional",
        "the interface under /v3 is not used",
    ),
    ("alipay", "vectors", "bill_sample", NO_BILLS),
    (
        "baidu",
        "vectors",
        "query_legacy/sign_parameter_name",
        "interface 1.0 is not used; its example only shows another signature",
    ),
    (
        "unionpay",
        "vectors",
        "merchant/pkcs12_base64",
        "accounts hold PEM; the room's README has the command that writes it",
    ),
    (
        "unionpay",
        "vectors",
        "merchant/pkcs12_password",
        "as pkcs12_base64",
    ),
    ("unionpay", "vectors", "file", NO_BILLS),
    (
        "wechat_v2",
        "vectors",
        "refund_notification/aes_key_ascii",
        "made of the API key before `raw_body` is opened",
    ),
    (
        "wechat_v3",
        "vectors",
        "official_doc_response_verify/string_to_verify",
        "made of the headers and the body before the signature is verified",
    ),
    (
        "wechat_v3",
        "vectors",
        "official_go_sdk/authorization_layout",
        "the order of the fields is in `own/request_signing`, to the byte",
    ),
    (
        "wechat_v3",
        "vectors",
        "official_go_sdk/aes_gcm",
        "its key has 16 bytes; an APIv3 key has 32 and no other is taken",
    ),
    (
        "wechat_v3",
        "vectors",
        "own/oaep_sha1",
        "no field is sent that has to be encrypted for WeChat Pay",
    ),
    ("wechat_v3", "vectors", "own/bill_sample", NO_BILLS),
    (
        "stripe",
        "webhook",
        "default_tolerance_seconds",
        "`cases` has one at its edge",
    ),
    ("stripe", "money", "stripe/default_exponent", IN_WORDS),
    (
        "stripe",
        "money",
        "stripe/three_decimal_last_digit_must_be_zero",
        IN_WORDS,
    ),
    ("stripe", "money", "stripe/special", IN_WORDS),
    (
        "stripe",
        "money",
        "stripe/currency_case",
        "`requests` has it",
    ),
    (
        "stripe",
        "money",
        "stripe/minimum_by_settlement_currency",
        "the currency that an account settles in is not known here",
    ),
    (
        "stripe",
        "money",
        "stripe/max_digits",
        "one limit for all: that of eight digits",
    ),
    ("paypal", "money", "paypal/default_exponent", IN_WORDS),
    (
        "paypal",
        "money",
        "paypal/three_decimal",
        "an empty list: there are none",
    ),
    (
        "paypal",
        "money",
        "paypal/in_country_only",
        "where an account may take them is PayPal's to say",
    ),
    (
        "paypal",
        "money",
        "paypal/currency_case",
        "`requests` has it",
    ),
    ("paypal", "money", "paypal/amount_form", IN_WORDS),
];

#[test]
fn every_vector_is_used_or_listed_with_its_reason() {
    let mut unused = BTreeSet::new();
    let mut files = 0;
    for gateway in GatewayName::ALL {
        let room = gateway.as_str().to_lowercase();
        let tests = sources_of(&room);
        for path in files_in(
            &root()
                .join("crates/gateways/src")
                .join(&room)
                .join("testdata"),
        ) {
            files += 1;
            let file = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                tests.contains(&format!("testdata/{file}.json")),
                "no test reads {room}/{file}.json"
            );
            let vectors: Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
            for name in unused_names(&vectors, &tests) {
                unused.insert((room.clone(), file.to_owned(), name));
            }
        }
    }
    assert!(files >= GatewayName::ALL.len(), "{files} files");
    let listed: BTreeSet<_> = UNUSED
        .iter()
        .map(|(room, file, name, why)| {
            assert!(!why.is_empty(), "{room} {file} {name}");
            ((*room).to_owned(), (*file).to_owned(), (*name).to_owned())
        })
        .collect();
    assert_eq!(unused, listed, "unused on the left, listed on the right");
}

/// Names that no test has in quotes or in a JSON pointer: those at the top, and one level below those that are used.
fn unused_names(vectors: &Value, tests: &str) -> Vec<String> {
    let mut unused = Vec::new();
    for (name, value) in vectors.as_object().unwrap() {
        if PROSE.contains(&name.as_str()) {
            continue;
        }
        if !is_named(name, tests) {
            unused.push(name.clone());
            continue;
        }
        let members = value.as_object().into_iter().flatten();
        unused.extend(
            members
                .filter(|(member, _)| !PROSE.contains(&member.as_str()))
                .filter(|(member, _)| !is_named(member, tests))
                .map(|(member, _)| format!("{name}/{member}")),
        );
    }
    unused
}

fn is_named(name: &str, tests: &str) -> bool {
    let ends = [('"', '"'), ('/', '"'), ('/', '/')];
    ends.iter()
        .any(|(before, after)| tests.contains(&format!("{before}{name}{after}")))
}

/// All tests that may use the vectors of a room, in one text.
fn sources_of(room: &str) -> String {
    let rooms = root().join("crates/gateways/src");
    let mut paths = files_in(&rooms.join(room).join("tests"));
    paths.push(rooms.join("crypto/tests.rs"));
    paths.extend(files_in(&root().join("callback-ingress/tests/it/support")));
    paths.extend(files_in(&root().join("tests/conformance").join(room)));
    paths
        .iter()
        .map(|path| read_to_string(path).unwrap())
        .collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
