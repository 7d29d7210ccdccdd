//! Whatever a notification opens to: no panic, and an end.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::channel::GatewayName;
use proptest::prelude::*;
use serde_json::json;

use super::super::WechatV3;
use super::{BASE, NOW, open, settings, vectors};
use crate::testing::{notification, text};
use crate::{Gateway, TranslateError, Translated};

static ROOM: LazyLock<WechatV3> = LazyLock::new(|| open(settings(BASE), NOW));

/// What a notification of this kind means that holds this, sealed as WeChat seals.
fn told(kind: &str, plain: &[u8]) -> Result<Translated, TranslateError> {
    const NONCE: &str = "fdasflkja484";
    const DATA: &str = "transaction";
    let vectors = vectors();
    let key = text(&vectors, "/own/apiv3_key").as_bytes();
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
