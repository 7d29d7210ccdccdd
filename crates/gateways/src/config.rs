//! The settings of one channel account, as stored: public settings and secrets apart.

use std::collections::BTreeMap;
use std::fmt::Display;

use kassa_core::Secret;
use kassa_core::channel::GatewayName;
use serde_json::Value;
use url::{Host, Url};

/// The settings of one channel account. Each room's `config.rs` reads its own typed settings out of
/// it and says everything that is wrong at once.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Which room.
    pub gateway: GatewayName,
    /// Settings that may be shown.
    pub settings: Value,
    /// Keys and passwords by field name.
    pub secrets: BTreeMap<String, Secret>,
}

/// Everything that is wrong with the settings of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings of the channel account are not usable: {}", list(.problems))]
pub struct ConfigError {
    /// One entry per bad field.
    pub problems: Vec<FieldProblem>,
}

/// One bad field of an account's settings. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name.
    pub field: &'static str,
    /// What was expected.
    pub expected: String,
}

fn list(problems: &[FieldProblem]) -> String {
    let texts: Vec<_> = problems
        .iter()
        .map(|p| format!("{}: {}", p.field, p.expected))
        .collect();
    texts.join("; ")
}

/// Reads an account's settings field by field and collects everything that is wrong with them.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    config: &'a AccountConfig,
    seen: Vec<&'static str>,
    problems: Vec<FieldProblem>,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(config: &'a AccountConfig) -> Self {
        let mut reader = Self {
            config,
            seen: Vec::new(),
            problems: Vec::new(),
        };
        if !config.settings.is_object() {
            reader.problem("settings", "a JSON object");
        }
        reader
    }

    /// Notes that `field` is not as expected.
    pub(crate) fn problem(&mut self, field: &'static str, expected: impl Into<String>) {
        self.problems.push(FieldProblem {
            field,
            expected: expected.into(),
        });
    }

    /// A text that may be left out.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Option<&'a str> {
        let value = self.value(field)?;
        let text = value
            .as_str()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        if text.is_none() {
            self.problem(field, "a text that is not empty");
        }
        text
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, field: &'static str) -> Option<&'a str> {
        if self.value(field).is_none() {
            self.problem(field, "is required");
            return None;
        }
        self.optional_text(field)
    }

    /// A text that must be there and pass `parse`.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(field)?;
        self.keep(field, parse(text))
    }

    /// A list of texts, each passing `parse`; empty where it is left out.
    pub(crate) fn list<T, E: Display>(
        &mut self,
        field: &'static str,
        length_max: usize,
        parse: impl Fn(&Value) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(value) = self.value(field) else {
            return Vec::new();
        };
        let Some(items) = value.as_array().filter(|items| items.len() <= length_max) else {
            self.problem(field, format!("a list of at most {length_max}"));
            return Vec::new();
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            match parse(item) {
                Ok(value) => parsed.push(value),
                Err(error) => self.problem(field, format!("entry {position}: {error}")),
            }
        }
        parsed
    }

    /// A secret that must be there and pass `parse`.
    pub(crate) fn secret<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(secret) = self.config.secrets.get(field) else {
            self.problem(field, "is required (a secret)");
            return None;
        };
        self.keep(field, parse(secret.expose()))
    }

    /// A secret that may be left out.
    pub(crate) fn optional_secret<T, E: Display>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let secret = self.config.secrets.get(field)?;
        self.keep(field, parse(secret.expose()))
    }

    /// Everything that is wrong, fields and secrets that nobody asked for included.
    pub(crate) fn finish(mut self, secret_fields: &[&str]) -> Vec<FieldProblem> {
        if let Some(settings) = self.config.settings.as_object() {
            for name in settings
                .keys()
                .filter(|name| !self.seen.contains(&name.as_str()))
            {
                let expected = format!("has no field {name:?}");
                self.problems.push(FieldProblem {
                    field: "settings",
                    expected,
                });
            }
        }
        for name in self
            .config
            .secrets
            .keys()
            .filter(|n| !secret_fields.contains(&n.as_str()))
        {
            let expected = format!("has no field {name:?}");
            self.problems.push(FieldProblem {
                field: "secrets",
                expected,
            });
        }
        self.problems
    }

    fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.seen.push(field);
        self.config
            .settings
            .get(field)
            .filter(|value| !value.is_null())
    }

    fn keep<T, E: Display>(&mut self, field: &'static str, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(field, error.to_string());
                None
            }
        }
    }
}

/// Reads the address of a gateway: `https`, or `http` to this machine (the sandbox).
pub(crate) fn gateway_url(text: &str) -> Result<Url, &'static str> {
    const EXPECTED: &str = "an https address (http only to this machine), without query";
    let url = Url::parse(text).map_err(|_malformed| EXPECTED)?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_plain && is_safe(&url) {
        Ok(url)
    } else {
        Err(EXPECTED)
    }
}

/// Whether a request to `url` cannot be read on the way.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback,
        _ => false,
    }
}

/// Reads a text of a list.
pub(crate) fn list_text(value: &Value) -> Result<&str, &'static str> {
    value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or("a text was expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://a.example/x",
            "http://127.0.0.1:80/",
            "http://localhost",
            "http://[::1]/",
        ] {
            assert!(gateway_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/",
            "ftp://a.example/",
            "a.example",
            "https://a.example/?q=1",
            "",
        ] {
            assert!(gateway_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_fields_and_secrets_are_named_and_a_null_is_an_absent_field() {
        let config = AccountConfig {
            gateway: GatewayName::Alipay,
            settings: serde_json::json!({"name": null, "typo": 1}),
            secrets: BTreeMap::from([("kye".to_owned(), Secret::new("s3cret".to_owned()))]),
        };
        let mut reader = FieldReader::new(&config);
        assert_eq!(reader.text("name"), None);
        let error = ConfigError {
            problems: reader.finish(&["key"]),
        };
        let text = error.to_string();
        assert!(text.contains("name: is required"), "{text}");
        assert!(
            text.contains("\"typo\"") && text.contains("\"kye\""),
            "{text}"
        );
        assert!(!format!("{error:?}{config:?}").contains("s3cret"));
    }
}
