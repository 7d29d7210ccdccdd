//! Payments: requests in, answers out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use chrono::TimeDelta;
use flows::payment::{
    BAR_CODE_EXPIRY_DEFAULT, CreatePayment, Draft, EXPIRY_DEFAULT, GivenPayer, ListPayments,
    PaymentKey, PaymentView, RetryPayment, violations,
};
use flows::{Page, resource};
use kassa_core::Secret;
use kassa_core::channel::{Channel, Method};
use kassa_core::id::TransactionId;
use kassa_core::payment::{AuthCode, PaymentStatus, PaymentTransaction};
use kassa_core::text::{
    AccountCode, BusinessOrderId, BusinessOrderType, PayerId, RequestId, Subject, UserId,
};
use pbjson_types::Duration;
use proto::v1;
use proto::v1::create_payment_request::Payer;
use proto::v1::get_payment_request::Key;
use proto::v1::retry_payment_request::Payer as RetryPayer;
use runtime::store::PaymentFilter;
use url::Url;

use super::fields::Fields;
use super::legs;
use super::page_token::{self, Binding};
use super::password::secret;
use super::{Paging, page};
use crate::error::Error;

/// How many notes a caller may attach.
const METADATA_KEYS_MAX: usize = 20;
/// The longest name of a note, in characters.
const METADATA_KEY_CHARS_MAX: usize = 40;
/// The longest note, in characters.
const METADATA_VALUE_CHARS_MAX: usize = 500;
/// The longest return address, in bytes.
const RETURN_URL_BYTES_MAX: usize = 1024;

/// Reads a request to create a payment.
pub(crate) fn create(request: &v1::CreatePaymentRequest) -> Result<CreatePayment, Error> {
    let mut fields = Fields::default();
    let request_id = fields.required("request_id", &request.request_id, RequestId::try_new);
    let business_order_id = fields.required(
        "business_order_id",
        &request.business_order_id,
        BusinessOrderId::try_new,
    );
    let business_order_type = fields.optional(
        "business_order_type",
        &request.business_order_type,
        BusinessOrderType::try_new,
    );
    let user_id = fields.optional("user_id", &request.user_id, UserId::try_new);
    let amount = fields.money("amount", request.amount.as_ref());
    let way = legs::read(&mut fields, request, amount);
    let subject = fields.required("subject", &request.subject, Subject::try_new);
    let payer = request.payer.as_ref().map(Who::of_new).unwrap_or_default();
    let payer_id = payer.id(&mut fields);
    let auth_code = payer.code(&mut fields);
    let client_ip = fields.optional("client_ip", &request.client_ip, client_ip);
    let return_url = fields.optional("return_url", &request.return_url, return_url);
    let time_to_expiry = match &request.time_to_expiry {
        Some(given) => time_to_expiry(&mut fields, given),
        None if way.method == Some(Method::BarCode) => Some(BAR_CODE_EXPIRY_DEFAULT),
        None => Some(EXPIRY_DEFAULT),
    };
    let metadata = metadata(&mut fields, &request.metadata);
    let channel_account = fields.optional(
        "channel_account",
        &request.channel_account,
        AccountCode::try_new,
    );
    let payment_password = password(&mut fields, &request.payment_password);
    fields.extend(violations(&Draft {
        channel: way.channel,
        method: way.method,
        amount: way.amount,
        openid: payer.openid,
        buyer_id: payer.buyer_id,
        has_auth_code: payer.auth_code.is_some(),
        auth_code: auth_code.as_ref(),
        has_client_ip: !request.client_ip.is_empty(),
        time_to_expiry,
    }));
    let complete = || {
        Some(CreatePayment {
            request_id: request_id?,
            business_order_id: business_order_id?,
            business_order_type,
            user_id,
            channel: way.channel?,
            method: way.method?,
            amount: amount?,
            subject: subject?,
            payer: payer_id,
            auth_code,
            client_ip,
            return_url,
            time_to_expiry: time_to_expiry?,
            metadata,
            channel_account,
            legs: way.legs,
            payment_password,
        })
    };
    fields.finish(complete())
}

/// The payer's password, if one was given; only its length is judged here.
fn password(fields: &mut Fields, text: &str) -> Option<Secret> {
    if text.is_empty() {
        return None;
    }
    secret(fields, "payment_password", text)
}

pub(super) fn channel(channel: v1::PaymentChannel) -> Option<Channel> {
    match channel {
        v1::PaymentChannel::Unspecified => None,
        v1::PaymentChannel::Alipay => Some(Channel::Alipay),
        v1::PaymentChannel::WechatPay => Some(Channel::WechatPay),
        v1::PaymentChannel::Baidu => Some(Channel::Baidu),
        v1::PaymentChannel::Unionpay => Some(Channel::Unionpay),
        v1::PaymentChannel::Stripe => Some(Channel::Stripe),
        v1::PaymentChannel::Paypal => Some(Channel::Paypal),
        v1::PaymentChannel::Balance => Some(Channel::Balance),
        v1::PaymentChannel::Points => Some(Channel::Points),
    }
}

pub(super) fn method(method: v1::PaymentMethod) -> Option<Method> {
    match method {
        v1::PaymentMethod::Unspecified => None,
        v1::PaymentMethod::Qr => Some(Method::Qr),
        v1::PaymentMethod::Page => Some(Method::Page),
        v1::PaymentMethod::Wap => Some(Method::Wap),
        v1::PaymentMethod::App => Some(Method::App),
        v1::PaymentMethod::Jsapi => Some(Method::Jsapi),
        v1::PaymentMethod::BarCode => Some(Method::BarCode),
        v1::PaymentMethod::MiniProgram => Some(Method::MiniProgram),
        v1::PaymentMethod::Card => Some(Method::Card),
        v1::PaymentMethod::Wallet => Some(Method::Wallet),
    }
}

fn status(status: v1::PaymentStatus) -> Option<PaymentStatus> {
    match status {
        v1::PaymentStatus::Unspecified => None,
        v1::PaymentStatus::PendingCreate => Some(PaymentStatus::PendingCreate),
        v1::PaymentStatus::PendingPayment => Some(PaymentStatus::PendingPayment),
        v1::PaymentStatus::PaidSuccess => Some(PaymentStatus::PaidSuccess),
        v1::PaymentStatus::PaidFailed => Some(PaymentStatus::PaidFailed),
        v1::PaymentStatus::Closed => Some(PaymentStatus::Closed),
        v1::PaymentStatus::RefundPartial => Some(PaymentStatus::RefundPartial),
        v1::PaymentStatus::RefundFull => Some(PaymentStatus::RefundFull),
    }
}

/// Who pays, as given: at most one of them.
#[derive(Default)]
struct Who<'a> {
    openid: Option<&'a str>,
    buyer_id: Option<&'a str>,
    auth_code: Option<&'a str>,
}

impl<'a> Who<'a> {
    fn of_new(payer: &'a Payer) -> Self {
        let mut who = Self::default();
        match payer {
            Payer::Openid(id) => who.openid = Some(id),
            Payer::BuyerId(id) => who.buyer_id = Some(id),
            Payer::AuthCode(code) => who.auth_code = Some(code),
        }
        who
    }

    fn of_retry(payer: &'a RetryPayer) -> Self {
        let mut who = Self::default();
        match payer {
            RetryPayer::Openid(id) => who.openid = Some(id),
            RetryPayer::BuyerId(id) => who.buyer_id = Some(id),
            RetryPayer::AuthCode(code) => who.auth_code = Some(code),
        }
        who
    }

    fn given(&self, fields: &mut Fields) -> Option<GivenPayer> {
        let mut id = |field, text: Option<&str>| fields.required(field, text?, PayerId::try_new);
        let openid = id("openid", self.openid).map(GivenPayer::Openid);
        openid.or_else(|| id("buyer_id", self.buyer_id).map(GivenPayer::BuyerId))
    }

    fn id(&self, fields: &mut Fields) -> Option<PayerId> {
        self.given(fields).map(|given| match given {
            GivenPayer::Openid(id) | GivenPayer::BuyerId(id) => id,
        })
    }

    fn code(&self, fields: &mut Fields) -> Option<AuthCode> {
        fields.required("auth_code", self.auth_code?, AuthCode::try_new)
    }
}

fn client_ip(text: &str) -> Result<IpAddr, &'static str> {
    text.parse()
        .map_err(|_malformed| "must be an IPv4 or IPv6 address")
}

fn return_url(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str =
        "must be an absolute http or https URL of at most 1024 bytes, without user and password";
    let url = Url::parse(text).map_err(|_malformed| EXPECTED)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && text.len() <= RETURN_URL_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if plain {
        Ok(text.to_owned())
    } else {
        Err(EXPECTED)
    }
}

/// `None` if it is malformed; whether it is short or long enough is judged with the other fields.
fn time_to_expiry(fields: &mut Fields, given: &Duration) -> Option<TimeDelta> {
    let read = u32::try_from(given.nanos)
        .ok()
        .filter(|_| given.seconds >= 0)
        .and_then(|nanos| TimeDelta::new(given.seconds, nanos));
    if read.is_none() {
        fields.wrong(
            "time_to_expiry",
            "must be a well-formed duration that is not negative",
        );
    }
    read
}

fn metadata(fields: &mut Fields, notes: &HashMap<String, String>) -> BTreeMap<String, String> {
    if notes.len() > METADATA_KEYS_MAX {
        fields.wrong(
            "metadata",
            format!("must have at most {METADATA_KEYS_MAX} keys"),
        );
    }
    let sorted: BTreeMap<_, _> = notes
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let (good, bad): (Vec<_>, Vec<_>) = sorted.iter().partition(|(key, _)| is_note_name(key));
    if !bad.is_empty() {
        fields.wrong(
            "metadata",
            format!("keys must have 1 to {METADATA_KEY_CHARS_MAX} printable characters"),
        );
    }
    for (key, value) in good.into_iter().take(METADATA_KEYS_MAX) {
        if value.chars().count() > METADATA_VALUE_CHARS_MAX || value.contains('\0') {
            fields.wrong(
                &format!("metadata[{key:?}]"),
                format!("must have at most {METADATA_VALUE_CHARS_MAX} characters and no NUL"),
            );
        }
    }
    sorted
}

fn is_note_name(key: &str) -> bool {
    (1..=METADATA_KEY_CHARS_MAX).contains(&key.chars().count())
        && !key.chars().any(char::is_control)
}

/// Reads a request to retry a payment. What a field means beside what the payment has already is for
/// the flow to judge.
pub(crate) fn retry(request: &v1::RetryPaymentRequest) -> Result<RetryPayment, Error> {
    let mut fields = Fields::default();
    let transaction_id = fields.required("transaction_id", &request.transaction_id, str::parse);
    let request_id = fields.required("request_id", &request.request_id, RequestId::try_new);
    let channel = fields.optional_choice("payment_channel", request.payment_channel, channel);
    let method = fields.optional_choice("payment_method", request.payment_method, method);
    let channel_account = fields.optional(
        "channel_account",
        &request.channel_account,
        AccountCode::try_new,
    );
    let who = request
        .payer
        .as_ref()
        .map(Who::of_retry)
        .unwrap_or_default();
    let payer = who.given(&mut fields);
    let auth_code = who.code(&mut fields);
    let client_ip = fields.optional("client_ip", &request.client_ip, client_ip);
    let given_expiry = request.time_to_expiry.as_ref();
    let time_to_expiry = given_expiry.and_then(|given| time_to_expiry(&mut fields, given));
    let complete = || {
        Some(RetryPayment {
            transaction_id: transaction_id?,
            request_id: request_id?,
            channel,
            method,
            channel_account,
            payer,
            auth_code,
            client_ip,
            time_to_expiry,
        })
    };
    fields.finish(complete())
}

/// Reads which payment is wanted.
pub(crate) fn key(request: &v1::GetPaymentRequest) -> Result<PaymentKey, Error> {
    let mut fields = Fields::default();
    let key = match &request.key {
        Some(Key::TransactionId(id)) => fields
            .required("transaction_id", id, str::parse)
            .map(PaymentKey::Transaction),
        Some(Key::BusinessOrderId(id)) => fields
            .required("business_order_id", id, BusinessOrderId::try_new)
            .map(PaymentKey::BusinessOrder),
        None => {
            fields.wrong("key", "transaction_id or business_order_id is required");
            None
        }
    };
    fields.finish(key)
}

/// Reads our id of a payment.
pub(crate) fn transaction_id(id: &str) -> Result<TransactionId, Error> {
    let mut fields = Fields::default();
    let id = fields.required("transaction_id", id, str::parse);
    fields.finish(id)
}

/// What binds a page token to its list.
fn list_binding<'a>(paging: Paging<'a>, conditions: &'a [String]) -> Binding<'a> {
    Binding::new(
        "payments",
        paging.app,
        conditions.iter().map(String::as_str),
    )
}

fn list_conditions(request: &v1::ListPaymentsRequest) -> Vec<String> {
    let time = |time: Option<&pbjson_types::Timestamp>| {
        time.map(|time| format!("{}.{}", time.seconds, time.nanos))
            .unwrap_or_default()
    };
    vec![
        request.status.to_string(),
        request.payment_channel.to_string(),
        request.business_order_id.clone(),
        request.user_id.clone(),
        time(request.created_from.as_ref()),
        time(request.created_to.as_ref()),
    ]
}

/// Reads which payments are wanted.
pub(crate) fn list(
    request: &v1::ListPaymentsRequest,
    paging: Paging<'_>,
) -> Result<ListPayments, Error> {
    let mut fields = Fields::default();
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &binding, token);
    let filter = PaymentFilter {
        status: fields.optional_choice("status", request.status, status),
        channel: fields.optional_choice("payment_channel", request.payment_channel, channel),
        business_order_id: fields.optional(
            "business_order_id",
            &request.business_order_id,
            BusinessOrderId::try_new,
        ),
        user_id: fields.optional("user_id", &request.user_id, UserId::try_new),
        created_from: fields.time("created_from", request.created_from.as_ref()),
        created_to: fields.time("created_to", request.created_to.as_ref()),
    };
    if let (Some(from), Some(to)) = (filter.created_from, filter.created_to)
        && from > to
    {
        fields.wrong("created_to", "must not be before created_from");
    }
    fields.finish(Some(ListPayments { filter, page }))
}

/// One page of payments as the API shows it.
pub(crate) fn list_response(
    request: &v1::ListPaymentsRequest,
    paging: Paging<'_>,
    page: &Page<PaymentTransaction>,
) -> Result<v1::ListPaymentsResponse, Error> {
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    Ok(v1::ListPaymentsResponse {
        transactions: page
            .items
            .iter()
            .map(transaction)
            .collect::<Result<_, _>>()?,
        next_page_token: page_token::seal(paging.keyring, &binding, page.next.as_ref())?,
    })
}

/// A payment as the API shows it.
pub(crate) fn transaction(payment: &PaymentTransaction) -> Result<v1::PaymentTransaction, Error> {
    resource::payment(payment).map_err(|_broken| Error::Broken("a payment breaks its invariants"))
}

/// A payment and how to pay it, as the API shows them.
pub(crate) fn view(
    view: &PaymentView,
) -> Result<(Option<v1::PaymentTransaction>, Option<v1::PrepayInfo>), Error> {
    Ok((
        Some(transaction(&view.transaction)?),
        view.prepay.as_ref().map(resource::prepay),
    ))
}
