//! WeChat Pay's callbacks: an encrypted JSON envelope with a fixed id, signed anew for every
//! repetition (`wechat_v3` sheet §10).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    answer::{PROBE_START, SIGNATURE, Signing, signature_headers},
    handle::{china_time, transaction},
    mode::posting_key,
    refund::refund_status,
};
use crate::{
    accounts::Accounts,
    crypto::{random_digits, random_text, seal},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    shared::Shared,
    state::{Order, Refund, RefundOutcome, RefundStatus, china},
};

/// Seconds between the 16 postings, about 24 hours in all.
pub(crate) const RETRY_SCHEDULE_S: [u64; 15] = [
    15, 15, 30, 180, 600, 1_200, 1_800, 1_800, 1_800, 3_600, 10_800, 10_800, 10_800, 21_600, 21_600,
];

/// A callback before encryption and signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    mchid: String,
    id: String,
    create_time: String,
    event_type: &'static str,
    summary: &'static str,
    original_type: &'static str,
    plaintext: Map<String, Value>,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// 200 or 204, unless it was a test, which is to be refused.
pub(crate) fn is_acknowledged(status: Option<u16>, headers: &[(String, String)]) -> bool {
    let is_probe = headers
        .iter()
        .any(|(name, value)| name == SIGNATURE && value.starts_with(PROBE_START));
    matches!(status, Some(200 | 204)) && !is_probe
}

fn event_id(now: DateTime<Utc>) -> String {
    format!("EV-{}{}", china(now).format("%Y%m%d"), random_digits(20))
}

/// The order was paid.
pub(crate) fn paid(order: &Order, now: DateTime<Utc>) -> Told {
    let notice = Notice {
        mchid: order.account.clone(),
        id: event_id(now),
        create_time: china_time(now),
        event_type: "TRANSACTION.SUCCESS",
        summary: "支付成功",
        original_type: "transaction",
        plaintext: transaction(order, false),
    };
    (
        notice.event_type.to_owned(),
        order.notify_url.clone(),
        delivery::Notice::Wechat(notice),
    )
}

/// A refund ended.
pub(crate) fn settled(
    order: &Order,
    refund: &Refund,
    outcome: RefundOutcome,
    now: DateTime<Utc>,
) -> Told {
    let (event_type, summary) = match outcome {
        RefundOutcome::Success => ("REFUND.SUCCESS", "退款成功"),
        RefundOutcome::Closed => ("REFUND.CLOSED", "退款关闭"),
        RefundOutcome::Abnormal => ("REFUND.ABNORMAL", "退款异常"),
    };
    let object = json!({
        "mchid": order.account,
        "transaction_id": order.gateway_trade_no,
        "out_trade_no": order.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund_status(refund.status),
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": order.total_minor,
            "refund": refund.amount_minor,
            "payer_total": order.total_minor,
            "payer_refund": refund.amount_minor,
        },
    });
    let mut plaintext = object.as_object().cloned().unwrap_or_default();
    if refund.status == RefundStatus::Success {
        plaintext.insert("success_time".to_owned(), json!(china_time(now)));
    }
    let notice = Notice {
        mchid: order.account.clone(),
        id: event_id(now),
        create_time: china_time(now),
        event_type,
        summary,
        original_type: "refund",
        plaintext,
    };
    (
        event_type.to_owned(),
        refund.notify_url.clone(),
        delivery::Notice::Wechat(notice),
    )
}

/// The request of one posting.
pub(crate) fn render(
    shared: &Shared,
    notice: &Notice,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let accounts = &shared.accounts;
    let merchant = accounts.wechat_merchant(&notice.mchid)?;
    let mut plaintext = notice.plaintext.clone();
    if notice.original_type == "transaction" {
        plaintext.insert("appid".to_owned(), json!(merchant.appid));
    }
    for fault in faults {
        falsify(accounts, notice, &mut plaintext, fault)?;
    }
    let plaintext = Value::Object(plaintext).to_string();
    let nonce = random_text(12);
    let aad = notice.original_type;
    let ciphertext = seal(&merchant.apiv3_key, &nonce, aad, plaintext.as_bytes())?;
    let body = json!({
        "id": notice.id,
        "create_time": notice.create_time,
        "resource_type": "encrypt-resource",
        "event_type": notice.event_type,
        "summary": notice.summary,
        "resource": {
            "original_type": notice.original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": ciphertext,
            "associated_data": aad,
            "nonce": nonce,
        },
    })
    .to_string();
    let signing = if faults.contains(&CallbackFault::SignatureProbe) {
        Signing::Probe
    } else if faults.contains(&CallbackFault::CorruptSignature) {
        Signing::Corrupt
    } else {
        Signing::Right
    };
    let key = posting_key(shared, merchant)?;
    let mut headers = base_headers("application/json", "Mozilla/4.0");
    let signature = signature_headers(key, shared.now(), body.as_bytes(), signing);
    headers.extend(
        signature
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    Some(Posting { headers, body })
}

fn falsify(
    accounts: &Accounts,
    notice: &Notice,
    plaintext: &mut Map<String, Value>,
    fault: &CallbackFault,
) -> Option<()> {
    match fault {
        CallbackFault::OtherAmount => {
            let amount = plaintext.get_mut("amount").and_then(Value::as_object_mut)?;
            for name in ["total", "payer_total", "refund", "payer_refund"] {
                if let Some(fen) = amount.get(name).and_then(Value::as_i64) {
                    amount.insert(name.to_owned(), json!(fen.saturating_add(1)));
                }
            }
        }
        CallbackFault::OtherAccount => {
            let other = accounts.other_wechat_merchant(&notice.mchid)?;
            plaintext.insert("mchid".to_owned(), json!(other.mchid));
            if plaintext.contains_key("appid") {
                plaintext.insert("appid".to_owned(), json!(other.appid));
            }
        }
        CallbackFault::OtherOrder { out_trade_no } => {
            let other = out_trade_no.clone();
            let other = other.unwrap_or_else(|| format!("X{}", random_digits(31)));
            plaintext.insert("out_trade_no".to_owned(), json!(other));
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
