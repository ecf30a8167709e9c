//! What a process holds while its children read large files.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use rag::extract::{Event, Limits, MediaType, Reading};

use crate::reader::request;

/// The most bytes that were resident since the count was reset.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

#[tokio::test]
async fn a_parent_holds_little_of_a_file_of_100_megabytes() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut out = BufWriter::new(&mut file);
    let line =
        "The parcel of the day arrives in two days, and the driver rings twice before noon.\n";
    for number in 0..100_000_000 / (line.len() + 8) {
        write!(out, "{number:07} {line}").unwrap();
    }
    out.flush().unwrap();
    drop(out);
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    let exe = Path::new(env!("CARGO_BIN_EXE_rag-extract-child"));
    let asked = request(exe, MediaType::Text, file.path());
    let mut reading = Reading::start(&asked, &Limits::default()).await.unwrap();
    let (mut chars, mut chunks) = (0, 0);
    while let Some(event) = reading.next().await.unwrap() {
        if let Event::Chunks(run) = event {
            chunks += run.len();
            chars = run.last().map_or(chars, |chunk| chunk.char_end);
        }
    }
    let held = peak().saturating_sub(before);
    println!("{chunks} chunks of {chars} chars, {held} bytes more than before");
    assert!(chars > 95_000_000 && chunks > 30_000);
    assert!(held < 50 << 20, "{held} bytes");
}
