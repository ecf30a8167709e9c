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
    assert_eq!(json.problem(422), "invalid_request");
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

#[tokio::test]
async fn an_address_is_noted_and_its_fetch_queued() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    let address = "https://shop.example/returns.pdf?lang=en#top";
    let body = json!({"url": address, "refresh_seconds": 86_400});
    let queued = server.post(&key, &path, body).await.expect(202);
    let one = format!("{path}/{}", queued["id"].as_str().unwrap());
    let document = server.get(&key, &one).await.expect(200);
    assert_eq!(document["name"], "shop.example/returns.pdf");
    assert_eq!(
        (&document["source"], &document["media_type"]),
        (&json!("url"), &json!(null))
    );
    let url = &document["url"];
    assert_eq!(url["url"], "https://shop.example/returns.pdf?lang=en");
    assert_eq!(url["refresh_seconds"], 86_400);
    let jobs = server.get(&key, "/api/jobs?kind=fetch-source").await;
    let payload = &jobs.expect(200)["data"][0]["payload"];
    assert_eq!(
        (&payload["document_id"], &payload["version"]),
        (&queued["id"], &json!(1))
    );
    // Set back, and indexed anew: the address is fetched again.
    let set = json!({"refresh_seconds": null, "name": "Returns"});
    let changed = server.put(&key, &one, set).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["url"]["refresh_seconds"]),
        (&json!("Returns"), &json!(null))
    );
    server
        .post(&key, &format!("{one}/reindex"), json!(null))
        .await
        .expect(202);
    let jobs = server.get(&key, "/api/jobs?kind=fetch-source").await;
    assert_eq!(jobs.expect(200)["data"].as_array().unwrap().len(), 2);
    server.delete(&key, &one).await.expect(204);
}

#[tokio::test]
async fn a_text_is_stored_as_it_stands() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    let body = json!({"name": "Prices", "text": "# Prices\n\nTea: 2", "format": "markdown"});
    let queued = server.post(&key, &path, body).await.expect(202);
    let one = format!("{path}/{}", queued["id"].as_str().unwrap());
    let document = server.get(&key, &one).await.expect(200);
    assert_eq!(
        (&document["name"], &document["source"], &document["url"]),
        (&json!("Prices"), &json!("text"), &json!(null))
    );
    assert_eq!(document["media_type"], "text/markdown");
    assert_eq!(document["size_bytes"], 16);
    assert_eq!(files(&server), 1);
    let jobs = server.get(&key, "/api/jobs?kind=ingest-document").await;
    assert_eq!(jobs.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_that_is_none_is_refused_with_its_fields() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    for (body, field) in [
        (json!({}), ""),
        (json!({"url": "https://a.example/", "text": "x"}), ""),
        (json!({"url": "nonsense"}), "url"),
        (json!({"url": "ftp://a.example/"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"url": "http://localhost/"}), "url"),
        (json!({"url": "https://user:secret@a.example/"}), "url"),
        (
            json!({"url": format!("https://a.example/{}", "x".repeat(2000))}),
            "url",
        ),
        (
            json!({"url": "https://a.example/", "refresh_seconds": 60}),
            "refresh_seconds",
        ),
        (
            json!({"url": "https://a.example/", "format": "plain"}),
            "format",
        ),
        (json!({"text": "words"}), "name"),
        (json!({"name": "x", "text": "  "}), "text"),
        (
            json!({"name": "x", "text": "y", "refresh_seconds": 7200}),
            "refresh_seconds",
        ),
        (json!({"name": "x", "text": "y", "format": "pdf"}), "format"),
    ] {
        let refused = server.post(&key, &path, body.clone()).await;
        assert_eq!(refused.problem(422), "invalid_request", "{body}");
        assert_eq!(
            refused.json()["errors"][0]["field"],
            field,
            "{}",
            refused.text
        );
        assert!(!refused.text.contains("secret"), "{}", refused.text);
    }
    assert_eq!(files(&server), 0);
    let listed = server.get(&key, &path).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn a_document_is_changed_listed_by_what_it_is_and_tells_its_versions() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/documents");
    let file = server.upload(&key, &path, "Terms.txt", b"Words.").await;
    let file = file.expect(202)["id"].as_str().unwrap().to_owned();
    let text = json!({"name": "Opening hours", "text": "From nine to five."});
    server.post(&key, &path, text).await.expect(202);
    for (filter, names) in [
        ("", vec!["Opening hours", "Terms.txt"]),
        ("?source=file", vec!["Terms.txt"]),
        ("?source=text", vec!["Opening hours"]),
        ("?source=url", vec![]),
        ("?name=TERMS", vec!["Terms.txt"]),
        ("?name=o&status=queued&source=text", vec!["Opening hours"]),
        ("?status=ready", vec![]),
    ] {
        let listed = server.get(&key, &format!("{path}{filter}")).await;
        let listed = listed.expect(200);
        let found: Vec<_> = listed["data"].as_array().unwrap().iter().collect();
        let found: Vec<_> = found.iter().map(|one| one["name"].as_str()).collect();
        let names: Vec<_> = names.into_iter().map(Some).collect();
        assert_eq!(found, names, "{filter}");
    }
    let one = format!("{path}/{file}");
    let off = server.put(&key, &one, json!({"enabled": false})).await;
    assert_eq!(off.expect(200)["enabled"], false);
    let renamed = server.put(&key, &one, json!({"name": "Terms"})).await;
    let renamed = renamed.expect(200);
    assert_eq!(
        (&renamed["name"], &renamed["enabled"]),
        (&json!("Terms"), &json!(false))
    );
    let wrong = server.put(&key, &one, json!({"name": ""})).await;
    assert_eq!(wrong.problem(422), "invalid_request");
    let no_address = json!({"refresh_seconds": 7200});
    let refused = server.put(&key, &one, no_address).await;
    assert_eq!(refused.problem(422), "refused");
    server
        .post(&key, &format!("{one}/reindex"), json!(null))
        .await
        .expect(202);
    let versions = server.get(&key, &format!("{one}/versions")).await;
    let versions = versions.expect(200);
    let told: Vec<_> = versions["data"].as_array().unwrap().iter().collect();
    let told: Vec<_> = told
        .iter()
        .map(|one| (one["version"].as_i64(), one["state"].as_str(), &one["live"]))
        .collect();
    assert_eq!(
        told,
        [
            (Some(2), Some("queued"), &json!(false)),
            (Some(1), Some("superseded"), &json!(false))
        ]
    );
}
