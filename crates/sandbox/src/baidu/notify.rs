//! Baidu's callbacks: signed forms about payments, about refunds that may be made, and about refunds that ended
//! (baidu sheet §4 to §6).

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Params, sign};
use crate::{
    accounts::Accounts,
    crypto::{corrupt, random_digits},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    state::{Order, Refund, RefundStatus},
};

/// Seconds between postings: every two minutes, as often as the newer text says; a question that is not decided
/// every five.
pub(crate) fn retry_schedule(kind: &str) -> Vec<u64> {
    const REPEATS: usize = 200;
    vec![if kind == ASKED { 300 } else { 120 }; REPEATS]
}

/// A callback without its signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    deal_id: String,
    params: Params,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// `errno` 0 in JSON; a payment must be consumed too.
pub(crate) fn is_acknowledged(kind: &str, status: Option<u16>, body: &str) -> bool {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let is_consumed = told.pointer("/data/isConsumed").is_some_and(|it| *it == 2);
    status == Some(200)
        && told.get("errno").is_some_and(|it| *it == 0)
        && (kind != PAID || is_consumed)
}

const PAID: &str = "PAYMENT.2";
/// The question whether a refund may be made.
pub(super) const ASKED: &str = "REFUND.AUDIT";

/// The order was paid.
pub(crate) fn paid(order: &Order, now: DateTime<Utc>) -> Told {
    let total = order.total_minor.to_string();
    let at = now.timestamp().to_string();
    let params = [
        ("unitPrice", total.as_str()),
        ("orderId", &order.gateway_trade_no),
        ("payTime", &at),
        ("dealId", &order.account),
        ("tpOrderId", &order.out_trade_no),
        ("count", "1"),
        ("totalMoney", &total),
        ("hbBalanceMoney", "0"),
        ("userId", &order.payer),
        ("promoMoney", "0"),
        ("promoDetail", ""),
        ("hbMoney", "0"),
        ("giftCardMoney", "0"),
        ("payMoney", &total),
        ("payType", "1117"),
        ("returnData", "{}"),
        ("partnerId", "6000001"),
        ("status", "2"),
    ];
    told(PAID, order, order.notify_url.clone(), &params)
}

/// The payer wants so many fen back: may they be given?
pub(super) fn asked(order: &Order, batch: &str, amount_minor: i64, url: String) -> Told {
    let amount = amount_minor.to_string();
    let params = [
        ("userId", order.payer.as_str()),
        ("orderId", &order.gateway_trade_no),
        ("tpOrderId", &order.out_trade_no),
        ("refundBatchId", batch),
        ("applyRefundMoney", &amount),
    ];
    told(ASKED, order, Some(url), &params)
}

/// A refund ended.
pub(crate) fn settled(order: &Order, refund: &Refund) -> Told {
    let status = if refund.status == RefundStatus::Success {
        "1"
    } else {
        "2"
    };
    let params = [
        ("userId", order.payer.as_str()),
        ("orderId", &order.gateway_trade_no),
        ("tpOrderId", &order.out_trade_no),
        ("refundBatchId", &refund.refund_id),
        ("refundStatus", status),
    ];
    let kind = format!("REFUND.{status}");
    told(&kind, order, refund.notify_url.clone(), &params)
}

fn told(kind: &str, order: &Order, url: Option<String>, params: &[(&str, &str)]) -> Told {
    let notice = Notice {
        deal_id: order.account.clone(),
        params: params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    (kind.to_owned(), url, delivery::Notice::Baidu(notice))
}

/// The request of one posting.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let mut params = notice.params.clone();
    for fault in faults {
        match fault {
            CallbackFault::OtherAmount => {
                for name in ["totalMoney", "applyRefundMoney"] {
                    let told = params.get(name).and_then(|it| it.parse::<i64>().ok());
                    if let Some(told) = told {
                        let more = told.saturating_add(1).to_string();
                        params.insert(name.to_owned(), more);
                    }
                }
            }
            CallbackFault::OtherAccount => {
                let other = accounts.other_baidu_merchant(&notice.deal_id)?;
                params.insert("dealId".to_owned(), other.deal_id.clone());
            }
            CallbackFault::OtherOrder { out_trade_no } => {
                let other = out_trade_no.clone();
                let other = other.unwrap_or_else(|| format!("X{}", random_digits(31)));
                params.insert("tpOrderId".to_owned(), other);
            }
            CallbackFault::CorruptSignature
            | CallbackFault::SignatureProbe
            | CallbackFault::Delay { .. }
            | CallbackFault::Duplicate { .. }
            | CallbackFault::Reorder
            | CallbackFault::Drop => {}
        }
    }
    let mut signature = sign::sign(&accounts.baidu_platform, &params)?;
    if faults.contains(&CallbackFault::CorruptSignature) {
        signature = corrupt(&signature);
    }
    params.insert("rsaSign".to_owned(), signature);
    Some(Posting {
        headers: base_headers("application/x-www-form-urlencoded", "Baidu"),
        body: sign::encode(&params),
    })
}
