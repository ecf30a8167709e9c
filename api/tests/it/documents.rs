use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{MAX_UPLOAD_BYTES, TestServer, form};

fn files(server: &TestServer) -> usize {
    let Ok(tenants) = std::fs::read_dir(server.folder.path()) else {
        return 0;
    };
    tenants
        .map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap().count())
        .sum()
}

#[tokio::test]
async fn an_upload_is_stored_and_its_work_queued() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    let queued = server
        .upload(&key, &path, "C:\\files\\Prices.md", b"# Prices\n\nTea: 2")
        .await;
    let queued = queued.expect(202);
    assert_eq!(queued["status"], "queued");
    let one = format!("{path}/{}", queued["id"].as_str().unwrap());
    let document = server.get(&key, &one).await.expect(200);
    assert_eq!(document["name"], "Prices.md");
    assert_eq!(document["media_type"], "text/markdown");
    assert_eq!(document["size_bytes"], 16);
    assert_eq!(files(&server), 1);
    let jobs = server
        .get(&key, "/api/jobs?kind=ingest-document")
        .await
        .expect(200);
    assert_eq!(jobs["data"][0]["payload"]["document_id"], queued["id"]);
    let again = server
        .post(&key, &format!("{one}/reindex"), serde_json::Value::Null)
        .await;
    assert_eq!(again.expect(202)["version"], 2);
    let listed = server
        .get(&key, &format!("{path}?status=queued"))
        .await
        .expect(200);
    assert_eq!(listed["data"][0]["latest_version"], 2);
    server.delete(&key, &one).await.expect(204);
    assert_eq!(server.get(&key, &one).await.problem(404), "not_found");
    assert_eq!(files(&server), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_not_kept() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    for (name, content) in [("a.png", &b"\x89PNG\r\n\x1a\n"[..]), ("a.txt", b"")] {
        let refused = server.upload(&key, &path, name, content).await;
        assert_eq!(refused.problem(415), "unsupported_media_type", "{name}");
    }
    let nameless = server.upload(&key, &path, "", b"words").await;
    assert_eq!(nameless.problem(422), "invalid_request");
    let json = server.post(&key, &path, json!({"file": "words"})).await;
    assert_eq!(json.problem(415), "unsupported_media_type");
    assert_eq!(files(&server), 0);
    let listed = server.get(&key, &path).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_not_kept() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    let limit = usize::try_from(MAX_UPLOAD_BYTES).unwrap();
    for over in [1, 200_000] {
        let long = server
            .upload(&key, &path, "a.txt", &vec![b'a'; limit + over])
            .await;
        assert_eq!(long.problem(413), "body_too_large");
    }
    assert_eq!(files(&server), 0);
    server
        .upload(&key, &path, "a.txt", &vec![b'a'; limit])
        .await
        .expect(202);
}

/// Serves the API on a socket; sends `head` and `part` of a body, and reads what comes back.
async fn send_part(server: &TestServer, head: &str, part: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(api::serve(listener, Arc::clone(&server.state), async {
        drop(stopped.await);
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(part).await.unwrap();
    let mut answer = vec![0; 4096];
    let mut length = 0;
    while !String::from_utf8_lossy(&answer[..length]).contains('}') {
        let read = stream.read(&mut answer[length..]).await.unwrap();
        assert!(
            read > 0,
            "closed: {}",
            String::from_utf8_lossy(&answer[..length])
        );
        length += read;
    }
    drop(stream);
    drop(stop);
    serving.await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_too_long_upload_is_refused_before_it_is_read() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let (kind, form) = form("a.txt", b"The beginning");
    let head = |length: &str| {
        format!(
            "POST {tenant}/documents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: {kind}\r\n{length}\r\n\r\n"
        )
    };
    let told = send_part(&server, &head("Content-Length: 10000000000"), &form[..100]).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.contains("\"code\":\"body_too_large\""), "{told}");
    // Without a length: pieces come until the limit is passed, and the end never does.
    let long = vec![b'a'; 200_000];
    let pieces = [
        format!("{:x}\r\n", form.len() - 12).as_bytes(),
        &form[..form.len() - 12],
        format!("\r\n{:x}\r\n", long.len()).as_bytes(),
        &long,
        b"\r\n",
    ]
    .concat();
    let counted = send_part(&server, &head("Transfer-Encoding: chunked"), &pieces).await;
    assert!(counted.starts_with("HTTP/1.1 413 "), "{counted}");
    assert_eq!(files(&server), 0);
}
