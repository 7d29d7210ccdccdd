//! Calls to Alipay (sheet §3, §6 and §7). Page, WAP and app orders are only signed here: the payer
//! brings them to Alipay. What happens at a counter is in `counter`, inside Alipay in `jsapi`.

mod counter;
mod jsapi;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method as Verb, StatusCode};
use kassa_core::Clock;
use kassa_core::channel::{GatewayName, Method};
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use serde::Serialize;

use super::config::Settings;
use super::failure::{CODE_SUCCESS, CODE_WAITING, Operation, Verdict, verdict};
use super::sign::{Request, Signed};
use super::wire::{Answer, CreateTrade, Refund, RefundQuery, Trade};
use super::{translate, verify};
use crate::error::unsupported;
use crate::http::{Call, HttpClient};
use crate::registry::Deps;
use crate::{CallError, Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder, china_time, form};

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8");
const PRODUCT_PAGE: &str = "FAST_INSTANT_TRADE_PAY";
const PRODUCT_WAP: &str = "QUICK_WAP_WAY";
const PRODUCT_APP: &str = "QUICK_MSECURITY_PAY";

/// The outbound half of an account.
#[derive(Debug)]
pub(super) struct Client {
    clock: Clock,
    http: HttpClient,
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
        let (method, product_code) = match order.method {
            Method::Qr => ("alipay.trade.precreate", settings.qr_product_code.as_str()),
            Method::Page => ("alipay.trade.page.pay", PRODUCT_PAGE),
            Method::Wap => ("alipay.trade.wap.pay", PRODUCT_WAP),
            Method::App => ("alipay.trade.app.pay", PRODUCT_APP),
            Method::BarCode => return self.pay(settings, order).await,
            Method::Jsapi => return self.create(settings, order).await,
            Method::MiniProgram | Method::Card | Method::Wallet => {
                return Err(unsupported("alipay takes no orders of this method"));
            }
        };
        let content = CreateTrade {
            out_trade_no: &order.request_number,
            total_amount: yuan(order.amount)?,
            subject: subject(order.subject.as_str()),
            product_code,
            time_expire: china_time::plain(order.expires_at),
        };
        let is_browser = matches!(order.method, Method::Page | Method::Wap);
        let request = Request {
            method,
            biz_content: json(&content)?,
            notify_url: Some(&order.notify_url),
            return_url: order.return_url.as_ref().filter(|_| is_browser),
        };
        let signed = self.sign(settings, request)?;
        let prepay = match order.method {
            Method::Page => form_of(settings, &signed),
            Method::Wap => {
                let mut url = settings.gateway_url.clone();
                url.set_query(Some(&signed.all()));
                PrepayInfo::Redirect {
                    url: url.to_string(),
                }
            }
            Method::App => PrepayInfo::AppOrder {
                order_string: signed.all(),
            },
            Method::Qr
            | Method::BarCode
            | Method::Jsapi
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => self.qr_code(settings, order, method, &signed).await?,
        };
        Ok(Placed::open(prepay, None))
    }

    async fn qr_code(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
        method: &'static str,
        signed: &Signed,
    ) -> Result<PrepayInfo, CallError> {
        let answer = match self
            .call(settings, method, Operation::Place, signed)
            .await?
        {
            Ok(answer) => answer,
            Err(refused) => return Err(unexpected(refused)),
        };
        if answer.out_trade_no.as_deref() != Some(order.request_number.as_str()) {
            return Err(CallError::Unknown(
                "the answer is about another order".to_owned(),
            ));
        }
        let content = answer.qr_code.filter(|code| !code.is_empty());
        let content = content.ok_or_else(|| CallError::Unknown("no qr_code".to_owned()))?;
        Ok(PrepayInfo::QrCode { content })
    }

    pub(super) async fn query(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<PaymentReport, CallError> {
        const METHOD: &str = "alipay.trade.query";
        let request_number = order.request_number.as_str();
        let signed = self.sign_content(
            settings,
            METHOD,
            &Trade {
                out_trade_no: request_number,
            },
        )?;
        match self
            .call(settings, METHOD, Operation::Query, &signed)
            .await?
        {
            Ok(answer) => translate::payment_report(order, &answer),
            Err(Verdict::NotFound) => Ok(PaymentReport {
                request_number: request_number.to_owned(),
                gateway_transaction_id: None,
                state: ReportedPayment::NotFound,
            }),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    pub(super) async fn close(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        const METHOD: &str = "alipay.trade.close";
        if order.method == Method::BarCode {
            return self.cancel(settings, order).await;
        }
        let signed = self.sign_content(
            settings,
            METHOD,
            &Trade {
                out_trade_no: &order.request_number,
            },
        )?;
        match self
            .call(settings, METHOD, Operation::Close, &signed)
            .await?
        {
            Ok(_answer) => Ok(Closed::Closed),
            Err(Verdict::Closed | Verdict::NotFound) => Ok(Closed::Closed),
            Err(Verdict::NotClosable) => Ok(Closed::NotClosable),
            Err(Verdict::Failed(error)) => Err(error),
        }
    }

    pub(super) async fn refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        const METHOD: &str = "alipay.trade.refund";
        let content = Refund {
            out_trade_no: &refund.request_number,
            refund_amount: yuan(refund.amount)?,
            out_request_no: &refund.refund_number,
            refund_reason: refund
                .reason
                .as_ref()
                .map(kassa_core::text::RefundReason::as_str),
        };
        let signed = self.sign_content(settings, METHOD, &content)?;
        match self
            .call(settings, METHOD, Operation::Refund, &signed)
            .await?
        {
            Ok(answer) => translate::refund_answer(refund, &answer),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    pub(super) async fn query_refund(
        &self,
        settings: &Settings,
        refund: &PlaceRefund,
    ) -> Result<RefundReport, CallError> {
        const METHOD: &str = "alipay.trade.fastpay.refund.query";
        let content = RefundQuery {
            out_trade_no: &refund.request_number,
            out_request_no: &refund.refund_number,
            query_options: ["gmt_refund_pay"],
        };
        let signed = self.sign_content(settings, METHOD, &content)?;
        match self
            .call(settings, METHOD, Operation::RefundQuery, &signed)
            .await?
        {
            Ok(answer) => translate::refund_report(refund, &answer),
            Err(Verdict::NotFound) => Ok(RefundReport {
                request_number: refund.request_number.clone(),
                refund_number: refund.refund_number.clone(),
                gateway_refund_id: None,
                state: ReportedRefund::NotFound,
            }),
            Err(refused) => Err(unexpected(refused)),
        }
    }

    /// One call. The outer error says that there is no believable answer; the inner one is what
    /// the gateway's refusal means.
    async fn call(
        &self,
        settings: &Settings,
        method: &'static str,
        operation: Operation,
        signed: &Signed,
    ) -> Result<Result<Answer, Verdict>, CallError> {
        let answer = self
            .http
            .send(Call {
                gateway: GatewayName::Alipay,
                operation: method,
                method: Verb::POST,
                url: signed.action(&settings.gateway_url),
                headers: HeaderMap::from_iter([(CONTENT_TYPE, FORM)]),
                body: Bytes::from(signed.body()),
            })
            .await?;
        read_answer(settings, method, operation, answer.status, &answer.body)
    }

    fn sign(&self, settings: &Settings, request: Request<'_>) -> Result<Signed, CallError> {
        Signed::try_new(settings, request, self.clock.now())
            .map_err(|error| CallError::NotSent(error.to_string()))
    }

    fn sign_content(
        &self,
        settings: &Settings,
        method: &'static str,
        content: &impl Serialize,
    ) -> Result<Signed, CallError> {
        let biz_content = json(content)?;
        self.sign(
            settings,
            Request {
                method,
                biz_content,
                notify_url: None,
                return_url: None,
            },
        )
    }
}

/// Believes an answer, or not. The HTTP status says nothing at Alipay, but an unsigned answer of a
/// server in trouble is not taken for a refusal.
fn read_answer(
    settings: &Settings,
    method: &str,
    operation: Operation,
    status: StatusCode,
    body: &[u8],
) -> Result<Result<Answer, Verdict>, CallError> {
    let opened = verify::open_answer(body, method, &settings.alipay_keys)
        .map_err(|error| CallError::Unknown(format!("{error} (http {})", status.as_u16())))?;
    if !opened.is_signed && !status.is_success() {
        return Err(CallError::Unknown(format!("http {}", status.as_u16())));
    }
    let answer: Answer = serde_json::from_str(opened.node)
        .map_err(|_other_shape| CallError::Unknown("the answer cannot be read".to_owned()))?;
    let is_good = match operation {
        Operation::Pay => matches!(answer.code.as_str(), CODE_SUCCESS | CODE_WAITING),
        Operation::Place
        | Operation::Query
        | Operation::Close
        | Operation::Cancel
        | Operation::Refund
        | Operation::RefundQuery => answer.code == CODE_SUCCESS,
    };
    if !is_good {
        return Ok(Err(verdict(operation, &answer, opened.is_signed)));
    }
    if !opened.is_signed {
        return Err(CallError::Unknown(
            "a success without a signature".to_owned(),
        ));
    }
    Ok(Ok(answer))
}

/// Verdicts that a call cannot get are no definite answer to it.
fn unexpected(verdict: Verdict) -> CallError {
    match verdict {
        Verdict::Failed(error) => error,
        Verdict::NotFound | Verdict::Closed | Verdict::NotClosable => {
            CallError::Unknown("a refusal that does not belong to the call".to_owned())
        }
    }
}

fn form_of(settings: &Settings, signed: &Signed) -> PrepayInfo {
    let action = signed.action(&settings.gateway_url).to_string();
    let fields = vec![("biz_content".to_owned(), signed.biz_content().to_owned())];
    let html = form::page("支付宝 Alipay", &action, &fields);
    PrepayInfo::Form {
        action,
        fields,
        html,
    }
}

fn yuan(amount: Money) -> Result<String, CallError> {
    if amount.currency() == Currency::CNY {
        Ok(amount.to_decimal_string())
    } else {
        Err(unsupported("alipay takes CNY only"))
    }
}

/// Alipay refuses some characters in subjects (sheet §6).
fn subject(text: &str) -> String {
    text.replace(['/', '=', '&'], "_")
}

fn json(content: &impl Serialize) -> Result<String, CallError> {
    serde_json::to_string(content).map_err(|error| CallError::NotSent(error.to_string()))
}
