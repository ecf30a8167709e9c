use crate::Usage;

/// Tokens that a price is for.
const PER: u128 = 1_000_000;

/// What a model costs, by the size of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    /// Up to the first tier.
    pub(super) base: Rate,
    /// For requests of more than so many tokens, in rising order; the last that fits counts.
    pub(super) tiers: Vec<(u64, Rate)>,
}

/// Prices in micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) input: u64,
    /// Read from the provider's cache; `None`: as input.
    pub(super) cached: Option<u64>,
    /// Written to it; `None`: as input.
    pub(super) cache_written: Option<u64>,
    /// `None`: the model writes nothing.
    pub(super) output: Option<u64>,
}

impl Rates {
    pub(super) fn cost(&self, usage: Usage) -> Option<i64> {
        let tier = self.tiers.iter().rev();
        let tier = tier.clone().find(|(above, _)| usage.input > *above);
        tier.map_or(&self.base, |(_, rate)| rate).cost(usage)
    }
}

impl Rate {
    fn cost(&self, usage: Usage) -> Option<i64> {
        let output = match (usage.output, self.output) {
            (0, _) => 0,
            (_, price) => price?,
        };
        let special = usage.cached.saturating_add(usage.cache_written);
        let fresh = usage.input.saturating_sub(special);
        let parts = [
            (fresh, self.input),
            (usage.cached, self.cached.unwrap_or(self.input)),
            (
                usage.cache_written,
                self.cache_written.unwrap_or(self.input),
            ),
            (usage.output, output),
        ];
        let mut sum: u128 = 0;
        for (tokens, price) in parts {
            sum = sum.checked_add(u128::from(tokens) * u128::from(price))?;
        }
        i64::try_from((sum + PER / 2) / PER).ok()
    }
}
