//! Whatever a refund notice opens to: no panic, and an end. What it is sealed with proves nothing.

use std::sync::LazyLock;

use aws_lc_rs::cipher::{AES_256, PaddedBlockEncryptingKey, UnboundCipherKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use kassa_core::channel::GatewayName;
use kassa_core::notification::CallbackRoute;
use proptest::prelude::*;
use serde_json::Value;

use super::super::WechatV2;
use super::{APPID, BASE, MCH_ID, api_key, open, settings, vectors};
use crate::crypto::md5_hex;
use crate::testing::{notification, text};
use crate::{Gateway, RawCallback, TranslateError, Translated, VerifyError};

static ROOM: LazyLock<WechatV2> = LazyLock::new(|| open(settings(BASE)));
static VECTORS: LazyLock<Value> = LazyLock::new(vectors);

/// A notice that holds this, sealed as WeChat seals.
fn notice(plain: &[u8]) -> String {
    let key = md5_hex(api_key().expose().as_bytes());
    let key = UnboundCipherKey::new(&AES_256, key.as_bytes()).unwrap();
    let mut sealed = plain.to_vec();
    PaddedBlockEncryptingKey::ecb_pkcs7(key)
        .unwrap()
        .encrypt(&mut sealed)
        .unwrap();
    format!(
        "<xml><return_code>SUCCESS</return_code><appid>{APPID}</appid>\
         <mch_id>{MCH_ID}</mch_id><req_info>{}</req_info></xml>",
        STANDARD.encode(&sealed)
    )
}

/// Whether the door lets it in, and what it means.
fn read(notice: &str) -> (Result<(), VerifyError>, Result<Translated, TranslateError>) {
    let verified = ROOM.verify(&RawCallback {
        route: CallbackRoute::Refund,
        headers: &HeaderMap::new(),
        body: notice.as_bytes(),
    });
    let told = ROOM.translate(&notification(GatewayName::WechatV2, notice.as_bytes()));
    (verified.map(|_verified| ()), told)
}

proptest! {
    #[test]
    fn no_bytes_in_a_refund_notice_make_the_room_panic(
        plain in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (verified, told) = read(&notice(&plain));
        prop_assert_eq!(verified, Err(VerifyError::BadSignature));
        prop_assert_eq!(told, Err(TranslateError::Decrypt));
    }

    #[test]
    fn no_words_in_a_refund_notice_make_the_room_panic_or_are_more_than_a_hint(
        status in "(SUCCESS|CHANGE|REFUNDCLOSE|[A-Z]{0,9})",
        number in "[^<&\\]]{0,40}",
        fee in "[-0-9.]{0,24}",
        time in ".{0,24}",
    ) {
        let time = time.replace(['<', '&'], "");
        let plain = format!(
            "<root><refund_status>{status}</refund_status><refund_id>{number}</refund_id>\
             <out_refund_no>{number}</out_refund_no><out_trade_no>T1</out_trade_no>\
             <refund_fee>{fee}</refund_fee><success_time>{time}</success_time></root>"
        );
        let (_, told) = read(&notice(plain.as_bytes()));
        if let Ok(told) = told {
            prop_assert_eq!(told.payment, None);
            prop_assert!(told.refund.is_none() || told.refund_is_hint);
        }
    }
}

proptest! {
    #[test]
    fn no_altered_bytes_of_what_a_genuine_refund_notice_opens_to_are_more_than_a_hint(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut plain = text(&VECTORS, "/refund_notification/plaintext").as_bytes().to_vec();
        for (position, byte) in changes {
            let index = position.index(plain.len());
            plain[index] = byte;
        }
        if is_cut {
            plain.truncate(end.index(plain.len()));
        }
        if let (_, Ok(told)) = read(&notice(&plain)) {
            prop_assert_eq!(told.payment, None);
            prop_assert!(told.refund.is_none() || told.refund_is_hint);
        }
    }
}

#[test]
fn bombs_in_a_refund_notice_are_refused_at_once() {
    let deep = format!(
        "<root>{}{}</root>",
        "<a>".repeat(5_000),
        "</a>".repeat(5_000)
    );
    let wide = format!("<root>{}</root>", "<a>1</a>".repeat(4_000));
    let laughs = "<!DOCTYPE root [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
                  <root><refund_status>&b;</refund_status></root>";
    let file = "<!DOCTYPE root [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><root><a>&x;</a></root>";
    for bomb in [&deep, &wide, laughs, file] {
        let (verified, told) = read(&notice(bomb.as_bytes()));
        assert_eq!(verified, Err(VerifyError::BadSignature));
        assert_eq!(told, Err(TranslateError::Decrypt));
    }
}

/// Its blocks can be put together anew by whoever has seen some: that must not keep the genuine notice of the
/// same refund out of the inbox.
#[test]
fn a_notice_of_the_same_refund_with_another_content_is_another_notice() {
    let key = |number: &str| {
        let opened = format!(
            "<root><refund_id>R1</refund_id><refund_status>SUCCESS</refund_status>\
             <out_refund_no>{number}</out_refund_no></root>"
        );
        let body = notice(opened.as_bytes());
        let callback = RawCallback {
            route: CallbackRoute::Refund,
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        };
        ROOM.verify(&callback).unwrap().key
    };
    assert_eq!(key("A"), key("A"));
    assert_ne!(key("A"), key("B"));
}
