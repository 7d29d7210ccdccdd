//! Forms as gateways post them: decoded exactly once, values kept as bytes, since signatures are over
//! those; and the page with which a payer's browser posts one to a gateway.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;

use crate::VerifyError;

/// How many fields a form may have; genuine ones have about forty.
const FIELDS_MAX: usize = 128;

/// A decoded form, by name. Values stay bytes in the charset that they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Form {
    /// Decodes a form body or query string.
    ///
    /// # Errors
    /// As [`Form::try_from_pairs`].
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, VerifyError> {
        let pairs = encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let name = decode(halves.next().unwrap_or_default());
                (name, decode(halves.next().unwrap_or_default()))
            });
        Self::try_from_pairs(pairs)
    }

    /// A form of decoded pairs.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] if a name appears twice, since what was signed would be in doubt,
    /// or if there are too many.
    pub(crate) fn try_from_pairs(
        pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, VerifyError> {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.len() >= FIELDS_MAX || fields.insert(name, value).is_some() {
                return Err(VerifyError::Malformed("form"));
            }
        }
        Ok(Self { fields })
    }

    /// A field's text; `None` where it is absent, empty or not UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.fields.get(name.as_bytes())?;
        std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// All fields, sorted by the bytes of their names.
    pub(crate) fn fields(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.fields
    }
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    percent_decode(&spaced).collect()
}

/// A page that posts `fields` to `action` by itself; payers without scripts get a button. `gateway` is
/// its title.
#[cfg(feature = "client")]
pub(crate) fn page(gateway: &str, action: &str, fields: &[(String, String)]) -> String {
    let inputs: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            format!(
                r#"<input type="hidden" name="{}" value="{}">"#,
                escape(name),
                escape(value)
            )
        })
        .collect();
    format!(
        concat!(
            r#"<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>{gateway}</title></head>"#,
            r#"<body><form id="pay" method="post" accept-charset="utf-8" action="{action}">{inputs}"#,
            r#"<noscript><button type="submit">继续付款 Continue to payment</button></noscript></form>"#,
            r#"<script>document.getElementById("pay").submit()</script></body></html>"#
        ),
        gateway = escape(gateway),
        action = escape(action),
        inputs = inputs.concat(),
    )
}

#[cfg(feature = "client")]
fn escape(text: &str) -> String {
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
