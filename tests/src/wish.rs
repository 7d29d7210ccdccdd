//! What a caller asks for: ready-made requests that a test changes where it matters.

use gateways::registry;
use kassa::spec::account::AccountSpec;
use proto::v1::{self, PaymentChannel, PaymentMethod, create_payment_request::Payer};

/// The currency of all tests.
pub const CURRENCY: &str = "CNY";

/// An amount on the wire.
pub fn money(amount: &str) -> v1::Money {
    v1::Money {
        amount: amount.to_owned(),
        currency_code: CURRENCY.to_owned(),
    }
}

/// A request to create a payment. The order's id is the request's id too unless changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish(pub v1::CreatePaymentRequest);

impl Wish {
    /// Anything that can be paid.
    pub fn new(channel: PaymentChannel, method: PaymentMethod, order: &str, amount: &str) -> Self {
        let payer = match channel {
            PaymentChannel::Alipay => Payer::BuyerId("2088102146225135".to_owned()),
            _ => Payer::Openid("oTest-payer-openid-0000001".to_owned()),
        };
        let needs_payer = method == PaymentMethod::Jsapi;
        Self(v1::CreatePaymentRequest {
            request_id: order.to_owned(),
            business_order_id: order.to_owned(),
            business_order_type: "GOODS_ORDER".to_owned(),
            user_id: "user-1".to_owned(),
            payment_channel: channel.into(),
            payment_method: method.into(),
            amount: Some(money(amount)),
            subject: "A pot of tea 一壶茶".to_owned(),
            payer: needs_payer.then_some(payer),
            client_ip: "203.0.113.7".to_owned(),
            ..Default::default()
        })
    }

    /// An Alipay QR code.
    pub fn alipay_qr(order: &str, amount: &str) -> Self {
        Self::new(PaymentChannel::Alipay, PaymentMethod::Qr, order, amount)
    }

    /// A payment inside WeChat.
    pub fn wechat_jsapi(order: &str, amount: &str) -> Self {
        Self::new(
            PaymentChannel::WechatPay,
            PaymentMethod::Jsapi,
            order,
            amount,
        )
    }

    /// At a counter: the payer shows this code.
    pub fn bar_code(channel: PaymentChannel, order: &str, amount: &str, code: &str) -> Self {
        let mut wish = Self::new(channel, PaymentMethod::BarCode, order, amount);
        wish.0.payer = Some(Payer::AuthCode(code.to_owned()));
        wish
    }

    /// What can be paid over this account: the first method of its gateway, in the tests' currency or, where
    /// it does not take that, its first one.
    pub fn over(account: &AccountSpec, order: &str, amount: &str) -> Self {
        let capabilities = registry::capabilities(account.gateway);
        let channel = format!("PAYMENT_CHANNEL_{}", account.gateway.channel());
        let channel = PaymentChannel::from_str_name(&channel).expect("a channel");
        let method = capabilities.methods.first().expect("a method").method;
        let method = format!("PAYMENT_METHOD_{method}");
        let method = PaymentMethod::from_str_name(&method).expect("a method");
        let mut wish = Self::new(channel, method, order, amount).account(account.code.as_str());
        let takes = |code: &&&str| **code == CURRENCY;
        let mut currencies = capabilities.currencies.iter();
        let currency = currencies.clone().find(takes).or_else(|| currencies.next());
        let currency = currency.expect("a currency");
        if let Some(amount) = &mut wish.0.amount {
            (*currency).clone_into(&mut amount.currency_code);
        }
        wish
    }

    /// With another idempotency key.
    #[must_use]
    pub fn request_id(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.0.request_id);
        self
    }

    /// For another amount.
    #[must_use]
    pub fn amount(mut self, amount: &str) -> Self {
        self.0.amount = Some(money(amount));
        self
    }

    /// Over this channel account.
    #[must_use]
    pub fn account(mut self, code: &str) -> Self {
        code.clone_into(&mut self.0.channel_account);
        self
    }
}

/// A payment that was created.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Its id.
    pub id: String,
    /// The payment.
    pub transaction: v1::PaymentTransaction,
    /// How to pay it.
    pub prepay: Option<v1::prepay_info::Info>,
}

impl Created {
    fn new(
        transaction: Option<v1::PaymentTransaction>,
        prepay_info: Option<v1::PrepayInfo>,
    ) -> Self {
        let transaction = transaction.expect("a transaction in the answer");
        Self {
            id: transaction.transaction_id.clone(),
            transaction,
            prepay: prepay_info.and_then(|prepay| prepay.info),
        }
    }
}

impl From<v1::CreatePaymentResponse> for Created {
    fn from(answer: v1::CreatePaymentResponse) -> Self {
        Self::new(answer.transaction, answer.prepay_info)
    }
}

impl From<v1::RetryPaymentResponse> for Created {
    fn from(answer: v1::RetryPaymentResponse) -> Self {
        Self::new(answer.transaction, answer.prepay_info)
    }
}
