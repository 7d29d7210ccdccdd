//! Hostile input: whatever bytes come, they are refused, quickly and without a panic.

use http::HeaderMap;
use kassa_core::channel::GatewayName;
use kassa_core::notification::CallbackRoute;
use proptest::prelude::*;

use super::super::wire::parse_answer;
use super::{as_form, signed, unionpay};
use crate::testing::notification;
use crate::{Gateway, RawCallback};

fn feed(body: &[u8]) {
    let gateway = unionpay();
    let headers = HeaderMap::new();
    let verified = gateway.verify(&RawCallback {
        route: CallbackRoute::Payment,
        headers: &headers,
        body,
    });
    assert!(verified.is_err());
    drop(gateway.translate(&notification(GatewayName::Unionpay, body)));
    drop(gateway.verify_return(&String::from_utf8_lossy(body)));
    drop(parse_answer(body));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        feed(&body);
    }

    #[test]
    fn a_genuine_message_with_any_certificate_is_refused(certificate in "\\PC{0,200}") {
        let pairs = signed(&[("signPubKeyCert", &certificate), ("orderId", "ORDER0001")]);
        feed(as_form(&pairs).as_bytes());
    }
}

#[test]
fn deep_and_wide_messages_are_taken_apart_in_one_pass() {
    for unit in ["{", "[", "}", "&", "=", "&a=b", "%", "a&"] {
        feed(unit.repeat(20_000).as_bytes());
    }
}
