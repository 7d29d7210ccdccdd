//! Keys in every form, signatures against the vectors, and what must be refused.

use kassa_core::{Clock, IdSource};
use proptest::prelude::*;
use serde_json::Value;

use super::{
    Certificate, KeyError, OpenFailed, RsaPrivateKey, RsaPublicKey, nonce, open_aes_256_gcm,
};
use crate::testing::{peer_sign, text};

fn alipay() -> Value {
    serde_json::from_str(include_str!("../alipay/testdata/vectors.json")).unwrap()
}

fn wechat() -> Value {
    serde_json::from_str(include_str!("../wechat_v3/testdata/vectors.json")).unwrap()
}

#[test]
fn a_private_key_reads_the_same_in_all_four_forms() {
    let vectors = alipay();
    let forms = [
        "/keys/app_private_key_pkcs1_pem",
        "/keys/app_private_key_pkcs8_pem",
        "/keys/app_private_key_pkcs8_one_line",
        "/keys/app_private_key_pkcs1_one_line",
    ];
    let signatures: Vec<String> = forms
        .iter()
        .map(|form| RsaPrivateKey::try_parse(text(&vectors, form)).unwrap())
        .map(|key| key.sign_sha256(b"message").unwrap())
        .collect();
    let peer = peer_sign(
        text(&vectors, "/keys/app_private_key_pkcs8_pem"),
        b"message",
    );
    assert!(signatures.iter().all(|signature| *signature == peer));
}

#[test]
fn a_public_key_reads_the_same_as_pem_as_one_line_and_out_of_a_certificate() {
    let vectors = alipay();
    let pem = RsaPublicKey::try_parse(text(&vectors, "/keys/alipay_public_key_pem")).unwrap();
    let line = RsaPublicKey::try_parse(text(&vectors, "/keys/alipay_public_key_one_line")).unwrap();
    let certificate = text(&vectors, "/cert_sn/own/alipay_cert_pem");
    let body: String = certificate
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    assert_eq!(pem, line);
    assert_eq!(pem, RsaPublicKey::try_parse(certificate).unwrap());
    assert_eq!(pem, RsaPublicKey::try_parse(&body).unwrap());
    let own = RsaPublicKey::try_parse(text(&vectors, "/keys/app_public_key_pem")).unwrap();
    assert_ne!(pem, own);
}

#[test]
fn what_is_no_rsa_key_of_2048_bits_is_refused_with_the_reason() {
    let short = "-----BEGIN RSA PUBLIC KEY-----\nMEgCQQCo9+BpMRYQ/dL3DS2CyJxRF+j6ctbT3/Qp84+KeFhnii7NT7fELilKUSnx\nS30WAvQCCo2yU1orfgqr41mM70MBAgMBAAE=\n-----END RSA PUBLIC KEY-----\n";
    let ec = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUmHoYBqXyKCWWVqcJ3cl1x1vY7Qv\nzQvz5mQvYw5i0a4RkYb7r8yVd1kVq8l1s5bS9k3Xf2fLhK6nq7r1y2mG0w==";
    assert_eq!(
        RsaPublicKey::try_parse(short),
        Err(KeyError::TooShort {
            bits: 512,
            bits_min: 2048
        })
    );
    assert_eq!(RsaPublicKey::try_parse(ec), Err(KeyError::Unreadable));
    for nonsense in [
        "",
        " ",
        "not base64!",
        "AAAA",
        "-----BEGIN PUBLIC KEY-----\n",
    ] {
        assert_eq!(
            RsaPublicKey::try_parse(nonsense),
            Err(KeyError::Unreadable),
            "{nonsense:?}"
        );
        assert_eq!(
            RsaPrivateKey::try_parse(nonsense).err(),
            Some(KeyError::Unreadable),
            "{nonsense:?}"
        );
    }
    let vectors = alipay();
    let public = text(&vectors, "/keys/app_public_key_pem");
    assert!(
        RsaPrivateKey::try_parse(public).is_err(),
        "a public key is no private key"
    );
}

#[test]
fn keys_do_not_print() {
    let vectors = alipay();
    let key = RsaPrivateKey::try_parse(text(&vectors, "/keys/app_private_key_pkcs1_pem")).unwrap();
    assert_eq!(format!("{key:?}"), "RsaPrivateKey([redacted])");
}

#[test]
fn a_certificate_tells_its_serial_in_both_forms_and_its_issuer() {
    let vectors = wechat();
    let pem = text(&vectors, "/own/platform_certificate_mode/certificate_pem");
    let certificate = Certificate::try_parse(pem).unwrap();
    let expected = text(&vectors, "/own/platform_certificate_mode/serial_no");
    assert_eq!(certificate.serial_hex(), expected);
    let vectors = alipay();
    let certificate = Certificate::try_parse(text(&vectors, "/cert_sn/own/app_cert_pem")).unwrap();
    assert_eq!(
        certificate.issuer(),
        text(&vectors, "/cert_sn/own/app_cert/issuer_string")
    );
    assert_eq!(
        certificate.serial_decimal(),
        text(&vectors, "/cert_sn/own/app_cert/serial_decimal")
    );
    assert_eq!(
        Certificate::try_parse("nothing"),
        Err(KeyError::NotACertificate)
    );
}

#[test]
fn aes_opens_with_the_right_key_nonce_and_data_only() {
    use base64::Engine;
    let sealed = aws_seal(&[7; 32], &[1; 12], b"data", b"plain");
    assert_eq!(
        open_aes_256_gcm(&[7; 32], &[1; 12], b"data", sealed.clone()).unwrap(),
        b"plain"
    );
    let attempts: [(&[u8], &[u8], &[u8]); 5] = [
        (&[8; 32], &[1; 12], b"data"),
        (&[7; 32], &[2; 12], b"data"),
        (&[7; 32], &[1; 12], b"other"),
        (&[7; 16], &[1; 12], b"data"),
        (&[7; 32], &[1; 11], b"data"),
    ];
    for (key, nonce, data) in attempts {
        assert_eq!(
            open_aes_256_gcm(key, nonce, data, sealed.clone()),
            Err(OpenFailed)
        );
    }
    let standard = base64::engine::general_purpose::STANDARD;
    assert_eq!(
        open_aes_256_gcm(&[7; 32], &[1; 12], b"", standard.decode("AAAA").unwrap()),
        Err(OpenFailed),
        "shorter than a tag"
    );
}

fn aws_seal(key: &[u8], nonce: &[u8], data: &[u8], plain: &[u8]) -> Vec<u8> {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut sealed = plain.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    key.seal_in_place_append_tag(nonce, Aad::from(data), &mut sealed)
        .unwrap();
    sealed
}

#[test]
fn a_nonce_is_32_hex_characters_and_never_the_same() {
    let ids = IdSource::seeded(1, Clock::settable(chrono::DateTime::UNIX_EPOCH));
    let (first, second) = (nonce(&ids), nonce(&ids));
    assert_eq!(first.len(), 32);
    assert!(first.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(first, second);
}

proptest! {
    #[test]
    fn no_other_text_than_the_signature_itself_verifies(position in 0_usize..344, byte in any::<u8>()) {
        let vectors = alipay();
        let private = text(&vectors, "/keys/alipay_test_private_key_pkcs8_pem");
        let public = RsaPublicKey::try_parse(text(&vectors, "/keys/alipay_public_key_pem")).unwrap();
        let signature = peer_sign(private, b"message");
        let mut altered = signature.clone().into_bytes();
        altered[position] = byte;
        let altered = String::from_utf8_lossy(&altered).into_owned();
        prop_assert_eq!(public.verify_sha256(b"message", &altered), altered == signature);
    }

    #[test]
    fn hostile_key_texts_are_refused_without_panic(text in "\\PC{0,200}") {
        prop_assert!(RsaPublicKey::try_parse(&text).is_err());
        prop_assert!(Certificate::parse_bundle(&text).is_empty());
    }
}
