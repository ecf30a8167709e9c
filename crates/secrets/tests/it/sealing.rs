use proptest::prelude::*;
use secrets::{Error, Keyring, MasterKey, row_context};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    access_token: String,
}

fn ring() -> Keyring {
    Keyring::new(MasterKey::generate(), Vec::new())
}

#[test]
fn a_value_opens_in_its_own_row_and_in_no_other() {
    let ring = ring();
    let row = row_context("channels", "sealed_secrets", Uuid::from_u128(1));
    let sealed = ring.seal(&row, b"token").unwrap();
    assert_eq!(sealed.len(), 45 + 5);
    assert_eq!(&ring.open(&row, &sealed).unwrap()[..], b"token");
    for other in [
        row_context("channels", "sealed_secrets", Uuid::from_u128(2)),
        row_context("channels", "other", Uuid::from_u128(1)),
        row_context("tenants", "sealed_secrets", Uuid::from_u128(1)),
        Vec::new(),
    ] {
        let opened = ring.open(&other, &sealed);
        assert!(matches!(opened, Err(Error::NotAuthentic)), "{opened:?}");
    }
}

#[test]
fn the_same_value_never_seals_to_the_same_bytes() {
    let ring = ring();
    assert_ne!(
        ring.seal(b"a", b"x").unwrap(),
        ring.seal(b"a", b"x").unwrap()
    );
}

#[test]
fn a_rotated_ring_opens_old_values_and_seals_under_the_fresh_key() {
    let (old_key, fresh_key) = (MasterKey::generate(), MasterKey::generate());
    let old = Keyring::new(old_key.clone(), Vec::new());
    let rotated = Keyring::new(fresh_key.clone(), vec![old_key.clone()]);
    let sealed = old.seal(b"a", b"x").unwrap();
    assert_eq!(&rotated.open(b"a", &sealed).unwrap()[..], b"x");
    assert!(rotated.needs_resealing(&sealed).unwrap());

    let resealed = rotated.seal(b"a", b"x").unwrap();
    assert!(!rotated.needs_resealing(&resealed).unwrap());
    let opened = old.open(b"a", &resealed);
    assert!(
        matches!(opened, Err(Error::UnknownKey { key_id }) if key_id == fresh_key.id()),
        "{opened:?}"
    );
}

#[test]
fn a_ring_is_read_from_text_with_the_current_key_first() {
    use secrecy::ExposeSecret;
    let (current, older) = (MasterKey::generate(), MasterKey::generate());
    let text = format!(
        "{},\n{}\n",
        current.to_text().expose_secret(),
        older.to_text().expose_secret()
    );
    let ring: Keyring = text.parse().unwrap();
    let by_older = Keyring::new(older, Vec::new()).seal(b"", b"x").unwrap();
    let by_current = Keyring::new(current, Vec::new()).seal(b"", b"x").unwrap();
    assert!(ring.open(b"", &by_older).is_ok());
    assert!(!ring.needs_resealing(&by_current).unwrap());
    for wrong in ["", " , ", "abc", &format!("{text},abc")] {
        assert!(wrong.parse::<Keyring>().is_err(), "{wrong}");
    }
}

#[test]
fn json_comes_back_and_a_wrong_shape_does_not_betray_the_value() {
    let ring = ring();
    let account = Account {
        access_token: "hunter2".into(),
    };
    let sealed = ring.seal_json(b"a", &account).unwrap();
    assert_eq!(ring.open_json::<Account>(b"a", &sealed).unwrap(), account);

    let sealed = ring.seal_json(b"a", &"hunter2").unwrap();
    let error = ring.open_json::<Account>(b"a", &sealed).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[test]
fn debug_shows_key_ids_alone() {
    let key = MasterKey::generate();
    let id = key.id();
    let shown = format!("{:?}", Keyring::new(key, Vec::new()));
    assert_eq!(
        shown,
        format!(
            "Keyring {{ keys: Keys {{ current: MasterKey {{ id: KeyId({id}), .. }}, older: [] }} }}"
        )
    );
}

proptest! {
    #[test]
    fn any_value_comes_back(context: Vec<u8>, value: Vec<u8>) {
        let ring = ring();
        let sealed = ring.seal(&context, &value).unwrap();
        prop_assert_eq!(&ring.open(&context, &sealed).unwrap()[..], &value[..]);
    }

    #[test]
    fn no_changed_or_cut_value_opens(value: Vec<u8>, place: prop::sample::Index, bit in 0..8_u8) {
        let ring = ring();
        let sealed = ring.seal(b"a", &value).unwrap();
        let place = place.index(sealed.len());
        let mut changed = sealed.clone();
        changed[place] ^= 1_u8 << bit;
        prop_assert!(ring.open(b"a", &changed).is_err());
        prop_assert!(ring.open(b"a", &sealed[..place]).is_err());
    }

    #[test]
    fn foreign_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(ring().open(b"", &bytes).is_err());
    }
}
