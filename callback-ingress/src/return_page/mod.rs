//! `GET` and `POST /return/{channel}/{account}`: the page that the payer's browser comes back to, with
//! a query string or, from UnionPay, with a form.
//!
//! It trusts nothing in either but the gateway's signature over it, and that only says
//! which order the payer comes from: the state is ours. Whoever comes without a good signature, with
//! an order of another account, or while the database is away, sees a page without any data. It never
//! changes state; for an open payment it asks the worker, once, to query the gateway.

mod language;
mod lookup;
mod page;
mod query;
mod texts;

use gateways::Gateway;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use kassa_core::channel::Channel;
use kassa_core::id::{EnvelopeId, TransactionId};
use kassa_core::payment::PaymentTransaction;
use runtime::queue::{Envelope, QueueName};
use runtime::telemetry::trace_context;

use crate::body;
use crate::error::loggable;
use crate::handler::{Handler, count_refused};
use crate::reply::{self, Reply};
use language::Language;
use lookup::Found;
use page::Page;
use query::ReturnQuery;

/// The envelope's kind that asks the worker to query the gateway about a payment. Its payload is
/// `{"transaction_id": "…"}`.
pub const QUERY_COMMAND_KIND: &str = "payment.query.v1";
/// Return pages shown. Label `shown`.
const PAGES: &str = "kassa_ingress_return_pages_total";

/// The longest form that a browser may come back with: the page asks for itself again with the form as
/// its query string, which has to fit into a request's head.
const FORM_BYTES_MAX: usize = 6 * 1024;
const NONCE_BYTES: usize = 16;
const CONTENT_SECURITY_POLICY: HeaderName = http::header::CONTENT_SECURITY_POLICY;

/// Answers a browser that comes with a query string.
pub(crate) async fn handle<B>(
    handler: &Handler,
    (channel, account): (Channel, &str),
    request: &Request<B>,
) -> Reply {
    let query = request.uri().query().unwrap_or_default();
    show(handler, (channel, account), query, request.headers()).await
}

/// Answers a browser that comes with a form. Words in the address are not looked at: the gateway signed
/// the form alone.
pub(crate) async fn handle_form(
    handler: &Handler,
    (channel, account): (Channel, &str),
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let bytes_max = handler.options.body_bytes_max.min(FORM_BYTES_MAX);
    let timeout = handler.options.read_timeout;
    let form = match body::read(&head.headers, body, bytes_max, timeout).await {
        Ok(form) => form,
        Err(error) => {
            count_refused("return_form");
            let mut reply = reply::empty(error.status());
            reply::close_after(&mut reply);
            return reply;
        }
    };
    // Forms are ASCII; what is not verifies as nothing.
    let form = str::from_utf8(&form).unwrap_or_default();
    show(handler, (channel, account), form, &head.headers).await
}

async fn show(
    handler: &Handler,
    (channel, account): (Channel, &str),
    query: &str,
    headers: &HeaderMap,
) -> Reply {
    let query = ReturnQuery::read(query);
    let language = query.language.unwrap_or_else(|| {
        let wish = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        Language::preferred(wish.unwrap_or_default())
    });
    let found = lookup::find(handler, channel, account, &query.signed).await;
    let page = match &found {
        Found::Payment(payment) => {
            ask_for_query(handler, payment, &query).await;
            Page::of_payment(payment, language, &query)
        }
        Found::Nothing => Page::neutral(language),
        Found::Away => Page::later(language, &query),
    };
    metrics::counter!(PAGES, "shown" => page.kind()).increment(1);
    respond(
        &page,
        language,
        &hex::encode(handler.deps.ids.random_bytes::<NONCE_BYTES>()),
    )
}

/// Puts a query command on the queue: for an open payment, at the first view of a page, and not again
/// soon for the same payment. It is a help, not a promise: open payments are queried anyway.
async fn ask_for_query(handler: &Handler, payment: &PaymentTransaction, query: &ReturnQuery) {
    let is_first_view = query.refreshes == 0;
    if !payment.status.is_pending() || !is_first_view || !handler.queries.allows(payment.id) {
        return;
    }
    let envelope = query_command(handler, payment.id);
    let published = handler.deps.queue.publish(QueueName::Commands, &envelope);
    match tokio::time::timeout(handler.options.lookup_timeout, published).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(
            payment.id = %payment.id,
            error = loggable(&error),
            "no query was asked for"
        ),
        Err(_elapsed) => tracing::warn!(
            payment.id = %payment.id,
            "no query was asked for: the broker did not confirm in time"
        ),
    }
}

fn query_command(handler: &Handler, payment: TransactionId) -> Envelope {
    Envelope {
        id: EnvelopeId::new(&handler.deps.ids),
        kind: QUERY_COMMAND_KIND.to_owned(),
        created_at: handler.deps.clock.now(),
        trace: trace_context::current(),
        payload: serde_json::json!({ "transaction_id": payment }),
    }
}

fn respond(page: &Page, language: Language, nonce: &str) -> Reply {
    let mut reply = reply::with_body(StatusCode::OK, page.render(nonce));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let headers = reply.headers_mut();
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, language.tag()),
        (http::header::REFERRER_POLICY, "no-referrer"),
        (http::header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

/// Says what the page's metric means.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(PAGES, "return pages, by what they showed");
}

/// The gateway's word for who came back.
fn verified_request_number(gateway: &dyn Gateway, signed: &str) -> Option<String> {
    match gateway.verify_return(signed) {
        Ok(claim) => Some(claim.request_number),
        Err(error) => {
            tracing::debug!(reason = error.as_str(), "a return is not verified");
            None
        }
    }
}
