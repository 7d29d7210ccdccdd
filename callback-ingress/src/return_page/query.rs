//! The query string of a return: the gateway's signed part, and two words of our own.
//!
//! Ours (`lang`, `refresh`) are taken out before the signature is checked. Neither is trusted with
//! anything: a language, and how often the page has refreshed itself.

use super::language::Language;

const LANGUAGE: &str = "lang";
const REFRESHES: &str = "refresh";

/// A query string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnQuery {
    /// The gateway's part, as it came.
    pub(super) signed: String,
    /// The language that was asked for by name.
    pub(super) language: Option<Language>,
    /// How often the page has refreshed itself.
    pub(super) refreshes: u32,
}

impl ReturnQuery {
    pub(super) fn read(query: &str) -> Self {
        let mut read = Self {
            signed: String::new(),
            language: None,
            refreshes: 0,
        };
        let mut signed = Vec::new();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some((LANGUAGE, tag)) => read.language = Language::of_tag(tag),
                // Whatever is no number counts as very often: it must not begin a new sequence.
                Some((REFRESHES, count)) => read.refreshes = count.parse().unwrap_or(u32::MAX),
                _ => signed.push(pair),
            }
        }
        read.signed = signed.join("&");
        read
    }

    /// This page again, relative to itself, after one more refresh.
    pub(super) fn next(&self, language: Language) -> String {
        self.again(language, self.refreshes.saturating_add(1))
    }

    /// This page again with `refreshes` done.
    pub(super) fn again(&self, language: Language, refreshes: u32) -> String {
        format!(
            "?{}&{LANGUAGE}={}&{REFRESHES}={refreshes}",
            self.signed,
            language.tag()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_words_are_taken_out_and_the_gateways_stay_in_order() {
        let query = ReturnQuery::read("b=2&lang=en&a=%26&refresh=3&sign=x%3D");
        assert_eq!(query.signed, "b=2&a=%26&sign=x%3D");
        assert_eq!(
            (query.language, query.refreshes),
            (Some(Language::English), 3)
        );
        assert_eq!(
            query.next(Language::Chinese),
            "?b=2&a=%26&sign=x%3D&lang=zh-CN&refresh=4"
        );
    }

    #[test]
    fn a_refreshed_page_reads_back_as_itself() {
        let query = ReturnQuery::read("a=1&sign=x");
        let next = ReturnQuery::read(query.next(Language::English).trim_start_matches('?'));
        assert_eq!(next.signed, query.signed);
        assert_eq!(
            (next.language, next.refreshes),
            (Some(Language::English), 1)
        );
    }

    #[test]
    fn a_count_that_is_no_number_is_not_a_first_view() {
        for text in ["refresh=", "refresh=-1", "refresh=x", "refresh=99999999999"] {
            assert_eq!(ReturnQuery::read(text).refreshes, u32::MAX, "{text}");
        }
    }
}
