//! The canonical string, the same in both directions, and our signature over it (sheet §2). Pure.

#[cfg(feature = "client")]
use crate::crypto::{LegacyRsaPrivateKey, SignFailed};

/// Fields that are never part of what is signed.
const LEFT_OUT: [&[u8]; 3] = [b"rsaSign", b"sign", b"sign_type"];

/// The bytes that are signed: `name=value` joined by `&`. The fields come sorted by name.
pub(super) fn string_to_sign<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    drop_empty: bool,
) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in fields {
        if LEFT_OUT.contains(&name) || (drop_empty && value.is_empty()) {
            continue;
        }
        if !message.is_empty() {
            message.push(b'&');
        }
        message.extend_from_slice(name);
        message.push(b'=');
        message.extend_from_slice(value);
    }
    message
}

/// Our signature over fields that are sorted by name.
#[cfg(feature = "client")]
pub(super) fn sign(
    key: &LegacyRsaPrivateKey,
    fields: &std::collections::BTreeMap<&str, String>,
) -> Result<String, SignFailed> {
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    key.sign_sha1(&string_to_sign(fields, false))
}
