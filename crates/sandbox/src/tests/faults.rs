//! Scripted faults of API calls: whether the operation is done and what the caller sees of it.

use serde_json::json;

use crate::{
    CallFault, Fault, FaultRule, FaultScope, Operation, OrderState,
    testing::{Bed, alipay_biz},
};

const NATIVE: &str = "/v3/pay/transactions/native";

fn create_fault(fault: CallFault) -> FaultRule {
    FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder)
}

/// Sends a correct create that may fail on the wire.
async fn create(bed: &Bed, number: &str) -> Result<reqwest::Response, reqwest::Error> {
    let body = bed.wechat_biz(number, 100).to_string();
    let headers = crate::testing::wechat_headers(bed.wechat(), bed.now(), ("POST", NATIVE, &body));
    let mut request = bed
        .http
        .post(format!("{}{NATIVE}", bed.sandbox.base_url()))
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await
}

#[tokio::test]
async fn a_cut_connection_leaves_the_caller_without_an_answer() {
    let bed = Bed::start().await;
    for (number, accepted) in [("T00001", true), ("T00002", false)] {
        bed.control
            .add_fault(create_fault(CallFault::Cut { accepted }))
            .unwrap();
        assert!(create(&bed, number).await.is_err());
        assert_eq!(bed.control.order(number).is_ok(), accepted);
        // The rule is used up: the repetition is the same order or the first.
        assert_eq!(create(&bed, number).await.unwrap().status(), 200);
    }
    assert_eq!(bed.control.orders().len(), 2);
    assert_eq!(bed.control.calls().len(), 4);
}

#[tokio::test]
async fn a_server_error_may_hide_a_done_operation() {
    let bed = Bed::start().await;
    for (number, accepted) in [("T00001", true), ("T00002", false)] {
        let fault = CallFault::ServerError {
            status: 502,
            accepted,
        };
        bed.control.add_fault(create_fault(fault)).unwrap();
        assert_eq!(create(&bed, number).await.unwrap().status(), 502);
        assert_eq!(bed.control.order(number).is_ok(), accepted);
    }
}

#[tokio::test]
async fn a_hanging_call_is_done_at_once_and_answered_when_released() {
    let bed = Bed::start().await;
    let hang = CallFault::Hang {
        for_ms: None,
        accepted: true,
    };
    bed.control.add_fault(create_fault(hang)).unwrap();
    let control = bed.control.clone();
    let story = async {
        bed.until(|| control.order("T00001").is_ok()).await;
        // The callback overtakes the answer.
        control.pay("T00001").unwrap();
        assert!(control.deliver_due().await[0].acknowledged);
        control.release_hangs();
    };
    let (answer, ()) = tokio::join!(create(&bed, "T00001"), story);
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(bed.received().len(), 1);
}

#[tokio::test]
async fn a_call_may_hang_before_anything_is_done() {
    let bed = Bed::start().await;
    let hang = CallFault::Hang {
        for_ms: Some(1),
        accepted: false,
    };
    bed.control.add_fault(create_fault(hang)).unwrap();
    assert_eq!(create(&bed, "T00001").await.unwrap().status(), 200);
    assert_eq!(bed.control.calls()[0].outcome, "200");
}

#[tokio::test]
async fn an_answer_with_a_bad_signature_is_a_done_operation() {
    let bed = Bed::start().await;
    let rule = FaultRule {
        scope: FaultScope::Global,
        times: Some(2),
        fault: Fault::Call {
            operation: None,
            fault: CallFault::BadSignature,
        },
    };
    bed.control.add_fault(rule).unwrap();
    let wechat = bed
        .wechat_call("POST", NATIVE, &bed.wechat_biz("T00001", 100))
        .await;
    assert!(wechat.serial.is_some() && !wechat.is_signed);
    let alipay = bed
        .alipay_call("alipay.trade.precreate", alipay_biz("T1", "1.00"))
        .await;
    assert!(alipay.raw.contains("\"sign\"") && !alipay.is_signed);
    assert_eq!(bed.control.orders().len(), 2);
    assert!(bed.control.faults().is_empty());
}

#[tokio::test]
async fn a_scripted_refusal_does_nothing() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "1.00").await;
    bed.control.pay("T1").unwrap();
    let code = "ACQ.SELLER_BALANCE_NOT_ENOUGH".to_owned();
    let rule = FaultRule::call_once("T1", Operation::Refund, CallFault::Refuse { code });
    bed.control.add_fault(rule).unwrap();
    let biz = json!({"out_trade_no": "T1", "out_request_no": "R1", "refund_amount": "1.00"});
    let refused = bed.alipay_call("alipay.trade.refund", biz.clone()).await;
    assert_eq!(refused.outcome(), "40004 ACQ.SELLER_BALANCE_NOT_ENOUGH");
    assert!(refused.is_signed && bed.control.refunds().is_empty());
    assert_eq!(
        bed.alipay_call("alipay.trade.refund", biz).await.outcome(),
        "10000"
    );
    let code = "NOT_ENOUGH".to_owned();
    bed.control
        .add_fault(create_fault(CallFault::Refuse { code }))
        .unwrap();
    let refused = bed
        .wechat_call("POST", NATIVE, &bed.wechat_biz("T00001", 100))
        .await;
    assert_eq!(refused.outcome(), "403 NOT_ENOUGH");
}

#[tokio::test]
async fn a_rule_of_one_order_leaves_the_others_alone() {
    let bed = Bed::start().await;
    let fault = CallFault::Cut { accepted: false };
    bed.control
        .add_fault(FaultRule::call_once("T00002", Operation::Create, fault))
        .unwrap();
    assert_eq!(create(&bed, "T00001").await.unwrap().status(), 200);
    assert!(create(&bed, "T00002").await.is_err());
    assert_eq!(bed.control.order("T00001").unwrap().state, OrderState::Open);
    bed.control
        .add_fault(create_fault(CallFault::BadSignature))
        .unwrap();
    bed.control.clear_faults();
    assert!(bed.control.faults().is_empty());
}
