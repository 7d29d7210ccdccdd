//! What is counted and timed about gateways names the channel, so that one that fails stands out.

use chrono::TimeDelta;
use kassa_core::channel::Channel;
use runtime::telemetry::metrics;
use sandbox::{CallFault, FaultRule, FaultScope, Operation};
use tests::{TestApp, Wish, reason};

/// Everything that is counted or timed per channel.
const PER_CHANNEL: [&str; 9] = [
    "kassa_payments_created_total",
    "kassa_payment_transitions_total",
    "kassa_refunds_created_total",
    "kassa_refund_transitions_total",
    "kassa_attempts_unknown_total",
    "kassa_gateway_call_seconds",
    "kassa_anomalies_total",
    "kassa_anomalies_resolved_total",
    "kassa_ingress_callbacks_total",
];

/// The series of a metric, without their values.
fn series<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        ["{", "_count{", "_sum{", "_bucket{"]
            .iter()
            .any(|it| rest.starts_with(it))
    };
    text.lines().filter(of_name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_about_gateways_names_the_channel() {
    metrics::handle();
    let app = TestApp::start().await;
    let cut = CallFault::Cut { accepted: false };
    let rule = FaultRule::call_once("", Operation::Create, cut).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::alipay_qr("tea", "7.00");
    let lost = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    let created = app.created(&wish).await;
    app.close(&created.id).await.unwrap();
    app.pay(&created).await;
    app.settle().await;
    // The money that came late goes back by the app's policy.
    app.clock.advance(TimeDelta::hours(1));
    app.settle().await;
    app.finish().await;

    let text = metrics::render();
    for name in PER_CHANNEL {
        let found = series(&text, name);
        let of_alipay = r#"channel="ALIPAY""#;
        assert!(found.iter().any(|it| it.contains(of_alipay)), "{name}");
        for line in found {
            let is_named = |channel: &Channel| {
                let label = format!(r#"channel="{channel}""#);
                line.contains(&label)
            };
            assert!(Channel::ALL.iter().any(is_named), "{line}");
        }
    }
}
