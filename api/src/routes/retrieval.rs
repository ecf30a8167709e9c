//! How passages are found and ranked, where a single request wants it another way.

use domain::{FusionMethod, RetrievalSettings};
use poem_openapi::{Enum, Object};
use serde::Deserialize;

use crate::payload::Checks;

/// How the rankings by keyword and by vector become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "FusionMethod")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fusion {
    /// By the weighted mean of both scores.
    Weighted,
    /// By the sum of their reciprocal ranks; the weights do not count.
    Rrf,
}

impl From<FusionMethod> for Fusion {
    fn from(method: FusionMethod) -> Self {
        match method {
            FusionMethod::Weighted => Self::Weighted,
            FusionMethod::Rrf => Self::Rrf,
        }
    }
}

impl From<Fusion> for FusionMethod {
    fn from(fusion: Fusion) -> Self {
        match fusion {
            Fusion::Weighted => Self::Weighted,
            Fusion::Rrf => Self::Rrf,
        }
    }
}

/// How passages are found and ranked this time; what is missing is as the tenant set it.
#[derive(Clone, Copy, Debug, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetrievalOverride {
    /// How many passages at most, 1 to 20.
    pub(crate) top_k: Option<u32>,
    /// Weight of the keyword score, 0 to 1.
    pub(crate) keyword_weight: Option<f64>,
    /// Weight of the vector score, 0 to 1.
    pub(crate) vector_weight: Option<f64>,
    /// Passages with a lower cosine similarity count as not found by vector, 0 to 1.
    pub(crate) min_similarity: Option<f64>,
    /// How both rankings become one.
    pub(crate) fusion: Option<Fusion>,
}

impl RetrievalOverride {
    /// Puts itself over the tenant's settings; what does not hold is noted, under `prefix`.
    pub(crate) fn over(
        self,
        settings: RetrievalSettings,
        prefix: &str,
        checks: &mut Checks,
    ) -> RetrievalSettings {
        let settings = RetrievalSettings {
            top_k: self.top_k.unwrap_or(settings.top_k),
            keyword_weight: self.keyword_weight.unwrap_or(settings.keyword_weight),
            vector_weight: self.vector_weight.unwrap_or(settings.vector_weight),
            min_similarity: self.min_similarity.unwrap_or(settings.min_similarity),
            fusion: self.fusion.map_or(settings.fusion, Into::into),
            ..settings
        };
        check(&settings, prefix, checks);
        settings
    }
}

/// Notes what does not hold of how passages are found.
pub(crate) fn check(settings: &RetrievalSettings, prefix: &str, checks: &mut Checks) {
    let mut number = |field: &str, value: f64, low: f64, high: f64| {
        let detail = format!("must be from {low} to {high}");
        checks.require(
            (low..=high).contains(&value),
            &format!("{prefix}{field}"),
            detail,
        );
    };
    number("top_k", settings.top_k.into(), 1.0, 20.0);
    number("keyword_weight", settings.keyword_weight, 0.0, 1.0);
    number("vector_weight", settings.vector_weight, 0.0, 1.0);
    number("min_similarity", settings.min_similarity, 0.0, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_as_the_tenant_set_it() {
        let own = RetrievalSettings {
            top_k: 7,
            keyword_weight: 0.9,
            ..RetrievalSettings::default()
        };
        let mut checks = Checks::default();
        let change = RetrievalOverride {
            keyword_weight: Some(0.5),
            fusion: Some(Fusion::Rrf),
            ..RetrievalOverride::default()
        };
        let settings = change.over(own, "", &mut checks);
        checks.finish().unwrap();
        assert_eq!((settings.top_k, settings.keyword_weight), (7, 0.5));
        assert_eq!(settings.fusion, FusionMethod::Rrf);
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let mut checks = Checks::default();
        let change = RetrievalOverride {
            top_k: Some(21),
            min_similarity: Some(f64::NAN),
            ..RetrievalOverride::default()
        };
        change.over(RetrievalSettings::default(), "retrieval.", &mut checks);
        let problem = format!("{:?}", checks.finish().unwrap_err());
        assert!(
            problem.contains("retrieval.top_k") && problem.contains("retrieval.min_similarity")
        );
        assert!(!problem.contains("weight"), "{problem}");
    }
}
