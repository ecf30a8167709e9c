use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry as Part;

use super::Labels;

/// Adds what is told of the process itself, under the names that Prometheus' own clients use.
pub(super) fn add(part: &mut Part, version: &'static str) {
    let build: Labels<1> = [("version", version.into())];
    part.register(
        "metachat_build",
        "The program that runs; always 1",
        Info::new(build),
    );
    part.register_collector(Box::new(Process {
        started_at: SystemTime::now(),
    }));
}

/// What the system tells of this process; what it does not tell is left out.
#[derive(Debug)]
struct Process {
    started_at: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = self.started_at.duration_since(UNIX_EPOCH);
        let started = started.unwrap_or_default().as_secs_f64();
        gauge(
            &mut encoder,
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            started,
        )?;
        if let Some(bytes) = resident_bytes() {
            gauge(
                &mut encoder,
                "process_resident_memory_bytes",
                "Memory that the process holds",
                bytes,
            )?;
        }
        if let Some(files) = open_files() {
            gauge(
                &mut encoder,
                "process_open_fds",
                "Files and sockets that the process has open",
                files,
            )?;
        }
        if let Some(seconds) = processor_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time that the process has used.";
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                kind,
            )?)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let kind = gauge.metric_type();
    gauge.encode(encoder.encode_descriptor(name, &format!("{help}."), None, kind)?)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

fn open_files() -> Option<f64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the look itself.
    u32::try_from(files.saturating_sub(1)).ok().map(f64::from)
}

/// Source: `man 5 proc_pid_stat`, fields 14 and 15.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold spaces and parentheses; field 3 comes after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let used = ticks()? + ticks()?;
    let per_second = rustix::param::clock_ticks_per_second();
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 ticks are millions of years"
    )]
    Some(used as f64 / per_second as f64)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use crate::metrics::Registry;

    #[tokio::test]
    async fn a_process_tells_its_version_memory_files_and_time() {
        let text = Registry::of_process("1.2.3").render().await;
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.rsplit(' ').next());
            value
                .unwrap_or_else(|| panic!("no {name}: {text}"))
                .parse()
                .unwrap()
        };
        assert!(value("metachat_build_info{version=\"1.2.3\"} ") > 0.0);
        assert!(value("process_resident_memory_bytes ") > 1_000_000.0);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_cpu_seconds_total ") >= 0.0);
        assert!(value("process_start_time_seconds ") > 1_700_000_000.0);
    }
}
