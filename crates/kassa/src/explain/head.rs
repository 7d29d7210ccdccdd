//! The head: where the payment stands, and what is still to come.

use console::Style;
use flows::operations::Story;
use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use kassa_core::refund::RefundSource;

use super::look::Look;

/// Width of the names.
const NAME_WIDTH: usize = 13;

pub(super) fn lines(story: &Story, look: &Look) -> Vec<String> {
    let payment = &story.payment;
    let status = look.paint(payment.status.as_str(), &status_style(payment.status));
    let mut lines = vec![format!(
        "{}  {status}",
        look.bold(&format!("payment {}", payment.id))
    )];
    let mut line = |name: &str, text: String| {
        let name = look.dim(&format!("{name:<NAME_WIDTH$}"));
        lines.push(format!("  {name} {text}"));
    };
    line("order", order(payment));
    line(
        "asked for",
        format!(
            "{} by {} {}: {}",
            payment.amount_requested, payment.channel, payment.method, payment.subject
        ),
    );
    line("made", look.moment(payment.created_at));
    if payment.status.is_pending() {
        line("expires", look.moment(payment.expires_at));
    }
    let paid = payment.paid_at.map(|at| look.moment(at));
    line(
        "paid",
        paid.map_or_else(
            || payment.amount_paid.to_string(),
            |at| format!("{} at {at}", payment.amount_paid),
        ),
    );
    if payment.status.is_paid() {
        line("given back", given_back(story));
    }
    if let Some(failure) = &payment.failure {
        line("failed", format!("{} {}", failure.code, failure.message));
    }
    parts(story, &mut line);
    for anomaly in &story.anomalies_open {
        let kind = look.paint(anomaly.kind.as_str(), &Style::new().red().bold());
        let due = anomaly.refund_due_at.map_or_else(
            || "waits for an operator".to_owned(),
            |at| format!("given back by itself at {}", look.moment(at)),
        );
        line("open anomaly", format!("{kind} {}, {due}", anomaly.id));
    }
    if story.events_waiting > 0 {
        let text = format!("{} not published yet", story.events_waiting);
        line("events", look.paint(&text, &Style::new().yellow()));
    }
    let next = story.next_query_at.map(|at| look.moment(at));
    line("next query", next.unwrap_or_else(|| "none".to_owned()));
    if story.is_cut {
        let text = "this story is longer than what is shown here";
        line("note", look.paint(text, &Style::new().yellow()));
    }
    lines
}

fn order(payment: &PaymentTransaction) -> String {
    let order_type = payment
        .business_order_type
        .as_ref()
        .map(|order_type| format!(" ({order_type})"));
    format!(
        "{}{} of {}",
        payment.business_order_id,
        order_type.unwrap_or_default(),
        payment.app_id
    )
}

fn given_back(story: &Story) -> String {
    let payment = &story.payment;
    let on_its_way = if payment.amount_refund_reserved.is_zero() {
        String::new()
    } else {
        format!(", {} on its way", payment.amount_refund_reserved)
    };
    let (refunded, refundable) = (payment.amount_refunded, story.amount_refundable);
    format!("{refunded}{on_its_way}; {refundable} refundable")
}

/// Attempts and refunds, by the numbers that the timeline uses.
fn parts(story: &Story, line: &mut impl FnMut(&str, String)) {
    for attempt in &story.attempts {
        line(
            &format!("attempt {}", attempt.attempt_no),
            format!(
                "{}  {} {}  {}",
                attempt.id, attempt.account, attempt.method, attempt.status
            ),
        );
    }
    for refund in &story.refunds {
        let source = match refund.source {
            RefundSource::Payment => "",
            RefundSource::Duplicate => " of what was paid twice",
        };
        line(
            &format!("refund {}", refund.refund_no),
            format!(
                "{}  {}{source}  {}",
                refund.id, refund.amount, refund.status
            ),
        );
    }
}

fn status_style(status: PaymentStatus) -> Style {
    match status {
        PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => {
            Style::new().yellow().bold()
        }
        PaymentStatus::PaidSuccess => Style::new().green().bold(),
        PaymentStatus::PaidFailed => Style::new().red().bold(),
        PaymentStatus::Closed => Style::new().dim().bold(),
        PaymentStatus::RefundPartial | PaymentStatus::RefundFull => Style::new().cyan().bold(),
    }
}
