//! Calls to WeChat Pay (sheet §2 to §5): signing, sending and judging an answer; queries, closes and
//! refunds. Creating orders is in `place`, what happens at a counter in `counter`.

mod counter;
mod place;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::channel::{GatewayName, Method};
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::{Clock, IdSource};
use url::Url;

use super::config::Settings;
use super::failure::{self, Operation, Verdict};
use super::sign::{is_signed, sign};
use super::translate;
use super::wire::{Message, field};
use crate::config::FieldProblem;
use crate::crypto::nonce;
use crate::error::unsupported;
use crate::http::{Answer, Call, HttpClient, HttpError};
use crate::registry::Deps;
use crate::{CallError, Closed, ConfigError, PlaceRefund, PlacedOrder};

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");
/// The longest `refund_desc`, in bytes; the sheet does not say what its 80 counts.
const REFUND_DESC_BYTES_MAX: usize = 80;

/// One call before it is signed.
#[derive(Debug)]
struct Exchange {
    operation: Operation,
    path: &'static str,
    message: Message,
}

/// The outbound half of an account.
#[derive(Debug)]
pub(super) struct Client {
    clock: Clock,
    ids: IdSource,
    http: HttpClient,
    /// Shows the client certificate.
    mtls: HttpClient,
}

impl Client {
    pub(super) fn try_new(settings: &Settings, deps: &Deps) -> Result<Self, ConfigError> {
        let root = settings.mtls_root_certificate.as_deref();
        let mtls = deps
            .http
            .with_identity(
                &settings.client_certificate,
                &settings.client_private_key,
                root,
            )
            .map_err(|error| ConfigError {
                problems: vec![FieldProblem {
                    field: "client_certificate",
                    expected: format!("a certificate and key for TLS ({error})"),
                }],
            })?;
        Ok(Self {
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            http: deps.http.clone(),
            mtls,
        })
    }

    pub(super) async fn query(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        let request_number = order.request_number.as_str();
        let mut message = Message::default();
        message.set(field::OUT_TRADE_NO, request_number);
        let exchange = Exchange {
            operation: Operation::Query,
            path: "/pay/orderquery",
            message,
        };
        let answer = match self.call(settings, exchange).await? {
            Ok(answer) => answer,
            Err(Verdict::NotFound) => {
                return Ok(PaymentReport {
                    request_number: request_number.to_owned(),
                    gateway_transaction_id: None,
                    state: ReportedPayment::NotFound,
                });
            }
            Err(refused) => return Err(unexpected(refused)),
        };
        is_about(&answer, field::OUT_TRADE_NO, request_number)?;
        if order.method == Method::BarCode && translate::has_refunds(&answer) {
            return self.refunded_order(settings, order, &answer).await;
        }
        translate::queried(&answer, order.method).map_err(unreadable)
    }

    pub(super) async fn close(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        if order.method == Method::BarCode {
            return self.reverse(settings, order).await;
        }
        let mut message = Message::default();
        message.set(field::OUT_TRADE_NO, order.request_number.as_str());
        let exchange = Exchange {
            operation: Operation::Close,
            path: "/pay/closeorder",
            message,
        };
        match self.call(settings, exchange).await? {
            Ok(_closed) => Ok(Closed::Closed),
            Err(Verdict::Closed | Verdict::NotFound) => Ok(Closed::Closed),
            Err(Verdict::NotClosable) => Ok(Closed::NotClosable),
            Err(refused @ (Verdict::Waiting | Verdict::Failed(_))) => Err(unexpected(refused)),
        }
    }

    /// Good news only means that the refund was accepted (sheet §5).
    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let mut message = Message::default();
        message.set(field::OUT_TRADE_NO, refund.request_number.as_str());
        message.set(field::OUT_REFUND_NO, refund.refund_number.as_str());
        message.set(field::TOTAL_FEE, fen(refund.paid)?);
        message.set(field::REFUND_FEE, fen(refund.amount)?);
        message.set("notify_url", refund.notify_url.as_str());
        if let Some(reason) = &refund.reason {
            message.set("refund_desc", cut(reason.as_str(), REFUND_DESC_BYTES_MAX));
        }
        let exchange = Exchange {
            operation: Operation::Refund,
            path: "/secapi/pay/refund",
            message,
        };
        let answer = self.call(settings, exchange).await?.map_err(unexpected)?;
        is_about(&answer, field::OUT_TRADE_NO, &refund.request_number)?;
        is_about(&answer, field::OUT_REFUND_NO, &refund.refund_number)?;
        let state = ReportedRefund::Processing;
        Ok(report(refund, answer.get(field::REFUND_ID), state))
    }

    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let mut message = Message::default();
        message.set(field::OUT_REFUND_NO, refund.refund_number.as_str());
        let exchange = Exchange {
            operation: Operation::RefundQuery,
            path: "/pay/refundquery",
            message,
        };
        let answer = match self.call(settings, exchange).await? {
            Ok(answer) => answer,
            Err(Verdict::NotFound) => return Ok(report(refund, None, ReportedRefund::NotFound)),
            Err(refused) => return Err(unexpected(refused)),
        };
        is_about(&answer, field::OUT_TRADE_NO, &refund.request_number)?;
        translate::queried_refund(&answer, &refund.refund_number)
            .ok_or_else(another)?
            .map_err(unreadable)
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what
    /// the gateway's refusal means.
    async fn call(
        &self,
        settings: &Settings,
        exchange: Exchange,
    ) -> Result<Result<Message, Verdict>, CallError> {
        let operation = exchange.operation;
        let answer = self.send(settings, exchange).await?;
        if answer.status != StatusCode::OK {
            return Err(CallError::Unknown(format!(
                "http {}",
                answer.status.as_u16()
            )));
        }
        let message = Message::parse(&answer.body)
            .map_err(|_malformed| CallError::Unknown("the answer cannot be read".to_owned()))?;
        if !message.is_success(field::RETURN_CODE) {
            return Ok(Err(failure::unsigned(operation, &message)));
        }
        if !is_signed(&message, &settings.api_keys) {
            return Err(CallError::Unknown(
                "the answer's signature does not hold".to_owned(),
            ));
        }
        is_about(&message, field::MCH_ID, &settings.mch_id)?;
        is_about(&message, field::APPID, &settings.appid)?;
        if message.is_success(field::RESULT_CODE) {
            Ok(Ok(message))
        } else {
            Ok(Err(failure::signed(operation, &message)))
        }
    }

    /// Sends to the first host, and to the backup only if nothing reached the first. The client
    /// certificate is shown to one host alone.
    async fn send(&self, settings: &Settings, exchange: Exchange) -> Result<Answer, CallError> {
        let body = self.signed(settings, exchange.message)?;
        let shows_certificate = match exchange.operation {
            Operation::Refund | Operation::Reverse => true,
            Operation::Place
            | Operation::Micropay
            | Operation::Query
            | Operation::Close
            | Operation::RefundQuery => false,
        };
        if shows_certificate {
            let base = settings.mtls_base_url.as_ref();
            let base = base.unwrap_or(&settings.api_base_url);
            return send_to(&self.mtls, base, exchange.path, body).await;
        }
        let first = send_to(
            &self.http,
            &settings.api_base_url,
            exchange.path,
            body.clone(),
        )
        .await;
        match (first, &settings.api_backup_base_url) {
            (Err(CallError::NotSent(_)), Some(backup)) => {
                send_to(&self.http, backup, exchange.path, body).await
            }
            (answer, _) => answer,
        }
    }

    /// Adds what every request has, and signs.
    fn signed(&self, settings: &Settings, mut message: Message) -> Result<Bytes, CallError> {
        message.set(field::APPID, settings.appid.as_str());
        message.set(field::MCH_ID, settings.mch_id.as_str());
        message.set(field::NONCE_STR, nonce(&self.ids));
        message.set(field::SIGN_TYPE, settings.sign_type.as_str());
        let key = settings
            .api_keys
            .first()
            .ok_or_else(|| CallError::NotSent("no api key".to_owned()))?;
        let signature = sign(settings.sign_type, &message, key);
        message.set(field::SIGN, signature);
        Ok(Bytes::from(message.to_xml()))
    }
}

async fn send_to(
    http: &HttpClient,
    base: &Url,
    path: &'static str,
    body: Bytes,
) -> Result<Answer, CallError> {
    let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|error| CallError::NotSent(error.to_string()))?;
    let call = Call {
        gateway: GatewayName::WechatV2,
        operation: path,
        method: Verb::POST,
        url,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, XML)]),
        body,
    };
    http.send(call).await.map_err(HttpError::into)
}

fn report(
    refund: &PlaceRefund,
    gateway_refund_id: Option<&str>,
    state: ReportedRefund,
) -> RefundReport {
    RefundReport {
        request_number: refund.request_number.clone(),
        refund_number: refund.refund_number.clone(),
        gateway_refund_id: gateway_refund_id.map(str::to_owned),
        state,
    }
}

fn is_about(answer: &Message, name: &str, ours: &str) -> Result<(), CallError> {
    if answer.get(name) == Some(ours) {
        Ok(())
    } else {
        Err(another())
    }
}

fn another() -> CallError {
    CallError::Unknown("the answer is about something else".to_owned())
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) => error,
        Verdict::NotFound | Verdict::Closed | Verdict::NotClosable | Verdict::Waiting => {
            CallError::Unknown("a refusal that does not belong to the call".to_owned())
        }
    }
}

fn unreadable(field: &'static str) -> CallError {
    CallError::Unknown(format!("the answer's {field} is missing or unreadable"))
}

/// The beginning of a text in at most so many bytes of UTF-8.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.split_at_checked(end).map_or(text, |(head, _)| head)
}

fn fen(amount: Money) -> Result<String, CallError> {
    if amount.currency() == Currency::CNY {
        Ok(amount.amount_minor().to_string())
    } else {
        Err(unsupported("wechat pay takes CNY only"))
    }
}
