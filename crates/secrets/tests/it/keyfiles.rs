use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;

use secrecy::ExposeSecret;
use secrets::keyfile::{KeyFileError, read_or_create, read_or_create_keyring};

fn put(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_start_makes_the_file_and_the_second_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.key");
    let first = read_or_create(&path, || "made".to_owned().into()).unwrap();
    assert!(first.is_new);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = read_or_create(&path, || "made again".to_owned().into()).unwrap();
    assert!(!second.is_new);
    assert_eq!(second.text.expose_secret(), "made");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn processes_that_start_at_once_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let start = Barrier::new(8);
    let rings = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    read_or_create_keyring(&path).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let sealed = rings[0].seal(b"a", b"x").unwrap();
    for ring in &rings {
        assert!(!ring.needs_resealing(&sealed).unwrap());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    for mode in [0o644, 0o640, 0o604, 0o620] {
        put(&path, "x", mode);
        let refused = read_or_create_keyring(&path);
        assert!(
            matches!(&refused, Err(KeyFileError::Exposed { mode: m, .. }) if *m == mode),
            "{refused:?}"
        );
    }
}

#[test]
fn an_empty_file_or_one_without_a_key_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    put(&path, " \n", 0o600);
    let refused = read_or_create_keyring(&path);
    assert!(
        matches!(refused, Err(KeyFileError::Empty { .. })),
        "{refused:?}"
    );
    put(&path, "not a key", 0o600);
    let refused = read_or_create_keyring(&path);
    assert!(
        matches!(refused, Err(KeyFileError::NoMasterKey { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
}

#[test]
fn a_missing_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("master.key");
    let refused = read_or_create_keyring(&path);
    assert!(
        matches!(refused, Err(KeyFileError::Io { .. })),
        "{refused:?}"
    );
}
