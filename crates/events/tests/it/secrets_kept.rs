use std::io;
use std::sync::{Arc, Mutex};

use jobs::JobState;
use secrecy::ExposeSecret as _;
use testkit::standin::{Receiver, ReceiverReply};
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Bench, sent};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every row that has to do with webhooks and their jobs, as text.
async fn all_rows(bench: &Bench) -> String {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT t::text FROM webhook_endpoints AS t
         UNION ALL SELECT t::text FROM webhook_deliveries AS t
         UNION ALL SELECT t::text FROM webhook_attempts AS t
         UNION ALL SELECT t::text FROM jobs AS t
         UNION ALL SELECT t::text FROM job_attempts AS t
         UNION ALL SELECT t::text FROM job_history AS t",
    )
    .fetch_all(bench.test_db.pool())
    .await
    .expect("read");
    rows.join("\n")
}

#[tokio::test]
async fn secrets_show_neither_in_rows_nor_in_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // The test's runtime has this thread alone, so this hears everything.
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut bench = Bench::new().await;
    let receiver = Receiver::start(0).await.expect("a receiver");
    receiver.script([ReceiverReply::Drop]);
    let url = format!("{}/hook?token=in-the-address", receiver.url());
    let (endpoint, secret) = bench.endpoint(&url, &[]).await;
    bench.start().await;
    let job = bench.emit_one(&sent()).await;
    bench.hurry(job).await;
    bench.reach(job, JobState::Done).await;

    let text = secret.to_text();
    let text = text.expose_secret();
    let bare = text.strip_prefix("whsec_").expect("the prefix");
    let rows = all_rows(&bench).await;
    assert!(rows.contains(&endpoint.to_string()), "{rows}");
    assert!(!rows.contains(bare), "{rows}");
    let hex = rows.matches(&hex_of(text)).count();
    assert_eq!(hex, 0, "{rows}");
    let log = String::from_utf8(log.0.lock().expect("whole").clone()).expect("text");
    let ours: Vec<_> = log
        .lines()
        .filter(|line| !line.contains("sqlx::"))
        .collect();
    assert!(log.contains("an event was posted to an endpoint"), "{log}");
    assert!(!log.contains(bare), "{log}");
    let leaked: Vec<_> = ours
        .iter()
        .filter(|line| line.contains("in-the-address"))
        .collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    bench.shut_down().await;
}

/// As Postgres shows bytes.
fn hex_of(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes it");
        hex
    })
}
