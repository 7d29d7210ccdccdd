//! Examples made by other people's software: our strings and signatures are theirs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sign;
use crate::{
    crypto::{is_signed_by, sign_sha256},
    testing::{private_key, public_key},
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../testdata/alipay.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn form(raw: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect()
}

#[test]
fn request_vectors_have_our_string_and_signature() {
    let vectors = vectors();
    let key = private_key(text(&vectors["keys"]["app_private_key_pkcs8_pem"]));
    for case in vectors["request_signing"].as_array().unwrap() {
        let params: BTreeMap<String, String> =
            serde_json::from_value(case["params"].clone()).unwrap();
        let string = sign::request_string(&params);
        assert_eq!(string, text(&case["string_to_sign"]), "{}", case["name"]);
        let signature = sign_sha256(&key, string.as_bytes()).unwrap();
        assert_eq!(signature, text(&case["expected_sign"]), "{}", case["name"]);
        if let Some(encoded) = case["form_encoded"].as_str() {
            let public = key.to_public_key();
            assert!(
                sign::is_request_signed(&public, &form(encoded)),
                "{}",
                case["name"]
            );
        }
    }
}

#[test]
fn an_order_string_of_other_software_verifies() {
    let vectors = vectors();
    let key = private_key(text(&vectors["keys"]["app_private_key_pkcs8_pem"])).to_public_key();
    let order_string = &vectors["app_order_string"]["order_string_percent_encoded_sorted"];
    assert!(sign::is_request_signed(&key, &form(text(order_string))));
}

#[test]
fn notice_vectors_have_our_string() {
    let vectors = vectors();
    let key = public_key(text(&vectors["keys"]["alipay_public_key_pem"]));
    let plain = vectors["notifications"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["liberal_variant"] == false && case["name"] != "empty_value_kept");
    for case in plain.chain([&vectors["sync_return"]]) {
        let raw = case["raw_body"]
            .as_str()
            .or(case["query_string"].as_str())
            .unwrap();
        let params = form(raw);
        let string = sign::notice_string(&params);
        assert_eq!(string, text(&case["string_to_sign"]), "{}", case["name"]);
        let is_valid = is_signed_by(&key, string.as_bytes(), &params["sign"]);
        assert_eq!(is_valid, case["valid"] == true, "{}", case["name"]);
    }
}

#[test]
fn our_signature_over_an_answer_vector_is_theirs() {
    let vectors = vectors();
    let key = private_key(text(&vectors["keys"]["alipay_test_private_key_pkcs8_pem"]));
    for case in vectors["response_verification"].as_array().unwrap() {
        if case["valid"] == true {
            let raw: Value = serde_json::from_str(text(&case["raw_body"])).unwrap();
            let signature = sign_sha256(&key, text(&case["signed_substring"]).as_bytes());
            assert_eq!(
                signature.as_deref(),
                raw["sign"].as_str(),
                "{}",
                case["name"]
            );
        }
    }
}
