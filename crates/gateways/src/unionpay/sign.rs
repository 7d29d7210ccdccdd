//! What we send: the fields of a message, the text that is signed, its signature, and the two shapes of
//! a signed message (sheet §2 and §3.1). Pure.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;

use super::config::Settings;
use super::verify::digest;
use super::wire::{ENCODING, SIGN_METHOD, VERSION, field};
use crate::crypto::SignFailed;

/// The fields of a message that depend on what it is about.
pub(super) type Fields = Vec<(&'static str, String)>;

/// A signed message.
#[derive(Debug)]
pub(super) struct Signed {
    fields: BTreeMap<&'static str, String>,
}

impl Signed {
    /// Adds the fields that every message has, and signs. Empty values are no part of a message.
    pub(super) fn try_new(settings: &Settings, fields: Fields) -> Result<Self, SignFailed> {
        let common = [
            (field::VERSION, VERSION.to_owned()),
            (field::ENCODING, ENCODING.to_owned()),
            (field::SIGN_METHOD, SIGN_METHOD.to_owned()),
            ("certId", settings.cert_id.clone()),
            ("accessType", "0".to_owned()),
            (field::MER_ID, settings.mer_id.clone()),
        ];
        let mut fields: BTreeMap<_, _> = common
            .into_iter()
            .chain(fields)
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        let digest = digest(fields.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())));
        let signature = settings.sign_private_key.sign_sha256(digest.as_bytes())?;
        fields.insert(field::SIGNATURE, signature);
        Ok(Self { fields })
    }

    /// The body of a server's call.
    pub(super) fn body(&self) -> String {
        let mut serializer = Serializer::new(String::new());
        serializer.extend_pairs(&self.fields);
        serializer.finish()
    }

    /// The inputs of the form that the payer's browser posts.
    pub(super) fn inputs(&self) -> Vec<(String, String)> {
        self.fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }
}
