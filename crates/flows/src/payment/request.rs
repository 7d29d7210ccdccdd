//! The requests to create and to retry a payment, and what can be wrong with them in themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::TimeDelta;
use gateways::registry;
use kassa_core::channel::{Channel, GatewayName, Method};
use kassa_core::id::TransactionId;
use kassa_core::money::Points;
use kassa_core::payment::AuthCode;
use kassa_core::text::{
    AccountCode, BusinessOrderId, BusinessOrderType, PayerId, RequestId, Subject, UserId,
};
use kassa_core::{Money, Secret};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::FieldViolation;

/// The shortest time to expiry.
pub const EXPIRY_MIN: TimeDelta = TimeDelta::minutes(1);
/// The longest time to expiry.
pub const EXPIRY_MAX: TimeDelta = TimeDelta::days(7);
/// The time to expiry if none is given.
pub const EXPIRY_DEFAULT: TimeDelta = TimeDelta::minutes(30);
/// The same for a payer who stands at the counter.
pub const BAR_CODE_EXPIRY_DEFAULT: TimeDelta = TimeDelta::seconds(60);

/// A request to create a payment: every field well-formed.
#[derive(Debug, Clone)]
pub struct CreatePayment {
    /// The caller's idempotency key.
    pub request_id: RequestId,
    /// Its order.
    pub business_order_id: BusinessOrderId,
    /// What kind of order.
    pub business_order_type: Option<BusinessOrderType>,
    /// Its user.
    pub user_id: Option<UserId>,
    /// What the payer pays through.
    pub channel: Channel,
    /// How.
    pub method: Method,
    /// How much.
    pub amount: Money,
    /// What the payer sees.
    pub subject: Subject,
    /// The gateway's id of the payer.
    pub payer: Option<PayerId>,
    /// The code that the payer shows. Never stored, logged or part of the fingerprint.
    pub auth_code: Option<AuthCode>,
    /// The payer's address.
    pub client_ip: Option<IpAddr>,
    /// Where the payer's browser goes in the end.
    pub return_url: Option<String>,
    /// How long the payer may pay.
    pub time_to_expiry: TimeDelta,
    /// The caller's own notes.
    pub metadata: BTreeMap<String, String>,
    /// The channel account to use.
    pub channel_account: Option<AccountCode>,
    /// Which channels pay how much; `channel` and `method` are the gateway's then, if there is one.
    pub legs: LegsWanted,
    /// The payer's payment password. Never stored, logged or part of the fingerprint.
    pub payment_password: Option<Secret>,
}

/// How a payment is to be divided into legs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LegsWanted {
    /// Not at all.
    #[default]
    One,
    /// As the caller says.
    Given(Vec<LegWanted>),
    /// As Kassa finds: wallets pay as much as they may, in this order, and the gateway the rest.
    ByPriority(Vec<Channel>),
}

/// One leg, as the caller wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegWanted {
    /// The channel.
    pub channel: Channel,
    /// How; an internal leg has one method only.
    pub method: Method,
    /// How much; may be left out where `points` are given.
    pub amount: Option<Money>,
    /// How many points; may be left out where `amount` is given.
    pub points: Option<Points>,
}

impl LegsWanted {
    /// As a part of the fingerprint.
    fn content(&self) -> Option<serde_json::Value> {
        match self {
            Self::One => None,
            Self::ByPriority(channels) => Some(json!(channels)),
            Self::Given(legs) => {
                let leg = |leg: &LegWanted| {
                    let amount = leg.amount.map(|amount| amount.to_string());
                    json!([
                        leg.channel,
                        leg.method,
                        amount,
                        leg.points.map(Points::minor)
                    ])
                };
                Some(legs.iter().map(leg).collect())
            }
        }
    }
}

impl CreatePayment {
    /// What is missing of a top-up: a wallet that the money comes into.
    pub(crate) fn top_up_violation(&self) -> Option<FieldViolation> {
        let order_type = self.business_order_type.as_ref();
        let is_top_up = order_type.is_some_and(|order_type| order_type.as_str() == super::TOP_UP);
        (is_top_up && self.user_id.is_none())
            .then(|| FieldViolation::new("user_id", "is required for a WALLET_TOPUP"))
    }

    /// SHA-256 over everything but the idempotency key, the password and the payer's code: tells a repeat
    /// from another request.
    pub(crate) fn fingerprint(&self) -> String {
        let mut content = json!([
            self.business_order_id,
            self.business_order_type,
            self.user_id,
            self.channel,
            self.method,
            self.amount.amount_minor(),
            self.amount.currency(),
            self.subject,
            self.payer,
            self.client_ip,
            self.return_url,
            self.time_to_expiry.num_milliseconds(),
            self.metadata,
            self.channel_account,
        ]);
        // Requests without legs keep the fingerprint that they had before there were any.
        if let (Some(content), Some(legs)) = (content.as_array_mut(), self.legs.content()) {
            content.push(legs);
        }
        hex::encode(Sha256::digest(content.to_string().as_bytes()))
    }
}

/// Who pays, as a caller names it for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenPayer {
    /// A WeChat openid.
    Openid(PayerId),
    /// An Alipay user id.
    BuyerId(PayerId),
}

/// A request to retry a payment: every field well-formed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPayment {
    /// The payment.
    pub transaction_id: TransactionId,
    /// The caller's idempotency key, unique within the payment.
    pub request_id: RequestId,
    /// What the payer pays through.
    pub channel: Option<Channel>,
    /// How.
    pub method: Option<Method>,
    /// The channel account to use.
    pub channel_account: Option<AccountCode>,
    /// The gateway's id of the payer.
    pub payer: Option<GivenPayer>,
    /// The code that the payer shows. Never stored, logged or part of the fingerprint.
    pub auth_code: Option<AuthCode>,
    /// The payer's address.
    pub client_ip: Option<IpAddr>,
    /// How long the payer may pay a new order.
    pub time_to_expiry: Option<TimeDelta>,
}

impl RetryPayment {
    /// SHA-256 over everything but the idempotency key and the payer's code: tells a repeat from another
    /// request.
    pub(crate) fn fingerprint(&self) -> String {
        let (openid, buyer_id) = match &self.payer {
            None => (None, None),
            Some(GivenPayer::Openid(id)) => (Some(id), None),
            Some(GivenPayer::BuyerId(id)) => (None, Some(id)),
        };
        let content = json!([
            self.transaction_id.to_string(),
            self.channel,
            self.method,
            self.channel_account,
            openid,
            buyer_id,
            self.client_ip,
            self.time_to_expiry.map(|time| time.num_milliseconds()),
        ]);
        hex::encode(Sha256::digest(content.to_string().as_bytes()))
    }
}

/// What of a request is known to be well-formed; `None` where a field was missing or malformed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft<'a> {
    /// The channel.
    pub channel: Option<Channel>,
    /// The method.
    pub method: Option<Method>,
    /// The amount.
    pub amount: Option<Money>,
    /// The WeChat openid, as given.
    pub openid: Option<&'a str>,
    /// The Alipay user id, as given.
    pub buyer_id: Option<&'a str>,
    /// Whether a payer's code was given.
    pub has_auth_code: bool,
    /// The payer's code.
    pub auth_code: Option<&'a AuthCode>,
    /// Whether the payer's address was given.
    pub has_client_ip: bool,
    /// The time to expiry.
    pub time_to_expiry: Option<TimeDelta>,
}

/// What is wrong between the fields: method not of the channel, payer missing or of another channel,
/// amount or currency that the gateway does not take.
pub fn violations(draft: &Draft<'_>) -> Vec<FieldViolation> {
    let mut found = Vec::new();
    if let Some(expiry) = draft.time_to_expiry
        && !(EXPIRY_MIN..=EXPIRY_MAX).contains(&expiry)
    {
        found.push(FieldViolation::new(
            "time_to_expiry",
            "must be from 60 s to 604800 s",
        ));
    }
    if draft.amount.is_some_and(Money::is_zero) {
        found.push(FieldViolation::new(
            "amount.amount",
            "must be more than zero",
        ));
    }
    found.extend(code_violation(draft));
    if let Some(channel) = draft.channel {
        found.extend(payer_violations(draft, channel));
        found.extend(capability_violations(draft, channel));
    }
    found
}

/// A code is for the counter, and each channel has its own.
fn code_violation(draft: &Draft<'_>) -> Option<FieldViolation> {
    const FIELD: &str = "auth_code";
    match draft.method? {
        Method::BarCode if !draft.has_auth_code => {
            Some(FieldViolation::new(FIELD, "is required for BAR_CODE"))
        }
        Method::BarCode => {
            let expected = draft.auth_code?.misfit(draft.channel?)?;
            Some(FieldViolation::new(FIELD, expected))
        }
        method if draft.has_auth_code => {
            let words = format!("belongs to BAR_CODE; {method} takes none");
            Some(FieldViolation::new(FIELD, words))
        }
        Method::Qr
        | Method::Page
        | Method::Wap
        | Method::App
        | Method::Jsapi
        | Method::MiniProgram
        | Method::Card
        | Method::Wallet => None,
    }
}

/// The field in which a channel takes the payer's id, and how to speak of it.
fn payer_field(channel: Channel) -> Option<(&'static str, &'static str)> {
    match channel {
        Channel::Alipay => Some(("buyer_id", "a buyer_id")),
        Channel::WechatPay => Some(("openid", "an openid")),
        Channel::Baidu
        | Channel::Unionpay
        | Channel::Stripe
        | Channel::Paypal
        | Channel::Balance
        | Channel::Points => None,
    }
}

/// Whoever the payer is on another channel is nobody on this one.
fn payer_violations(draft: &Draft<'_>, channel: Channel) -> Option<FieldViolation> {
    let own = payer_field(channel);
    let taken = own.map_or("none", |(_, words)| words);
    [
        ("openid", draft.openid, Channel::WechatPay),
        ("buyer_id", draft.buyer_id, Channel::Alipay),
    ]
    .into_iter()
    .filter(|(field, given, _)| given.is_some() && own.is_none_or(|(own, _)| own != *field))
    .map(|(field, _, owner)| {
        FieldViolation::new(
            field,
            format!("belongs to {owner}; {channel} takes {taken}"),
        )
    })
    .next()
}

fn capability_violations(draft: &Draft<'_>, channel: Channel) -> Vec<FieldViolation> {
    let gateways = gateways_of(channel);
    let Some(first) = gateways.first() else {
        let is_wallet = draft.method.is_none_or(|method| method == Method::Wallet);
        let wrong = FieldViolation::new("payment_method", format!("{channel} takes WALLET only"));
        return Vec::from_iter((!is_wallet).then_some(wrong));
    };
    let capabilities = registry::capabilities(*first);
    let mut found = Vec::new();
    if let Some(method) = draft.method {
        let mut of_gateways = gateways.iter().map(|it| registry::capabilities(*it));
        match of_gateways.find_map(|capabilities| capabilities.method(method)) {
            None => found.push(FieldViolation::new(
                "payment_method",
                format!("{method} is not a method of {channel}"),
            )),
            Some(capability) => {
                let has_payer = draft.openid.is_some() || draft.buyer_id.is_some();
                if capability.needs_payer
                    && !has_payer
                    && let Some((field, _)) = payer_field(channel)
                {
                    found.push(FieldViolation::new(
                        field,
                        format!("is required for {method}"),
                    ));
                }
                if capability.needs_client_ip && !draft.has_client_ip {
                    found.push(FieldViolation::new(
                        "client_ip",
                        format!("is required for {method} of {channel}"),
                    ));
                }
            }
        }
    }
    if let Some(amount) = draft.amount {
        if !capabilities.currencies.contains(&amount.currency().code()) {
            found.push(FieldViolation::new(
                "amount.currency_code",
                format!("{channel} takes {}", capabilities.currencies.join(", ")),
            ));
        } else if amount.amount_minor() > capabilities.amount_max(amount.currency()) {
            found.push(FieldViolation::new(
                "amount.amount",
                format!("is more than {channel} takes in one payment"),
            ));
        }
    }
    found
}

/// The gateways of a channel. Accounts of one channel may sit at different versions of a gateway's API; what
/// they take of a payer is the same, but for methods that only one of them has. Wallets have none.
fn gateways_of(channel: Channel) -> &'static [GatewayName] {
    match channel {
        Channel::Alipay => &[GatewayName::Alipay],
        Channel::WechatPay => &[GatewayName::WechatV3, GatewayName::WechatV2],
        Channel::Baidu => &[GatewayName::Baidu],
        Channel::Unionpay => &[GatewayName::Unionpay],
        Channel::Stripe => &[GatewayName::Stripe],
        Channel::Paypal => &[GatewayName::Paypal],
        Channel::Balance | Channel::Points => &[],
    }
}
