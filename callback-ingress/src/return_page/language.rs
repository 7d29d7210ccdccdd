//! The payer's language: Chinese or English.

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

impl Language {
    /// Its BCP 47 tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// The language of a tag such as `zh`, `zh-Hans-CN` or `en-GB`.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The language that an `Accept-Language` header likes best, the first of equals; Chinese where
    /// it names neither.
    pub(super) fn preferred(accept: &str) -> Self {
        let mut best = (0, Self::Chinese);
        for item in accept.split(',') {
            let mut parts = item.split(';');
            let language = parts.next().and_then(Self::of_tag);
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1000, per_mille);
            if let Some(language) = language.filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// A weight such as `0.8` in thousandths; what is no weight weighs nothing.
fn per_mille(weight: &str) -> u32 {
    let (whole, decimals) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    match whole {
        "1" => 1000,
        "0" if digits => format!("{decimals:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_of_the_two_languages_is_chosen() {
        for (accept, language) in [
            ("", Language::Chinese),
            ("fr, de;q=0.9", Language::Chinese),
            ("en", Language::English),
            ("en-GB,en;q=0.9", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en;q=0.2, zh-TW;q=0.75", Language::Chinese),
            ("zh;q=0.2, EN-us;q=0.75", Language::English),
            ("zh;q=0, en;q=0.001", Language::English),
            ("en;q=0", Language::Chinese),
            ("en;q=nonsense", Language::Chinese),
            ("fr;q=1.0, en ; q=0.5", Language::English),
        ] {
            assert_eq!(Language::preferred(accept), language, "{accept}");
        }
    }
}
