use std::collections::BTreeMap;

use kassa_core::Secret;
use proptest::prelude::*;

use super::*;

const PLACE: Place<'static> = Place {
    table: "channel_accounts",
    column: "secrets",
    row: "0190a1b2",
};

fn id(text: &str) -> KeyId {
    KeyId::try_new(text).unwrap()
}

fn keyring(active: &str, keys: &[(&str, u8)]) -> Keyring {
    let keys = keys
        .iter()
        .map(|(name, fill)| (id(name), Secret::new(vec![*fill; KEY_BYTES])));
    Keyring::try_new(id(active), keys.collect()).unwrap()
}

#[test]
fn a_sealed_value_opens_in_its_place() {
    let keyring = keyring("k1", &[("k1", 1)]);
    let sealed = keyring.seal(PLACE, b"private key").unwrap();
    assert_eq!(
        keyring.open(PLACE, sealed.as_bytes()).unwrap().expose(),
        b"private key"
    );
    assert!(!keyring.needs_rotation(sealed.as_bytes()));
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let keyring = keyring("k1", &[("k1", 1)]);
    assert_ne!(
        keyring.seal(PLACE, b"same").unwrap(),
        keyring.seal(PLACE, b"same").unwrap()
    );
}

#[test]
fn a_value_moved_to_another_row_column_or_table_is_refused() {
    let keyring = keyring("k1", &[("k1", 1)]);
    let sealed = keyring.seal(PLACE, b"private key").unwrap();
    let elsewhere = [
        Place {
            row: "0190a1b3",
            ..PLACE
        },
        Place {
            column: "settings",
            ..PLACE
        },
        Place {
            table: "apps",
            ..PLACE
        },
        // The same letters, cut at another point.
        Place {
            table: "channel_account",
            column: "ssecrets",
            ..PLACE
        },
    ];
    for place in elsewhere {
        let opened = keyring.open(place, sealed.as_bytes());
        assert!(matches!(opened, Err(KeyringError::Open)), "{place:?}");
    }
}

#[test]
fn old_key_ids_open_after_a_rotation_and_ask_for_resealing() {
    let before = keyring("k1", &[("k1", 1)]);
    let sealed = before.seal(PLACE, b"private key").unwrap();
    let after = keyring("k2", &[("k1", 1), ("k2", 2)]);
    assert_eq!(
        after.open(PLACE, sealed.as_bytes()).unwrap().expose(),
        b"private key"
    );
    assert!(after.needs_rotation(sealed.as_bytes()));
    let resealed = after.seal(PLACE, b"private key").unwrap();
    assert!(!after.needs_rotation(resealed.as_bytes()));
}

#[test]
fn an_unknown_key_id_is_an_error_that_names_it() {
    let sealed = keyring("k1", &[("k1", 1)])
        .seal(PLACE, b"private key")
        .unwrap();
    let opened = keyring("k2", &[("k2", 2)]).open(PLACE, sealed.as_bytes());
    assert!(matches!(opened, Err(KeyringError::UnknownKey { id }) if id.as_str() == "k1"));
}

#[test]
fn a_value_does_not_open_under_the_same_bytes_with_another_id() {
    let mut sealed = keyring("k1", &[("k1", 1)])
        .seal(PLACE, b"x")
        .unwrap()
        .into_bytes();
    sealed[3] = b'2';
    let opened = keyring("k2", &[("k2", 1)]).open(PLACE, &sealed);
    assert!(matches!(opened, Err(KeyringError::Open)));
}

#[test]
fn every_flipped_bit_is_refused() {
    let keyring = keyring("k1", &[("k1", 1), ("k0", 1), ("k3", 1)]);
    let sealed = keyring.seal(PLACE, b"private key").unwrap();
    for index in 0..sealed.as_bytes().len() {
        for bit in 0..8 {
            let mut altered = sealed.as_bytes().to_vec();
            altered[index] ^= 1 << bit;
            assert!(
                keyring.open(PLACE, &altered).is_err(),
                "byte {index}, bit {bit}"
            );
        }
    }
}

#[test]
fn every_shortened_value_is_refused() {
    let keyring = keyring("k1", &[("k1", 1)]);
    let sealed = keyring.seal(PLACE, b"private key").unwrap();
    for length in 0..sealed.as_bytes().len() {
        assert!(
            keyring.open(PLACE, &sealed.as_bytes()[..length]).is_err(),
            "length {length}"
        );
    }
}

#[test]
fn a_keyring_prints_ids_and_no_keys() {
    let printed = format!("{:?}", keyring("k1", &[("k1", 0xab)]));
    assert_eq!(
        printed,
        r#"Keyring { active: KeyId("k1"), ids: [KeyId("k1")] }"#
    );
}

#[test]
fn keys_of_the_wrong_length_and_a_missing_active_key_are_refused() {
    let short = BTreeMap::from([(id("k1"), Secret::new(vec![0; 16]))]);
    assert!(matches!(
        Keyring::try_new(id("k1"), short),
        Err(KeyringError::KeyLength { .. })
    ));
    let other = BTreeMap::from([(id("k1"), Secret::new(vec![0; 32]))]);
    assert!(matches!(
        Keyring::try_new(id("k2"), other),
        Err(KeyringError::ActiveMissing { .. })
    ));
}

#[test]
fn a_secret_above_the_limit_is_refused() {
    let keyring = keyring("k1", &[("k1", 1)]);
    assert!(keyring.seal(PLACE, &vec![0; PLAINTEXT_BYTES_MAX]).is_ok());
    let sealed = keyring.seal(PLACE, &vec![0; PLAINTEXT_BYTES_MAX + 1]);
    assert!(matches!(sealed, Err(KeyringError::TooLarge)));
}

#[test]
fn fingerprints_tell_secrets_apart_and_differ_between_installations() {
    let ours = keyring("k1", &[("k1", 1)]);
    let theirs = keyring("k1", &[("k1", 2)]);
    let fingerprint = ours.fingerprint(b"secret");
    assert_eq!(fingerprint.len(), 16);
    assert_eq!(fingerprint, ours.fingerprint(b"secret"));
    assert_ne!(fingerprint, ours.fingerprint(b"secreT"));
    assert_ne!(fingerprint, theirs.fingerprint(b"secret"));
}

#[test]
fn a_fingerprint_is_recognised_after_a_rotation() {
    let fingerprint = keyring("k1", &[("k1", 1)]).fingerprint(b"secret");
    let after = keyring("k2", &[("k1", 1), ("k2", 2)]);
    assert_ne!(after.fingerprint(b"secret"), fingerprint);
    assert!(after.is_fingerprint_of(&fingerprint, b"secret"));
    assert!(!after.is_fingerprint_of(&fingerprint, b"other"));
}

#[test]
fn generated_keys_differ() {
    let (a, b) = (
        Keyring::generate_key().unwrap(),
        Keyring::generate_key().unwrap(),
    );
    assert_eq!(a.expose().len(), KEY_BYTES);
    assert_ne!(a.expose(), b.expose());
}

#[test]
fn a_local_key_is_made_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let sealed = Keyring::local(&data_dir)
        .unwrap()
        .seal(PLACE, b"private key")
        .unwrap();
    let again = Keyring::local(&data_dir).unwrap();
    assert_eq!(
        again.open(PLACE, sealed.as_bytes()).unwrap().expose(),
        b"private key"
    );
    assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_local_key_is_readable_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    local_key(folder.path()).unwrap();
    let mode = std::fs::metadata(folder.path().join(LOCAL_KEY_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_spoilt_key_file_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LOCAL_KEY_FILE);
    std::fs::write(&path, "c2hvcnQ=\n").unwrap();
    assert!(matches!(
        local_key(folder.path()),
        Err(KeyringError::KeyFileContent)
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "c2hvcnQ=\n");
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_again(
        text in proptest::collection::vec(any::<u8>(), 0..512),
        table in "[a-z_]{0,20}",
        column in "[a-z_]{0,20}",
        row in ".{0,40}",
    ) {
        let keyring = keyring("k1", &[("k1", 7)]);
        let place = Place { table: &table, column: &column, row: &row };
        let sealed = keyring.seal(place, &text).unwrap();
        let opened = keyring.open(place, sealed.as_bytes()).unwrap();
        prop_assert_eq!(opened.expose(), &text);
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        prop_assert!(keyring("k1", &[("k1", 7)]).open(PLACE, &bytes).is_err());
    }
}
