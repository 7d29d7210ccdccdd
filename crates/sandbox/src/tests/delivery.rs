//! Callbacks are repeated until the exact acknowledgement, under one identity.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    CallbackFault, Delivery, FaultRule, FaultScope, OrderState, alipay, testing::Bed, wechat_v3,
};

#[tokio::test]
async fn an_alipay_notice_is_repeated_until_the_exact_acknowledgement() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "1.00").await;
    bed.control.pay("T1").unwrap();
    bed.answer_with(&[
        (500, "success"),
        (200, "fail"),
        (200, "success\n"),
        (200, "SUCCESS"),
    ]);
    for _ in 0..4 {
        let reports = bed.control.deliver_due().await;
        assert_eq!(reports.len(), 1);
        assert!(!reports[0].acknowledged);
    }
    let last = bed.control.deliver_due().await;
    assert!(last[0].acknowledged);
    assert_eq!(
        (last[0].http_status, last[0].body.as_str()),
        (Some(200), "success")
    );
    assert!(bed.control.deliver_due().await.is_empty());
    // The very same bytes each time.
    let bodies: BTreeSet<String> = bed
        .received()
        .into_iter()
        .map(|received| received.body)
        .collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_wechat_callback_keeps_its_id_and_is_signed_anew() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    bed.answer_with(&[(500, ""), (302, ""), (204, "")]);
    for is_acknowledged in [false, false, true] {
        let reports = bed.control.deliver_due().await;
        assert_eq!(reports[0].acknowledged, is_acknowledged);
        bed.advance(15);
    }
    assert!(bed.control.deliver_due().await.is_empty());
    let received = bed.received();
    let mut ids = BTreeSet::new();
    let mut stamps = BTreeSet::new();
    for one in &received {
        assert!(bed.wechat_plaintext(one).is_some());
        let body: Value = serde_json::from_str(&one.body).unwrap();
        ids.insert(body["id"].as_str().unwrap().to_owned());
        stamps.insert(one.header("wechatpay-timestamp"));
    }
    assert_eq!((received.len(), ids.len(), stamps.len()), (3, 1, 3));
    assert!(ids.first().unwrap().len() <= 36);
}

#[tokio::test]
async fn a_callback_is_given_up_at_the_end_of_the_schedule() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    bed.answer_with(&[(500, ""); 16]);
    for _ in 0..16 {
        assert_eq!(bed.control.deliver_due().await.len(), 1);
    }
    assert_eq!(bed.control.pending_callbacks(), 0);
}

#[test]
fn the_schedules_are_those_of_the_sheets() {
    let total = |seconds: &[u64]| seconds.iter().sum::<u64>();
    let web = alipay::notify::retry_schedule(crate::Product::AlipayPage);
    assert_eq!((web.len(), total(&web)), (7, 87_840));
    let code = alipay::notify::retry_schedule(crate::Product::AlipayQr);
    assert_eq!((code.len(), total(&code)), (10, 87_840));
    let wechat = wechat_v3::notify::RETRY_SCHEDULE_S;
    assert_eq!((wechat.len(), total(&wechat)), (15, 86_640));
}

#[tokio::test]
async fn an_order_without_notify_url_is_told_to_nobody() {
    let bed = Bed::start().await;
    let biz = crate::testing::alipay_biz("T1", "1.00");
    let mut params = bed.alipay_params("alipay.trade.precreate", &biz);
    params.remove("notify_url");
    crate::testing::sign_alipay(&mut params, bed.alipay());
    assert_eq!(bed.alipay_send(&params).await.outcome(), "10000");
    bed.control.pay("T1").unwrap();
    assert_eq!(bed.control.pending_callbacks(), 0);
}

#[tokio::test]
async fn automatic_delivery_posts_repeats_and_settles_by_itself() {
    let bed = Bed::start_with(Delivery::Automatic).await;
    bed.answer_with(&[(500, ""), (500, "")]);
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    bed.until(|| bed.received().len() == 3).await;
    let refund = bed.wechat_refund("T00001", "R1", (40, 100));
    let answer = bed
        .wechat_call("POST", "/v3/refund/domestic/refunds", &refund)
        .await;
    assert_eq!(answer.body["status"], "PROCESSING");
    bed.until(|| bed.received().len() == 4).await;
    let told = bed.wechat_plaintext(&bed.received()[3]).unwrap();
    assert_eq!(told["refund_status"], "SUCCESS");
    assert_eq!(bed.control.books()[0].refunded_minor, 40);
}

#[tokio::test]
async fn a_recorded_callback_can_be_replayed_byte_for_byte() {
    let bed = Bed::start().await;
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    let first = bed.control.deliver_due().await[0].clone();
    let replayed = bed.control.replay(first.index).await.unwrap();
    assert!(replayed.acknowledged);
    let received = bed.received();
    assert_eq!(received[0].body, received[1].body);
    let signature = |index: usize| received[index].header("wechatpay-signature");
    assert_eq!(signature(0), signature(1));
    let recorded = bed.control.recorded_callbacks();
    assert_eq!((recorded.len(), recorded[1].index), (2, 1));
    assert_eq!(recorded[0].body, received[0].body);
    assert!(recorded.iter().all(|callback| callback.acknowledged));
    assert!(bed.control.replay(99).await.is_err());
}

#[tokio::test]
async fn a_console_refund_is_told_like_any_other() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "1.00").await;
    bed.control.pay("T1").unwrap();
    assert!(bed.control.refund_at_console("T1", 101, None).is_err());
    let refund = bed.control.refund_at_console("T1", 40, None).unwrap();
    assert!(refund.is_from_console);
    bed.control.deliver_due().await;
    let told = bed.received()[1].form();
    assert_eq!(told["out_biz_no"], refund.out_refund_no);
    assert_eq!(told["refund_fee"], "0.40");
    bed.wechat_order("T00002", 100).await;
    bed.control.pay("T00002").unwrap();
    let url = Some(bed.notify_url.clone());
    let refund = bed.control.refund_at_console("T00002", 100, url).unwrap();
    bed.control
        .settle_refund(&refund.out_refund_no, crate::RefundOutcome::Success)
        .unwrap();
    let kinds: Vec<String> = bed
        .control
        .deliver_due()
        .await
        .into_iter()
        .map(|report| report.kind)
        .collect();
    assert_eq!(kinds, ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]);
}

/// Pays one order of each gateway under a callback fault used once, and posts everything once.
async fn deliver_under(fault: CallbackFault) -> Bed {
    let bed = Bed::start().await;
    for number in ["T00001", "T00002"] {
        bed.control
            .add_fault(FaultRule::callback_once(number, fault.clone()))
            .unwrap();
    }
    bed.alipay_order("T00001", "1.00").await;
    bed.wechat_order("T00002", 100).await;
    bed.control.pay("T00001").unwrap();
    bed.control.pay("T00002").unwrap();
    bed.control.deliver_due().await;
    assert_eq!(bed.control.order("T00001").unwrap().state, OrderState::Paid);
    bed
}

#[tokio::test]
async fn a_dropped_callback_never_arrives() {
    let bed = deliver_under(CallbackFault::Drop).await;
    assert!(bed.received().is_empty());
    assert_eq!(bed.control.pending_callbacks(), 0);
}

#[tokio::test]
async fn a_delayed_callback_waits_for_the_clock() {
    let bed = deliver_under(CallbackFault::Delay { ms: 10_000 }).await;
    assert!(bed.received().is_empty());
    bed.advance(10);
    assert_eq!(bed.control.deliver_due().await.len(), 2);
}

#[tokio::test]
async fn duplicates_arrive_beside_the_first() {
    let bed = deliver_under(CallbackFault::Duplicate { copies: 4 }).await;
    assert_eq!(bed.received().len(), 10);
    assert!(bed.control.deliver_due().await.is_empty());
}

#[tokio::test]
async fn a_corrupt_signature_is_right_at_the_next_try() {
    let bed = Bed::start().await;
    let fault = FaultRule::callback_once("", CallbackFault::CorruptSignature);
    bed.control
        .add_fault(fault.in_scope(FaultScope::Global))
        .unwrap();
    bed.answer_with(&[(401, "")]);
    bed.wechat_order("T00001", 100).await;
    bed.control.pay("T00001").unwrap();
    bed.control.deliver_due().await;
    bed.control.deliver_due().await;
    let received = bed.received();
    assert!(bed.wechat_plaintext(&received[0]).is_none());
    assert!(bed.wechat_plaintext(&received[1]).is_some());
    let bed = deliver_under(CallbackFault::CorruptSignature).await;
    assert!(!bed.is_alipay_signed(&bed.received()[0]));
}

#[tokio::test]
async fn a_signature_probe_is_wechats_alone_and_the_genuine_notice_follows_whatever_is_answered() {
    for status in [401, 200] {
        let bed = Bed::start().await;
        let fault = FaultRule::callback_once("T00001", CallbackFault::SignatureProbe);
        bed.control.add_fault(fault).unwrap();
        bed.answer_with(&[(status, "")]);
        bed.wechat_order("T00001", 100).await;
        bed.control.pay("T00001").unwrap();
        let reports = bed.control.deliver_due().await;
        assert_eq!(reports[0].http_status, Some(status));
        assert!(!reports[0].acknowledged, "a test is to be refused");
        bed.control.deliver_due().await;
        let received = bed.received();
        let signature = received[0].header("wechatpay-signature");
        assert!(signature.starts_with("WECHATPAY/SIGNTEST/"), "{signature}");
        assert_eq!(
            signature.len(),
            received[1].header("wechatpay-signature").len()
        );
        assert!(bed.wechat_plaintext(&received[0]).is_none());
        assert!(bed.wechat_plaintext(&received[1]).is_some());
        assert_eq!(bed.control.pending_callbacks(), 0);
    }
    let bed = deliver_under(CallbackFault::SignatureProbe).await;
    assert!(bed.is_alipay_signed(&bed.received()[0]));
}

#[tokio::test]
async fn lies_are_properly_signed() {
    let bed = deliver_under(CallbackFault::OtherAmount).await;
    let received = bed.received();
    assert!(bed.is_alipay_signed(&received[0]));
    assert_eq!(received[0].form()["total_amount"], "1.01");
    assert_eq!(
        bed.wechat_plaintext(&received[1]).unwrap()["amount"]["total"],
        101
    );

    let bed = deliver_under(CallbackFault::OtherAccount).await;
    let received = bed.received();
    assert!(bed.is_alipay_signed(&received[0]));
    assert_ne!(received[0].form()["seller_id"], bed.alipay().seller_id);
    assert_ne!(
        bed.wechat_plaintext(&received[1]).unwrap()["mchid"],
        bed.wechat().mchid.as_str()
    );

    let other = Some("T00009".to_owned());
    let bed = deliver_under(CallbackFault::OtherOrder {
        out_trade_no: other,
    })
    .await;
    let received = bed.received();
    assert!(bed.is_alipay_signed(&received[0]));
    assert_eq!(received[0].form()["out_trade_no"], "T00009");
    assert_eq!(
        bed.wechat_plaintext(&received[1]).unwrap()["out_trade_no"],
        "T00009"
    );
}

#[tokio::test]
async fn a_reordered_callback_comes_after_the_later_ones() {
    let bed = Bed::start().await;
    bed.control
        .add_fault(FaultRule::callback_once("T00001", CallbackFault::Reorder))
        .unwrap();
    for number in ["T00001", "T00002"] {
        bed.wechat_order(number, 100).await;
        bed.control.pay(number).unwrap();
    }
    let numbers: Vec<String> = bed
        .control
        .deliver_due()
        .await
        .into_iter()
        .map(|report| report.out_trade_no)
        .collect();
    assert_eq!(numbers, ["T00002", "T00001"]);
}
