//! Posts callbacks: to the order's `notify_url`, again until acknowledged, on the gateway's own
//! schedule, with the scripted faults.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CONTENT_TYPE, USER_AGENT};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    alipay, baidu,
    config::Delivery,
    error::ControlError,
    fault::{CallbackFault, is_about_notice},
    paypal,
    shared::Shared,
    state::{Gateway, Order, OrderKey, PENDING_MAX, State},
    stripe, unionpay, wechat_v2, wechat_v3,
};

/// A callback must be answered within this time (`wechat_v3` sheet §10; Alipay states none).
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an acknowledgement that are looked at.
const ANSWER_BYTES_MAX: usize = 4_096;
/// Callbacks under way at once.
const IN_FLIGHT_MAX: usize = 32;
/// Copies that a duplicate fault may ask for.
pub const DUPLICATES_MAX: u32 = 100;
/// How long automatic delivery holds back a callback that shall come late.
const REORDER_HOLD: Duration = Duration::from_millis(500);
/// The delivery task looks at its list at least this often.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// What a gateway wants to tell.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    Alipay(alipay::notify::Notice),
    Wechat(wechat_v3::notify::Notice),
    WechatV2(wechat_v2::notify::Notice),
    Baidu(baidu::notify::Notice),
    Unionpay(unionpay::notify::Notice),
    Stripe(stripe::notify::Notice),
    Paypal(paypal::notify::Notice),
}

/// A callback that waits to be posted.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) order: OrderKey,
    pub(crate) kind: String,
    pub(crate) url: String,
    pub(crate) notice: Notice,
    /// Seconds between postings.
    pub(crate) schedule_s: Vec<u64>,
    /// Postings so far.
    pub(crate) attempts: usize,
    /// Not before this time of the sandbox's clock (manual delivery).
    pub(crate) not_before: DateTime<Utc>,
    /// Not before this moment (automatic delivery).
    pub(crate) due: Instant,
    pub(crate) is_behind: bool,
    pub(crate) copies: u32,
}

/// One HTTP request, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Posting {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What became of one posting.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryReport {
    /// Index of the recorded callback.
    pub index: u64,
    /// Which gateway posted.
    pub gateway: Gateway,
    /// The order that the notice is about, whatever number a fault put into it.
    pub out_trade_no: String,
    /// `TRADE_SUCCESS`, `TRADE_CLOSED`, `TRANSACTION.SUCCESS`, `REFUND.SUCCESS`, …
    pub kind: String,
    /// Status of the answer; `None` without an answer.
    pub http_status: Option<u16>,
    /// Body of the answer, or what went wrong.
    pub body: String,
    /// Whether it was the acknowledgement that this gateway expects.
    pub acknowledged: bool,
}

/// A callback as it was posted.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedCallback {
    /// Counts up from 0.
    pub index: u64,
    /// Which gateway posted.
    pub gateway: Gateway,
    /// The order that the notice is about.
    pub out_trade_no: String,
    /// As in [`DeliveryReport::kind`].
    pub kind: String,
    /// Always `POST`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// All headers that the gateway set.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Whether the answer was the acknowledgement that this gateway expects.
    pub acknowledged: bool,
}

/// Puts a notice on the list unless there is nowhere to post it or a fault drops it.
pub(crate) fn enqueue(
    shared: &Shared,
    state: &mut State,
    order: &Order,
    (kind, url, notice): (String, Option<String>, Notice),
) {
    let Some(url) = url else {
        return;
    };
    let faults = state.faults.take_callbacks(order, is_about_notice);
    if faults.contains(&CallbackFault::Drop) {
        return;
    }
    if state.pending.len() >= PENDING_MAX {
        tracing::warn!(limit = PENDING_MAX, "too many callbacks wait, one is lost");
        return;
    }
    let schedule_s = match &notice {
        Notice::Alipay(_) => alipay::notify::retry_schedule(order.product),
        Notice::Wechat(_) => wechat_v3::notify::RETRY_SCHEDULE_S.to_vec(),
        Notice::WechatV2(_) => wechat_v2::notify::RETRY_SCHEDULE_S.to_vec(),
        Notice::Baidu(_) => baidu::notify::retry_schedule(&kind),
        Notice::Unionpay(_) => unionpay::notify::RETRY_SCHEDULE_S.to_vec(),
        Notice::Stripe(_) => stripe::notify::RETRY_SCHEDULE_S.to_vec(),
        Notice::Paypal(_) => paypal::notify::RETRY_SCHEDULE_S.to_vec(),
    };
    let mut pending = Pending {
        order: order.key(),
        kind,
        url,
        notice,
        schedule_s,
        attempts: 0,
        not_before: shared.now(),
        due: Instant::now(),
        is_behind: false,
        copies: 0,
    };
    for fault in faults {
        apply(&mut pending, &fault);
    }
    state.pending.push(pending);
    shared.wake.notify_one();
}

fn apply(pending: &mut Pending, fault: &CallbackFault) {
    match fault {
        CallbackFault::Delay { ms } => {
            let delta = i64::try_from(*ms)
                .ok()
                .and_then(TimeDelta::try_milliseconds);
            pending.not_before = delta
                .and_then(|delta| pending.not_before.checked_add_signed(delta))
                .unwrap_or(DateTime::<Utc>::MAX_UTC);
            pending.due = later(pending.due, Duration::from_millis(*ms));
        }
        CallbackFault::Duplicate { copies } => pending.copies = (*copies).min(DUPLICATES_MAX),
        CallbackFault::Reorder => {
            pending.is_behind = true;
            pending.due = later(pending.due, REORDER_HOLD);
        }
        CallbackFault::Drop
        | CallbackFault::CorruptSignature
        | CallbackFault::SignatureProbe
        | CallbackFault::OtherAmount
        | CallbackFault::OtherAccount
        | CallbackFault::OtherOrder { .. } => {}
    }
}

fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from)
}

/// Posts every waiting callback once, whatever its retry time, except those that a fault delays
/// beyond the sandbox's clock. Runs to its end even if the caller stops waiting, so that no callback
/// gets lost between the list and the wire.
pub(crate) async fn deliver_all(shared: &Arc<Shared>) -> Vec<DeliveryReport> {
    let now = shared.now();
    let due = shared
        .state()
        .take_pending(|pending| pending.not_before <= now);
    let posting = Arc::clone(shared);
    let posts = shared.tasks.spawn(async move {
        let mut reports = Vec::new();
        for pending in due {
            reports.extend(post_and_keep(&posting, pending).await);
        }
        reports
    });
    posts.await.unwrap_or_default()
}

/// Posts callbacks as they become due, until the sandbox stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    if shared.delivery == Delivery::Manual {
        return;
    }
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    loop {
        let next = shared
            .state()
            .pending
            .iter()
            .map(|pending| pending.due)
            .min();
        let until = next.unwrap_or_else(|| later(Instant::now(), LOOK_INTERVAL));
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.wake.notified() => {}
            () = sleep_until(until) => {}
        }
        let now = Instant::now();
        let due = shared.state().take_pending(|pending| pending.due <= now);
        for pending in due {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let shared = Arc::clone(&shared);
            shared.tasks.clone().spawn(async move {
                post_and_keep(&shared, pending).await;
                drop(slot);
            });
        }
    }
}

/// Posts one callback with its copies; keeps it for a repetition unless it was acknowledged.
async fn post_and_keep(shared: &Arc<Shared>, mut pending: Pending) -> Vec<DeliveryReport> {
    let mut posts = JoinSet::new();
    for _ in 0..=pending.copies {
        if let Some(posting) = render(shared, &pending) {
            let recorded = recorded(&pending, posting);
            let shared = Arc::clone(shared);
            posts.spawn(async move { post(&shared, recorded).await });
        }
    }
    let reports = posts.join_all().await;
    pending.copies = 0;
    let wait_s = pending.schedule_s.get(pending.attempts).copied();
    pending.attempts = pending.attempts.saturating_add(1);
    let is_acknowledged = reports.iter().any(|report| report.acknowledged);
    if let (false, Some(wait_s)) = (is_acknowledged, wait_s) {
        let wait = Duration::from_secs(wait_s) / shared.retry_time_scale;
        pending.due = later(Instant::now(), wait);
        pending.is_behind = false;
        shared.state().pending.push(pending);
        shared.wake.notify_one();
    }
    reports
}

/// Builds the request of this attempt: signed anew where the gateway does so, with the faults.
fn render(shared: &Shared, pending: &Pending) -> Option<Posting> {
    let faults = {
        let mut state = shared.state();
        let order = state.order(&pending.order).cloned()?;
        state
            .faults
            .take_callbacks(&order, |fault| !is_about_notice(fault))
    };
    match &pending.notice {
        Notice::Alipay(notice) => alipay::notify::render(&shared.accounts, notice, &faults),
        Notice::Wechat(notice) => wechat_v3::notify::render(shared, notice, &faults),
        Notice::WechatV2(notice) => wechat_v2::notify::render(&shared.accounts, notice, &faults),
        Notice::Baidu(notice) => baidu::notify::render(&shared.accounts, notice, &faults),
        Notice::Unionpay(notice) => unionpay::notify::render(&shared.accounts, notice, &faults),
        Notice::Stripe(notice) => {
            stripe::notify::render(&shared.accounts, notice, shared.now(), &faults)
        }
        Notice::Paypal(notice) => {
            paypal::notify::render(&shared.accounts, notice, shared.now(), &faults)
        }
    }
}

fn recorded(pending: &Pending, posting: Posting) -> RecordedCallback {
    RecordedCallback {
        index: 0,
        gateway: pending.order.gateway,
        out_trade_no: pending.order.out_trade_no.clone(),
        kind: pending.kind.clone(),
        method: "POST".to_owned(),
        url: pending.url.clone(),
        headers: posting.headers,
        body: posting.body,
        acknowledged: false,
    }
}

/// Posts the same bytes once more.
pub(crate) async fn replay(
    shared: &Arc<Shared>,
    index: u64,
) -> Result<DeliveryReport, ControlError> {
    let found = shared.state().callback(index);
    let callback = found.ok_or(ControlError::CallbackNotFound(index))?;
    Ok(post(shared, callback).await)
}

/// Records and sends one request and reads the answer.
async fn post(shared: &Arc<Shared>, callback: RecordedCallback) -> DeliveryReport {
    let index = shared.state().record_callback(callback.clone());
    let (http_status, body) = match exchange(shared, &callback).await {
        Ok((status, body)) => (Some(status), body),
        Err(error) => (None, error.without_url().to_string()),
    };
    let acknowledged = match callback.gateway {
        Gateway::Alipay => alipay::notify::is_acknowledged(http_status, &body),
        Gateway::WechatV3 => wechat_v3::notify::is_acknowledged(http_status, &callback.headers),
        Gateway::WechatV2 => wechat_v2::notify::is_acknowledged(http_status, &body),
        Gateway::Baidu => baidu::is_acknowledged(shared, &callback, (http_status, &body)),
        Gateway::Unionpay => unionpay::notify::is_acknowledged(http_status),
        Gateway::Stripe => stripe::notify::is_acknowledged(http_status),
        Gateway::Paypal => paypal::notify::is_acknowledged(http_status),
    };
    if acknowledged {
        shared.state().mark_acknowledged(index);
    }
    tracing::debug!(
        kind = callback.kind,
        ?http_status,
        acknowledged,
        "sandbox callback"
    );
    DeliveryReport {
        index,
        gateway: callback.gateway,
        out_trade_no: callback.out_trade_no,
        kind: callback.kind,
        http_status,
        body,
        acknowledged,
    }
}

async fn exchange(
    shared: &Shared,
    callback: &RecordedCallback,
) -> Result<(u16, String), reqwest::Error> {
    let mut request = shared.http.post(&callback.url).body(callback.body.clone());
    for (name, value) in &callback.headers {
        request = request.header(name, value);
    }
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_BYTES_MAX.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if body.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The headers that every callback carries.
pub(crate) fn base_headers(content_type: &str, user_agent: &str) -> Vec<(String, String)> {
    vec![
        (CONTENT_TYPE.as_str().to_owned(), content_type.to_owned()),
        (USER_AGENT.as_str().to_owned(), user_agent.to_owned()),
    ]
}
