//! Keys survive a restart; the committed ones are consistent; serial numbers agree with real files.

use serde_json::Value;

use super::*;

#[test]
fn generated_keys_are_kept_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    files::save(folder.path(), &files::committed()).unwrap();
    let first = Keys::load_or_generate(folder.path()).unwrap();
    let second = Keys::for_tests().unwrap();
    for name in KEY_NAMES {
        assert_eq!(
            first.pair(name).unwrap().serial(),
            second.pair(name).unwrap().serial()
        );
    }
}

#[test]
fn an_empty_folder_gets_new_keys_that_are_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let made = Keys::load_or_generate(folder.path()).unwrap();
    let again = Keys::load_or_generate(folder.path()).unwrap();
    let committed = Keys::for_tests().unwrap();
    for name in KEY_NAMES {
        let serial = made.pair(name).unwrap().serial();
        assert_eq!(serial, again.pair(name).unwrap().serial());
        assert_ne!(serial, committed.pair(name).unwrap().serial());
    }
}

#[test]
fn an_incomplete_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    files::save(folder.path(), &files::committed()).unwrap();
    std::fs::remove_file(folder.path().join("alipay_app.key.pem")).unwrap();
    let refused = Keys::load_or_generate(folder.path()).unwrap_err();
    assert!(matches!(refused, KeysError::Incomplete(path) if path.ends_with("alipay_app.key.pem")));
    assert!(!folder.path().join("alipay_app.key.pem").exists());
}

#[cfg(unix)]
#[test]
fn kept_keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    files::save(folder.path(), &files::committed()).unwrap();
    let mode = std::fs::metadata(folder.path().join("wechat_merchant.key.pem")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn certificates_are_issued_over_the_keys_with_their_serials() {
    let mut made = files::committed();
    made.retain(|name, _| name.ends_with(".key.pem"));
    certificate::issue_all(&mut made).unwrap();
    let keys = Keys::from_files(&made).unwrap();
    let pem = keys.certificate("wechat_platform_1").unwrap();
    let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = parsed.parse_x509().unwrap();
    let pair = keys.pair("wechat_platform_1").unwrap();
    assert_eq!(
        hex::encode_upper(certificate.tbs_certificate.raw_serial()),
        pair.serial()
    );
    assert_eq!(pair.serial().len(), 40);
    assert_eq!(
        keys.certificate("alipay_app")
            .unwrap()
            .matches("BEGIN")
            .count(),
        1
    );
}

#[test]
fn alipay_serial_numbers_agree_with_the_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../../testdata/alipay.json")).unwrap();
    let own = &vectors["cert_sn"]["own"];
    let sn = |pem: &Value| serial_number_sn(pem.as_str().unwrap()).unwrap();
    assert_eq!(sn(&own["app_cert_pem"]), own["app_cert"]["sn"]);
    assert_eq!(sn(&own["alipay_cert_pem"]), own["alipay_cert"]["sn"]);
    assert_eq!(sn(&own["root_cert_pem"]), own["root_cert_sn"]);
    let real = &vectors["cert_sn"]["real_files"]["alipayRootCert.crt"];
    assert_eq!(sn(&real["pem"]), real["expected_root_sn"]);
}

#[test]
fn keys_print_nothing_of_themselves() {
    let keys = Keys::for_tests().unwrap();
    assert_eq!(format!("{keys:?}"), "Keys([redacted])");
    let pair = keys.pair("wechat_merchant").unwrap();
    assert_eq!(pair.apiv3_key().len(), 32);
}

#[test]
fn a_folder_from_before_a_gateway_gets_that_gateways_keys_and_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut older = files::committed();
    older.retain(|name, _| !name.starts_with("unionpay_"));
    files::save(folder.path(), &older).unwrap();
    let first = Keys::load_or_generate(folder.path()).unwrap();
    let second = Keys::load_or_generate(folder.path()).unwrap();
    let committed = Keys::for_tests().unwrap();
    for name in KEY_NAMES {
        let serial = first.pair(name).unwrap().serial();
        assert_eq!(serial, second.pair(name).unwrap().serial());
        let is_kept = serial == committed.pair(name).unwrap().serial();
        assert_eq!(is_kept, !name.starts_with("unionpay_"), "{name}");
    }
}
