//! Calls over interface 2.0 (sheet §8). Nothing there is signed: the access token says who asks, and TLS
//! who answers. Baidu's own numbers of an order, which a refund needs, are asked for each time.

mod place;
mod token;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::Clock;
use kassa_core::channel::GatewayName;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use serde::de::DeserializeOwned;
use url::Url;

use super::config::Settings;
use super::failure::{Operation, Verdict, verdict};
use super::translate;
use super::wire::{Answer, FoundOrder, FoundRefund, MadeRefund};
use crate::error::unsupported;
use crate::http::{Answer as HttpAnswer, Call, HttpClient, HttpError};
use crate::registry::Deps;
use crate::{CallError, Closed, PlaceRefund, PlacedOrder};

pub(super) use place::place;
use token::TokenCache;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const SERVICE: &str = "/rest/2.0/smartapp/pay/paymentservice";
/// A refund for a reason of the merchant's (sheet §7).
const REFUND_TYPE: &str = "2";
/// Our refunds are decided here: Baidu need not ask (sheet §8).
const SKIP_AUDIT: &str = "1";
/// Baidu wants a reason for every refund.
const REASON_DEFAULT: &str = "退款";

type Fields = Vec<(&'static str, String)>;

/// One request.
struct Target {
    name: &'static str,
    path: String,
    query: Fields,
    /// The body of a POST.
    form: Option<Fields>,
}

/// One call of the service, without the access token.
struct Exchange {
    operation: Operation,
    /// Baidu's name of it, the end of its path.
    name: &'static str,
    query: Fields,
    form: Option<Fields>,
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

    pub(super) async fn query(
        &self,
        settings: &Settings,
        request_number: &str,
    ) -> Result<PaymentReport, CallError> {
        match self.find(settings, request_number).await? {
            Some(found) => translate::order(request_number, &found).map_err(unreadable),
            None => Ok(PaymentReport {
                request_number: request_number.to_owned(),
                gateway_transaction_id: None,
                state: ReportedPayment::NotFound,
            }),
        }
    }

    /// An order that the payer never brought to the cashier has nothing to be cancelled at Baidu. While
    /// somebody may hold its information it can still be paid; what was handed out has no expiry, so it
    /// ends by our own, and a payment after that is told as late.
    pub(super) async fn close(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        let number = &order.request_number;
        let Some(found) = self.find(settings, number).await? else {
            let is_over = !order.is_given_out || self.clock.now() >= order.expires_at;
            return Ok(if is_over {
                Closed::Closed
            } else {
                Closed::NotClosable
            });
        };
        match translate::order(number, &found).map_err(unreadable)?.state {
            ReportedPayment::Closed => return Ok(Closed::Closed),
            ReportedPayment::Unpaid => {}
            ReportedPayment::Paid { .. }
            | ReportedPayment::Reversed { .. }
            | ReportedPayment::Failed(_)
            | ReportedPayment::NotFound => return Ok(Closed::NotClosable),
        }
        let order_id = found.order_id.ok_or_else(|| unreadable("orderId"))?;
        let exchange = Exchange {
            operation: Operation::Close,
            name: "cancelOrder",
            query: vec![
                ("orderId", order_id.0),
                ("pmAppKey", settings.app_key.clone()),
            ],
            form: None,
        };
        match self.call::<bool>(settings, exchange).await? {
            Ok(true) => Ok(Closed::Closed),
            Ok(false) | Err(Verdict::NotFound | Verdict::NotClosable) => Ok(Closed::NotClosable),
            Err(Verdict::Token(error) | Verdict::Failed(error)) => Err(error),
        }
    }

    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let amount = fen(refund.amount)?;
        let found = self.find(settings, &refund.request_number).await?;
        let (order_id, user_id) = paid_order(found, refund)?;
        let reason = refund.reason.as_ref();
        let form = vec![
            ("applyRefundMoney", amount),
            ("bizRefundBatchId", refund.refund_number.clone()),
            ("isSkipAudit", SKIP_AUDIT.to_owned()),
            ("orderId", order_id),
            (
                "refundReason",
                reason
                    .map_or(REASON_DEFAULT, |reason| reason.as_str())
                    .to_owned(),
            ),
            ("refundType", REFUND_TYPE.to_owned()),
            ("tpOrderId", refund.request_number.clone()),
            ("userId", user_id),
            ("refundNotifyUrl", refund.notify_url.to_string()),
            ("pmAppKey", settings.app_key.clone()),
        ];
        let exchange = Exchange {
            operation: Operation::Refund,
            name: "applyOrderRefund",
            query: Vec::new(),
            form: Some(form),
        };
        let made = self.call::<MadeRefund>(settings, exchange).await?;
        let made = made.map_err(unexpected)?;
        if made
            .refund_pay_money
            .is_some_and(|money| money.0 != refund.amount.amount_minor().to_string())
        {
            tracing::warn!("baidu names another amount for the payer than was asked for");
        }
        let id = made.refund_batch_id.map(|id| id.0);
        Ok(report(refund, id, ReportedRefund::Processing))
    }

    /// Refunds of Baidu's own making have no number of ours: they are found by Baidu's.
    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        // Whatever Baidu calls the order by now: one that was given back may be shown as cancelled.
        let found = self.find(settings, &refund.request_number).await?;
        let found = found.ok_or_else(|| no_order("is not found"))?;
        let user_id = found.user_id.ok_or_else(|| unreadable("userId"))?.0;
        let exchange = Exchange {
            operation: Operation::RefundQuery,
            name: "findOrderRefund",
            query: vec![
                ("tpOrderId", refund.request_number.clone()),
                ("userId", user_id),
                ("pmAppKey", settings.app_key.clone()),
            ],
            form: None,
        };
        let all = match self.call::<Vec<FoundRefund>>(settings, exchange).await? {
            Ok(all) => all,
            Err(Verdict::NotFound) => Vec::new(),
            Err(refused) => return Err(unexpected(refused)),
        };
        let number = Some(refund.refund_number.as_str());
        let is_it = |it: &&FoundRefund| {
            let own = it.biz_refund_batch_id.as_ref().map(|id| id.0.as_str());
            own == number || it.refund_batch_id.as_ref().map(|id| id.0.as_str()) == number
        };
        match all.iter().find(is_it) {
            Some(it) => {
                let state = translate::refund_of(it).map_err(unreadable)?;
                let id = it.refund_batch_id.as_ref().map(|id| id.0.clone());
                Ok(report(refund, id, state))
            }
            None => Ok(report(refund, None, ReportedRefund::NotFound)),
        }
    }

    async fn find(
        &self,
        settings: &Settings,
        request_number: &str,
    ) -> Result<Option<FoundOrder>, CallError> {
        let exchange = Exchange {
            operation: Operation::Query,
            name: "findByTpOrderId",
            query: vec![
                ("tpOrderId", request_number.to_owned()),
                ("pmAppKey", settings.app_key.clone()),
            ],
            form: None,
        };
        let found = match self.call::<FoundOrder>(settings, exchange).await? {
            Ok(found) => found,
            Err(Verdict::NotFound) => return Ok(None),
            Err(refused) => return Err(unexpected(refused)),
        };
        let is_ours = found.tp_order_id.as_deref() == Some(request_number)
            && found.deal_id.as_ref().map(|id| &id.0) == Some(&settings.deal_id);
        if is_ours {
            Ok(Some(found))
        } else {
            Err(CallError::Unknown(
                "the answer is about something else".to_owned(),
            ))
        }
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what
    /// the gateway's refusal means. A token that is not taken is fetched anew once.
    async fn call<T: DeserializeOwned>(
        &self,
        settings: &Settings,
        exchange: Exchange,
    ) -> Result<Result<T, Verdict>, CallError> {
        match self.call_once(settings, &exchange).await? {
            Err(Verdict::Token(_)) => {
                self.tokens.forget();
                self.call_once(settings, &exchange).await
            }
            answered => Ok(answered),
        }
    }

    async fn call_once<T: DeserializeOwned>(
        &self,
        settings: &Settings,
        exchange: &Exchange,
    ) -> Result<Result<T, Verdict>, CallError> {
        let token = self.token(settings).await?;
        let mut query = vec![("access_token", token.expose().clone())];
        query.extend(exchange.query.iter().cloned());
        let target = Target {
            name: exchange.name,
            path: format!("{SERVICE}/{}", exchange.name),
            query,
            form: exchange.form.clone(),
        };
        let answer = self.send(settings, target).await?;
        if answer.status != StatusCode::OK {
            let status = answer.status.as_u16();
            return Err(CallError::Unknown(format!("http {status}")));
        }
        let unreadable = |_other_shape| CallError::Unknown("the answer cannot be read".to_owned());
        let told: Answer<'_> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        if told.errno != Some(0) || told.error_code.is_some() {
            return Ok(Err(verdict(exchange.operation, &told)));
        }
        let data = told.data.map_or("null", |data| data.get());
        Ok(Ok(serde_json::from_str(data).map_err(unreadable)?))
    }

    async fn send(&self, settings: &Settings, target: Target) -> Result<HttpAnswer, CallError> {
        let base = settings.api_base_url.as_str().trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}{}", target.path))
            .map_err(|error| CallError::NotSent(error.to_string()))?;
        url.query_pairs_mut().extend_pairs(&target.query);
        let mut headers = HeaderMap::new();
        let (method, body) = match target.form {
            None => (Verb::GET, Bytes::new()),
            Some(form) => {
                headers.insert(CONTENT_TYPE, FORM);
                let mut body = Serializer::new(String::new());
                body.extend_pairs(&form);
                (Verb::POST, Bytes::from(body.finish()))
            }
        };
        let call = Call {
            gateway: GatewayName::Baidu,
            operation: target.name,
            method,
            url,
            headers,
            body,
        };
        self.http.send(call).await.map_err(HttpError::into)
    }
}

/// Baidu's numbers of the paid order and of its payer.
fn paid_order(
    found: Option<FoundOrder>,
    refund: &PlaceRefund,
) -> Result<(String, String), CallError> {
    let found = found.ok_or_else(|| no_order("is not found"))?;
    let report = translate::order(&refund.request_number, &found).map_err(unreadable)?;
    match report.state {
        ReportedPayment::Paid { .. } => {}
        ReportedPayment::Reversed { .. }
        | ReportedPayment::Unpaid
        | ReportedPayment::Closed
        | ReportedPayment::Failed(_)
        | ReportedPayment::NotFound => return Err(no_order("is told as not paid")),
    }
    let order_id = found.order_id.ok_or_else(|| unreadable("orderId"))?;
    let user_id = found.user_id.ok_or_else(|| unreadable("userId"))?;
    Ok((order_id.0, user_id.0))
}

fn no_order(what: &str) -> CallError {
    CallError::Unknown(format!("the paid order {what}"))
}

fn report(
    refund: &PlaceRefund,
    gateway_refund_id: Option<String>,
    state: ReportedRefund,
) -> RefundReport {
    RefundReport {
        request_number: refund.request_number.clone(),
        refund_number: refund.refund_number.clone(),
        gateway_refund_id,
        state,
    }
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) | Verdict::Token(error) => error,
        Verdict::NotFound | Verdict::NotClosable => {
            CallError::Unknown("a refusal that does not belong to the call".to_owned())
        }
    }
}

fn unreadable(field: &'static str) -> CallError {
    CallError::Unknown(format!("the answer's {field} is missing or unreadable"))
}

fn fen(amount: Money) -> Result<String, CallError> {
    if amount.currency() == Currency::CNY {
        Ok(amount.amount_minor().to_string())
    } else {
        Err(unsupported("baidu takes CNY only"))
    }
}
