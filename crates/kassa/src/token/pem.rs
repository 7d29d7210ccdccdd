//! Keys as text: PEM (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::Secret;

/// PKCS#8.
pub(super) const PRIVATE_LABEL: &str = "PRIVATE KEY";
/// SPKI.
pub(super) const PUBLIC_LABEL: &str = "PUBLIC KEY";
/// Characters of base64 on a line.
const LINE_LENGTH: usize = 64;

/// Writes a key.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text: Vec<char> = STANDARD.encode(der).chars().collect();
    let lines: Vec<String> = text
        .chunks(LINE_LENGTH)
        .map(|line| line.iter().collect())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Reads a key; `None` if it is none of this label.
pub(super) fn unpem(label: &str, text: &str) -> Option<Secret<Vec<u8>>> {
    let body = text
        .trim()
        .strip_prefix(&format!("-----BEGIN {label}-----"))?
        .strip_suffix(&format!("-----END {label}-----"))?;
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(base64).ok().map(Secret::new)
}
