//! Whatever comes in: no panic, and an end.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use kassa_core::channel::GatewayName;
use kassa_core::notification::CallbackRoute;
use proptest::prelude::*;
use serde_json::json;

use super::super::Stripe;
use super::{BASE, NOW, open, settings};
use crate::testing::notification;
use crate::{Gateway, RawCallback, TranslateError};

static ROOM: LazyLock<Stripe> = LazyLock::new(|| open(settings(BASE), NOW));

proptest! {
    #[test]
    fn no_bytes_make_the_room_panic(
        header in ".{0,200}",
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        if let Ok(value) = HeaderValue::from_str(&header) {
            let name = HeaderName::from_static("stripe-signature");
            let headers = HeaderMap::from_iter([(name, value)]);
            let callback = RawCallback {
                route: CallbackRoute::Payment,
                headers: &headers,
                body: &body,
            };
            prop_assert!(ROOM.verify(&callback).is_err());
        }
        let told = ROOM.translate(&notification(GatewayName::Stripe, &body));
        prop_assert!(told.is_err());
    }

    #[test]
    fn no_words_in_an_event_make_the_room_panic(
        kind in "(checkout\\.session\\.completed|payment_intent\\.succeeded|refund\\.updated)",
        status in "[a-z_]{0,12}",
        amount in any::<i64>(),
        currency in "[a-z]{0,4}",
        number in ".{0,40}",
    ) {
        let body = json!({"id": "evt", "object": "event", "type": kind, "livemode": false,
            "created": amount, "data": {"object": {"id": "x_1", "status": status,
            "payment_status": "paid", "amount": amount, "amount_total": amount,
            "amount_received": amount, "currency": currency, "payment_intent": "pi_1",
            "client_reference_id": number, "metadata": {"transaction_id": number}}}});
        drop(ROOM.translate(&notification(GatewayName::Stripe, body.to_string().as_bytes())));
    }
}

#[test]
fn an_event_nested_ten_thousand_deep_is_refused() {
    for (begin, end) in [("{\"a\":", "}"), ("[", "]")] {
        let (begin, end) = (begin.repeat(10_000), end.repeat(10_000));
        let body = format!("{{\"id\":\"e\",\"data\":{begin}1{end}}}");
        let told = ROOM.translate(&notification(GatewayName::Stripe, body.as_bytes()));
        assert_eq!(told, Err(TranslateError::Field("body")));
    }
}
