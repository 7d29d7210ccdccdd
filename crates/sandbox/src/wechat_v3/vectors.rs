//! Examples made by other people's software: our strings, signatures and ciphertexts are theirs.

use serde_json::Value;

use super::sign;
use crate::{
    crypto::{is_signed_by, open, seal, sign_sha256},
    testing::{private_key, public_key},
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../testdata/wechat_v3.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn request_vectors_have_our_string_and_signature() {
    let vectors = vectors();
    let own = &vectors["own"];
    let key = private_key(text(&own["merchant_private_key_pkcs8_pem"]));
    for case in own["request_signing"].as_array().unwrap() {
        let at = (text(&case["timestamp"]), text(&case["nonce_str"]));
        let (method, url) = (text(&case["method"]), text(&case["url"]));
        let message = sign::request_bytes(method, url, at, text(&case["body"]).as_bytes());
        assert_eq!(
            message,
            text(&case["string_to_sign"]).as_bytes(),
            "{}",
            case["name"]
        );
        let signature = sign_sha256(&key, &message).unwrap();
        assert_eq!(
            signature,
            text(&case["expected_signature"]),
            "{}",
            case["name"]
        );
        let parsed = sign::Authorization::parse(text(&case["authorization"])).unwrap();
        assert_eq!(parsed.signature, signature);
        assert_eq!(parsed.serial_no, text(&own["merchant_serial_no"]));
    }
}

#[test]
fn answer_vectors_verify_or_not_as_they_say() {
    let vectors = vectors();
    let own = &vectors["own"];
    let modes = [
        (
            "platform_certificate_mode",
            "serial_no",
            "test_private_key_pkcs8_pem",
        ),
        (
            "platform_certificate_mode",
            "second_serial_no",
            "second_test_private_key_pkcs8_pem",
        ),
        (
            "public_key_mode",
            "public_key_id",
            "test_private_key_pkcs8_pem",
        ),
    ];
    for case in own["response_verification"].as_array().unwrap() {
        let header = |name: &str| text(&case["headers"][name]);
        let key = modes.iter().find_map(|(mode, serial, key)| {
            let is_named = own[mode][serial] == header("Wechatpay-Serial");
            is_named.then(|| private_key(text(&own[mode][key])).to_public_key())
        });
        let (timestamp, nonce) = (header("Wechatpay-Timestamp"), header("Wechatpay-Nonce"));
        let message = sign::response_bytes(timestamp, nonce, text(&case["body"]).as_bytes());
        let is_fresh =
            case["now_unix"].as_i64().unwrap() - timestamp.parse::<i64>().unwrap() <= 300;
        let is_valid = is_fresh
            && key.is_some_and(|key| is_signed_by(&key, &message, header("Wechatpay-Signature")));
        assert_eq!(is_valid, case["valid"] == true, "{}", case["name"]);
    }
}

#[test]
fn notice_vectors_are_what_we_would_encrypt_and_sign() {
    let vectors = vectors();
    let own = &vectors["own"];
    let apiv3_key = text(&own["apiv3_key"]);
    for case in own["notifications"].as_array().unwrap() {
        let raw = text(&case["raw_body"]);
        let body: Value = serde_json::from_str(raw).unwrap();
        let resource = &body["resource"];
        let aad = resource["associated_data"].as_str().unwrap_or_default();
        let nonce = text(&resource["nonce"]);
        let plaintext = text(&case["plaintext"]);
        let sealed = seal(apiv3_key, nonce, aad, plaintext.as_bytes());
        assert_eq!(
            sealed.as_deref(),
            resource["ciphertext"].as_str(),
            "{}",
            case["name"]
        );
        let opened = open(apiv3_key, nonce, aad, text(&resource["ciphertext"])).unwrap();
        assert_eq!(opened, plaintext.as_bytes());
        let header = |name: &str| text(&case["headers"][name]);
        let mode = if header("Wechatpay-Serial").starts_with("PUB_KEY_ID") {
            &own["public_key_mode"]
        } else {
            &own["platform_certificate_mode"]
        };
        let key = private_key(text(&mode["test_private_key_pkcs8_pem"]));
        let (timestamp, nonce) = (header("Wechatpay-Timestamp"), header("Wechatpay-Nonce"));
        let message = sign::response_bytes(timestamp, nonce, raw.as_bytes());
        assert_eq!(
            sign_sha256(&key, &message).unwrap(),
            header("Wechatpay-Signature")
        );
    }
}

#[test]
fn the_official_answer_example_verifies() {
    let vectors = vectors();
    let case = &vectors["official_doc_response_verify"];
    let header = |name: &str| text(&case["headers"][name]);
    let (timestamp, nonce) = (header("Wechatpay-Timestamp"), header("Wechatpay-Nonce"));
    let message = sign::response_bytes(timestamp, nonce, text(&case["body"]).as_bytes());
    assert_eq!(message, text(&case["string_to_verify"]).as_bytes());
    let key = public_key(text(&case["public_key_pem"]));
    assert!(is_signed_by(&key, &message, header("Wechatpay-Signature")));
}

#[test]
fn the_official_request_examples_have_our_signature() {
    let vectors = vectors();
    let official = &vectors["official_doc_request_signing"];
    let key = private_key(text(&official["private_key_pkcs8_pem"]));
    let cases = official["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let at = (text(&official["timestamp"]), text(&official["nonce_str"]));
        let (method, url) = (text(&case["method"]), text(&case["url"]));
        let message = sign::request_bytes(method, url, at, text(&case["body"]).as_bytes());
        assert_eq!(
            sign_sha256(&key, &message).unwrap(),
            text(&case["expected_signature"])
        );
    }
}
