//! Files on a real disk.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use domain::TenantId;
use files::{Error, Files};
use futures::stream::{self, StreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

type Piece = Result<Bytes, io::Error>;

fn pieces(texts: &[&'static str]) -> Vec<Piece> {
    let bytes = texts.iter().map(|text| Bytes::from_static(text.as_bytes()));
    bytes.map(Ok).collect()
}

fn files_under(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_under(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_stored_file_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path().join("not/yet/there"));
    let tenant = TenantId::new();
    let content = stream::iter(pieces(&["hello ", "", "world"]));
    let stored = files.put_stream(tenant, content, 11).await.unwrap();
    assert_eq!(stored.size_bytes, 11);
    assert_eq!(stored.sha256[..], Sha256::digest(b"hello world")[..]);
    assert_eq!(stored.key.tenant(), tenant);

    let mut text = String::new();
    let mut file = files.open(&stored.key).await.unwrap();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello world");
    assert_eq!(
        std::fs::read(files.path(&stored.key)).unwrap(),
        text.as_bytes()
    );
    assert_eq!(files_under(folder.path()), 1);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_before_it_is_read_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path());
    // Endless: only a store that stops by itself comes back.
    let endless = stream::repeat_with(|| Piece::Ok(Bytes::from_static(&[0; 1024])));
    let refused = files.put_stream(TenantId::new(), endless, 10_000).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { max_bytes: 10_000 })),
        "{refused:?}"
    );
    assert_eq!(files_under(folder.path()), 0);
}

#[tokio::test]
async fn an_upload_that_is_cut_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path());
    let mut content = pieces(&["hello"]);
    content.push(Err(io::ErrorKind::UnexpectedEof.into()));
    let cut = files.put_stream(TenantId::new(), stream::iter(content), 100);
    let cut = cut.await;
    assert!(matches!(cut, Err(Error::Cut(_))), "{cut:?}");
    assert_eq!(files_under(folder.path()), 0);
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path());
    let (begun, waiting) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let first = stream::iter(pieces(&["hello"]));
    // Asked for more only after the first piece is written; then the stream never goes on.
    let never = stream::poll_fn(move |_| -> std::task::Poll<Option<Piece>> {
        if let Some(begun) = begun.take() {
            begun.send(()).unwrap();
        }
        std::task::Poll::Pending
    });
    let upload = files.put_stream(TenantId::new(), first.chain(never), 100);
    tokio::select! {
        stored = upload => panic!("{stored:?}"),
        told = waiting => told.unwrap(),
    }
    assert_eq!(files_under(folder.path()), 0);
}

#[tokio::test]
async fn a_deleted_file_is_gone_and_may_be_deleted_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path());
    let (one, other) = (TenantId::new(), TenantId::new());
    let mut keys = Vec::new();
    for tenant in [one, one, other] {
        let content = stream::iter(pieces(&["x"]));
        keys.push(files.put_stream(tenant, content, 1).await.unwrap().key);
    }
    files.delete(&keys[0]).await.unwrap();
    files.delete(&keys[0]).await.unwrap();
    let missing = files.open(&keys[0]).await;
    assert!(matches!(missing, Err(Error::NotFound { key }) if key == keys[0]));
    assert!(files.open(&keys[1]).await.is_ok());

    files.delete_tenant(one).await.unwrap();
    files.delete_tenant(one).await.unwrap();
    assert!(files.open(&keys[1]).await.is_err());
    assert!(files.open(&keys[2]).await.is_ok());
}

#[tokio::test]
async fn a_root_that_is_a_file_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::write(&root, "").unwrap();
    let content = stream::iter(pieces(&["x"]));
    let refused = Files::disk(&root)
        .put_stream(TenantId::new(), content, 1)
        .await;
    assert!(
        matches!(&refused, Err(Error::Io { path, .. }) if path.starts_with(&root)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn old_files_are_listed_and_old_drafts_go() {
    const AGE: Duration = Duration::from_hours(1);
    let folder = tempfile::tempdir().unwrap();
    let files = Files::disk(folder.path().join("files"));
    assert_eq!(files.tenants().await.unwrap(), []);
    let tenant = TenantId::new();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let content = stream::iter(pieces(&["x"]));
        keys.push(files.put_stream(tenant, content, 1).await.unwrap().key);
    }
    assert_eq!(files.tenants().await.unwrap(), [tenant]);
    let of_tenant = files.root().join(tenant.to_string());
    // A process was killed in the middle of two uploads, one of them of late; the third file is none of ours.
    let draft =
        |id: u8| of_tenant.join(format!(".00000000-0000-4000-8000-0000000000{id:02}.draft"));
    let foreign = of_tenant.join("notes.txt");
    for path in [&draft(1), &draft(2), &foreign] {
        std::fs::write(path, "x").unwrap();
    }
    let old = SystemTime::now() - AGE;
    for path in [&files.path(&keys[0]), &draft(1), &foreign] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(old).unwrap();
    }
    assert_eq!(files.list_old(tenant, AGE).await.unwrap(), [keys[0]]);
    let is_there: Vec<bool> = [draft(1), draft(2), foreign]
        .iter()
        .map(|it| it.exists())
        .collect();
    assert_eq!(is_there, [false, true, true]);
    assert_eq!(files.list_old(TenantId::new(), AGE).await.unwrap(), []);
}
