//! Each kind of anomaly: its evidence, its event, what is booked, and how it is listed and resolved.

use flows::payment::apply::apply_payment_report;
use flows::refund::apply::apply_refund_report;
use kassa_core::id::{AttemptId, ChannelAccountId};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::{Currency, Money};
use proto::v1::{self, AnomalyKind, AnomalyStatus, PaymentStatus, RefundStatus, ResolutionAction};
use sandbox::{CallFault, CallbackFault, FaultRule, Operation, RefundOutcome};
use tests::checks::Expected;
use tests::event::kinds;
use tests::{TestApp, Wish, money, reason};
use tonic::Code;

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

async fn account_of(app: &TestApp, id: &str) -> ChannelAccountId {
    app.attempts(id).await[0].channel_account_id
}

/// A refund under way at WeChat Pay that the payer's card refused. Gives payment, refund and anomaly.
async fn hung(app: &TestApp) -> (String, String, v1::Anomaly) {
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Abnormal)
        .unwrap();
    assert!(app.deliver().await[0].acknowledged);
    app.run_until_idle().await;
    let anomaly = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(anomaly.kind(), AnomalyKind::RefundAbnormal);
    assert_eq!(anomaly.refund_id, refund.refund_id);
    (created.id, refund.refund_id, anomaly)
}

fn applications(app: &TestApp) -> usize {
    let calls = app.control.calls();
    let of_abnormal = calls
        .iter()
        .filter(|call| call.operation == Operation::AbnormalRefund);
    of_abnormal.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_hangs_is_sent_to_the_merchant_at_an_operators_word() {
    let app = TestApp::start().await;
    let (id, refund_id, open) = hung(&app).await;
    let action = ResolutionAction::RefundToMerchant;
    let answer = app.resolve(&open.anomaly_id, action).await.unwrap();
    let anomaly = answer.anomaly.unwrap();
    assert_eq!(
        anomaly.status(),
        AnomalyStatus::Open,
        "until it has settled"
    );
    assert_eq!(anomaly.resolved_by, "shop");
    assert_eq!(answer.refund.unwrap().status(), RefundStatus::Processing);
    assert_eq!(applications(&app), 1);
    let again = app.resolve(&open.anomaly_id, action).await.unwrap();
    assert_eq!(
        again.anomaly,
        Some(anomaly),
        "the same action answers the same"
    );
    assert_eq!(applications(&app), 1, "what moves is not sent again");
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(app.payment(&id).await.status(), PaymentStatus::RefundFull);
    let resolved = app.anomalies_shown(&id).await.remove(0);
    assert_eq!(resolved.resolution(), action);
    assert_eq!(resolved.resolved_by, "shop");
    assert_eq!(app.bookings(&id).await, ["PAYMENT", "REFUND"]);
    let told = kinds(&app.events_of(&id).await);
    assert_eq!(told.last().unwrap(), "anomaly.resolved");
    app.finish().await;
}

/// The answer to the application is lost: the gateway is asked before anything is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_whose_answer_was_lost_is_asked_for_and_not_sent_again() {
    let app = TestApp::start().await;
    let (id, refund_id, open) = hung(&app).await;
    let number = app.number(&id).await;
    let fault = CallFault::Cut { accepted: true };
    let rule = FaultRule::call_once(&number, Operation::AbnormalRefund, fault);
    app.control.add_fault(rule).unwrap();
    let action = ResolutionAction::RefundToMerchant;
    let lost = app.resolve(&open.anomaly_id, action).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    app.resolve(&open.anomaly_id, action).await.unwrap();
    assert_eq!(applications(&app), 1);
    app.control
        .settle_refund(&refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    let settled = app.anomalies_shown(&id).await.remove(0);
    assert_eq!(settled.resolution(), ResolutionAction::Settled, "it failed");
    assert_eq!(
        app.payment(&id).await.amount_refundable,
        Some(money("10.00")),
        "released"
    );
    let again = app.refund(&id, "another", "10.00").await.unwrap();
    assert_ne!(
        again.refund_id, refund_id,
        "a failed one is tried as a new one"
    );
    app.run_until_idle().await;
    app.control
        .settle_refund(&again.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(app.payment(&id).await.status(), PaymentStatus::RefundFull);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_to_send_a_refund_to_the_merchant_leaves_the_anomaly_open() {
    let app = TestApp::start().await;
    let (id, refund_id, open) = hung(&app).await;
    let number = app.number(&id).await;
    let fault = CallFault::Refuse {
        code: "RULE_LIMIT".to_owned(),
    };
    let rule = FaultRule::call_once(&number, Operation::AbnormalRefund, fault);
    app.control.add_fault(rule).unwrap();
    let action = ResolutionAction::RefundToMerchant;
    let refused = app.resolve(&open.anomaly_id, action).await.unwrap_err();
    assert_eq!(reason(&refused), "GATEWAY_REFUSED");
    assert_eq!(app.anomalies_shown(&id).await[0], open, "as before");
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let settled = app.anomalies_shown(&id).await.remove(0);
    assert_eq!(settled.resolution(), ResolutionAction::Settled);
    assert_eq!(settled.resolved_by, "kassa");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_its_gateway_reverses_stays_paid_and_people_are_told() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "5.00")).await;
    let report = PaymentReport {
        request_number: app.number(&created.id).await,
        gateway_transaction_id: None,
        state: ReportedPayment::Closed,
    };
    let account = account_of(&app, &created.id).await;
    for _ in 0..2 {
        apply_payment_report(app.kassa(), account, &report)
            .await
            .unwrap();
    }
    app.run_until_idle().await;
    let open = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(open.kind(), AnomalyKind::ReversedByGateway);
    assert_eq!(open.evidence["status_before"], "PAID_SUCCESS");
    assert_eq!(open.evidence["reported"], "CLOSED");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[2..], ["anomaly.opened"], "once");
    let action = ResolutionAction::Refund;
    let refused = app.resolve(&open.anomaly_id, action).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "ANOMALY_ACTION");
    let action = ResolutionAction::RefundToMerchant;
    let refused = app.resolve(&open.anomaly_id, action).await.unwrap_err();
    assert_eq!(reason(&refused), "ANOMALY_ACTION");
    app.resolve(&open.anomaly_id, ResolutionAction::Accept)
        .await
        .unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_beyond_what_was_paid_goes_against_suspense_and_people_are_told() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "5.00")).await;
    let report = RefundReport {
        request_number: app.number(&created.id).await,
        refund_number: "CONSOLE1".to_owned(),
        gateway_refund_id: Some("F1".to_owned()),
        state: ReportedRefund::Succeeded {
            amount: Some(cny(501)),
            refunded_total: None,
            refunded_at: None,
        },
    };
    let account = account_of(&app, &created.id).await;
    for _ in 0..2 {
        apply_refund_report(app.kassa(), account, &report)
            .await
            .unwrap();
    }
    app.run_until_idle().await;
    let open = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(open.kind(), AnomalyKind::RefundBeyondPaid);
    assert_eq!(open.evidence["reported"], "SUCCEEDED 5.01 CNY");
    assert_eq!(open.evidence["gateway_refund_id"], "F1");
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "UNEXPECTED_REFUND"]
    );
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[2..], ["refund.succeeded", "anomaly.opened"]);
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-501))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_succeeds_after_it_failed_is_booked_and_people_are_told() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "5.00")).await;
    let refund = app.refund(&created.id, "back", "5.00").await.unwrap();
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    let mut report = RefundReport {
        request_number: app.number(&created.id).await,
        refund_number: refund.refund_id.clone(),
        gateway_refund_id: None,
        state: ReportedRefund::Succeeded {
            amount: Some(cny(500)),
            refunded_total: None,
            refunded_at: None,
        },
    };
    let account = account_of(&app, &created.id).await;
    apply_refund_report(app.kassa(), account, &report)
        .await
        .unwrap();
    let reason = kassa_core::notification::GatewayReason {
        code: "CLOSED".to_owned(),
        message: String::new(),
    };
    report.state = ReportedRefund::Failed(reason);
    apply_refund_report(app.kassa(), account, &report)
        .await
        .unwrap();
    app.run_until_idle().await;
    let mut shown = app.anomalies_shown(&created.id).await;
    // The clock stands still: what was found at the same time has no order.
    shown.sort_by_key(|anomaly| anomaly.kind);
    let found: Vec<_> = shown.iter().map(v1::Anomaly::kind).collect();
    let expected = [AnomalyKind::RefundAfterFailure, AnomalyKind::RefundReversed];
    assert_eq!(found, expected);
    assert_eq!(shown[0].evidence["status_before"], "FAILED");
    assert_eq!(shown[1].evidence["reported"], "FAILED CLOSED");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-500))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_no_payment_is_told_to_the_operators_until_it_is_resolved() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let fault = CallbackFault::OtherOrder { out_trade_no: None };
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&created).await;
    app.settle().await;
    let request = v1::ListAnomaliesRequest {
        app_id: "kassa-operations".to_owned(),
        status: AnomalyStatus::Open.into(),
        ..Default::default()
    };
    let listed = app.shop.operations().list_anomalies(request.clone()).await;
    let open = listed.unwrap().into_inner().anomalies.remove(0);
    assert_eq!(open.kind(), AnomalyKind::UnknownOrder);
    assert_eq!(open.transaction_id, "");
    assert_eq!(open.evidence["reported"], "PAID 5.00 CNY");
    app.resolve(&open.anomaly_id, ResolutionAction::Accept)
        .await
        .unwrap();
    app.run_until_idle().await;
    let told = app.operations_events().await;
    let types: Vec<_> = told.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["kassa.anomaly.opened.v1", "kassa.anomaly.resolved.v1"]
    );
    assert_eq!(told[0].routing_key, "kassa-operations.anomaly.opened.NONE");
    let listed = app.shop.operations().list_anomalies(request).await;
    assert_eq!(listed.unwrap().into_inner().anomalies, []);
    app.sync(&created.id).await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anomalies_are_listed_page_by_page_by_their_payments_app_and_kind() {
    let app = TestApp::start().await;
    let account = {
        let created = app.paid(&Wish::wechat_jsapi("tea", "5.00")).await;
        account_of(&app, &created.id).await
    };
    let payment = app.events().await[0].transaction_id.clone();
    let unknown = AttemptId::new(&app.kassa().ids).to_string();
    for number in [app.number(&payment).await, unknown] {
        let report = PaymentReport {
            request_number: number,
            gateway_transaction_id: None,
            state: ReportedPayment::Closed,
        };
        apply_payment_report(app.kassa(), account, &report)
            .await
            .unwrap();
    }
    app.run_until_idle().await;
    let list = async |request: v1::ListAnomaliesRequest| {
        let answer = app.shop.operations().list_anomalies(request).await;
        answer.unwrap().into_inner()
    };
    let mut request = v1::ListAnomaliesRequest {
        page_size: 1,
        ..Default::default()
    };
    let first = list(request.clone()).await;
    request.page_token.clone_from(&first.next_page_token);
    let second = list(request.clone()).await;
    assert_eq!((first.anomalies.len(), second.anomalies.len()), (1, 1));
    assert_ne!(first.anomalies, second.anomalies);
    assert_eq!(second.next_page_token, "");
    request.kind = AnomalyKind::UnknownOrder.into();
    let foreign = app.shop.operations().list_anomalies(request).await;
    assert_eq!(foreign.unwrap_err().code(), Code::InvalidArgument);
    for (app_id, expected) in [
        ("shop", vec![AnomalyKind::ReversedByGateway]),
        ("other", vec![]),
        ("kassa-operations", vec![AnomalyKind::UnknownOrder]),
    ] {
        let request = v1::ListAnomaliesRequest {
            app_id: app_id.to_owned(),
            ..Default::default()
        };
        let listed = list(request).await.anomalies;
        let found: Vec<_> = listed.iter().map(v1::Anomaly::kind).collect();
        assert_eq!(found, expected, "{app_id}");
    }
    let missing = v1::GetAnomalyRequest {
        anomaly_id: payment,
    };
    let refused = app
        .shop
        .operations()
        .get_anomaly(missing)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = v1::GetAnomalyRequest {
        anomaly_id: first.anomalies[0].anomaly_id.clone(),
    };
    let got = app.shop.operations().get_anomaly(request).await.unwrap();
    assert_eq!(got.into_inner().anomaly.as_ref(), first.anomalies.first());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_app_can_have_the_operators_name() {
    let app = TestApp::start().await;
    let store = &app.kassa().store;
    let shop = store.find_app(&app.shop.app).await.unwrap().unwrap();
    let taken = flows::app::NewApp {
        id: kassa_core::text::AppId::try_new("kassa-operations").unwrap(),
        display_name: "Operators".to_owned(),
        scopes: shop.scopes,
        keys: shop.keys,
        channel_accounts: Vec::new(),
        is_active: true,
        policies: shop.policies,
    };
    let refused = flows::app::apply(app.kassa(), "tests", taken).await;
    assert!(
        matches!(refused, Err(flows::Error::InvalidInput(found)) if found[0].field == "app_id")
    );
    app.finish().await;
}
