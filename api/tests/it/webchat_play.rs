//! A web chat whose server listens, and the client that web sites use, in a program of its own.

#![expect(clippy::expect_used, reason = "what the tests share fails as they do")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::webchat_stage::Stage;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socket_io");

/// What the program says of its clients themselves.
const OF_THE_CLIENT: [&str; 5] = ["open", "upgrade", "connect", "connect_error", "disconnect"];

/// The client, installed once for all tests.
async fn installed() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("socket_io");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    for file in ["package.json", "package-lock.json", "client.mjs"] {
        // Another test's program may be reading it: it changes as a whole, and only if it has to.
        let wanted = std::fs::read(format!("{SOURCE}/{file}")).unwrap();
        let target = folder.join(file);
        if !std::fs::read(&target).is_ok_and(|present| present == wanted) {
            let fresh = folder.join(format!("{file}.new"));
            std::fs::write(&fresh, wanted).unwrap();
            std::fs::rename(fresh, target).unwrap();
        }
    }
    let wanted = std::fs::read(folder.join("package-lock.json")).unwrap();
    let stamp = folder.join("installed");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return folder;
    }
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder)
        .output()
        .await
        .expect("npm is needed: install Node 20.19 or newer");
    assert!(
        npm.status.success(),
        "{}",
        String::from_utf8_lossy(&npm.stderr)
    );
    std::fs::write(&stamp, wanted).unwrap();
    folder
}

/// A stage whose server listens, and a program with clients of it.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    _program: Child,
    commands: ChildStdin,
    heard: Lines<BufReader<ChildStdout>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
}

impl Play {
    pub(crate) async fn begin(config: Value) -> Self {
        let stage = Stage::set(config).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/webchat");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(api::serve(
            listener,
            Arc::clone(&stage.server.state),
            async {
                stopped.await.ok();
            },
        ));
        let mut program = Command::new("node")
            .arg("client.mjs")
            .current_dir(installed().await)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is needed: install Node 20.19 or newer");
        Self {
            commands: program.stdin.take().unwrap(),
            heard: BufReader::new(program.stdout.take().unwrap()).lines(),
            _program: program,
            stage,
            address,
            url,
            stop: Some(stop),
            serving,
        }
    }

    pub(crate) async fn say(&mut self, command: Value) {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.unwrap();
    }

    pub(crate) async fn connect(&mut self, name: &str, transports: &[&str], auth: Value) {
        let url = self.url.clone();
        self.say(json!({"do": "connect", "name": name, "url": url, "transports": transports, "auth": auth})).await;
    }

    pub(crate) async fn emit(&mut self, name: &str, event: &str, data: Value) {
        self.say(json!({"do": "emit", "name": name, "event": event, "data": data}))
            .await;
    }

    /// The next that any client hears: its name, the event and the data.
    pub(crate) async fn next(&mut self) -> (String, String, Value) {
        let line = tokio::time::timeout(Duration::from_secs(20), self.heard.next_line());
        let line = line
            .await
            .expect("nothing was heard")
            .unwrap()
            .expect("the clients ended");
        let mut line: Value = serde_json::from_str(&line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (name, event, data) = (
            text(&line["name"]),
            text(&line["event"]),
            line["data"].take(),
        );
        if !OF_THE_CLIENT.contains(&&*event) {
            crate::webchat_events::check(&event, &data);
        }
        (name, event, data)
    }

    /// The next such event; what else is heard is passed over, unless it is a message.
    pub(crate) async fn expect(&mut self, name: &str, event: &str) -> Value {
        loop {
            let (who, what, data) = self.next().await;
            if (who.as_str(), what.as_str()) == (name, event) {
                return data;
            }
            assert_ne!(
                what, "message",
                "{name} waits for {event}, {who} heard {data}"
            );
        }
    }

    pub(crate) async fn write(&mut self, name: &str, text: &str, client_id: &str) {
        self.emit(
            name,
            "message",
            json!({"text": text, "client_id": client_id}),
        )
        .await;
        let ack = self.expect(name, "ack").await;
        assert_eq!(ack, json!({"ok": true, "client_id": client_id}));
    }
}
