//! Forms as gateways post them: decoded exactly once, every name at most once.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;

use crate::VerifyError;

/// How many fields a form may have; genuine ones have about forty.
const FIELDS_MAX: usize = 128;

/// A form, decoded exactly once. Values stay bytes in the charset that they came in: signatures are
/// over those.
#[derive(Debug)]
pub(crate) struct Form {
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Form {
    /// Decodes a form body or query string. A name that appears twice is refused: what was signed
    /// would be in doubt.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, VerifyError> {
        let mut fields = BTreeMap::new();
        for pair in encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default());
            let value = decode(halves.next().unwrap_or_default());
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

    /// All fields, by name.
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
