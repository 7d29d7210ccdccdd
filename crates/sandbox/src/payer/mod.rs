//! What the payer sees: a page per order with pay, refuse and leave, in Chinese and English, and a
//! list of all orders. Everything that a merchant chose is escaped.

mod page;
mod qr;
mod text;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use url::Url;

use crate::{
    alipay, baidu,
    error::ControlError,
    operations, paypal,
    shared::Shared,
    state::{Gateway, Order, OrderKey},
    stripe, unionpay,
};

pub(crate) use page::escape;
use text::Language;

/// Orders on the list, newest first.
const LISTED_MAX: usize = 200;

/// The routes, relative to the root.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(list))
        .route("/payer/alipay/app", get(alipay::app_order))
        .route("/payer/baidu/order", get(baidu::order_info))
        .route("/payer/{gateway}/{name}", get(show))
        .route("/payer/{gateway}/{name}/{action}", post(act))
}

/// What the query of a payer page may say.
struct Wishes {
    language: Language,
    /// Where the browser goes from an H5 page (`wechat_v3` sheet §5).
    redirect_url: Option<String>,
}

impl Wishes {
    fn read(query: Option<&str>, headers: &HeaderMap) -> Self {
        let mut language = None;
        let mut redirect_url = None;
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "lang" => language = Language::find(&value),
                "redirect_url" => redirect_url = web_address(&value),
                _ => {}
            }
        }
        let accepted = headers
            .get("accept-language")
            .and_then(|value| value.to_str().ok());
        let language = language.unwrap_or_else(|| Language::accepted(accepted));
        Self {
            language,
            redirect_url,
        }
    }

    /// The query that carries the wishes on.
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("lang", self.language.code());
        if let Some(url) = &self.redirect_url {
            query.append_pair("redirect_url", url);
        }
        query.finish()
    }
}

/// Path of an order's page. WeChat Pay's pages are named by what the payer was given last.
pub(crate) fn path(order: &Order) -> String {
    let (gateway, name) = match order.gateway {
        Gateway::Alipay => ("alipay", &order.out_trade_no),
        Gateway::WechatV3 | Gateway::WechatV2 => {
            ("wechat", order.tokens.last().unwrap_or(&order.out_trade_no))
        }
        Gateway::Baidu => ("baidu", &order.out_trade_no),
        Gateway::Unionpay => ("unionpay", &order.out_trade_no),
        Gateway::Stripe => ("stripe", &order.gateway_trade_no),
        Gateway::Paypal => ("paypal", &order.gateway_trade_no),
    };
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("/payer/{gateway}/{name}")
}

/// Only web addresses are gone to, never scripts.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| text.to_owned())
}

fn find(shared: &Shared, gateway: &str, name: &str) -> Option<OrderKey> {
    let wanted: &[Gateway] = match gateway {
        "alipay" => &[Gateway::Alipay],
        "wechat" => &[Gateway::WechatV3, Gateway::WechatV2],
        "baidu" => &[Gateway::Baidu],
        "unionpay" => &[Gateway::Unionpay],
        "stripe" => &[Gateway::Stripe],
        "paypal" => &[Gateway::Paypal],
        _ => return None,
    };
    let is_wanted = |key: &OrderKey| wanted.contains(&key.gateway);
    let state = shared.state();
    state
        .find_by_number(name)
        .filter(is_wanted)
        .or_else(|| state.find_by_name(name).filter(is_wanted))
}

async fn list(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wishes = Wishes::read(query.as_deref(), &headers);
    let mut orders: Vec<Order> = shared.state().orders().cloned().collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.created_at));
    orders.truncate(LISTED_MAX);
    html(StatusCode::OK, page::list(wishes.language, &orders))
}

async fn show(
    State(shared): State<Arc<Shared>>,
    Path((gateway, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wishes = Wishes::read(query.as_deref(), &headers);
    let Some(key) = find(&shared, &gateway, &name) else {
        return html(StatusCode::NOT_FOUND, page::missing(wishes.language));
    };
    let order = {
        let mut state = shared.state();
        operations::expire(&shared, &mut state, &key);
        if let Some(order) = state.order_mut(&key) {
            // The payer has reached the cashier: from now on Alipay knows the trade.
            order.is_opened = true;
        }
        state.order(&key).cloned()
    };
    match order {
        Some(order) => {
            let action = format!("/payer/{gateway}/{name}");
            let link = format!("{}{action}", shared.base_url);
            let view = page::View {
                order: &order,
                action,
                link,
                query: wishes.query(),
            };
            html(StatusCode::OK, page::order(wishes.language, &view))
        }
        None => html(StatusCode::NOT_FOUND, page::missing(wishes.language)),
    }
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Path((gateway, name, action)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wishes = Wishes::read(query.as_deref(), &headers);
    let Some(key) = find(&shared, &gateway, &name) else {
        return html(StatusCode::NOT_FOUND, page::missing(wishes.language));
    };
    let done = match action.as_str() {
        "pay" => operations::pay(&shared, &key),
        "refuse" => operations::refuse(&shared, &key),
        "leave" => {
            let order = shared.state().order(&key).cloned();
            order.ok_or_else(|| ControlError::OrderNotFound(name.clone()))
        }
        _ => return html(StatusCode::NOT_FOUND, page::missing(wishes.language)),
    };
    let goes_on = action != "refuse";
    let onward = match &done {
        Ok(order) if goes_on => match order.gateway {
            Gateway::Alipay => alipay::notify::return_url(&shared.accounts, order, shared.now()),
            Gateway::WechatV3 | Gateway::WechatV2 => wishes.redirect_url.clone(),
            Gateway::Baidu => None,
            // The way back is a form: the payer presses once more.
            Gateway::Unionpay => {
                if action == "leave"
                    && let Some((url, fields)) = unionpay::notify::front(&shared.accounts, order)
                {
                    return html(StatusCode::OK, page::back(wishes.language, &url, &fields));
                }
                None
            }
            Gateway::Stripe => stripe::onward(order).as_deref().and_then(web_address),
            Gateway::Paypal => paypal::onward(order).as_deref().and_then(web_address),
        },
        // Paid or closed in the meantime: the page says so.
        Ok(_) | Err(_) => None,
    };
    let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let page = format!("/payer/{gateway}/{encoded}?{}", wishes.query());
    see_other(&onward.unwrap_or(page))
}

fn see_other(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn html(status: StatusCode, page: String) -> Response {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
