//! What we send and what we verify, against the vectors: canonical strings and signatures.

use serde_json::Value;

use super::super::sign::{SignType, is_signed, sign, string_to_sign};
use super::super::wire::Message;
use super::{api_key, message, vectors};
use crate::testing::{list, text};

#[test]
fn the_printed_example_gives_its_string_and_both_signatures() {
    let vectors = vectors();
    let message = message(&vectors["official_doc"]["params"]);
    let key = api_key();
    assert_eq!(
        string_to_sign(&message, &key).expose(),
        text(&vectors, "/official_doc/string_to_sign_with_key")
    );
    for (sign_type, pointer) in [
        (SignType::Md5, "/official_doc/md5"),
        (SignType::HmacSha256, "/official_doc/hmac_sha256"),
    ] {
        assert_eq!(sign(sign_type, &message, &key), text(&vectors, pointer));
    }
}

fn sign_type(case: &Value) -> SignType {
    SignType::parse(case["sign_type"].as_str().unwrap()).unwrap()
}

#[test]
fn every_example_gives_its_string_and_signature() {
    let vectors = vectors();
    let cases = list(&vectors, "/signing");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let message = message(&case["params"]);
        let string = string_to_sign(&message, &api_key());
        assert_eq!(
            string.expose().as_str(),
            case["string_to_sign_with_key"],
            "{}",
            case["name"]
        );
        assert_eq!(
            sign(sign_type(case), &message, &api_key()),
            case["expected_sign"],
            "{}",
            case["name"]
        );
    }
}

#[test]
fn the_answer_vector_is_signed_and_the_failure_is_not() {
    let vectors = vectors();
    let answer = |pointer: &str| Message::parse(text(&vectors, pointer).as_bytes()).unwrap();
    let signed = answer("/sync_response/raw_body");
    assert!(is_signed(&signed, &[api_key()]));
    let failure = answer("/sync_response_comm_fail/raw_body");
    assert!(!is_signed(&failure, &[api_key()]));
    assert!(!failure.is_success("return_code"));
}
