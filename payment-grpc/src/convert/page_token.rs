//! Page tokens: where the next page begins, sealed.
//!
//! A token is opaque (AES-256-GCM under the keyring, base64url) and opens only for the same app, the
//! same method and the same conditions. It carries no authority: it opens nothing that the caller
//! could not list anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use kassa_core::text::AppId;
use runtime::keyring::{Keyring, Place};

use crate::error::Error;

/// The longest token that is looked at, in characters.
const TOKEN_CHARS_MAX: usize = 1024;
/// What takes the place of a table's name in the seal.
const PURPOSE: &str = "page_token";
/// What separates conditions: no condition contains it.
const SEPARATOR: &str = "\n";

/// What a token belongs to.
#[derive(Debug)]
pub(super) struct Binding<'a> {
    /// The list.
    pub(super) list: &'static str,
    /// Its conditions, the app among them.
    conditions: Vec<&'a str>,
}

impl<'a> Binding<'a> {
    pub(super) fn new(
        list: &'static str,
        app: &'a AppId,
        conditions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let conditions = std::iter::once(app.as_str()).chain(conditions).collect();
        Self { list, conditions }
    }

    fn row(&self) -> String {
        let escaped: Vec<_> = self
            .conditions
            .iter()
            .map(|text| text.replace(SEPARATOR, "\\n"))
            .collect();
        escaped.join(SEPARATOR)
    }
}

/// Seals where the next page begins; the empty token at the end.
pub(super) fn seal(
    keyring: &Keyring,
    binding: &Binding<'_>,
    next: Option<&(DateTime<Utc>, String)>,
) -> Result<String, Error> {
    let Some((time, id)) = next else {
        return Ok(String::new());
    };
    let row = binding.row();
    let place = Place {
        table: PURPOSE,
        column: binding.list,
        row: &row,
    };
    let mut plain = time.timestamp_micros().to_be_bytes().to_vec();
    plain.extend_from_slice(id.as_bytes());
    let sealed = keyring
        .seal(place, &plain)
        .map_err(|_unsealed| Error::Broken("a page token could not be sealed"))?;
    Ok(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
}

/// Where the page begins, if the token is ours and belongs here.
pub(super) fn open(
    keyring: &Keyring,
    binding: &Binding<'_>,
    token: &str,
) -> Option<(DateTime<Utc>, String)> {
    if token.len() > TOKEN_CHARS_MAX {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let row = binding.row();
    let place = Place {
        table: PURPOSE,
        column: binding.list,
        row: &row,
    };
    let plain = keyring.open(place, &sealed).ok()?;
    let (micros, id) = plain.expose().split_first_chunk::<8>()?;
    let time = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    Some((time, String::from_utf8(id.to_vec()).ok()?))
}
