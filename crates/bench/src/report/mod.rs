//! What a suite found: rows, printed as a table and written as JSON.

mod row;
mod table;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

pub(crate) use row::{Aim, Row};

/// Where the checkout begins.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The figures of one suite.
#[derive(Debug)]
pub(crate) struct Report {
    suite: &'static str,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) const fn new(suite: &'static str) -> Self {
        Self {
            suite,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Notes a figure that nothing is aimed at.
    pub(crate) fn note(&mut self, measure: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Row::new(measure, unit, &[value]));
    }

    /// Notes a figure that shall stay under `limit`.
    pub(crate) fn under(
        &mut self,
        measure: impl Into<String>,
        value: f64,
        unit: &'static str,
        limit: f64,
    ) {
        self.push(Row::new(measure, unit, &[value]).aim(Aim::Under(limit)));
    }

    /// Prints the table and writes `target/bench/<suite>.json` in the checkout.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let folder = Path::new(ROOT).join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.suite));
        let json = serde_json::to_string_pretty(&self.rows)?;
        std::fs::write(&path, json + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
        std::io::stdout().write_all(table::table(&self.rows).as_bytes())?;
        say(&format!("written to target/bench/{}.json", self.suite));
        Ok(())
    }
}

/// Tells whoever waits; where nobody listens there is nobody to tell.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}
