use std::collections::BTreeMap;

use domain::{LlmChoice, LlmSettings};
use secrecy::SecretString;

/// A tenant's own keys.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The key of whoever is first in the settings. Whoever stores it lets go of it when the first
    /// becomes another account.
    pub first: Option<SecretString>,
    /// The keys by account; see [`LlmChoice::account`].
    pub by_account: BTreeMap<String, SecretString>,
}

impl Keys {
    /// The key to an account, of whoever has these settings.
    pub fn to(&self, account: &str, settings: &LlmSettings) -> Option<SecretString> {
        let chain = settings.chain();
        let is_first = chain
            .first()
            .is_some_and(|first| first.account() == account);
        let older = self.first.as_ref().filter(|_| is_first);
        self.by_account.get(account).or(older).cloned()
    }

    /// The keys of a chain's links, in its order.
    ///
    /// A key goes to its account and nowhere else: another address of the same provider does not
    /// get it.
    pub(super) fn of_chain(&self, chain: &[LlmChoice]) -> Vec<Option<SecretString>> {
        let first = chain.first().map(LlmChoice::account);
        let key = |choice: &LlmChoice| {
            let account = choice.account();
            let own = self.by_account.get(&account);
            let older = self
                .first
                .as_ref()
                .filter(|_| Some(&account) == first.as_ref());
            own.or(older).cloned()
        };
        chain.iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn choice(provider: &str, base_url: Option<&str>) -> LlmChoice {
        LlmChoice {
            provider: provider.to_owned(),
            base_url: base_url.map(|url| url.parse().unwrap()),
            ..LlmChoice::default()
        }
    }

    fn found(keys: &Keys, chain: &[LlmChoice]) -> Vec<Option<String>> {
        let keys = keys.of_chain(chain).into_iter();
        keys.map(|key| key.map(|key| key.expose_secret().to_owned()))
            .collect()
    }

    #[test]
    fn a_key_goes_to_its_own_account_alone() {
        let keys = Keys {
            first: None,
            by_account: BTreeMap::from([
                ("openai".to_owned(), "sk-a".into()),
                ("openai@llm.example".to_owned(), "sk-b".into()),
            ]),
        };
        let chain = [
            choice("openai", None),
            choice("openai", Some("https://llm.example/v1")),
            choice("openai", Some("https://other.example/v1")),
            choice("anthropic", None),
        ];
        let expected = [Some("sk-a"), Some("sk-b"), None, None];
        assert_eq!(
            found(&keys, &chain),
            expected.map(|key| key.map(str::to_owned))
        );
    }

    #[test]
    fn the_older_key_is_that_of_the_first_and_gives_way_to_its_own() {
        let mut keys = Keys {
            first: Some("sk-old".into()),
            ..Keys::default()
        };
        let chain = [
            choice("openai", None),
            choice("anthropic", None),
            choice("openai", None),
        ];
        let old = Some("sk-old".to_owned());
        assert_eq!(found(&keys, &chain), [old.clone(), None, old]);
        keys.by_account.insert("openai".to_owned(), "sk-new".into());
        assert_eq!(found(&keys, &chain)[0].as_deref(), Some("sk-new"));
    }
}
