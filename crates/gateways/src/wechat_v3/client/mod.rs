//! Calls to WeChat Pay (sheet §2 to §7): signing, sending and judging an answer; queries, closes and
//! refunds. Creating orders is in `place`, bar codes in `counter`, the certificates in `certificates`.

mod certificates;
mod counter;
mod place;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue,
};
use http::{Method as Verb, StatusCode};
use kassa_core::channel::{GatewayName, Method};
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::{Clock, IdSource};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::config::Settings;
use super::failure::{Operation, Verdict, verdict};
use super::sign::{Stamp, authorization};
use super::translate;
use super::wire::{
    ApplyAbnormalRefund, CloseOrder, CreateRefund, Refund, RefundAmount, Transaction,
};
use crate::crypto::nonce;
use crate::error::unsupported;
use crate::http::{Answer, Call, HttpClient, HttpError};
use crate::registry::Deps;
use crate::{CallError, Closed, PlaceRefund, PlacedOrder};

use certificates::Downloaded;
pub use certificates::PlatformCertificate;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SERIAL: &str = "wechatpay-serial";
const CNY: &str = "CNY";
/// RFC 3986: everything but unreserved characters is escaped.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One request before it is signed.
#[derive(Debug)]
struct Exchange {
    name: &'static str,
    operation: Operation,
    verb: Verb,
    /// Path and query, escaped.
    target: String,
    body: String,
}

/// The outbound half of an account.
#[derive(Debug)]
pub(in crate::wechat_v3) struct Client {
    clock: Clock,
    ids: IdSource,
    http: HttpClient,
    downloaded: Downloaded,
}

impl Client {
    pub(in crate::wechat_v3) fn new(deps: &Deps) -> Self {
        Self {
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            http: deps.http.clone(),
            downloaded: Downloaded::default(),
        }
    }

    pub(in crate::wechat_v3) async fn query(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        let request_number = order.request_number.as_str();
        let number = escape(request_number);
        let exchange = Exchange {
            name: "query",
            operation: Operation::Query,
            verb: Verb::GET,
            target: format!(
                "/v3/pay/transactions/out-trade-no/{number}?mchid={}",
                settings.mchid
            ),
            body: String::new(),
        };
        let body = match self.call(settings, &exchange).await? {
            Ok(body) => body,
            Err(Verdict::NotFound) => {
                return Ok(PaymentReport {
                    request_number: request_number.to_owned(),
                    gateway_transaction_id: None,
                    state: ReportedPayment::NotFound,
                });
            }
            Err(refused) => return Err(unexpected(refused)),
        };
        let transaction: Transaction = read(&body)?;
        is_about(transaction.mchid.as_deref(), &settings.mchid)?;
        is_about(transaction.out_trade_no.as_deref(), request_number)?;
        translate::queried(&transaction, order.method).map_err(unreadable)
    }

    pub(in crate::wechat_v3) async fn close(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        if order.method == Method::BarCode {
            return self.reverse(settings, order).await;
        }
        let number = escape(&order.request_number);
        let exchange = Exchange {
            name: "close",
            operation: Operation::Close,
            verb: Verb::POST,
            target: format!("/v3/pay/transactions/out-trade-no/{number}/close"),
            body: json(&CloseOrder {
                mchid: &settings.mchid,
            })?,
        };
        match self.call(settings, &exchange).await? {
            Ok(_empty) => Ok(Closed::Closed),
            Err(Verdict::Closed | Verdict::NotFound) => Ok(Closed::Closed),
            Err(Verdict::NotClosable) => Ok(Closed::NotClosable),
            Err(refused @ (Verdict::Waiting | Verdict::Failed(_))) => Err(unexpected(refused)),
        }
    }

    pub(in crate::wechat_v3) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let body = CreateRefund {
            out_trade_no: &refund.request_number,
            out_refund_no: &refund.refund_number,
            reason: refund
                .reason
                .as_ref()
                .map(kassa_core::text::RefundReason::as_str),
            notify_url: refund.notify_url.as_str(),
            amount: RefundAmount {
                refund: fen(refund.amount)?,
                total: fen(refund.paid)?,
                currency: CNY,
            },
        };
        let exchange = Exchange {
            name: "refund",
            operation: Operation::Refund,
            verb: Verb::POST,
            target: "/v3/refund/domestic/refunds".to_owned(),
            body: json(&body)?,
        };
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        refund_report(refund, &read(&body)?)
    }

    pub(in crate::wechat_v3) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let exchange = Exchange {
            name: "refund_query",
            operation: Operation::RefundQuery,
            verb: Verb::GET,
            target: format!(
                "/v3/refund/domestic/refunds/{}",
                escape(&refund.refund_number)
            ),
            body: String::new(),
        };
        match self.call(settings, &exchange).await? {
            Ok(body) => refund_report(refund, &read(&body)?),
            Err(Verdict::NotFound) => Ok(RefundReport {
                request_number: refund.request_number.clone(),
                refund_number: refund.refund_number.clone(),
                gateway_refund_id: None,
                state: ReportedRefund::NotFound,
            }),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    /// To the merchant's bank card: the only kind that needs none of the payer's data (sheet §7).
    pub(in crate::wechat_v3) async fn refund_to_merchant(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
        gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        let exchange = Exchange {
            name: "apply_abnormal_refund",
            operation: Operation::AbnormalRefund,
            verb: Verb::POST,
            target: format!(
                "/v3/refund/domestic/refunds/{}/apply-abnormal-refund",
                escape(gateway_refund_id)
            ),
            body: json(&ApplyAbnormalRefund {
                out_refund_no: &refund.refund_number,
                kind: "MERCHANT_BANK_CARD",
            })?,
        };
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        refund_report(refund, &read(&body)?)
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what
    /// the gateway's refusal means. A success without a good signature is no answer.
    async fn call(
        &self,
        settings: &Settings,
        exchange: &Exchange,
    ) -> Result<Result<Bytes, Verdict>, CallError> {
        let answer = self.send(settings, exchange).await?;
        if !matches!(answer.status, StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(Err(verdict(
                exchange.operation,
                answer.status,
                &answer.body,
            )));
        }
        self.believe(settings, &answer).await?;
        Ok(Ok(answer.body))
    }

    /// Sends to the first host, and to the backup only if nothing reached the first.
    async fn send(&self, settings: &Settings, exchange: &Exchange) -> Result<Answer, CallError> {
        let first = self
            .send_to(settings, &settings.api_base_url, exchange)
            .await;
        match (first, &settings.api_backup_base_url) {
            (Err(CallError::NotSent(_)), Some(backup)) => {
                self.send_to(settings, backup, exchange).await
            }
            (answer, _) => answer,
        }
    }

    async fn send_to(
        &self,
        settings: &Settings,
        base: &Url,
        exchange: &Exchange,
    ) -> Result<Answer, CallError> {
        let url = format!("{}{}", base.as_str().trim_end_matches('/'), exchange.target);
        let url = Url::parse(&url).map_err(|error| CallError::NotSent(error.to_string()))?;
        let headers = self.headers(settings, exchange, &url)?;
        let call = Call {
            gateway: GatewayName::WechatV3,
            operation: exchange.name,
            method: exchange.verb.clone(),
            url,
            headers,
            body: Bytes::from(exchange.body.clone()),
        };
        self.http.send(call).await.map_err(HttpError::into)
    }

    fn headers(
        &self,
        settings: &Settings,
        exchange: &Exchange,
        url: &Url,
    ) -> Result<HeaderMap, CallError> {
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let stamp = self.stamp();
        let verb = exchange.verb.as_str();
        let signed = authorization(settings, verb, &target, &stamp, &exchange.body)
            .map_err(|error| CallError::NotSent(error.to_string()))?;
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|error: InvalidHeaderValue| CallError::NotSent(error.to_string()))
        };
        let mut headers = HeaderMap::from_iter([(ACCEPT, JSON), (AUTHORIZATION, value(&signed)?)]);
        if !exchange.body.is_empty() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Some(id) = &settings.public_key_id {
            headers.insert(SERIAL, value(id)?);
        }
        Ok(headers)
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            timestamp: self.clock.now().timestamp().to_string(),
            nonce: nonce(&self.ids),
        }
    }
}

fn refund_report(refund: &PlaceRefund, answer: &Refund) -> Result<RefundReport, CallError> {
    is_about(answer.out_trade_no.as_deref(), &refund.request_number)?;
    is_about(answer.out_refund_no.as_deref(), &refund.refund_number)?;
    translate::refund_report(answer).map_err(unreadable)
}

fn is_about(found: Option<&str>, ours: &str) -> Result<(), CallError> {
    if found == Some(ours) {
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
        Verdict::NotFound | Verdict::Closed | Verdict::NotClosable | Verdict::Waiting => {
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

fn json(body: &impl Serialize) -> Result<String, CallError> {
    serde_json::to_string(body).map_err(|error| CallError::NotSent(error.to_string()))
}

fn fen(amount: Money) -> Result<i64, CallError> {
    if amount.currency() == Currency::CNY {
        Ok(amount.amount_minor())
    } else {
        Err(unsupported("wechat pay takes CNY only"))
    }
}

pub(in crate::wechat_v3) fn escape(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}
