//! Alipay's notices: form posts to the order's `notify_url`, signed once, the same bytes on every
//! repetition (alipay sheet §8), and the signed return of the browser (§9).

use chrono::{DateTime, Utc};

use super::{
    Params,
    answer::sync_return,
    handle::{BUYER_LOGON_ID, china_time, trade_status},
    jsapi, sign,
};
use crate::{
    accounts::Accounts,
    crypto::{corrupt, random_digits},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    money::{fen_from_yuan, yuan_from_fen},
    state::{Order, Product, Refund, china},
};

/// Seconds between the 8 postings, a little over 24 hours in all.
const RETRY_SCHEDULE_S: [u64; 7] = [240, 600, 600, 3_600, 7_200, 21_600, 54_000];
/// Order codes are resent at once this many times first.
const QR_IMMEDIATE_RESENDS: usize = 3;
/// The acknowledgement, these seven bytes and no others.
const ACKNOWLEDGEMENT: &str = "success";

/// The parameters of a notice without its signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    app_id: String,
    params: Params,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// How long to wait after each posting.
pub(crate) fn retry_schedule(product: Product) -> Vec<u64> {
    let resends = if product == Product::AlipayQr {
        QR_IMMEDIATE_RESENDS
    } else {
        0
    };
    let mut schedule = vec![0; resends];
    schedule.extend(RETRY_SCHEDULE_S);
    schedule
}

/// HTTP 200 with exactly `success`.
pub(crate) fn is_acknowledged(status: Option<u16>, body: &str) -> bool {
    status == Some(200) && body == ACKNOWLEDGEMENT
}

/// The order was paid.
pub(crate) fn paid(accounts: &Accounts, order: &Order, now: DateTime<Utc>) -> Option<Told> {
    told(accounts, order, (0, now), &[])
}

/// The order was closed without a payment.
pub(crate) fn closed(accounts: &Accounts, order: &Order, now: DateTime<Utc>) -> Option<Told> {
    let closed_at = order.closed_at.map(china_time).unwrap_or_default();
    told(accounts, order, (0, now), &[("gmt_close", closed_at)])
}

/// Money went back: a trade notice to the payment's address, with the sum refunded so far.
pub(crate) fn refunded(
    accounts: &Accounts,
    order: &Order,
    refund: &Refund,
    refunded_minor: i64,
) -> Option<Told> {
    let at = refund.created_at;
    let mut extra = vec![
        ("refund_fee", yuan_from_fen(refunded_minor)),
        (
            "gmt_refund",
            china(at).format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        ),
        ("out_biz_no", refund.out_refund_no.clone()),
    ];
    if refunded_minor >= order.total_minor {
        extra.push(("gmt_close", china_time(at)));
    }
    told(accounts, order, (refunded_minor, at), &extra)
}

fn told(
    accounts: &Accounts,
    order: &Order,
    (refunded_minor, now): (i64, DateTime<Utc>),
    extra: &[(&str, String)],
) -> Option<Told> {
    let app = accounts.alipay_app(&order.account)?;
    let status = trade_status(order, refunded_minor);
    let total = yuan_from_fen(order.total_minor);
    let mut params = Params::new();
    let mut set = |name: &str, value: &str| params.insert(name.to_owned(), value.to_owned());
    set("notify_time", &china_time(now));
    set("notify_type", "trade_status_sync");
    set(
        "notify_id",
        &format!("{}222{}", china(now).format("%Y%m%d"), random_digits(23)),
    );
    set("charset", "utf-8");
    set("version", "1.0");
    set("app_id", &app.app_id);
    set("auth_app_id", &app.app_id);
    set("trade_no", &order.gateway_trade_no);
    set("out_trade_no", &order.out_trade_no);
    let is_user = jsapi::is_user_id(&order.payer);
    let buyer = if is_user { "buyer_id" } else { "buyer_open_id" };
    set(buyer, &order.payer);
    set("buyer_logon_id", BUYER_LOGON_ID);
    set("seller_id", &app.seller_id);
    set("seller_email", "pay***@example.com");
    set("trade_status", status);
    set("total_amount", &total);
    set("subject", &order.subject);
    set("gmt_create", &china_time(order.created_at));
    if let Some(paid_at) = order.paid_at {
        set("gmt_payment", &china_time(paid_at));
        for name in ["receipt_amount", "invoice_amount", "buyer_pay_amount"] {
            set(name, &total);
        }
        set("point_amount", "0.00");
        let bill = format!("[{{\"amount\":\"{total}\",\"fundChannel\":\"ALIPAYACCOUNT\"}}]");
        set("fund_bill_list", &bill);
    }
    for (name, value) in [("body", &order.body), ("passback_params", &order.attach)] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    for (name, value) in extra {
        set(name, value);
    }
    let notice = Notice {
        app_id: app.app_id.clone(),
        params,
    };
    Some((
        status.to_owned(),
        order.notify_url.clone(),
        delivery::Notice::Alipay(notice),
    ))
}

/// The request of one posting: signed over what it says, faults included.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let mut params = notice.params.clone();
    for fault in faults {
        falsify(accounts, notice, &mut params, fault)?;
    }
    sign::sign_notice(&accounts.alipay_platform, &mut params)?;
    if faults.contains(&CallbackFault::CorruptSignature) {
        let wrong = corrupt(params.get("sign")?);
        params.insert("sign".to_owned(), wrong);
    }
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let headers = base_headers(content_type, "Mozilla/4.0");
    Some(Posting {
        headers,
        body: sign::encode(&params),
    })
}

fn falsify(
    accounts: &Accounts,
    notice: &Notice,
    params: &mut Params,
    fault: &CallbackFault,
) -> Option<()> {
    let mut set = |name: &str, value: String| params.insert(name.to_owned(), value);
    match fault {
        CallbackFault::OtherAmount => {
            let amounts = [
                "total_amount",
                "receipt_amount",
                "invoice_amount",
                "buyer_pay_amount",
            ];
            for name in amounts {
                let fen = notice.params.get(name).and_then(|text| fen_from_yuan(text));
                if let Some(fen) = fen {
                    set(name, yuan_from_fen(fen.saturating_add(1)));
                }
            }
        }
        CallbackFault::OtherAccount => {
            let other = accounts.other_alipay_app(&notice.app_id)?;
            set("app_id", other.app_id.clone());
            set("auth_app_id", other.app_id.clone());
            set("seller_id", other.seller_id.clone());
        }
        CallbackFault::OtherOrder { out_trade_no } => {
            let other = out_trade_no.clone();
            set(
                "out_trade_no",
                other.unwrap_or_else(|| format!("X{}", random_digits(31))),
            );
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

/// The `return_url` with Alipay's signed parameters; `None` without a `return_url`.
pub(crate) fn return_url(accounts: &Accounts, order: &Order, now: DateTime<Utc>) -> Option<String> {
    let app = accounts.alipay_app(&order.account)?;
    let base = order.return_url.as_ref()?;
    let method = match order.product {
        Product::AlipayWap => "alipay.trade.wap.pay.return",
        _ => "alipay.trade.page.pay.return",
    };
    let mut params: Params = [
        ("app_id", app.app_id.as_str()),
        ("auth_app_id", app.app_id.as_str()),
        ("charset", "utf-8"),
        ("method", method),
        ("out_trade_no", order.out_trade_no.as_str()),
        ("seller_id", app.seller_id.as_str()),
        ("timestamp", china_time(now).as_str()),
        ("total_amount", yuan_from_fen(order.total_minor).as_str()),
        ("trade_no", order.gateway_trade_no.as_str()),
        ("version", "1.0"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let query = sync_return(accounts, &mut params)?;
    let separator = if base.contains('?') { '&' } else { '?' };
    Some(format!("{base}{separator}{query}"))
}
