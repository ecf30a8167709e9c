use std::collections::HashMap;

use serde::Deserialize;

use super::rate::{Rate, Rates};

/// Micro-dollars of a dollar.
const MICRO: f64 = 1_000_000.0;
/// The most dollars a million tokens may cost: more is a slip of the pen.
const MOST_DOLLARS: f64 = 1_000_000.0;

/// A table of prices that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPrices(String);

/// The file: prices in dollars for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Where the values are from.
    #[serde(default, rename = "source")]
    _source: String,
    /// As of when.
    #[serde(default, rename = "date")]
    _date: String,
    /// What the numbers mean, for people.
    #[serde(default, rename = "unit")]
    _unit: String,
    prices: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    account: String,
    model: String,
    input: f64,
    cached: Option<f64>,
    cache_written: Option<f64>,
    output: Option<f64>,
    #[serde(default)]
    tiers: Vec<Tier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    above_input_tokens: u64,
    input: f64,
    cached: Option<f64>,
    cache_written: Option<f64>,
    output: Option<f64>,
}

/// Reads a table, by account and model.
pub(super) fn parse(text: &str) -> Result<HashMap<String, HashMap<String, Rates>>, InvalidPrices> {
    let table: Table =
        serde_json::from_str(text).map_err(|error| InvalidPrices(error.to_string()))?;
    let mut accounts: HashMap<String, HashMap<String, Rates>> = HashMap::new();
    for entry in table.prices {
        let of = format!("{} {}", entry.account, entry.model);
        if entry.account.is_empty() || entry.model.is_empty() {
            return Err(InvalidPrices(
                "every price needs an account and a model".to_owned(),
            ));
        }
        let rates = entry
            .rates()
            .map_err(|why| InvalidPrices(format!("the price of {of}: {why}")))?;
        let models = accounts.entry(entry.account).or_default();
        if models.insert(entry.model, rates).is_some() {
            return Err(InvalidPrices(format!("{of} is priced twice")));
        }
    }
    Ok(accounts)
}

impl Entry {
    fn rates(&self) -> Result<Rates, &'static str> {
        let base = rate(self.input, self.cached, self.cache_written, self.output)?;
        let mut tiers: Vec<(u64, Rate)> = Vec::new();
        for tier in &self.tiers {
            if tiers
                .last()
                .is_some_and(|(above, _)| *above >= tier.above_input_tokens)
            {
                return Err("its tiers do not rise");
            }
            let rate = rate(tier.input, tier.cached, tier.cache_written, tier.output)?;
            tiers.push((tier.above_input_tokens, rate));
        }
        Ok(Rates { base, tiers })
    }
}

fn rate(
    input: f64,
    cached: Option<f64>,
    cache_written: Option<f64>,
    output: Option<f64>,
) -> Result<Rate, &'static str> {
    Ok(Rate {
        input: micro(input)?,
        cached: cached.map(micro).transpose()?,
        cache_written: cache_written.map(micro).transpose()?,
        output: output.map(micro).transpose()?,
    })
}

/// Dollars as micro-dollars, exactly: a price with more than six decimals is refused.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the bounds are checked before"
)]
fn micro(dollars: f64) -> Result<u64, &'static str> {
    if !(0.0..=MOST_DOLLARS).contains(&dollars) {
        return Err("must be from 0 to 1000000 dollars for a million tokens");
    }
    let micro = (dollars * MICRO).round();
    // What a decimal number loses as a binary one is far less than this.
    if (micro / MICRO - dollars).abs() > 1e-9 {
        return Err("must have at most six decimals");
    }
    Ok(micro as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(prices: &str) -> String {
        let table = format!(r#"{{"prices": [{prices}]}}"#);
        parse(&table).unwrap_err().to_string()
    }

    #[test]
    fn prices_of_every_size_are_read_exactly() {
        for (dollars, expected) in [
            (0.0, 0),
            (0.005, 5000),
            (0.075, 75_000),
            (0.125, 125_000),
            (12.5, 12_500_000),
            (0.000_001, 1),
            (999_999.999_999, 999_999_999_999),
        ] {
            assert_eq!(micro(dollars), Ok(expected), "{dollars}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (prices, told) in [
            (r#"{"account": "a", "model": "m"}"#, "missing field `input`"),
            (r#"{"account": "a", "model": "m", "input": -1}"#, "a m"),
            (r#"{"account": "a", "model": "m", "input": 1e9}"#, "1000000"),
            (
                r#"{"account": "a", "model": "m", "input": 0.0000001}"#,
                "six decimals",
            ),
            (r#"{"account": "", "model": "m", "input": 1}"#, "account"),
            (
                r#"{"account": "a", "model": "m", "input": 1, "out": 1}"#,
                "out",
            ),
            (
                r#"{"account": "a", "model": "m", "input": 1}, {"account": "a", "model": "m", "input": 2}"#,
                "twice",
            ),
            (
                r#"{"account": "a", "model": "m", "input": 1, "tiers": [
                    {"above_input_tokens": 9, "input": 1}, {"above_input_tokens": 9, "input": 1}]}"#,
                "rise",
            ),
        ] {
            let error = error(prices);
            assert!(error.contains(told), "{error}");
        }
    }
}
