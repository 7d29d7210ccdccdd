//! UnionPay's back notifications: form posts to `backUrl`, signed like answers (unionpay sheet §11).

use chrono::{DateTime, Utc};

use super::{Fields, sign};
use crate::{
    accounts::Accounts,
    crypto::{corrupt, random_digits},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    state::{Order, Refund, RefundOutcome, china},
};

/// Seconds between the five postings. UNVERIFIED: two sources differ (sheet §11).
pub(crate) const RETRY_SCHEDULE_S: [u64; 4] = [60, 60, 120, 240];

/// The fields of a notification without its signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    fields: Fields,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// HTTP 200, and 302 too; the body is not looked at.
pub(crate) fn is_acknowledged(status: Option<u16>) -> bool {
    matches!(status, Some(200 | 302))
}

fn trace(at: DateTime<Utc>) -> [(&'static str, String); 4] {
    let china = china(at);
    [
        ("traceNo", random_digits(6)),
        ("traceTime", china.format("%m%d%H%M%S").to_string()),
        ("settleDate", china.format("%m%d").to_string()),
        ("settleCurrencyCode", "156".to_owned()),
    ]
}

fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Fields {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A text that was kept of a request.
pub(super) fn remembered<'a>(content: &'a serde_json::Value, name: &str) -> &'a str {
    content
        .get(name)
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
}

/// What UnionPay says of a payment, in answers to queries and in notifications.
pub(super) fn transaction_of_order(order: &Order) -> Fields {
    let amount = order.total_minor.to_string();
    let mut told = fields([
        ("queryId", order.gateway_trade_no.clone()),
        ("txnAmt", amount.clone()),
        ("settleAmt", amount),
        ("currencyCode", "156".to_owned()),
        ("accNo", order.payer.clone()),
        ("reqReserved", order.attach.clone().unwrap_or_default()),
    ]);
    told.extend(fields(trace(order.paid_at.unwrap_or(order.created_at))));
    told
}

/// What UnionPay says of a refund, which is a transaction of its own.
pub(super) fn transaction_of_refund(order: &Order, refund: &Refund) -> Fields {
    let amount = refund.amount_minor.to_string();
    let reserved = remembered(&refund.content, "reqReserved");
    let mut told = fields([
        ("queryId", refund.refund_id.clone()),
        ("origQryId", order.gateway_trade_no.clone()),
        ("txnAmt", amount.clone()),
        ("settleAmt", amount),
        ("currencyCode", "156".to_owned()),
        ("reqReserved", reserved.to_owned()),
    ]);
    told.extend(fields(trace(
        refund.settled_at.unwrap_or(refund.created_at),
    )));
    told
}

/// The order was paid. UnionPay tells of successes only.
pub(crate) fn paid(order: &Order) -> Told {
    let text = |name: &str| remembered(&order.content, name).to_owned();
    let mut told = transaction_of_order(order);
    told.extend(fields([
        ("merId", order.account.clone()),
        ("accessType", "0".to_owned()),
        ("bizType", text("bizType")),
        ("txnType", "01".to_owned()),
        ("txnSubType", "01".to_owned()),
        ("orderId", order.out_trade_no.clone()),
        ("txnTime", text("txnTime")),
        ("respCode", "00".to_owned()),
        ("respMsg", "成功[0000000]".to_owned()),
    ]));
    let notice = delivery::Notice::Unionpay(Notice { fields: told });
    ("01 00".to_owned(), order.notify_url.clone(), notice)
}

/// A refund ended, well or not. `None` while it goes on.
pub(crate) fn settled(order: &Order, refund: &Refund, outcome: RefundOutcome) -> Option<Told> {
    let (code, message) = match outcome {
        RefundOutcome::Success => ("00", "成功[0000000]"),
        RefundOutcome::Closed => ("36", "退款失败[1000036]"),
        RefundOutcome::Abnormal => return None,
    };
    let text = |name: &str| remembered(&refund.content, name).to_owned();
    let mut told = transaction_of_refund(order, refund);
    told.extend(fields([
        ("merId", order.account.clone()),
        ("accessType", "0".to_owned()),
        ("bizType", text("bizType")),
        ("txnType", "04".to_owned()),
        ("txnSubType", "00".to_owned()),
        ("orderId", refund.out_refund_no.clone()),
        ("txnTime", text("txnTime")),
        ("respCode", code.to_owned()),
        ("respMsg", message.to_owned()),
    ]));
    let notice = delivery::Notice::Unionpay(Notice { fields: told });
    Some((format!("04 {code}"), refund.notify_url.clone(), notice))
}

/// The request of one posting: signed over what it says, faults included.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let mut fields = notice.fields.clone();
    for fault in faults {
        falsify(accounts, &mut fields, fault)?;
    }
    sign::sign(&accounts.unionpay, &mut fields);
    if faults.contains(&CallbackFault::CorruptSignature) {
        let wrong = corrupt(fields.get("signature")?);
        fields.insert("signature".to_owned(), wrong);
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    let content_type = "application/x-www-form-urlencoded;charset=UTF-8";
    Some(Posting {
        headers: base_headers(content_type, "Mozilla/4.0"),
        body,
    })
}

fn falsify(accounts: &Accounts, fields: &mut Fields, fault: &CallbackFault) -> Option<()> {
    match fault {
        CallbackFault::OtherAmount => {
            let fen: i64 = fields.get("txnAmt")?.parse().ok()?;
            let more = fen.saturating_add(1).to_string();
            fields.insert("txnAmt".to_owned(), more);
        }
        CallbackFault::OtherAccount => {
            let other = accounts.other_unionpay_merchant(fields.get("merId")?)?;
            fields.insert("merId".to_owned(), other.mer_id.clone());
        }
        CallbackFault::OtherOrder { out_trade_no } => {
            let other = out_trade_no.clone();
            let other = other.unwrap_or_else(|| format!("X{}", random_digits(31)));
            fields.insert("orderId".to_owned(), other);
        }
        CallbackFault::CorruptSignature
        | CallbackFault::SignatureProbe
        | CallbackFault::Delay { .. }
        | CallbackFault::Duplicate { .. }
        | CallbackFault::Reorder
        | CallbackFault::Drop => {}
    }
    Some(())
}

/// The front notification: what the payer's browser posts to `frontUrl` on its way back. `None` without
/// an address or before the payment.
pub(crate) fn front(accounts: &Accounts, order: &Order) -> Option<(String, Fields)> {
    let url = order.return_url.clone()?;
    order.paid_at?;
    let (_, _, notice) = paid(order);
    let delivery::Notice::Unionpay(notice) = notice else {
        return None;
    };
    let mut fields = notice.fields;
    sign::sign(&accounts.unionpay, &mut fields);
    Some((url, fields))
}
