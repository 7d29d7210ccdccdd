//! Whatever a notification opens to: no panic, and an end.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::channel::GatewayName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::WechatV3;
use super::{BASE, NOW, open, settings, vectors};
use crate::testing::{list, notification, text};
use crate::{Gateway, TranslateError, Translated};

static ROOM: LazyLock<WechatV3> = LazyLock::new(|| open(settings(BASE), NOW));
static VECTORS: LazyLock<Value> = LazyLock::new(vectors);

/// Kind of each genuine notification, and what it opens to.
static GENUINE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let cases = list(&VECTORS, "/own/notifications").iter();
    cases
        .map(|case| {
            let envelope: Value = serde_json::from_str(text(case, "/raw_body")).unwrap();
            (
                text(&envelope, "/event_type").to_owned(),
                text(case, "/plaintext").to_owned(),
            )
        })
        .collect()
});

/// What a notification of this kind means that holds this, sealed as WeChat seals.
fn told(kind: &str, plain: &[u8]) -> Result<Translated, TranslateError> {
    const NONCE: &str = "fdasflkja484";
    const DATA: &str = "transaction";
    let key = text(&VECTORS, "/own/apiv3_key").as_bytes();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(NONCE.as_bytes()).unwrap();
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(DATA), &mut sealed)
        .unwrap();
    let envelope = json!({"id": "EV-1", "event_type": kind, "resource": {
        "algorithm": "AEAD_AES_256_GCM", "ciphertext": STANDARD.encode(&sealed),
        "associated_data": DATA, "nonce": NONCE}});
    let body = envelope.to_string();
    ROOM.translate(&notification(GatewayName::WechatV3, body.as_bytes()))
}

proptest! {
    #[test]
    fn no_bytes_in_a_notification_make_the_room_panic(
        plain in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(told("TRANSACTION.SUCCESS", &plain).is_err());
        prop_assert!(told("REFUND.SUCCESS", &plain).is_err());
    }

    #[test]
    fn no_words_in_a_notification_make_the_room_panic(
        kind in "(TRANSACTION|REFUND)\\.[A-Z]{0,9}",
        state in "(SUCCESS|REFUND|CLOSED|ABNORMAL|[A-Z]{0,9})",
        total in any::<i64>(),
        currency in "[A-Z]{0,4}",
        time in ".{0,30}",
        number in ".{0,40}",
    ) {
        let plain = json!({"mchid": number, "appid": number, "out_trade_no": number,
            "transaction_id": number, "trade_state": state, "refund_status": state,
            "out_refund_no": number, "refund_id": number, "success_time": time,
            "amount": {"total": total, "refund": total, "currency": currency}});
        drop(told(&kind, plain.to_string().as_bytes()));
    }
}

proptest! {
    #[test]
    fn no_altered_bytes_of_what_a_genuine_notification_opens_to_make_the_room_panic(
        of in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (kind, plain) = of.get(&GENUINE);
        let mut plain = plain.clone().into_bytes();
        for (position, byte) in changes {
            let index = position.index(plain.len());
            plain[index] = byte;
        }
        if is_cut {
            plain.truncate(end.index(plain.len()));
        }
        drop(told(kind, &plain));
    }
}

/// Every value of a tree, by its JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                pointers(member, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn any_value_in_the_place_of_any_other_is_read_or_refused() {
    for (kind, plain) in GENUINE.iter() {
        let genuine: Value = serde_json::from_str(plain).unwrap();
        assert!(told(kind, plain.as_bytes()).is_ok(), "{plain}");
        let mut places = Vec::new();
        pointers(&genuine, "", &mut places);
        for place in places {
            for other in [
                json!(null),
                json!(true),
                json!(-1),
                json!(0.5),
                json!(u64::MAX),
                json!(1e300),
                json!(""),
                json!("\u{0}"),
                json!("9".repeat(10_000)),
                json!([]),
                json!({}),
            ] {
                let mut altered = genuine.clone();
                *altered.pointer_mut(&place).unwrap() = other.clone();
                let told = told(kind, altered.to_string().as_bytes());
                let is_amount = matches!(place.as_str(), "/amount" | "/amount/total");
                if is_amount && kind == "TRANSACTION.SUCCESS" {
                    assert!(told.is_err(), "{place} {other}: {told:?}");
                }
            }
        }
    }
}

#[test]
fn a_notification_that_opens_to_something_ten_thousand_deep_is_refused() {
    for (begin, end) in [("{\"a\":", "}"), ("[", "]")] {
        let (begin, end) = (begin.repeat(10_000), end.repeat(10_000));
        let plain = format!("{{\"amount\":{begin}1{end}}}");
        for kind in ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"] {
            assert!(told(kind, plain.as_bytes()).is_err(), "{kind}");
        }
    }
}
