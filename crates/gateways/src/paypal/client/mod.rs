//! Calls to PayPal (sheet §2 and §4 to §7): JSON out and back, one call sent once. A repeated order, capture
//! or refund has the same request id and the same body, and comes to the same thing.

mod answer;
mod place;
mod token;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::channel::GatewayName;
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::{Clock, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::config::Settings;
use super::failure::{Operation, Verdict, verdict};
use super::money::to_wire;
use super::translate;
use super::wire::{Capture, Order, Refund};
use crate::error::unsupported;
use crate::http::{Call, HttpClient};
use crate::registry::Deps;
use crate::{CallError, Closed, PlaceRefund, PlacedOrder};
use answer::{OrderState, state_of_order};
use token::TokenCache;

pub(super) use place::place;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Whole objects instead of their numbers.
const PREFER: (HeaderName, HeaderValue) = (
    HeaderName::from_static("prefer"),
    HeaderValue::from_static("return=representation"),
);
const REQUEST_ID: HeaderName = HeaderName::from_static("paypal-request-id");
/// PayPal's number of a call, for its support.
const DEBUG_ID: &str = "paypal-debug-id";
/// RFC 3986: everything but unreserved characters is escaped.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The length of PayPal's own numbers (sheet §4.1).
const PAYPAL_ID_LENGTH: usize = 17;

/// One request.
#[derive(Debug)]
struct Exchange {
    name: &'static str,
    operation: Operation,
    verb: Verb,
    /// Escaped.
    path: String,
    /// Makes a repetition harmless (sheet §11).
    request_id: Option<String>,
    body: Option<Value>,
}

impl Exchange {
    fn get(name: &'static str, path: String) -> Self {
        Self {
            name,
            operation: Operation::Query,
            verb: Verb::GET,
            path,
            request_id: None,
            body: None,
        }
    }
}

/// The outbound half of an account.
#[derive(Debug)]
pub(super) struct Client {
    clock: Clock,
    http: HttpClient,
    tokens: TokenCache,
}

impl Client {
    pub(super) fn new(deps: &Deps) -> Self {
        Self {
            clock: deps.clock.clone(),
            http: deps.http.clone(),
            tokens: TokenCache::default(),
        }
    }

    /// What became of an order. An approved one that is still wanted is captured: without that no money
    /// moves.
    pub(super) async fn query(
        &self,
        settings: &Settings,
        asked: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        let state = match self.state(settings, asked).await? {
            OrderState::Approved if asked.is_wanted => self.capture(settings, asked).await?,
            OrderState::Approved => ReportedPayment::Unpaid,
            OrderState::Told(state) => state,
        };
        Ok(PaymentReport {
            request_number: asked.request_number.clone(),
            gateway_transaction_id: asked.gateway_transaction_id.clone(),
            state,
        })
    }

    /// PayPal has no call that ends an order (sheet §6). One that is not captured moves no money, and we are the
    /// only ones to capture.
    pub(super) async fn close(
        &self,
        settings: &Settings,
        asked: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        let Some(id) = &asked.gateway_transaction_id else {
            return Ok(Closed::Closed);
        };
        let Some(order) = self.find(settings, id).await? else {
            return Ok(Closed::Closed);
        };
        is_ours_and_paid_to_us(settings, &order, &asked.request_number)?;
        Ok(if answer::is_captured(&order) {
            Closed::NotClosable
        } else {
            Closed::Closed
        })
    }

    pub(super) async fn find_order(
        &self,
        settings: &Settings,
        capture: &str,
    ) -> Result<Option<String>, CallError> {
        let path = format!("/v2/payments/captures/{}", escape(capture));
        let exchange = Exchange::get("query_capture", path);
        match self.call(settings, &exchange).await? {
            Ok(body) => Ok(read::<Capture>(&body)?.custom_id),
            Err(Verdict::NotFound(_)) => Ok(None),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let amount = to_wire(refund.amount).map_err(|error| unsupported(&error.to_string()))?;
        let order = self.paid_order(settings, refund).await?;
        let capture = answer::paid_capture(&order)
            .ok_or_else(|| CallError::Unknown("the order is told as not paid".to_owned()))?;
        let mut body = json!({"amount": amount, "custom_id": refund.refund_number});
        if let (Some(reason), Some(body)) = (&refund.reason, body.as_object_mut()) {
            body.insert("note_to_payer".to_owned(), json!(reason.as_str()));
        }
        let exchange = Exchange {
            name: "refund",
            operation: Operation::Refund,
            verb: Verb::POST,
            path: format!("/v2/payments/captures/{}/refund", escape(&capture.id)),
            request_id: Some(format!("rf-{}", refund.refund_number)),
            body: Some(body),
        };
        let body = match self.call(settings, &exchange).await? {
            Ok(body) => body,
            Err(Verdict::NotFound(reason)) => return Err(CallError::Refused(reason)),
            Err(refused) => return Err(unexpected(refused)),
        };
        let made: Refund = read(&body)?;
        if let Some(number) = translate::text(made.custom_id.as_ref()) {
            is_ours(Some(number), &refund.refund_number)?;
        }
        answer::refund_report(&made, &refund.request_number, &refund.refund_number)
            .map_err(unreadable)
    }

    /// Refunds are found in their order, by our number or by PayPal's.
    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let (order_number, number) = (&refund.request_number, &refund.refund_number);
        let order = self.paid_order(settings, refund).await?;
        if let Some(found) = answer::find_refund(&order, order_number, number) {
            return answer::refund_report(found, order_number, number).map_err(unreadable);
        }
        // PayPal told of it, and will show it.
        if is_number_of_paypals(number) {
            return Err(CallError::Unknown(
                "the order does not show the refund yet".to_owned(),
            ));
        }
        Ok(RefundReport {
            request_number: order_number.clone(),
            refund_number: number.clone(),
            gateway_refund_id: None,
            state: ReportedRefund::NotFound,
        })
    }

    async fn paid_order(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<Order, CallError> {
        let id = refund.gateway_transaction_id.as_deref();
        let id = id.ok_or_else(|| unsupported("paypal's number of the paid order is not known"))?;
        let order = self.find(settings, id).await?;
        let order =
            order.ok_or_else(|| CallError::Unknown("the paid order is not found".to_owned()))?;
        is_ours_and_paid_to_us(settings, &order, &refund.request_number)?;
        Ok(order)
    }

    async fn state(
        &self,
        settings: &Settings,
        asked: &PlacedOrder,
    ) -> Result<OrderState, CallError> {
        let order = match &asked.gateway_transaction_id {
            Some(id) => self.find(settings, id).await?,
            // PayPal finds nothing by our number: placing again under the same id tells.
            None => return Ok(OrderState::Told(ReportedPayment::NotFound)),
        };
        let Some(order) = order else {
            return Ok(OrderState::Told(self.absent(asked)));
        };
        is_ours_and_paid_to_us(settings, &order, &asked.request_number)?;
        let state = state_of_order(&order).map_err(unreadable)?;
        let is_as_asked = answer::order_amount(&order) == Ok(asked.amount);
        if state == OrderState::Approved && !is_as_asked {
            return Err(CallError::Unknown(
                "the order is for another amount".to_owned(),
            ));
        }
        Ok(state)
    }

    /// Dead orders vanish (sheet §8).
    fn absent(&self, asked: &PlacedOrder) -> ReportedPayment {
        if self.clock.now() >= asked.expires_at {
            ReportedPayment::Closed
        } else {
            ReportedPayment::NotFound
        }
    }

    /// Collects the money of an approved order: under one id, so however often, once.
    async fn capture(
        &self,
        settings: &Settings,
        asked: &PlacedOrder,
    ) -> Result<ReportedPayment, CallError> {
        let id = asked.gateway_transaction_id.as_deref().unwrap_or_default();
        let exchange = Exchange {
            name: "capture_order",
            operation: Operation::Capture,
            verb: Verb::POST,
            path: format!("/v2/checkout/orders/{}/capture", escape(id)),
            request_id: Some(format!("cap-{}", asked.request_number)),
            body: Some(json!({})),
        };
        let order = match self.call(settings, &exchange).await? {
            Ok(body) => Some(read(&body)?),
            Err(Verdict::AlreadyCaptured) => self.find(settings, id).await?,
            Err(Verdict::NotFound(_)) => None,
            Err(Verdict::NotApproved) => return Ok(ReportedPayment::Unpaid),
            Err(Verdict::Declined(reason)) => return Ok(ReportedPayment::Failed(reason)),
            Err(refused) => return Err(unexpected(refused)),
        };
        let Some(order) = order else {
            return Ok(self.absent(asked));
        };
        match state_of_order(&order).map_err(unreadable)? {
            OrderState::Told(state) => Ok(state),
            OrderState::Approved => Err(CallError::Unknown(
                "the order is told as not captured".to_owned(),
            )),
        }
    }

    async fn find(&self, settings: &Settings, id: &str) -> Result<Option<Order>, CallError> {
        let path = format!("/v2/checkout/orders/{}", escape(id));
        let exchange = Exchange::get("query_order", path);
        match self.call(settings, &exchange).await? {
            Ok(body) => read(&body).map(Some),
            Err(Verdict::NotFound(_)) => Ok(None),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what the
    /// gateway's refusal means. A token that is not taken is fetched anew once.
    async fn call(
        &self,
        settings: &Settings,
        exchange: &Exchange,
    ) -> Result<Result<Bytes, Verdict>, CallError> {
        let token = self.token(settings).await?;
        match self.call_once(settings, exchange, &token).await? {
            Err(Verdict::Token(_)) => {
                self.tokens.forget(&token).await;
                let token = self.token(settings).await?;
                self.call_once(settings, exchange, &token).await
            }
            answered => Ok(answered),
        }
    }

    async fn call_once(
        &self,
        settings: &Settings,
        exchange: &Exchange,
        token: &Secret,
    ) -> Result<Result<Bytes, Verdict>, CallError> {
        let body = exchange.body.as_ref().map(Value::to_string);
        let call = Call {
            gateway: GatewayName::Paypal,
            operation: exchange.name,
            method: exchange.verb.clone(),
            url: address(settings, &exchange.path)?,
            headers: headers(exchange, token)?,
            body: Bytes::from(body.unwrap_or_default()),
        };
        let answer = self.http.send(call).await?;
        if matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
            return Ok(Ok(answer.body));
        }
        let debug_id = answer.headers.get(DEBUG_ID);
        tracing::info!(
            operation = exchange.name,
            http.status = answer.status.as_u16(),
            debug_id = debug_id.and_then(|id| id.to_str().ok()).unwrap_or_default(),
            "paypal refused a call"
        );
        Ok(Err(verdict(
            exchange.operation,
            answer.status,
            &answer.body,
        )))
    }
}

fn headers(exchange: &Exchange, token: &Secret) -> Result<HeaderMap, CallError> {
    let token = secret_value(&format!("Bearer {}", token.expose()))?;
    let mut headers = HeaderMap::from_iter([(AUTHORIZATION, token)]);
    if exchange.body.is_some() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    if let Some(id) = &exchange.request_id {
        let id = HeaderValue::from_str(id);
        let id = id.map_err(|error| CallError::NotSent(error.to_string()))?;
        headers.extend([(REQUEST_ID, id), PREFER]);
    }
    Ok(headers)
}

/// A header that does not print.
fn secret_value(text: &str) -> Result<HeaderValue, CallError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|error| CallError::NotSent(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn address(settings: &Settings, path: &str) -> Result<Url, CallError> {
    let base = settings.api_base_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}{path}")).map_err(|error| CallError::NotSent(error.to_string()))
}

/// Orders of others are not ours, whatever they say.
fn is_ours_and_paid_to_us(
    settings: &Settings,
    order: &Order,
    request_number: &str,
) -> Result<(), CallError> {
    is_ours(translate::order_number(order), request_number)?;
    if answer::is_of_us(settings, order) {
        Ok(())
    } else {
        Err(CallError::Unknown("the order pays another".to_owned()))
    }
}

fn is_ours(found: Option<&str>, expected: &str) -> Result<(), CallError> {
    if found == Some(expected) {
        Ok(())
    } else {
        Err(CallError::Unknown(
            "the answer is about something else".to_owned(),
        ))
    }
}

/// Ours are longer.
fn is_number_of_paypals(number: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    number.len() == PAYPAL_ID_LENGTH && number.bytes().all(is_letter)
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) => error,
        Verdict::Token(reason) => CallError::Misconfigured(reason),
        Verdict::NotFound(_)
        | Verdict::NotApproved
        | Verdict::AlreadyCaptured
        | Verdict::Declined(_) => {
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
