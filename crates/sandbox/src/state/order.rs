//! What a gateway knows of one order and one refund.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gateway {
    /// Alipay, `gateway.do`.
    Alipay,
    /// WeChat Pay API v3.
    WechatV3,
    /// WeChat Pay API v2.
    WechatV2,
    /// Baidu's cashier.
    Baidu,
    /// UnionPay's all-channel platform.
    Unionpay,
    /// Stripe.
    Stripe,
    /// PayPal.
    Paypal,
}

/// How the payer gets to the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// `alipay.trade.page.pay`.
    AlipayPage,
    /// `alipay.trade.wap.pay`.
    AlipayWap,
    /// `alipay.trade.app.pay`.
    AlipayApp,
    /// `alipay.trade.precreate`.
    AlipayQr,
    /// `alipay.trade.create`.
    AlipayJsapi,
    /// `alipay.trade.pay`.
    AlipayBarCode,
    /// `/v3/pay/transactions/jsapi`, or JSAPI of v2's unified order.
    WechatJsapi,
    /// `/v3/pay/transactions/native`, or NATIVE.
    WechatNative,
    /// `/v3/pay/transactions/app`, or APP.
    WechatApp,
    /// `/v3/pay/transactions/h5`, or MWEB.
    WechatH5,
    /// `/v3/pay/transactions/codepay`, or `/pay/micropay`.
    WechatBarCode,
    /// `swan.requestPolymerPayment`.
    BaiduMiniProgram,
    /// `frontTransReq.do`, channel 07.
    UnionpayPage,
    /// `frontTransReq.do`, channel 08.
    UnionpayWap,
    /// `appTransReq.do`.
    UnionpayApp,
    /// `backTransReq.do`, 01/07.
    UnionpayQr,
    /// `/v1/checkout/sessions`.
    StripeCheckout,
    /// `/v1/payment_intents`.
    StripeIntent,
    /// `/v2/checkout/orders`.
    PaypalOrder,
}

/// Where an order stands. Refunds don't change it: they are in [`Refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Waiting for the payer.
    Open,
    /// Paid.
    Paid,
    /// Closed or expired without a payment.
    Closed,
}

/// One merchant's order number at one gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OrderKey {
    pub(crate) gateway: Gateway,
    pub(crate) account: String,
    pub(crate) out_trade_no: String,
}

/// One order as the gateway holds it.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// Which gateway holds it.
    pub gateway: Gateway,
    /// Alipay's `app_id` or WeChat Pay's `mchid`.
    pub account: String,
    /// The merchant's number.
    pub out_trade_no: String,
    /// The gateway's number: `trade_no` or `transaction_id`.
    pub gateway_trade_no: String,
    /// How it was placed.
    pub product: Product,
    /// Amount in fen.
    pub total_minor: i64,
    /// What the payer sees.
    pub subject: String,
    /// `body` of Alipay.
    pub body: Option<String>,
    /// `passback_params` or `attach`.
    pub attach: Option<String>,
    /// Where callbacks go.
    pub notify_url: Option<String>,
    /// Where the payer's browser goes afterwards.
    pub return_url: Option<String>,
    /// The payer's id: `openid` of WeChat Pay, a made-up buyer at Alipay.
    pub payer: String,
    /// Where it stands.
    pub state: OrderState,
    /// Alipay only: whether the payer has reached the cashier, so that a trade exists.
    pub is_opened: bool,
    /// How often the payer refused.
    pub refused_count: u32,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When it closes by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Names of its payer page besides the order number: prepay ids and code tokens.
    #[serde(skip)]
    pub(crate) tokens: Vec<String>,
    /// What it was placed with, to compare a repetition.
    #[serde(skip)]
    pub(crate) content: serde_json::Value,
}

impl Order {
    pub(crate) fn key(&self) -> OrderKey {
        OrderKey {
            gateway: self.gateway,
            account: self.account.clone(),
            out_trade_no: self.out_trade_no.clone(),
        }
    }
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Accepted, not settled.
    Processing,
    /// The payer has the money.
    Success,
    /// Failed for good; the money is refundable again under a new number.
    Closed,
    /// The payer's card refused it; it stays reserved until somebody acts at the console.
    Abnormal,
}

/// How a WeChat Pay refund ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOutcome {
    /// `REFUND.SUCCESS`.
    Success,
    /// `REFUND.CLOSED`.
    Closed,
    /// `REFUND.ABNORMAL`.
    Abnormal,
}

impl From<RefundOutcome> for RefundStatus {
    fn from(outcome: RefundOutcome) -> Self {
        match outcome {
            RefundOutcome::Success => Self::Success,
            RefundOutcome::Closed => Self::Closed,
            RefundOutcome::Abnormal => Self::Abnormal,
        }
    }
}

/// One refund as the gateway holds it.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    /// Which gateway holds it.
    pub gateway: Gateway,
    /// Alipay's `app_id` or WeChat Pay's `mchid`.
    pub account: String,
    /// Number of the order.
    pub out_trade_no: String,
    /// The merchant's refund number: `out_request_no` or `out_refund_no`.
    pub out_refund_no: String,
    /// The gateway's number.
    pub refund_id: String,
    /// Amount in fen.
    pub amount_minor: i64,
    /// Where it stands.
    pub status: RefundStatus,
    /// Where the callback goes; Alipay uses the order's.
    pub notify_url: Option<String>,
    /// Whether it was made at the gateway's console, not through the API.
    pub is_from_console: bool,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub settled_at: Option<DateTime<Utc>>,
    /// What a gateway must remember of the request (Stripe: the `metadata`; PayPal: its body).
    #[serde(skip)]
    pub(crate) content: serde_json::Value,
}

impl Refund {
    /// Whether its amount counts against what is refundable.
    pub(crate) fn is_counted(&self) -> bool {
        self.status != RefundStatus::Closed
    }
}

/// One API call that the sandbox received.
#[derive(Debug, Clone, Serialize)]
pub struct CallRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Which gateway was called.
    pub gateway: Gateway,
    /// The account that signed, as far as it was said.
    pub account: String,
    /// Which operation.
    pub operation: crate::Operation,
    /// The order number that the request names, or empty.
    pub out_trade_no: String,
    /// The refund number that the request names, or empty.
    pub out_refund_no: String,
    /// What was decided: `10000`, `40004 ACQ.…`, `200`, `404 ORDER_NOT_EXIST`, or `not reached`.
    pub outcome: String,
    /// The scripted fault that met the call.
    pub fault: Option<crate::CallFault>,
}

/// Sums of one merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountBook {
    /// Which gateway.
    pub gateway: Gateway,
    /// Alipay's `app_id`, WeChat Pay's `mchid` or UnionPay's `merId`.
    pub account: String,
    /// Number of paid orders.
    pub paid_count: u64,
    /// Sum of paid orders in fen.
    pub paid_minor: i64,
    /// Number of settled refunds.
    pub refunded_count: u64,
    /// Sum of settled refunds in fen.
    pub refunded_minor: i64,
    /// Sum of refunds accepted and not settled, in fen.
    pub refunding_minor: i64,
}

/// Adds up orders and refunds, one entry for each merchant that has any.
pub(super) fn books<'a>(
    orders: impl Iterator<Item = &'a Order>,
    refunds: impl Iterator<Item = &'a Refund>,
) -> Vec<AccountBook> {
    let mut books: BTreeMap<(Gateway, String), AccountBook> = BTreeMap::new();
    let mut book = |gateway: Gateway, account: &str, change: &dyn Fn(&mut AccountBook)| {
        let empty = AccountBook {
            gateway,
            account: account.to_owned(),
            paid_count: 0,
            paid_minor: 0,
            refunded_count: 0,
            refunded_minor: 0,
            refunding_minor: 0,
        };
        change(books.entry((gateway, account.to_owned())).or_insert(empty));
    };
    for order in orders {
        if order.state == OrderState::Paid {
            book(order.gateway, &order.account, &|book| {
                book.paid_count = book.paid_count.saturating_add(1);
                book.paid_minor = book.paid_minor.saturating_add(order.total_minor);
            });
        }
    }
    for refund in refunds {
        book(
            refund.gateway,
            &refund.account,
            &|book| match refund.status {
                RefundStatus::Success => {
                    book.refunded_count = book.refunded_count.saturating_add(1);
                    book.refunded_minor = book.refunded_minor.saturating_add(refund.amount_minor);
                }
                RefundStatus::Processing | RefundStatus::Abnormal => {
                    book.refunding_minor = book.refunding_minor.saturating_add(refund.amount_minor);
                }
                RefundStatus::Closed => {}
            },
        );
    }
    books.into_values().collect()
}
