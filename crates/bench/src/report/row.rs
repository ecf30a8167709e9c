use serde::Serialize;

use crate::stats::{median, ratios, spread};

/// What a figure shall reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// A value below this.
    Under(f64),
    /// A value of at most this.
    AtMost(f64),
    /// A value of at least this.
    AtLeast(f64),
    /// A ratio of at least this.
    RatioAtLeast(f64),
    /// A ratio of at most this.
    RatioAtMost(f64),
    /// A ratio no further from one than this.
    RatioWithin(f64),
}

/// One figure of a suite.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(super) measure: String,
    /// How much: the median of the rounds; nothing where it was left out.
    pub(super) value: Option<f64>,
    /// Of what.
    pub(super) unit: &'static str,
    /// The median of what it is compared with, in the same unit.
    pub(super) beside: Option<f64>,
    /// `value` as a part of `beside`.
    pub(super) ratio: Option<f64>,
    /// The least and the most of the rounds: of their ratios where there are some, else of the values.
    pub(super) spread: Option<[f64; 2]>,
    /// What is aimed at, in words.
    pub(super) aim: Option<String>,
    /// Whether it is reached.
    pub(super) holds: Option<bool>,
    /// What has to be known to read it.
    pub(super) note: Option<String>,
    #[serde(skip)]
    exact: Exact,
}

/// The figures before they were rounded for people.
#[derive(Debug, Default)]
struct Exact {
    values: Vec<f64>,
    ratio: Option<f64>,
}

impl Row {
    /// A row with the values of the rounds.
    pub(crate) fn new(measure: impl Into<String>, unit: &'static str, values: &[f64]) -> Self {
        let several = values.len() > 1;
        Self {
            measure: measure.into(),
            value: Some(rounded(median(values))),
            unit,
            beside: None,
            ratio: None,
            spread: several.then(|| spread(values).map(rounded)),
            aim: None,
            holds: None,
            note: None,
            exact: Exact {
                values: values.to_vec(),
                ratio: None,
            },
        }
    }

    /// A row without a figure, and why.
    pub(crate) fn left_out(measure: impl Into<String>, unit: &'static str, why: &str) -> Self {
        let mut row = Self::new(measure, unit, &[]).note(format!("left out: {why}"));
        row.value = None;
        row
    }

    /// Compares with the values of the same rounds on the other side.
    #[must_use]
    pub(crate) fn beside(mut self, beside: &[f64]) -> Self {
        let of_rounds = ratios(&self.exact.values, beside);
        let ratio = median(&self.exact.values) / median(beside);
        self.beside = Some(rounded(median(beside)));
        self.ratio = Some(thousandths(ratio));
        self.spread = (of_rounds.len() > 1).then(|| spread(&of_rounds).map(thousandths));
        self.exact.ratio = Some(ratio);
        self
    }

    /// Says what shall be reached, and whether the exact figure reaches it.
    #[must_use]
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        let value = median(&self.exact.values);
        let ratio = self.exact.ratio.unwrap_or(f64::NAN);
        let unit = self.unit;
        let (words, holds) = match aim {
            Aim::Under(limit) => (format!("< {} {unit}", rounded(limit)), value < limit),
            Aim::AtMost(limit) => (format!("<= {} {unit}", rounded(limit)), value <= limit),
            Aim::AtLeast(limit) => (format!(">= {} {unit}", rounded(limit)), value >= limit),
            Aim::RatioAtLeast(part) => (format!("ratio >= {part}"), ratio >= part),
            Aim::RatioAtMost(part) => (format!("ratio <= {part}"), ratio <= part),
            Aim::RatioWithin(part) => {
                let words = format!("ratio 1 +- {part}");
                (words, (ratio - 1.0).abs() <= part)
            }
        };
        self.aim = Some(words);
        self.holds = Some(holds);
        self
    }

    /// Adds what has to be known to read the row.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Three digits that mean something: whole numbers from a hundred on, three decimals below one, else
/// two.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 100.0 {
        value.round()
    } else if value.abs() < 1.0 {
        thousandths(value)
    } else {
        (value * 100.0).round() / 100.0
    }
}

fn thousandths(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_holds_by_the_exact_figure_and_not_the_printed_one() {
        let under = |value| Row::new("p50", "ms", &[value]).aim(Aim::Under(30.0)).holds;
        assert_eq!(under(29.999), Some(true));
        assert_eq!(under(30.001), Some(false));
        let part = |value| Row::new("rate", "jobs/s", &[value]).beside(&[100.0]);
        let least = Aim::RatioAtLeast(0.4);
        assert_eq!(part(39.9).aim(least).holds, Some(false));
        assert_eq!(part(40.0).aim(least).holds, Some(true));
        let within = Aim::RatioWithin(0.1);
        assert_eq!(part(89.0).aim(within).holds, Some(false));
        assert_eq!(part(91.0).aim(within).holds, Some(true));
    }

    #[test]
    fn a_ratio_without_figures_holds_nothing() {
        let row = Row::new("rate", "jobs/s", &[]).beside(&[]);
        assert_eq!(row.aim(Aim::RatioAtLeast(0.4)).holds, Some(false));
    }

    #[test]
    fn the_ratio_is_of_the_medians_and_the_spread_of_the_rounds() {
        let row = Row::new("rate", "jobs/s", &[10.0, 30.0, 20.0]).beside(&[10.0, 10.0, 40.0]);
        assert_eq!(row.ratio, Some(2.0));
        assert_eq!(row.spread, Some([0.5, 3.0]));
    }

    #[test]
    fn a_row_in_json_has_every_key() {
        let row = Row::new("p50", "ms", &[123.456]);
        let expected = serde_json::json!({
            "measure": "p50", "value": 123.0, "unit": "ms", "beside": null, "ratio": null,
            "spread": null, "aim": null, "holds": null, "note": null,
        });
        assert_eq!(serde_json::to_value(&row).unwrap(), expected);
    }
}
