//! X.509 certificates: as much of them as gateways make us look at.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::{KeyError, RsaPublicKey};

/// The keywords that RFC 2253 names; every other attribute is written as its number.
const KEYWORDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// A certificate. It is read, not trusted: whoever configures it vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    issuer: String,
    serial_decimal: String,
    serial_hex: String,
    signature_algorithm: String,
    spki_der: Vec<u8>,
}

impl Certificate {
    /// The first certificate of a PEM text.
    ///
    /// # Errors
    /// [`KeyError::NotACertificate`].
    pub fn try_parse(pem: &str) -> Result<Self, KeyError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_no_certificate| KeyError::NotACertificate)?;
        Self::try_from_der(&der)
    }

    /// All certificates of a PEM bundle that can be read, in order; the others are left out.
    /// Alipay's root bundle holds one that strict parsers refuse.
    pub fn parse_bundle(pem: &str) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .filter_map(Result::ok)
            .filter_map(|der| Self::try_from_der(&der).ok())
            .collect()
    }

    /// Reads DER.
    ///
    /// # Errors
    /// [`KeyError::NotACertificate`].
    pub fn try_from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_malformed| KeyError::NotACertificate)?;
        if !rest.is_empty() {
            return Err(KeyError::NotACertificate);
        }
        Ok(Self {
            issuer: rfc2253(parsed.issuer()),
            serial_decimal: parsed.tbs_certificate.serial.to_string(),
            serial_hex: hex::encode_upper(without_sign_byte(parsed.raw_serial())),
            signature_algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            spki_der: parsed.public_key().raw.to_vec(),
        })
    }

    /// The issuer in the form of RFC 2253: most specific first, commas without blanks.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number as an unsigned decimal.
    pub fn serial_decimal(&self) -> &str {
        &self.serial_decimal
    }

    /// The serial number in upper-case hex without colons.
    pub fn serial_hex(&self) -> &str {
        &self.serial_hex
    }

    /// The dotted number of the algorithm that signed it.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Its `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Its key.
    ///
    /// # Errors
    /// [`KeyError`] if it is no RSA key, or too short.
    pub fn public_key(&self) -> Result<RsaPublicKey, KeyError> {
        RsaPublicKey::try_from_spki(&self.spki_der)
    }
}

/// DER writes a zero byte before a number whose first bit is set.
fn without_sign_byte(serial: &[u8]) -> &[u8] {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    }
}

fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let keyword = KEYWORDS
        .iter()
        .find(|(oid, _)| *oid == number)
        .map(|(_, keyword)| *keyword);
    match (keyword, attribute.as_str()) {
        (Some(keyword), Ok(value)) => format!("{keyword}={}", escape(value)),
        (Some(_) | None, _) => format!("{number}=#{}", hex::encode(encoded_value(attribute))),
    }
}

/// The value's DER, for attributes that have no keyword.
fn encoded_value(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let value = attribute.attr_value();
    let mut der = Vec::new();
    der.push(u8::try_from(value.header.tag().0).unwrap_or_default());
    let length = value.data.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        Ok(long) => der.extend([0x81, long]),
        Err(_longer) => {
            der.push(0x82);
            der.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    der.extend_from_slice(value.data);
    der
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (position, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (position == 0 && matches!(character, ' ' | '#'))
            || (position == last && character == ' ');
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
