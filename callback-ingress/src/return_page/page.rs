//! The page as HTML. Everything that is not our own word is escaped.

use std::fmt::Write;

use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use url::Url;

use super::language::Language;
use super::query::ReturnQuery;
use super::texts::Message;

/// How long a page waits before it refreshes itself.
const REFRESH_AFTER_SECS: u32 = 2;
/// How often a page refreshes itself before it offers a link instead: one minute.
const REFRESHES_MAX: u32 = 30;
/// How long a result is shown before the browser goes on to the shop.
const LEAVE_AFTER_SECS: u32 = 3;
/// The longest address that is followed, in bytes.
const RETURN_URL_BYTES_MAX: usize = 2_048;

const STYLE: &str = "body{font-family:system-ui,sans-serif;margin:0;background:#f5f6f8;color:#1f2329}\
main{max-width:26rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:.75rem;\
text-align:center}h1{font-size:1.4rem}dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1rem;\
text-align:left}dt{color:#646a73}dd{margin:0;overflow-wrap:anywhere}a{display:inline-block;\
margin:.5rem;color:#1456f0}";

/// A page, before it is HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    kind: &'static str,
    language: Language,
    message: Message,
    /// Amount and subject.
    facts: Option<(String, String)>,
    /// Where the browser goes by itself, and after how many seconds.
    moves_on: Option<(u32, String)>,
    /// Address and words.
    links: Vec<(String, &'static str)>,
}

impl Page {
    /// The page that tells nothing.
    pub(super) fn neutral(language: Language) -> Self {
        Self::of("neutral", language, language.texts().neutral)
    }

    /// The page that tells nothing and tries again: the database is away.
    pub(super) fn later(language: Language, query: &ReturnQuery) -> Self {
        let mut page = Self::of("later", language, language.texts().later);
        page.wait(query);
        page
    }

    /// The page about a payment.
    pub(super) fn of_payment(
        payment: &PaymentTransaction,
        language: Language,
        query: &ReturnQuery,
    ) -> Self {
        let texts = language.texts();
        let (kind, message) = match payment.status {
            PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial => ("paid", texts.paid),
            PaymentStatus::RefundFull => ("refunded", texts.refunded),
            PaymentStatus::PaidFailed => ("failed", texts.failed),
            PaymentStatus::Closed => ("closed", texts.closed),
            PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => {
                ("pending", texts.pending)
            }
        };
        let mut page = Self::of(kind, language, message);
        page.facts = Some((
            payment.amount_requested.to_string(),
            payment.subject.to_string(),
        ));
        if payment.status.is_pending() {
            page.wait(query);
        }
        if let Some(url) = payment.return_url.as_deref().and_then(followable) {
            if !payment.status.is_pending() {
                page.moves_on = Some((LEAVE_AFTER_SECS, url.to_string()));
            }
            page.links.push((url.to_string(), texts.back));
        }
        page
    }

    /// The word used in metrics.
    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    fn of(kind: &'static str, language: Language, message: Message) -> Self {
        Self {
            kind,
            language,
            message,
            facts: None,
            moves_on: None,
            links: Vec::new(),
        }
    }

    /// Refreshes itself, or offers a link once it has done so often enough.
    fn wait(&mut self, query: &ReturnQuery) {
        if query.refreshes < REFRESHES_MAX {
            self.moves_on = Some((REFRESH_AFTER_SECS, query.next(self.language)));
        } else {
            let texts = self.language.texts();
            self.message = texts.still_pending;
            self.links
                .push((query.again(self.language, 0), texts.check_again));
        }
    }

    /// The page as HTML; `nonce` is what the content security policy allows the style by.
    pub(super) fn render(&self, nonce: &str) -> String {
        let texts = self.language.texts();
        let moves_on = self.moves_on.as_ref().map(|(seconds, url)| {
            format!(
                "<meta http-equiv=\"refresh\" content=\"{seconds};url={}\">",
                escape(url)
            )
        });
        let facts = self.facts.as_ref().map(|(amount, subject)| {
            format!(
                "<dl><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd>{}</dd></dl>",
                texts.amount,
                escape(amount),
                texts.subject,
                escape(subject)
            )
        });
        let links: String = self
            .links
            .iter()
            .map(|(url, words)| link(url, words))
            .collect();
        format!(
            "<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\">{moves_on}<title>{heading}</title>\
             <style nonce=\"{nonce}\">{STYLE}</style></head>\
             <body><main><h1>{heading}</h1><p>{text}</p>{facts}{links}</main></body></html>\n",
            lang = self.language.tag(),
            moves_on = moves_on.unwrap_or_default(),
            heading = self.message.heading,
            text = self.message.text,
            facts = facts.unwrap_or_default(),
        )
    }
}

fn link(url: &str, words: &str) -> String {
    format!("<a href=\"{}\" rel=\"noreferrer\">{words}</a>", escape(url))
}

/// The caller's address, if a browser may be sent there: checked when the payment was created, and
/// here again.
fn followable(text: &str) -> Option<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|_| text.len() <= RETURN_URL_BYTES_MAX)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    (matches!(url.scheme(), "http" | "https") && is_plain).then_some(url)
}

/// Text as it may stand in an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' | '`' => {
                // Writing to a string cannot fail.
                if write!(escaped, "&#{};", u32::from(character)).is_err() {
                    return String::new();
                }
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_end_a_text_or_attribute_is_escaped() {
        let escaped = escape("<script>alert(\"x\")</script>&'`");
        assert!(!escaped.contains(['<', '>', '"', '\'', '`']), "{escaped}");
        assert_eq!(escape("商品 1 & 2"), "商品 1 &#38; 2");
    }

    #[test]
    fn only_web_addresses_without_user_are_followed() {
        for good in [
            "https://shop.example/r?a=1&b=2#x",
            "http://127.0.0.1:8080/done",
        ] {
            assert_eq!(followable(good).unwrap().as_str(), good);
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//shop.example/",
            "https://user:word@shop.example/",
            "ftp://shop.example/",
            "shop.example",
            "",
        ] {
            assert_eq!(followable(bad), None, "{bad}");
        }
        assert_eq!(
            followable(&format!("https://shop.example/{}", "a".repeat(2_048))),
            None
        );
    }

    #[test]
    fn a_page_refreshes_itself_so_often_and_then_offers_a_link() {
        for (refreshes, is_waiting) in [(0, true), (29, true), (30, false), (u32::MAX, false)] {
            let query = ReturnQuery {
                signed: "sign=\"><b>".to_owned(),
                language: None,
                refreshes,
            };
            let html = Page::later(Language::English, &query).render("n");
            assert_eq!(
                html.contains("http-equiv=\"refresh\""),
                is_waiting,
                "{refreshes}"
            );
            assert_eq!(html.contains("Check again"), !is_waiting, "{refreshes}");
            assert!(!html.contains("<b>"), "{html}");
        }
    }

    #[test]
    fn the_neutral_page_has_no_link_no_refresh_and_no_data() {
        let html = Page::neutral(Language::Chinese).render("n");
        assert!(html.contains("<html lang=\"zh-CN\">") && html.contains("正在确认支付结果"));
        assert!(!html.contains("<a ") && !html.contains("http-equiv") && !html.contains("<dl>"));
    }
}
