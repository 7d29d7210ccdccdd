//! Whatever comes in: no panic, and an end.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use kassa_core::channel::GatewayName;
use kassa_core::notification::CallbackRoute;
use proptest::prelude::*;
use serde_json::json;

use super::super::Paypal;
use super::{BASE, CERT_URL, open, settings};
use crate::testing::notification;
use crate::{Gateway, RawCallback, TranslateError};

static ROOM: LazyLock<Paypal> = LazyLock::new(|| open(settings(BASE)));

proptest! {
    #[test]
    fn no_bytes_make_the_room_panic(
        id in ".{0,60}",
        time in "(2026-01-06T08:00:30Z|.{0,40})",
        signature in "[A-Za-z0-9+/=]{0,520}",
        url in prop_oneof![Just(CERT_URL.to_owned()), ".{0,80}"],
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("paypal-transmission-id", id.as_str()),
            ("paypal-transmission-time", &time),
            ("paypal-transmission-sig", &signature),
            ("paypal-cert-url", &url),
            ("paypal-auth-algo", "SHA256withRSA"),
            ("paypal-auth-version", "v2"),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let callback = RawCallback { route: CallbackRoute::Payment, headers: &headers, body: &body };
        prop_assert!(ROOM.verify(&callback).is_err());
        let told = ROOM.translate(&notification(GatewayName::Paypal, &body));
        prop_assert!(told.is_err());
    }

    #[test]
    fn no_words_in_an_event_make_the_room_panic(
        kind in "(CHECKOUT\\.ORDER\\.APPROVED|PAYMENT\\.CAPTURE\\.(COMPLETED|REFUNDED|REVERSED)|CUSTOMER\\.DISPUTE\\.CREATED)",
        status in "[A-Z_]{0,12}",
        value in "[-0-9.]{0,40}",
        currency in "[A-Z]{0,4}",
        href in ".{0,60}",
        number in ".{0,40}",
    ) {
        let amount = json!({"currency_code": currency, "value": value});
        let body = json!({"id": "WH-1", "resource_version": "2.0", "event_type": kind, "resource": {
            "id": "X", "dispute_id": "Y", "status": status, "amount": amount, "custom_id": number,
            "create_time": value, "dispute_amount": amount,
            "disputed_transactions": [{"seller_transaction_id": number}],
            "purchase_units": [{"custom_id": number, "amount": amount}],
            "links": [{"rel": "up", "href": href}]}});
        drop(ROOM.translate(&notification(GatewayName::Paypal, body.to_string().as_bytes())));
    }
}

#[test]
fn an_event_nested_ten_thousand_deep_is_refused() {
    for (begin, end) in [("{\"a\":", "}"), ("[", "]")] {
        let (begin, end) = (begin.repeat(10_000), end.repeat(10_000));
        let body = format!("{{\"id\":\"e\",\"resource\":{begin}1{end}}}");
        let told = ROOM.translate(&notification(GatewayName::Paypal, body.as_bytes()));
        assert_eq!(told, Err(TranslateError::Field("body")));
    }
}
