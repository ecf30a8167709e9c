//! What calls cost, in micro-dollars: whole numbers from the price to the bill.

mod rate;
mod table;

use std::collections::HashMap;

use url::Url;

use self::rate::Rates;
pub use self::table::InvalidPrices;
use crate::{Provider, Usage};

/// The table that comes with the program; it says where its values are from and as of when.
const BUNDLED: &str = include_str!("table.json");
/// The model of an entry that stands for all models of its account without one of their own.
const ANY: &str = "*";

/// Every known price, by account and model; see [`domain::LlmChoice::account`].
#[derive(Clone, Debug)]
pub struct Prices(HashMap<String, HashMap<String, Rates>>);

impl Prices {
    /// The prices that come with the program.
    ///
    /// # Errors
    /// [`InvalidPrices`] if the program was built with a broken table.
    pub fn bundled() -> Result<Self, InvalidPrices> {
        table::parse(BUNDLED).map(Self)
    }

    /// The same prices with an operator's table over them: its entries replace those of the same
    /// account and model, and add the others. `docs/costs.md` has the form.
    ///
    /// # Errors
    /// [`InvalidPrices`] for the first thing that is wrong with the table.
    pub fn overridden_by(mut self, table: &str) -> Result<Self, InvalidPrices> {
        for (account, models) in table::parse(table)? {
            self.0.entry(account).or_default().extend(models);
        }
        Ok(self)
    }

    /// What a call costs, in micro-dollars, rounded once to the nearest, a half up.
    ///
    /// `None`: nobody said what the model costs at that account. Tokens without a price of their
    /// own (cached, written to a cache) cost what fresh input does.
    pub fn cost(&self, account: &str, model: &str, usage: Usage) -> Option<i64> {
        self.find(account, model)?.cost(usage)
    }

    fn find(&self, account: &str, model: &str) -> Option<&Rates> {
        let models = self.0.get(own_account(account))?;
        let bare = model.rsplit_once('/').map_or(model, |(_, name)| name);
        [model, bare, undated(bare), ANY]
            .into_iter()
            .find_map(|name| models.get(name))
    }
}

/// A provider's own address, written out, is the provider.
fn own_account(account: &str) -> &str {
    let Some((name, host)) = account.split_once('@') else {
        return account;
    };
    let own = Provider::find(name).and_then(|provider| Url::parse(provider.base_url).ok());
    if own.is_some_and(|own| own.host_str() == Some(host)) {
        name
    } else {
        account
    }
}

/// A model's name without the date of a snapshot: `-2024-07-18` or `-20251001` at its end.
fn undated(model: &str) -> &str {
    let is_date = |end: &str, shape: &str| {
        end.len() == shape.len()
            && end
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, shape)| byte == shape || (shape == b'0' && byte.is_ascii_digit()))
    };
    for shape in ["-0000-00-00", "-00000000"] {
        let Some(at) = model.len().checked_sub(shape.len()) else {
            continue;
        };
        if model.is_char_boundary(at) && is_date(&model[at..], shape) {
            return &model[..at];
        }
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices::bundled().unwrap()
    }

    fn usage(input: u64, cached: u64, cache_written: u64, output: u64) -> Usage {
        Usage {
            input,
            output,
            cached,
            cache_written,
        }
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        // 1,000 fresh at 0.10, 2,000 cached at 0.01, 400 written at 0.125, 800 out at 0.50.
        let cost = prices().cost("openai", "gpt-6-luna", usage(3400, 2000, 400, 800));
        assert_eq!(cost, Some(100 + 20 + 50 + 400));
        // Without a price for written ones they are fresh: 100 x 0.25.
        let cost = prices().cost("openai", "gpt-5-mini", usage(100, 0, 100, 0));
        assert_eq!(cost, Some(25));
    }

    #[test]
    fn a_call_is_rounded_once_a_half_up() {
        let cost =
            |tokens| prices().cost("openai", "text-embedding-3-small", usage(tokens, 0, 0, 0));
        // A fiftieth of a micro-dollar each.
        assert_eq!(cost(24), Some(0));
        assert_eq!(cost(25), Some(1));
        assert_eq!(cost(74), Some(1));
        assert_eq!(cost(75), Some(2));
        // 0.075 + 0.6 of a micro-dollar: each alone would be 0 and 1.
        let both = prices().cost("openai", "gpt-4o-mini", usage(1, 1, 0, 1));
        assert_eq!(both, Some(1));
    }

    #[test]
    fn a_longer_request_is_billed_whole_at_its_tier() {
        let cost = |input| prices().cost("anthropic", "claude-haiku-5-5", usage(input, 0, 0, 1000));
        assert_eq!(cost(100_000), Some(10_000 + 500));
        assert_eq!(cost(100_001), Some(50_001 + 2500));
        let cost = prices().cost("openai", "gpt-6-luna", usage(300_000, 100_000, 0, 1000));
        assert_eq!(cost, Some(40_000 + 2000 + 750));
    }

    #[test]
    fn what_nobody_priced_is_unknown_and_never_nothing() {
        for (account, model) in [
            ("openai", "gpt-99"),
            ("openai@llm.example", "gpt-4o-mini"),
            ("mistral", "gpt-4o-mini"),
            ("openai", ""),
        ] {
            let cost = prices().cost(account, model, usage(1000, 0, 0, 0));
            assert_eq!(cost, None, "{account} {model}");
        }
        // An embedding model does not write.
        let cost = prices().cost("openai", "text-embedding-3-small", usage(1, 0, 0, 1));
        assert_eq!(cost, None);
        let free = prices().cost("builtin", "extractive", usage(0, 0, 0, 0));
        assert_eq!(free, Some(0));
    }

    #[test]
    fn snapshots_gateway_names_and_written_out_addresses_are_the_model() {
        for (account, model) in [
            ("openai", "gpt-4o-mini-2024-07-18"),
            ("openai", "openai/gpt-4o-mini"),
            ("openai@api.openai.com", "gpt-4o-mini"),
        ] {
            let cost = prices().cost(account, model, usage(1_000_000, 0, 0, 0));
            assert_eq!(cost, Some(150_000), "{account} {model}");
        }
        let dated = prices().cost(
            "anthropic",
            "claude-haiku-4-5-20251001",
            usage(1_000_000, 0, 0, 0),
        );
        assert_eq!(dated, Some(1_000_000));
        assert_eq!(undated("gpt-6-2"), "gpt-6-2");
        assert_eq!(undated("模型-20251001"), "模型");
        assert_eq!(undated("é0251001x"), "é0251001x");
    }

    #[test]
    fn an_operators_table_replaces_and_adds() {
        let table = r#"{"prices": [
            {"account": "openai", "model": "gpt-4o-mini", "input": 0.2, "output": 1},
            {"account": "openai@llm.example", "model": "*", "input": 0.000001, "output": 0}
        ]}"#;
        let prices = prices().overridden_by(table).unwrap();
        let million = usage(1_000_000, 0, 0, 0);
        assert_eq!(prices.cost("openai", "gpt-4o-mini", million), Some(200_000));
        assert_eq!(prices.cost("openai", "gpt-5-mini", million), Some(250_000));
        assert_eq!(prices.cost("openai@llm.example", "any", million), Some(1));
    }

    #[test]
    fn numbers_beyond_all_bounds_are_no_cost() {
        let cost = prices().cost("openai", "gpt-6-astra", usage(u64::MAX, 0, 0, u64::MAX));
        assert_eq!(cost, None);
        // More cached than there was: what is left is nothing, not a huge number.
        let odd = prices().cost("openai", "gpt-4o-mini", usage(10, 1_000_000, 0, 0));
        assert_eq!(odd, Some(75_000));
    }
}
