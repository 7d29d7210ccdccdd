//! The HTML of the payer pages.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    qr,
    text::{Language, Words},
};
use crate::{
    money::yuan_from_fen,
    paypal,
    state::{Gateway, Order, OrderState, Product},
    stripe,
};

const STYLE: &str = "body{font-family:system-ui,sans-serif;max-width:40rem;margin:2rem auto;\
    padding:0 1rem;color:#222}h1{font-size:1.3rem}dl{display:grid;grid-template-columns:auto 1fr;\
    gap:.4rem 1rem}dt{color:#666}dd{margin:0;overflow-wrap:anywhere}.amount{font-size:2rem}\
    form{display:inline}button{font:inherit;padding:.6rem 1.2rem;margin:.3rem .3rem 0 0}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem;\
    border-bottom:1px solid #ddd;overflow-wrap:anywhere}.note{color:#666;font-size:.9rem}";

/// One order and where its forms go.
pub(super) struct View<'a> {
    pub(super) order: &'a Order,
    /// Path of the page.
    pub(super) action: String,
    /// Full address of the page.
    pub(super) link: String,
    /// Query that the forms keep.
    pub(super) query: String,
}

/// Text that is safe between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn frame(language: Language, body: &str) -> String {
    let words = language.words();
    let (code, title, note) = (language.html_code(), words.title, words.note);
    format!(
        "<!doctype html><html lang=\"{code}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}\
         <p class=\"note\">{note}</p></body></html>"
    )
}

/// There is no such order.
pub(super) fn missing(language: Language) -> String {
    frame(language, &format!("<p>{}</p>", language.words().missing))
}

/// The way back of gateways whose payers return with a form.
pub(super) fn back(language: Language, url: &str, fields: &BTreeMap<String, String>) -> String {
    let words = language.words();
    let mut body = format!("<form method=\"post\" action=\"{}\">", escape(url));
    for (name, value) in fields {
        push(
            &mut body,
            format_args!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escape(name),
                escape(value)
            ),
        );
    }
    push(
        &mut body,
        format_args!("<button type=\"submit\">{}</button></form>", words.leave),
    );
    frame(language, &body)
}

fn state_word(words: &Words, order: &Order) -> &'static str {
    match order.state {
        OrderState::Open if order.refused_count > 0 => words.refused,
        OrderState::Open => words.open,
        OrderState::Paid => words.paid,
        OrderState::Closed => words.closed,
    }
}

/// The amount as the payer reads it.
fn amount(order: &Order) -> String {
    match order.gateway {
        Gateway::Alipay
        | Gateway::WechatV3
        | Gateway::WechatV2
        | Gateway::Baidu
        | Gateway::Unionpay => format!("¥{}", yuan_from_fen(order.total_minor)),
        Gateway::Stripe => stripe::amount(order),
        Gateway::Paypal => paypal::amount(order),
    }
}

/// The page of one order.
pub(super) fn order(language: Language, view: &View<'_>) -> String {
    let words = language.words();
    let order = view.order;
    let mut body = String::from("<dl>");
    for (name, value) in [
        (
            words.merchant,
            format!("{} {}", words.merchant_name, order.account),
        ),
        (words.subject, order.subject.clone()),
        (words.number, order.out_trade_no.clone()),
        (words.state, state_word(words, order).to_owned()),
    ] {
        push(
            &mut body,
            format_args!("<dt>{name}</dt><dd>{}</dd>", escape(&value)),
        );
    }
    let amount = amount(order);
    push(
        &mut body,
        format_args!(
            "<dt>{}</dt><dd class=\"amount\">{amount}</dd></dl>",
            words.amount
        ),
    );
    if order.state == OrderState::Open {
        body.push_str(&code(view).unwrap_or_default());
        form(&mut body, view, ("pay", words.pay));
        form(&mut body, view, ("refuse", words.refuse));
    }
    form(&mut body, view, ("leave", words.leave));
    let other = language.other().code();
    let href = escape(&format!("{}?lang={other}", view.action));
    push(
        &mut body,
        format_args!("<p><a href=\"{href}\">{}</a></p>", words.other_language),
    );
    frame(language, &body)
}

/// What the payer scans, for orders that are scanned.
fn code(view: &View<'_>) -> Option<String> {
    let content = match view.order.product {
        Product::AlipayQr | Product::UnionpayQr => view.link.clone(),
        Product::WechatNative => {
            let token = view.order.tokens.last()?;
            format!("weixin://wxpay/bizpayurl?pr={token}")
        }
        _ => return None,
    };
    Some(format!("<p>{}</p>", qr::svg(&content)?))
}

fn form(body: &mut String, view: &View<'_>, (action, label): (&str, &str)) {
    let target = escape(&format!("{}/{action}?{}", view.action, view.query));
    push(
        body,
        format_args!(
            "<form method=\"post\" action=\"{target}\"><button type=\"submit\">{label}</button>\
             </form>"
        ),
    );
}

/// All orders.
pub(super) fn list(language: Language, orders: &[Order]) -> String {
    let words = language.words();
    let mut body = format!(
        "<h2>{}</h2><table><tr><th>{}</th><th>{}</th><th>{}</th><th>{}</th></tr>",
        words.orders, words.number, words.subject, words.amount, words.state
    );
    for order in orders {
        let href = format!("{}?lang={}", super::path(order), language.code());
        push(
            &mut body,
            format_args!(
                "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&href),
                escape(&order.out_trade_no),
                escape(&order.subject),
                amount(order),
                state_word(words, order),
            ),
        );
    }
    body.push_str("</table>");
    let other = language.other();
    push(
        &mut body,
        format_args!(
            "<p><a href=\"/?lang={}\">{}</a></p>",
            other.code(),
            words.other_language
        ),
    );
    frame(language, &body)
}

/// Appends to a string, which cannot fail.
fn push(body: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = body.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a string takes whatever is written");
}
