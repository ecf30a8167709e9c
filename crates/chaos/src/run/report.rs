use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::faults::Fault;
use crate::check::Verdict;
use crate::output::say;

/// The most findings of one property that are printed.
const MOST: usize = 10;

/// What a run did, beside its history.
pub(super) struct Figures {
    pub(super) seed: u64,
    pub(super) faults: Vec<Fault>,
    /// When all was healed.
    pub(super) healed: Duration,
    /// When the tables were quiet.
    pub(super) quiet: Duration,
}

/// Prints what was seen, and writes it to `report.json` in the folder.
///
/// # Errors
/// Those of writing the file.
pub(super) fn report(figures: &Figures, verdict: &Verdict, folder: &Path) -> anyhow::Result<()> {
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    for fault in &figures.faults {
        *faults.entry(format!("{fault:?}")).or_default() += 1;
    }
    for (fault, count) in &faults {
        say(&format!("  {fault:<24} {count:>8}"));
    }
    for (figure, value) in &verdict.figures {
        say(&format!("  {figure:<40} {value:>8}"));
    }
    let mut printed: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &verdict.findings {
        let count = printed.entry(finding.property.name()).or_default();
        *count += 1;
        if *count <= MOST {
            say(&format!(
                "chaos: {}: {}",
                finding.property.name(),
                finding.text
            ));
        }
    }
    for (property, count) in &printed {
        say(&format!("chaos: broken: {property} ({count} findings)"));
    }
    let seconds = figures.quiet.as_secs();
    let verdict_word = if verdict.findings.is_empty() {
        "every promise held"
    } else {
        "BROKEN"
    };
    say(&format!(
        "chaos: {verdict_word}; seed {}, {seconds} s",
        figures.seed
    ));
    let report = json!({
        "seed": figures.seed,
        "faults": faults,
        "healed_after_s": figures.healed.as_secs(),
        "quiet_after_s": seconds,
        "figures": verdict.figures,
        "findings": verdict.findings.iter()
            .map(|it| format!("{}: {}", it.property.name(), it.text)).collect::<Vec<_>>(),
    });
    std::fs::write(folder.join("report.json"), format!("{report:#}\n"))?;
    Ok(())
}
