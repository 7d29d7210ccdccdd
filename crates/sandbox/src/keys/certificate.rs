//! Issues the X.509 certificates of the parties and computes Alipay's certificate serial numbers
//! (alipay sheet §1).

use std::net::IpAddr;

use md5::{Digest, Md5};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair as IssuerKey, PKCS_RSA_SHA256, SanType, SerialNumber, date_time_ymd,
};
use x509_parser::{
    pem::Pem,
    x509::{AttributeTypeAndValue, X509Name},
};

use super::{KeyPair, PemFiles, files, serial_bytes};
use crate::error::KeysError;

/// First day of every certificate.
pub(crate) const VALID_FROM: (i32, u8, u8) = (2024, 1, 1);
/// Last day of every certificate.
pub(crate) const VALID_UNTIL: (i32, u8, u8) = (2044, 1, 1);

/// RSA family of signature algorithms: only these count for the root's serial numbers.
const RSA_ALGORITHMS: &str = "1.2.840.113549.1.1";

/// Certificate, the key it certifies, its common name.
const LEAVES: [(&str, &str, &str); 4] = [
    ("alipay_app", "alipay_app_certificate_mode", "Sandbox App"),
    ("alipay_platform", "alipay_platform", "Sandbox Alipay"),
    (
        "wechat_platform_1",
        "wechat_platform_1",
        "Sandbox WeChat Pay 1",
    ),
    (
        "wechat_platform_2",
        "wechat_platform_2",
        "Sandbox WeChat Pay 2",
    ),
];

/// The name of UnionPay's test system: what stands between its second and third `@` says whose it is.
const UNIONPAY_SIGN_NAME: &str = "041@Z12@00040000:SIGN@00000001";

/// UnionPay's chain and its merchants, each after what issued it: name, common name, issuer.
const UNIONPAY: [(&str, &str, &str); 4] = [
    ("unionpay_middle", "Sandbox OCA1", "unionpay_root"),
    ("unionpay_sign", UNIONPAY_SIGN_NAME, "unionpay_middle"),
    ("unionpay_merchant", "Sandbox Merchant", "unionpay_middle"),
    (
        "unionpay_merchant_foreign",
        "Sandbox Other Merchant",
        "unionpay_middle",
    ),
];

/// Adds all certificates to the keys in `made`, but for those that are there.
pub(super) fn issue_all(made: &mut PemFiles) -> Result<(), KeysError> {
    issue_first(made)?;
    issue_unionpay(made)
}

fn issue_unionpay(made: &mut PemFiles) -> Result<(), KeysError> {
    let failed = |name: &str, source| KeysError::Issue {
        name: name.to_owned(),
        source,
    };
    let root_name = "unionpay_root";
    let root_params = authority(root_name, "Sandbox CS CA", made)?;
    let root_pem = root_params
        .self_signed(&issuer_key(root_name, made)?)
        .map_err(|e| failed(root_name, e))?
        .pem();
    keep(made, root_name, root_pem);
    for (name, common_name, issued_by) in UNIONPAY {
        let issuer = if issued_by == root_name {
            authority(root_name, "Sandbox CS CA", made)?
        } else {
            authority(issued_by, "Sandbox OCA1", made)?
        };
        let issuer = Issuer::new(issuer, issuer_key(issued_by, made)?);
        let certified = if name == "unionpay_middle" {
            authority(name, common_name, made)?
        } else {
            params(name, name, common_name, made)?
        };
        let signed = certified
            .signed_by(&issuer_key(name, made)?, &issuer)
            .map_err(|e| failed(name, e))?;
        keep(made, name, signed.pem());
    }
    Ok(())
}

fn authority(
    name: &str,
    common_name: &str,
    made: &PemFiles,
) -> Result<CertificateParams, KeysError> {
    let mut authority = params(name, name, common_name, made)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(authority)
}

fn keep(made: &mut PemFiles, name: &str, pem: String) {
    made.entry(files::certificate_file(name)).or_insert(pem);
}

/// Alipay's and WeChat Pay's, all issued by Alipay's root.
fn issue_first(made: &mut PemFiles) -> Result<(), KeysError> {
    let mut root = params("alipay_root", "alipay_root", "Sandbox Root CA", made)?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = issuer_key("alipay_root", made)?;
    let failed = |name: &str, source| KeysError::Issue {
        name: name.to_owned(),
        source,
    };
    let root_pem = root
        .self_signed(&root_key)
        .map_err(|e| failed("alipay_root", e))?
        .pem();
    let issuer = Issuer::new(root, root_key);
    for (name, key, common_name) in LEAVES {
        let leaf = params(name, key, common_name, made)?;
        let leaf_key = issuer_key(key, made)?;
        let signed = leaf
            .signed_by(&leaf_key, &issuer)
            .map_err(|e| failed(name, e))?;
        keep(made, name, signed.pem());
    }
    keep(made, "alipay_root", root_pem);
    Ok(())
}

/// One certificate under the root, for an address of this machine or for nobody in particular.
pub(super) fn issue(
    made: &PemFiles,
    key: &str,
    common_name: &str,
    address: Option<IpAddr>,
) -> Result<String, KeysError> {
    let mut root = params("alipay_root", "alipay_root", "Sandbox Root CA", made)?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(root, issuer_key("alipay_root", made)?);
    let mut leaf = params(common_name, key, common_name, made)?;
    leaf.subject_alt_names = address.map(SanType::IpAddress).into_iter().collect();
    let signed = leaf.signed_by(&issuer_key(key, made)?, &issuer);
    let signed = signed.map_err(|source| KeysError::Issue {
        name: common_name.to_owned(),
        source,
    })?;
    Ok(signed.pem())
}

fn key_pem<'a>(key: &str, made: &'a PemFiles) -> Result<&'a String, KeysError> {
    made.get(&files::key_file(key))
        .ok_or_else(|| KeysError::Incomplete(key.into()))
}

fn issuer_key(key: &str, made: &PemFiles) -> Result<IssuerKey, KeysError> {
    IssuerKey::from_pem_and_sign_algo(key_pem(key, made)?, &PKCS_RSA_SHA256).map_err(|source| {
        KeysError::Issue {
            name: key.to_owned(),
            source,
        }
    })
}

fn params(
    name: &str,
    key: &str,
    common_name: &str,
    made: &PemFiles,
) -> Result<CertificateParams, KeysError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|source| KeysError::Issue {
        name: name.to_owned(),
        source,
    })?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "CN");
    subject.push(DnType::OrganizationName, "Kassa Sandbox");
    subject.push(DnType::OrganizationalUnitName, "Throw-away Keys");
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    let public_pem = KeyPair::try_new(key, key_pem(key, made)?)?.public_pem;
    params.serial_number = Some(SerialNumber::from(serial_bytes(&public_pem)));
    params.not_before = date_time_ymd(VALID_FROM.0, VALID_FROM.1, VALID_FROM.2);
    params.not_after = date_time_ymd(VALID_UNTIL.0, VALID_UNTIL.1, VALID_UNTIL.2);
    Ok(params)
}

/// A certificate's serial number in decimal, as UnionPay's `certId` is.
pub(crate) fn serial_decimal(pem: &str) -> Option<String> {
    let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = parsed.parse_x509().ok()?;
    Some(certificate.tbs_certificate.serial.to_string())
}

/// The serial numbers of the RSA certificates in a PEM bundle as Alipay counts them: lower-case hex
/// of MD5 over issuer and decimal serial, joined by `_`. Members that cannot be parsed and those
/// with other algorithms are skipped, as in Alipay's own root bundle. `None` when none is left.
pub(crate) fn serial_number_sn(bundle: &str) -> Option<String> {
    let numbers: Vec<String> = Pem::iter_from_buffer(bundle.as_bytes())
        .filter_map(Result::ok)
        .filter_map(|pem| {
            let certificate = pem.parse_x509().ok()?;
            let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
            if !algorithm.starts_with(RSA_ALGORITHMS) {
                return None;
            }
            let issuer = rfc2253(certificate.issuer())?;
            let serial = &certificate.tbs_certificate.serial;
            Some(hex::encode(Md5::digest(format!("{issuer}{serial}"))))
        })
        .collect();
    if numbers.is_empty() {
        None
    } else {
        Some(numbers.join("_"))
    }
}

/// The name most specific part first, comma without space.
fn rfc2253(name: &X509Name<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for rdn in name.iter() {
        for attribute in rdn.iter() {
            parts.push(format!(
                "{}={}",
                short_name(attribute)?,
                attribute.as_str().ok()?
            ));
        }
    }
    parts.reverse();
    Some(parts.join(","))
}

fn short_name(attribute: &AttributeTypeAndValue<'_>) -> Option<&'static str> {
    match attribute.attr_type().to_id_string().as_str() {
        "2.5.4.3" => Some("CN"),
        "2.5.4.6" => Some("C"),
        "2.5.4.7" => Some("L"),
        "2.5.4.8" => Some("ST"),
        "2.5.4.10" => Some("O"),
        "2.5.4.11" => Some("OU"),
        _ => None,
    }
}
