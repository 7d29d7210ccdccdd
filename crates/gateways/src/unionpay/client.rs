//! Calls to UnionPay (sheet §5 to §8). Page orders are only signed here: the payer's browser brings them
//! to UnionPay.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::Clock;
use kassa_core::channel::{GatewayName, Method};
use kassa_core::id::AttemptId;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;

use super::config::Settings;
use super::failure::{CODES_SUCCESS, Operation, Verdict, verdict};
use super::sign::{Fields, Signed};
use super::wire::{CURRENCY_CNY, TYPE_PAYMENT, TYPE_REFUND, field, parse_answer};
use super::{translate, verify};
use crate::error::unsupported;
use crate::form::{self, Form};
use crate::http::{Call, HttpClient};
use crate::registry::Deps;
use crate::{
    CallError, Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder, VerifyError, china_time,
};

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");
const FRONT: &str = "frontTransReq.do";
const APP: &str = "appTransReq.do";
const BACK: &str = "backTransReq.do";
const QUERY: &str = "queryTrans.do";
/// Longest text for the payer. UNVERIFIED: the sheet names no limit of `orderDesc`.
const ORDER_DESC_LENGTH_MAX: usize = 32;

/// The outbound half of an account.
#[derive(Debug)]
pub(super) struct Client {
    clock: Clock,
    http: HttpClient,
}

/// `bizType` and `channelType` of a method: they go with the order and with all that follows it.
#[derive(Debug, Clone, Copy)]
struct Product {
    biz_type: &'static str,
    channel_type: &'static str,
}

fn product(method: Method) -> Result<Product, CallError> {
    let (biz_type, channel_type) = match method {
        Method::Page => ("000201", "07"),
        Method::Wap | Method::App => ("000201", "08"),
        Method::Qr => ("000000", "08"),
        Method::Jsapi | Method::BarCode | Method::MiniProgram | Method::Card | Method::Wallet => {
            return Err(unsupported("unionpay takes no orders of this method"));
        }
    };
    Ok(Product {
        biz_type,
        channel_type,
    })
}

impl Client {
    pub(super) fn new(deps: &Deps) -> Self {
        Self {
            clock: deps.clock.clone(),
            http: deps.http.clone(),
        }
    }

    pub(super) async fn place(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        let fields = place_fields(order)?;
        let (endpoint, answered) = match order.method {
            Method::Page | Method::Wap => {
                let prepay = front_form(settings, &sign(settings, fields)?)?;
                return Ok(Placed::open(prepay, None));
            }
            Method::App => (APP, field::TN),
            Method::Qr => (BACK, field::QR_CODE),
            Method::Jsapi
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => {
                return Err(unsupported("unionpay takes no orders of this method"));
            }
        };
        let answer = self
            .call(settings, endpoint, Operation::Place, fields)
            .await?
            .map_err(unexpected)?;
        is_about(settings, &answer, &order.request_number)?;
        let content = answer
            .get(answered)
            .ok_or_else(|| CallError::Unknown(format!("the answer lacks {answered}")))?
            .to_owned();
        let prepay = if order.method == Method::App {
            PrepayInfo::AppOrder {
                order_string: content,
            }
        } else {
            PrepayInfo::QrCode { content }
        };
        Ok(Placed::open(prepay, None))
    }

    pub(super) async fn query(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        let fields = query_fields(order.method, &order.request_number)?;
        let now = self.clock.now();
        match self.call(settings, QUERY, Operation::Query, fields).await? {
            Ok(answer) => {
                is_about(settings, &answer, &order.request_number)?;
                translate::payment_report(order, &answer, now)
            }
            Err(Verdict::NotFound) => Ok(PaymentReport {
                request_number: order.request_number.clone(),
                gateway_transaction_id: None,
                // Until then a page that was given out may still be brought to UnionPay.
                state: if translate::is_final(order, now) {
                    ReportedPayment::Closed
                } else {
                    ReportedPayment::NotFound
                },
            }),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    /// What cannot be paid any more, or what nobody was given anything to pay with.
    pub(super) fn close(&self, order: &PlacedOrder) -> Closed {
        if translate::is_final(order, self.clock.now()) || !order.is_given_out {
            Closed::Closed
        } else {
            Closed::NotClosable
        }
    }

    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let fields = refund_fields(refund)?;
        let answer = self
            .call(settings, BACK, Operation::Refund, fields)
            .await?
            .map_err(unexpected)?;
        is_about(settings, &answer, &refund.refund_number)?;
        Ok(RefundReport {
            gateway_refund_id: answer.get(field::QUERY_ID).map(str::to_owned),
            ..report(refund, ReportedRefund::Processing)
        })
    }

    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        let fields = query_fields(refund.method, &refund.refund_number)?;
        let operation = Operation::RefundQuery;
        match self.call(settings, QUERY, operation, fields).await? {
            Ok(answer) => {
                is_about(settings, &answer, &refund.refund_number)?;
                translate::refund_report(refund, &answer)
            }
            Err(Verdict::NotFound) => Ok(report(refund, ReportedRefund::NotFound)),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what the
    /// gateway's refusal means.
    async fn call(
        &self,
        settings: &Settings,
        endpoint: &'static str,
        operation: Operation,
        fields: Fields,
    ) -> Result<Result<Form, Verdict>, CallError> {
        let signed = sign(settings, fields)?;
        let answer = self
            .http
            .send(Call {
                gateway: GatewayName::Unionpay,
                operation: endpoint,
                method: Verb::POST,
                url: address(settings, endpoint)?,
                headers: HeaderMap::from_iter([(CONTENT_TYPE, FORM)]),
                body: Bytes::from(signed.body()),
            })
            .await?;
        if answer.status != StatusCode::OK {
            let status = answer.status.as_u16();
            return Err(CallError::Unknown(format!("http {status}")));
        }
        read_answer(settings, operation, &answer.body, self.clock.now())
    }
}

/// Believes an answer, or not.
fn read_answer(
    settings: &Settings,
    operation: Operation,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Result<Form, Verdict>, CallError> {
    let unreadable = || CallError::Unknown("the answer cannot be read".to_owned());
    let form = parse_answer(body).ok_or_else(unreadable)?;
    let code = form.get(field::RESP_CODE).ok_or_else(unreadable)?;
    let is_signed = form.get(field::SIGNATURE).is_some();
    if is_signed {
        verify::message(settings, &form, now)
            .map_err(|error: VerifyError| CallError::Unknown(error.to_string()))?;
    }
    if CODES_SUCCESS.contains(&code) && is_signed {
        return Ok(Ok(form));
    }
    let message = form.get(field::RESP_MSG).unwrap_or_default();
    Ok(Err(verdict(operation, code, message, is_signed)))
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) => error,
        Verdict::NotFound => {
            CallError::Unknown("a refusal that does not belong to the call".to_owned())
        }
    }
}

/// A signed answer about another merchant's or another order is none to our question.
fn is_about(settings: &Settings, answer: &Form, number: &str) -> Result<(), CallError> {
    let is_ours = answer.get(field::MER_ID) == Some(settings.mer_id.as_str())
        && answer.get(field::ORDER_ID) == Some(number);
    if is_ours {
        Ok(())
    } else {
        Err(CallError::Unknown(
            "the answer is about another order".to_owned(),
        ))
    }
}

fn place_fields(order: &PlaceOrder) -> Result<Fields, CallError> {
    let product = product(order.method)?;
    let sub_type = if order.method == Method::Qr {
        "07"
    } else {
        "01"
    };
    let is_front = matches!(order.method, Method::Page | Method::Wap);
    let front_url = order.return_url.as_ref().filter(|_| is_front);
    if is_front && front_url.is_none() {
        return Err(unsupported("a page of unionpay's needs a return_url"));
    }
    Ok(vec![
        (field::TXN_TYPE, TYPE_PAYMENT.to_owned()),
        ("txnSubType", sub_type.to_owned()),
        ("bizType", product.biz_type.to_owned()),
        ("channelType", product.channel_type.to_owned()),
        (field::ORDER_ID, order.request_number.clone()),
        (field::TXN_TIME, txn_time(&order.request_number)?),
        (field::TXN_AMT, fen(order.amount)?),
        (field::CURRENCY_CODE, CURRENCY_CNY.to_owned()),
        ("backUrl", order.notify_url.to_string()),
        (
            "frontUrl",
            front_url.map(ToString::to_string).unwrap_or_default(),
        ),
        ("payTimeout", china_time::compact(order.expires_at)),
        ("orderDesc", order_desc(order.subject.as_str())),
    ])
}

fn query_fields(method: Method, number: &str) -> Result<Fields, CallError> {
    Ok(vec![
        (field::TXN_TYPE, "00".to_owned()),
        ("txnSubType", "00".to_owned()),
        ("bizType", product(method)?.biz_type.to_owned()),
        (field::ORDER_ID, number.to_owned()),
        (field::TXN_TIME, txn_time(number)?),
    ])
}

fn refund_fields(refund: &PlaceRefund) -> Result<Fields, CallError> {
    let product = product(refund.method)?;
    let query_id = refund.gateway_transaction_id.clone();
    let query_id =
        query_id.ok_or_else(|| unsupported("the paid order's queryId is not known here"))?;
    Ok(vec![
        (field::TXN_TYPE, TYPE_REFUND.to_owned()),
        ("txnSubType", "00".to_owned()),
        ("bizType", product.biz_type.to_owned()),
        ("channelType", product.channel_type.to_owned()),
        (field::ORDER_ID, refund.refund_number.clone()),
        (field::TXN_TIME, txn_time(&refund.refund_number)?),
        (field::TXN_AMT, fen(refund.amount)?),
        (field::CURRENCY_CODE, CURRENCY_CNY.to_owned()),
        ("backUrl", refund.notify_url.to_string()),
        ("origQryId", query_id),
        (field::REQ_RESERVED, refund.request_number.clone()),
    ])
}

/// `txnTime` is part of an order's identity, and every later question names it: it is the time in the
/// order's own number, which is made just before the call.
fn txn_time(number: &str) -> Result<String, CallError> {
    number
        .parse()
        .ok()
        .and_then(|id: AttemptId| id.as_uuid().get_timestamp())
        .and_then(|timestamp| {
            let (seconds, nanos) = timestamp.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
        })
        .map(china_time::compact)
        .ok_or_else(|| unsupported("the number carries no time"))
}

fn fen(amount: Money) -> Result<String, CallError> {
    if amount.currency() == Currency::CNY {
        Ok(amount.amount_minor().to_string())
    } else {
        Err(unsupported("unionpay takes CNY only"))
    }
}

/// UnionPay's messages have no escape for some characters (sheet §4).
fn order_desc(subject: &str) -> String {
    subject
        .chars()
        .filter(|character| !"&={}[]\"'".contains(*character))
        .take(ORDER_DESC_LENGTH_MAX)
        .collect()
}

fn sign(settings: &Settings, fields: Fields) -> Result<Signed, CallError> {
    Signed::try_new(settings, fields).map_err(|error| CallError::NotSent(error.to_string()))
}

fn address(settings: &Settings, endpoint: &str) -> Result<url::Url, CallError> {
    settings
        .gateway_url
        .join(endpoint)
        .map_err(|error| CallError::NotSent(error.to_string()))
}

fn front_form(settings: &Settings, signed: &Signed) -> Result<PrepayInfo, CallError> {
    let action = address(settings, FRONT)?.to_string();
    let fields = signed.inputs();
    let html = form::page("银联 UnionPay", &action, &fields);
    Ok(PrepayInfo::Form {
        action,
        fields,
        html,
    })
}

fn report(refund: &PlaceRefund, state: ReportedRefund) -> RefundReport {
    RefundReport {
        request_number: refund.request_number.clone(),
        refund_number: refund.refund_number.clone(),
        gateway_refund_id: None,
        state,
    }
}
