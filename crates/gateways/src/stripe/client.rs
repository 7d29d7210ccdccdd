//! Calls to Stripe (sheet §2 and §4 to §7): forms out, JSON back, one call sent once. A repeated order or
//! refund has the same idempotency key and the same body, and comes to the same thing for a day at least.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method as Verb, StatusCode};
use kassa_core::channel::{GatewayName, Method};
use kassa_core::id::AttemptId;
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::payment::{ClientSecret, PrepayInfo};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use url::Url;

use super::config::Settings;
use super::failure::{Operation, Verdict, verdict};
use super::sign;
use super::translate;
use super::wire::money::to_wire;
use super::wire::{Intent, Refunds, Session};
use crate::error::unsupported;
use crate::http::{Call, HttpClient};
use crate::registry::Deps;
use crate::{CallError, Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder};

/// RFC 3986: everything but unreserved characters is escaped.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// A session ends from 30 minutes to 24 hours after it was made (sheet §4). A call that comes late, or comes
/// again, still is within them.
const SESSION_MIN: TimeDelta = TimeDelta::minutes(35);
const SESSION_MAX: TimeDelta = TimeDelta::minutes(24 * 60 - 5);
/// How many refunds of one order are looked through, and how many Stripe gives at once.
const REFUND_PAGES_MAX: usize = 10;
const PAGE_LENGTH: &str = "100";

/// One request.
#[derive(Debug)]
struct Exchange<'a> {
    name: &'static str,
    operation: Operation,
    verb: Verb,
    /// Path and query, escaped.
    target: String,
    /// Makes a repetition harmless; for what is not harmless by itself.
    idempotency_key: Option<String>,
    fields: Vec<(&'a str, String)>,
}

impl Exchange<'_> {
    fn get(name: &'static str, operation: Operation, target: String) -> Self {
        Self {
            name,
            operation,
            verb: Verb::GET,
            target,
            idempotency_key: None,
            fields: Vec::new(),
        }
    }
}

/// The outbound half of an account.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
}

impl Client {
    pub(super) fn new(deps: &Deps) -> Self {
        Self {
            http: deps.http.clone(),
        }
    }

    pub(super) async fn place(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        let (name, target, fields) = match order.method {
            Method::Page => ("checkout_session", "/v1/checkout/sessions", session(order)?),
            Method::Card => ("payment_intent", "/v1/payment_intents", intent(order)?),
            Method::Qr
            | Method::Wap
            | Method::App
            | Method::Jsapi
            | Method::BarCode
            | Method::MiniProgram
            | Method::Wallet => {
                return Err(unsupported("stripe takes no orders of this method"));
            }
        };
        let exchange = Exchange {
            name,
            operation: Operation::Place,
            verb: Verb::POST,
            target: target.to_owned(),
            idempotency_key: Some(format!("pay:{}", order.request_number)),
            fields,
        };
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        if order.method == Method::Card {
            return placed_intent(settings, order, &body);
        }
        let session: Session = read(&body)?;
        is_of_mode(settings, session.livemode)?;
        is_ours(
            session.client_reference_id.as_deref(),
            &order.request_number,
        )?;
        let url = session.url.ok_or_else(|| unreadable("url"))?;
        Ok(Placed::open(PrepayInfo::Redirect { url }, Some(session.id)))
    }

    pub(super) async fn query(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        let Some(id) = &order.gateway_transaction_id else {
            // Stripe finds nothing by our number at once: placing again under the same key tells.
            return Ok(PaymentReport {
                request_number: order.request_number.clone(),
                gateway_transaction_id: None,
                state: ReportedPayment::NotFound,
            });
        };
        let report = if is_session(id) {
            translate::session_report(&self.session(settings, id).await?, None)
        } else {
            translate::intent_report(&self.intent(settings, id).await?, None)
        };
        let report = report.map_err(unreadable)?;
        report
            .filter(|report| report.request_number == order.request_number)
            .ok_or_else(|| CallError::Unknown("the answer is about something else".to_owned()))
    }

    /// An order whose way to pay was never told to us was told to nobody: nobody can pay it, and it
    /// expires at Stripe.
    pub(super) async fn close(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        let Some(id) = &order.gateway_transaction_id else {
            return Ok(Closed::Closed);
        };
        let (name, target) = if is_session(id) {
            (
                "expire_session",
                format!("/v1/checkout/sessions/{}/expire", escape(id)),
            )
        } else {
            (
                "cancel_intent",
                format!("/v1/payment_intents/{}/cancel", escape(id)),
            )
        };
        let exchange = Exchange {
            name,
            operation: Operation::Close,
            verb: Verb::POST,
            target,
            // Stripe keeps even a failure under a key; closing twice is harmless without one.
            idempotency_key: None,
            fields: Vec::new(),
        };
        let body = match self.call(settings, &exchange).await? {
            Ok(body) => body,
            Err(Verdict::NotClosable) => return Ok(Closed::NotClosable),
            Err(Verdict::Failed(error)) => return Err(error),
        };
        let report = if is_session(id) {
            translate::session_report(&read(&body)?, None)
        } else {
            translate::intent_report(&read(&body)?, None)
        };
        match report.map_err(unreadable)?.map(|report| report.state) {
            Some(ReportedPayment::Closed) => Ok(Closed::Closed),
            Some(_) | None => Ok(Closed::NotClosable),
        }
    }

    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let mut fields = vec![
            ("payment_intent", self.paid_intent(settings, refund).await?),
            ("amount", wire(refund.amount)?.to_string()),
            (METADATA_REFUND, refund.refund_number.clone()),
            (METADATA_REQUEST, refund.request_number.clone()),
        ];
        if let Some(reason) = &refund.reason {
            fields.push(("metadata[reason]", reason.as_str().to_owned()));
        }
        let exchange = Exchange {
            name: "refund",
            operation: Operation::Refund,
            verb: Verb::POST,
            target: "/v1/refunds".to_owned(),
            idempotency_key: Some(format!("refund:{}", refund.refund_number)),
            fields,
        };
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        let answer = read(&body)?;
        if !translate::is_refund(&answer, &refund.refund_number) {
            return Err(CallError::Unknown(
                "the answer is about something else".to_owned(),
            ));
        }
        translate::refund_report(&answer, &refund.request_number, None).map_err(unreadable)
    }

    /// Refunds are found among those of their order, by the number that we noted on them.
    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let intent = self.paid_intent(settings, refund).await?;
        let mut after = String::new();
        for _ in 0..REFUND_PAGES_MAX {
            let target = format!(
                "/v1/refunds?payment_intent={}&limit={PAGE_LENGTH}{after}",
                escape(&intent)
            );
            let exchange = Exchange::get("list_refunds", Operation::RefundQuery, target);
            let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
            let page: Refunds = read(&body)?;
            let mut found = page.data.iter();
            if let Some(found) = found.find(|it| translate::is_refund(it, &refund.refund_number)) {
                return translate::refund_report(found, &refund.request_number, None)
                    .map_err(unreadable);
            }
            let Some(last) = page.data.last().filter(|_last| page.has_more) else {
                return Ok(RefundReport {
                    request_number: refund.request_number.clone(),
                    refund_number: refund.refund_number.clone(),
                    gateway_refund_id: None,
                    state: ReportedRefund::NotFound,
                });
            };
            after = format!("&starting_after={}", escape(&last.id));
        }
        Err(CallError::Unknown(
            "the order has too many refunds to look through".to_owned(),
        ))
    }

    pub(super) async fn find_order(
        &self,
        settings: &Settings,
        intent: &str,
    ) -> Result<Option<String>, CallError> {
        let intent = self.intent(settings, intent).await?;
        Ok(translate::intent_number(&intent))
    }

    /// The intent that an order was paid by: refunds name it. A session knows its own.
    async fn paid_intent(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<String, CallError> {
        match &refund.gateway_transaction_id {
            None => Err(unsupported(
                "stripe's number of the paid order is not known",
            )),
            Some(id) if is_session(id) => self
                .session(settings, id)
                .await?
                .payment_intent
                .ok_or_else(|| unreadable("payment_intent")),
            Some(id) => Ok(id.clone()),
        }
    }

    async fn session(&self, settings: &Settings, id: &str) -> Result<Session, CallError> {
        let target = format!("/v1/checkout/sessions/{}", escape(id));
        let exchange = Exchange::get("query_session", Operation::Query, target);
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        let session: Session = read(&body)?;
        is_of_mode(settings, session.livemode)?;
        Ok(session)
    }

    async fn intent(&self, settings: &Settings, id: &str) -> Result<Intent, CallError> {
        let target = format!("/v1/payment_intents/{}", escape(id));
        let exchange = Exchange::get("query_intent", Operation::Query, target);
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        let intent: Intent = read(&body)?;
        is_of_mode(settings, intent.livemode)?;
        Ok(intent)
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what the
    /// gateway's refusal means.
    async fn call(
        &self,
        settings: &Settings,
        exchange: &Exchange<'_>,
    ) -> Result<Result<Bytes, Verdict>, CallError> {
        let base = settings.api_base_url.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{}", exchange.target))
            .map_err(|error| CallError::NotSent(error.to_string()))?;
        let call = Call {
            gateway: GatewayName::Stripe,
            operation: exchange.name,
            method: exchange.verb.clone(),
            url,
            headers: sign::headers(
                settings,
                &exchange.verb,
                exchange.idempotency_key.as_deref(),
            )?,
            body: Bytes::from(form(&exchange.fields)),
        };
        let answer = self.http.send(call).await?;
        if answer.status == StatusCode::OK {
            return Ok(Ok(answer.body));
        }
        Ok(Err(verdict(
            exchange.operation,
            answer.status,
            &answer.headers,
            &answer.body,
        )))
    }
}

/// Our notes on objects, as form fields.
const METADATA_REQUEST: &str = "metadata[transaction_id]";
const METADATA_REFUND: &str = "metadata[refund_id]";

fn form(fields: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A Checkout Session: a function of the order alone.
fn session(order: &PlaceOrder) -> Result<Vec<(&'static str, String)>, CallError> {
    let back = order
        .return_url
        .as_ref()
        .ok_or_else(|| unsupported("a page of stripe's needs somewhere to go back to"))?;
    let number = || order.request_number.clone();
    let mut fields = vec![
        ("mode", "payment".to_owned()),
        ("success_url", back.to_string()),
        ("cancel_url", back.to_string()),
        ("client_reference_id", number()),
        ("line_items[0][quantity]", "1".to_owned()),
        ("line_items[0][price_data][currency]", currency(order)),
        (
            "line_items[0][price_data][unit_amount]",
            wire(order.amount)?.to_string(),
        ),
        (
            "line_items[0][price_data][product_data][name]",
            order.subject.as_str().to_owned(),
        ),
        (METADATA_REQUEST, number()),
        ("payment_intent_data[metadata][transaction_id]", number()),
    ];
    if let Some(at) = session_end(order) {
        fields.push(("expires_at", at.timestamp().to_string()));
    }
    Ok(fields)
}

/// When a session ends: as its order, within what Stripe takes, counted from the order's own number,
/// which tells when it was made. Without one it ends when Stripe wants.
fn session_end(order: &PlaceOrder) -> Option<DateTime<Utc>> {
    let id: AttemptId = order.request_number.parse().ok()?;
    let (seconds, _) = id.as_uuid().get_timestamp()?.to_unix();
    let made = DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    let earliest = made.checked_add_signed(SESSION_MIN)?;
    let latest = made.checked_add_signed(SESSION_MAX)?;
    Some(order.expires_at.clamp(earliest, latest))
}

/// A `PaymentIntent`, confirmed by the caller's client: a function of the order alone.
fn intent(order: &PlaceOrder) -> Result<Vec<(&'static str, String)>, CallError> {
    Ok(vec![
        ("amount", wire(order.amount)?.to_string()),
        ("currency", currency(order)),
        ("automatic_payment_methods[enabled]", "true".to_owned()),
        ("description", order.subject.as_str().to_owned()),
        (METADATA_REQUEST, order.request_number.clone()),
    ])
}

fn placed_intent(
    settings: &Settings,
    order: &PlaceOrder,
    body: &Bytes,
) -> Result<Placed, CallError> {
    let intent: Intent = read(body)?;
    is_of_mode(settings, intent.livemode)?;
    is_ours(
        translate::intent_number(&intent).as_deref(),
        &order.request_number,
    )?;
    let secret = intent
        .client_secret
        .ok_or_else(|| unreadable("client_secret"))?;
    let prepay = PrepayInfo::ClientSecret {
        client_secret: ClientSecret::Open(secret),
        publishable_key: settings.publishable_key.clone().unwrap_or_default(),
    };
    Ok(Placed::open(prepay, Some(intent.id)))
}

fn currency(order: &PlaceOrder) -> String {
    order.amount.currency().code().to_ascii_lowercase()
}

fn wire(amount: kassa_core::Money) -> Result<i64, CallError> {
    to_wire(amount).map_err(|error| unsupported(&error.to_string()))
}

fn is_session(id: &str) -> bool {
    id.starts_with("cs_")
}

/// Objects of the other world are not ours, whatever they say.
fn is_of_mode(settings: &Settings, livemode: Option<bool>) -> Result<(), CallError> {
    if livemode == Some(settings.mode.is_live()) {
        Ok(())
    } else {
        Err(CallError::Unknown(
            "the answer is of another mode".to_owned(),
        ))
    }
}

fn is_ours(found: Option<&str>, request_number: &str) -> Result<(), CallError> {
    if found == Some(request_number) {
        Ok(())
    } else {
        Err(CallError::Unknown(
            "the answer is about something else".to_owned(),
        ))
    }
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) => error,
        Verdict::NotClosable => {
            CallError::Unknown("a refusal that does not belong to the call".to_owned())
        }
    }
}

fn unreadable(field: &'static str) -> CallError {
    CallError::Unknown(format!("the answer's {field} is missing or unreadable"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body)
        .map_err(|_other_shape| CallError::Unknown("the answer cannot be read".to_owned()))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}
