use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// Where the checkout begins.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One figure of a suite.
#[derive(Debug, Serialize)]
struct Figure {
    /// What was measured.
    measure: String,
    /// How much.
    value: f64,
    /// Of what.
    unit: &'static str,
    /// What the bare way to do the same gave, in the same unit.
    beside: Option<f64>,
    /// `value` as a part of `beside`.
    ratio: Option<f64>,
    /// What is aimed at, in words.
    aim: Option<String>,
    /// Whether it is reached.
    holds: Option<bool>,
}

/// The figures of one suite.
#[derive(Debug)]
pub(crate) struct Report {
    suite: &'static str,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) const fn new(suite: &'static str) -> Self {
        Self {
            suite,
            figures: Vec::new(),
        }
    }

    /// Notes a figure that nothing is aimed at.
    pub(crate) fn note(&mut self, measure: impl Into<String>, value: f64, unit: &'static str) {
        self.push(measure.into(), value, unit);
    }

    /// Notes a figure that shall stay under `limit`.
    pub(crate) fn under(
        &mut self,
        measure: impl Into<String>,
        value: f64,
        unit: &'static str,
        limit: f64,
    ) {
        let figure = self.push(measure.into(), value, unit);
        figure.aim = Some(format!("< {limit} {unit}"));
        figure.holds = Some(value < limit);
    }

    /// Notes a figure that shall be at least `part` of `beside`.
    pub(crate) fn beside(
        &mut self,
        measure: impl Into<String>,
        value: f64,
        unit: &'static str,
        beside: f64,
        part: f64,
    ) {
        let ratio = value / beside;
        let figure = self.push(measure.into(), value, unit);
        figure.beside = Some(rounded(beside));
        figure.ratio = Some((ratio * 1000.0).round() / 1000.0);
        figure.aim = Some(format!("ratio >= {part}"));
        figure.holds = Some(ratio >= part);
    }

    fn push(&mut self, measure: String, value: f64, unit: &'static str) -> &mut Figure {
        let index = self.figures.len();
        self.figures.push(Figure {
            measure,
            value: rounded(value),
            unit,
            beside: None,
            ratio: None,
            aim: None,
            holds: None,
        });
        &mut self.figures[index]
    }

    /// Prints the table and writes `target/bench/<suite>.json` in the checkout.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let folder = Path::new(ROOT).join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.suite));
        let json = serde_json::to_string_pretty(&self.figures)?;
        std::fs::write(&path, json + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
        std::io::stdout().write_all(self.table().as_bytes())?;
        say(&format!("written to target/bench/{}.json", self.suite));
        Ok(())
    }

    /// A table in Markdown, so that it can be pasted where it is told of.
    fn table(&self) -> String {
        let mut table = format!(
            "\n| {:<44} | {:>10} | {:<6} | {:>9} | {:>5} | {:<12} | {:<5} |\n",
            "measure", "value", "unit", "beside", "ratio", "aim", "holds"
        );
        let line = |n| "-".repeat(n);
        // Writing to a string cannot fail.
        writeln!(
            table,
            "|{}|{}:|{}|{}:|{}:|{}|{}|",
            line(46),
            line(11),
            line(8),
            line(10),
            line(6),
            line(14),
            line(7)
        )
        .ok();
        for figure in &self.figures {
            let number = |value: Option<f64>| value.map_or(String::new(), |it| it.to_string());
            let holds = figure.holds.map_or("", |it| if it { "yes" } else { "NO" });
            writeln!(
                table,
                "| {:<44} | {:>10} | {:<6} | {:>9} | {:>5} | {:<12} | {:<5} |",
                figure.measure,
                figure.value,
                figure.unit,
                number(figure.beside),
                number(figure.ratio),
                figure.aim.as_deref().unwrap_or_default(),
                holds
            )
            .ok();
        }
        table
    }
}

/// Three digits that mean something: whole numbers from a hundred on, else two decimals.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 100.0 {
        value.round()
    } else {
        (value * 100.0).round() / 100.0
    }
}

/// Tells whoever waits; where nobody listens there is nobody to tell.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_holds_by_the_exact_figure_and_not_the_printed_one() {
        let mut report = Report::new("test");
        report.under("p50", 29.999, "ms", 30.0);
        report.under("p99", 30.001, "ms", 30.0);
        report.beside("rate", 39.9, "jobs/s", 100.0, 0.4);
        report.beside("rate", 40.0, "jobs/s", 100.0, 0.4);
        report.note("p50", 1.0, "ms");
        let holds: Vec<_> = report.figures.iter().map(|figure| figure.holds).collect();
        let expected = [Some(true), Some(false), Some(false), Some(true), None];
        assert_eq!(holds, expected);
    }

    #[test]
    fn a_figure_in_json_has_every_key() {
        let mut report = Report::new("test");
        report.note("p50", 123.456, "ms");
        let json = serde_json::to_value(&report.figures).unwrap();
        let expected = serde_json::json!([{
            "measure": "p50", "value": 123.0, "unit": "ms", "beside": null, "ratio": null,
            "aim": null, "holds": null,
        }]);
        assert_eq!(json, expected);
    }
}
