//! What we send, against the vectors: canonical strings, signatures, bodies.

use super::super::sign::{Stamp, authorization, invoke, request_string};
use super::super::{client, verify};
use super::{BASE, NOW, open, settings, vectors};
use crate::crypto::{RsaPrivateKey, RsaPublicKey};
use crate::testing::{list, text};

fn stamp(timestamp: &str, nonce: &str) -> Stamp {
    Stamp {
        timestamp: timestamp.to_owned(),
        nonce: nonce.to_owned(),
    }
}

#[test]
fn every_official_example_gives_its_string_and_signature() {
    let vectors = vectors();
    let root = "/official_doc_request_signing";
    let key = text(&vectors, &format!("{root}/private_key_pkcs8_pem"));
    let key = RsaPrivateKey::try_parse(key).unwrap();
    let stamp = stamp(
        text(&vectors, &format!("{root}/timestamp")),
        text(&vectors, &format!("{root}/nonce_str")),
    );
    let cases = list(&vectors, &format!("{root}/cases"));
    assert_eq!(cases.len(), 4);
    for case in cases {
        let field = |name: &str| case[name].as_str().unwrap();
        let string = request_string(field("method"), field("url"), &stamp, field("body"));
        assert_eq!(string, field("string_to_sign"), "{}", case["name"]);
        let signature = key.sign_sha256(string.as_bytes()).unwrap();
        assert_eq!(signature, field("expected_signature"), "{}", case["name"]);
    }
}

#[test]
fn every_own_example_gives_its_authorization_header() {
    let vectors = vectors();
    let gateway = open(settings(BASE), NOW);
    let cases = list(&vectors, "/own/request_signing");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let field = |name: &str| case[name].as_str().unwrap();
        let stamp = stamp(field("timestamp"), field("nonce_str"));
        let header = authorization(
            &gateway.settings,
            field("method"),
            field("url"),
            &stamp,
            field("body"),
        );
        assert_eq!(header.unwrap(), field("authorization"), "{}", case["name"]);
    }
}

#[test]
fn the_official_sdks_signature_is_ours() {
    let vectors = vectors();
    let key = text(&vectors, "/official_go_sdk/private_key_pkcs8_pem");
    let message = text(&vectors, "/official_go_sdk/sign/message");
    let signature = RsaPrivateKey::try_parse(key)
        .unwrap()
        .sign_sha256(message.as_bytes())
        .unwrap();
    assert_eq!(
        signature,
        text(&vectors, "/official_go_sdk/sign/expected_signature")
    );
    let certificate = text(&vectors, "/official_go_sdk/certificate_pem");
    let key = RsaPublicKey::try_parse(certificate).unwrap();
    assert!(key.verify_sha256(message.as_bytes(), &signature));
}

#[test]
fn client_parameters_are_signed_as_the_vectors_are() {
    let vectors = vectors();
    let gateway = open(settings(BASE), NOW);
    let key = &gateway.settings.merchant_private_key;
    let jsapi = &list(&vectors, "/own/client_invoke")[0]["params"];
    let field = |name: &str| jsapi[name].as_str().unwrap();
    let signed = invoke(
        field("appId"),
        &stamp(field("timeStamp"), field("nonceStr")),
        field("package"),
        key,
    );
    assert_eq!(signed.unwrap(), field("paySign"));
    let app = &list(&vectors, "/own/client_invoke")[1]["params"];
    let field = |name: &str| app[name].as_str().unwrap();
    let signed = invoke(
        field("appid"),
        &stamp(field("timestamp"), field("noncestr")),
        field("prepayid"),
        key,
    );
    assert_eq!(signed.unwrap(), field("sign"));
}

#[test]
fn numbers_are_escaped_in_paths_as_the_vectors_are() {
    assert_eq!(client::escape("T2026|01*1"), "T2026%7C01%2A1");
    assert_eq!(client::escape("0197a1b2-_.~"), "0197a1b2-_.~");
}

#[test]
fn the_official_answer_verifies_and_not_with_another_key() {
    let vectors = vectors();
    let case = &vectors["official_doc_response_verify"];
    let body = case["body"].as_str().unwrap().as_bytes();
    let mut headers = super::headers(case);
    headers.insert("wechatpay-serial", "KEY".parse().unwrap());
    let now = chrono::DateTime::from_timestamp(1_722_850_421, 0).unwrap();
    let key = RsaPublicKey::try_parse(case["public_key_pem"].as_str().unwrap()).unwrap();
    let keys = |key| std::collections::BTreeMap::from([("KEY".to_owned(), key)]);
    assert_eq!(verify::signed(&keys(key), &headers, body, now), Ok(()));
    let other = text(&vectors, "/own/public_key_mode/public_key_pem");
    let other = RsaPublicKey::try_parse(other).unwrap();
    assert!(verify::signed(&keys(other), &headers, body, now).is_err());
}
