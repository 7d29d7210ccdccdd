//! The door in the words of WeChat Pay v2, Baidu, UnionPay, Stripe and PayPal: what their vectors hold genuine is
//! taken to the byte, and whatever was altered is refused and not kept. The tests of Alipay and WeChat Pay v3
//! are in `callback`.

use kassa_core::channel::{ChannelAccount, GatewayName};
use kassa_core::notification::CallbackRoute;
use serde_json::{Value, json};

use crate::support::TestIngress;
use crate::support::alter::{
    another_letter, another_value, means_the_same, refuses_alterations, without_empty,
};
use crate::support::client::Answer;
use crate::support::queue::Mode;
use crate::support::rooms::{self, BAIDU, Room, WECHAT_V2, wechat_v2_refund};
use crate::support::vectors::{Callback, alipay_paid};

async fn post(ingress: &TestIngress, callback: &Callback) -> Answer {
    ingress.clock.set(callback.at);
    ingress.post(callback).await
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.text())
}

fn words((status, body): (u16, &str)) -> (u16, String) {
    (status, body.to_owned())
}

/// Whether the gateway would take this answer to this callback for a yes.
fn is_acknowledged(room: Room, callback: &Callback) -> impl Fn(&Answer) -> bool {
    let is_apart = is_answered_apart(room, callback);
    move |answer| {
        if !is_apart {
            return said(answer) == words(room.accepted);
        }
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        answer.status == 200 && told["errno"] == 0
    }
}

/// All that are genuine and signed. WeChat Pay v2 encrypts its refund notices block by block and signs nothing,
/// so a byte of one may be altered unseen: such a notice is only a reason to ask, and has a test of its own.
fn signed(room: Room) -> Vec<Callback> {
    let is_unsigned = |callback: &Callback| {
        room.gateway == GatewayName::WechatV2 && callback.path.ends_with("/refund")
    };
    let mut all = room.callbacks();
    all.retain(|callback| callback.is_genuine && !is_unsigned(callback));
    all
}

/// What is signed is what a form says, not how it is written, and in one of Baidu's two readings no empty field.
fn says_the_same(room: Room, callback: &Callback, body: &[u8]) -> bool {
    match room.gateway {
        GatewayName::Baidu if callback.name == "pay_empty_dropped" => {
            means_the_same(&without_empty(body), &without_empty(&callback.body))
        }
        GatewayName::Baidu | GatewayName::Unionpay => means_the_same(body, &callback.body),
        GatewayName::Alipay
        | GatewayName::WechatV3
        | GatewayName::WechatV2
        | GatewayName::Stripe
        | GatewayName::Paypal => false,
    }
}

/// Baidu's callbacks about refunds are answered with more than that they were taken.
fn is_answered_apart(room: Room, callback: &Callback) -> bool {
    room.gateway == GatewayName::Baidu && callback.path.ends_with("/refund")
}

#[tokio::test]
async fn every_vector_is_kept_or_refused_and_answered_in_the_gateways_words() {
    for room in rooms::all() {
        let ingress = TestIngress::start().await;
        let mut genuine = 0;
        for callback in room.callbacks() {
            let name = format!("{} {}", room.gateway, callback.name);
            let answer = post(&ingress, &callback).await;
            let kept = ingress.queue.notifications();
            if !callback.is_genuine {
                assert_eq!(said(&answer), words(room.refused), "{name}");
                assert_eq!(kept.len(), genuine, "{name}");
                continue;
            }
            genuine += 1;
            if !is_answered_apart(room, &callback) {
                assert_eq!(said(&answer), words(room.accepted), "{name}");
            }
            let (message, body) = kept.last().expect("it is kept");
            assert_eq!((kept.len(), body), (genuine, &callback.body), "{name}");
            assert_eq!(message.gateway, room.gateway, "{name}");
            assert_eq!(message.received_at, callback.at, "{name}");
        }
        assert!(genuine > 0, "{}", room.gateway);
    }
}

#[tokio::test]
async fn a_body_with_an_altered_byte_is_refused() {
    for room in rooms::all() {
        for original in signed(room) {
            refuses_alterations(
                &original,
                is_acknowledged(room, &original),
                |callback, position, change| {
                    another_value(&mut callback.body, position, change);
                    if says_the_same(room, &original, &callback.body) {
                        callback.body.clone_from(&original.body);
                    }
                },
            )
            .await;
        }
    }
}

/// While a secret changes, Stripe signs with the old one too: that one may be anything.
fn has_one_signature(callback: &Callback) -> bool {
    let of_stripe = callback
        .headers
        .iter()
        .find(|(name, _)| name == "stripe-signature");
    of_stripe.is_none_or(|(_, value)| value.matches("v1=").count() == 1)
}

#[tokio::test]
async fn an_altered_signed_header_is_refused() {
    for room in rooms::all() {
        for original in signed(room).into_iter().filter(has_one_signature) {
            for name in room.signed_headers {
                refuses_alterations(
                    &original,
                    is_acknowledged(room, &original),
                    |callback, position, change| {
                        another_letter(callback.header_mut(name), position, change);
                    },
                )
                .await;
            }
        }
    }
}

#[tokio::test]
async fn a_missing_or_doubled_signed_header_is_refused_in_the_gateways_words() {
    let ingress = TestIngress::start().await;
    for room in rooms::all() {
        for genuine in signed(room) {
            for name in room.signed_headers {
                let is_it = |header: &(String, String)| header.0.eq_ignore_ascii_case(name);
                let mut missing = genuine.clone();
                missing.headers.retain(|header| !is_it(header));
                let mut doubled = genuine.clone();
                let again = doubled.headers.iter().find(|header| is_it(header)).cloned();
                doubled.headers.extend(again);
                assert_eq!(doubled.headers.len(), missing.headers.len() + 2, "{name}");
                for callback in [missing, doubled] {
                    let answer = post(&ingress, &callback).await;
                    assert_eq!(said(&answer), words(room.refused), "{name}");
                }
            }
        }
    }
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn the_broker_being_away_is_told_as_a_failure_and_the_repeat_is_kept() {
    for room in rooms::all() {
        let ingress = TestIngress::start().await;
        let callback = room.genuine();
        ingress.queue.set(Mode::Fail);
        let answer = post(&ingress, &callback).await;
        assert_eq!(said(&answer), words(room.not_kept), "{}", room.gateway);
        assert!(ingress.queue.notifications().is_empty());

        ingress.queue.set(Mode::Confirm);
        let answer = post(&ingress, &callback).await;
        assert_eq!(said(&answer), words(room.accepted), "{}", room.gateway);
        assert_eq!(ingress.queue.notifications().len(), 1);
    }
}

#[tokio::test]
async fn callbacks_at_the_door_of_another_gateway_are_refused() {
    let ingress = TestIngress::start().await;
    for room in rooms::all() {
        let elsewhere = Callback {
            path: room.genuine().path,
            ..alipay_paid()
        };
        let answer = post(&ingress, &elsewhere).await;
        assert_eq!(said(&answer), words(room.refused), "{}", room.gateway);
    }
    assert!(ingress.queue.notifications().is_empty());
}

/// Nothing signs it: whoever has the key can write it, and it is only a reason to ask.
#[tokio::test]
async fn a_wechat_v2_refund_notice_is_kept_under_the_refund_and_not_when_it_does_not_open() {
    let ingress = TestIngress::start().await;
    let notice = wechat_v2_refund();
    let answer = post(&ingress, &notice).await;
    assert_eq!(said(&answer), words(WECHAT_V2.accepted));
    let (message, body) = ingress.queue.notifications().remove(0);
    assert_eq!(body, notice.body);
    assert_eq!(message.route, CallbackRoute::Refund);
    // The refund, its state, and a digest of what was sealed, which nobody signed.
    let (refund, digest) = message.key.rsplit_once(':').expect("a digest");
    assert!(refund.ends_with(":SUCCESS"), "{refund}");
    assert_eq!(digest.len(), 64);

    let text = String::from_utf8(notice.body.clone()).expect("a text");
    let start = text.find("<req_info>").expect("the sealed part") + "<req_info><![CDATA[".len();
    let mut flipped = notice.clone();
    flipped.body[start] = if flipped.body[start] == b'A' {
        b'B'
    } else {
        b'A'
    };
    let mut shortened = notice.clone();
    shortened.body.drain(start..start + 4);
    let mut elsewhere = notice;
    elsewhere.body = text.replace("1900000001", "1900000002").into_bytes();
    for callback in [flipped, shortened, elsewhere] {
        let answer = post(&ingress, &callback).await;
        assert_eq!(said(&answer), words(WECHAT_V2.refused));
    }
    assert_eq!(ingress.queue.notifications().len(), 1);
}

#[tokio::test]
async fn a_wechat_v2_notice_with_entities_depth_or_a_doubled_field_is_refused() {
    let ingress = TestIngress::start().await;
    let genuine = WECHAT_V2.genuine();
    let text = String::from_utf8(genuine.body.clone()).expect("a text");
    let entities = format!("<!DOCTYPE xml [<!ENTITY x \"{}\">]>{text}", "a".repeat(9));
    let deep = format!("<xml>{}{}</xml>", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let doubled = text.replace("</xml>", "<total_fee>1</total_fee></xml>");
    for body in [entities, deep, doubled] {
        let callback = Callback {
            body: body.into_bytes(),
            ..genuine.clone()
        };
        let answer = post(&ingress, &callback).await;
        assert_eq!(said(&answer), words(WECHAT_V2.refused));
        assert_eq!(answer.header("content-type"), Some("text/xml"));
    }
    assert!(ingress.queue.notifications().is_empty());
}

/// The callback about a refund asks whether it may be made: the answer carries the decision.
#[tokio::test]
async fn baidus_callbacks_about_refunds_are_answered_with_what_they_ask_for() {
    let ingress = TestIngress::start().await;
    let mut asked = 0;
    for callback in BAIDU.callbacks() {
        if !is_answered_apart(BAIDU, &callback) {
            continue;
        }
        asked += 1;
        let answer = post(&ingress, &callback).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((answer.status, &told["errno"]), (200, &Value::from(0)));
        let decision = told["data"].get("auditStatus");
        let expected = (callback.name == "refund_audit").then(|| Value::from(3));
        assert_eq!(decision, expected.as_ref(), "{}", callback.name);
    }
    assert_eq!(asked, 2);
    assert_eq!(ingress.queue.notifications().len(), asked);
}

/// An approval is given for what Baidu signed, and only once the question is kept.
#[tokio::test]
async fn baidus_question_about_a_refund_is_approved_where_the_account_says_so() {
    let approves = |account: &mut ChannelAccount| {
        if account.gateway == GatewayName::Baidu {
            account.settings["refund_audit"] = Value::from("approve");
        }
    };
    let ingress = TestIngress::with(|_options| {}, approves).await;
    let mut callbacks = BAIDU.callbacks().into_iter();
    let question = callbacks.find(|it| it.name == "refund_audit");
    let question = question.expect("a question");
    let text = String::from_utf8(question.body.clone()).expect("a text");
    let more = text.replace("applyRefundMoney=30", "applyRefundMoney=31");
    assert_ne!(more, text);
    let altered = Callback {
        body: more.into_bytes(),
        ..question.clone()
    };
    assert_eq!(said(&post(&ingress, &altered).await), words(BAIDU.refused));
    ingress.queue.set(Mode::Fail);
    let answer = post(&ingress, &question).await;
    assert_eq!(said(&answer), words(BAIDU.not_kept));
    ingress.queue.set(Mode::Confirm);
    for kept in [1, 2] {
        let answer = post(&ingress, &question).await;
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let data = json!({"auditStatus": 1, "calculateRes": {"refundPayMoney": 30}});
        assert_eq!((answer.status, &told["data"]), (200, &data));
        assert_eq!(ingress.queue.notifications().len(), kept);
    }
}

/// Whatever is not a 200 of Baidu's form may give the payer's money back.
#[tokio::test]
async fn baidu_is_told_in_json_and_with_a_200_whatever_came_of_it() {
    let ingress = TestIngress::start().await;
    let mut altered = BAIDU.genuine();
    altered.body.extend_from_slice(b"&more=1");
    for (mode, callback) in [
        (Mode::Confirm, BAIDU.genuine()),
        (Mode::Fail, BAIDU.genuine()),
        (Mode::Confirm, altered),
    ] {
        ingress.queue.set(mode);
        let answer = post(&ingress, &callback).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(told["errno"].is_i64(), "{told}");
    }
    assert_eq!(ingress.queue.notifications().len(), 1);
}
