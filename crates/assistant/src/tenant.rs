use std::collections::BTreeMap;

use db::TenantTx;
use domain::{LlmChoice, TenantSettings};
use llm::manager::Keys;
use secrecy::SecretString;
use secrets::{Keyring, row_context};
use serde::Deserialize;
use store::tenants;
use url::Url;

/// A tenant as its use cases need it: what it set, secrets included.
#[derive(Clone, Debug)]
pub struct TenantProfile {
    /// Its name.
    pub name: String,
    /// Whether its channels are answered.
    pub enabled: bool,
    /// What it set.
    pub settings: TenantSettings,
    /// Its own keys to providers.
    pub llm_keys: Keys,
    /// Its own key to the reranker.
    pub rerank_api_key: Option<SecretString>,
    /// Its own key to the provider of its embeddings.
    pub embedding_api_key: Option<SecretString>,
    /// What posts to its moderation service are signed with.
    pub moderation_secret: Option<SecretString>,
}

/// A tenant's secrets as they are sealed, as one JSON object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Secrets {
    llm_api_key: Option<SecretString>,
    rerank_api_key: Option<SecretString>,
    embedding_api_key: Option<SecretString>,
    llm_api_keys: BTreeMap<String, SecretString>,
    moderation_secret: Option<SecretString>,
}

impl TenantProfile {
    /// Loads the tenant of the transaction.
    ///
    /// # Errors
    /// `NotFound` if it was deleted; `Corrupt` if its secrets cannot be opened.
    pub async fn load(tx: &mut TenantTx, keyring: &Keyring) -> db::Result<Self> {
        let tenant = tenants::get(tx).await?;
        let secrets = match &tenant.sealed_secrets {
            None => Secrets::default(),
            Some(sealed) => {
                let (table, column) = tenants::SECRETS_COLUMN;
                let context = row_context(table, column, tenant.id.as_uuid());
                keyring.open_json(&context, sealed).map_err(|error| {
                    db::Error::corrupt(format!("the secrets of tenant {}: {error}", tenant.id))
                })?
            }
        };
        Ok(Self {
            name: tenant.name,
            enabled: tenant.enabled,
            settings: tenant.settings,
            llm_keys: Keys {
                first: secrets.llm_api_key,
                by_account: secrets.llm_api_keys,
            },
            rerank_api_key: secrets.rerank_api_key,
            embedding_api_key: secrets.embedding_api_key,
            moderation_secret: secrets.moderation_secret,
        })
    }

    /// The tenant's key to the provider of its embeddings: the one set for them, else the model's,
    /// if that is for the very same provider and address.
    pub fn embedding_key(&self) -> Option<SecretString> {
        let embedding = self.settings.embedding.as_ref()?;
        self.key_to(&embedding.provider, embedding.base_url.as_ref())
    }

    /// The tenant's key to a provider of embeddings at an address, if it set one for it.
    pub fn key_to(&self, provider: &str, base_url: Option<&Url>) -> Option<SecretString> {
        let embedding = self.settings.embedding.as_ref();
        let is_embeddings = embedding.is_some_and(|embedding| {
            embedding.provider == provider && embedding.base_url.as_ref() == base_url
        });
        if is_embeddings && self.embedding_api_key.is_some() {
            return self.embedding_api_key.clone();
        }
        let choice = LlmChoice {
            provider: provider.to_owned(),
            base_url: base_url.cloned(),
            ..LlmChoice::default()
        };
        self.llm_keys.to(&choice.account(), &self.settings.llm)
    }
}

#[cfg(test)]
mod tests {
    use domain::EmbeddingSettings;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn key(profile: &TenantProfile) -> Option<String> {
        let key = profile.embedding_key()?;
        Some(key.expose_secret().to_owned())
    }

    #[test]
    fn a_key_goes_to_the_provider_it_is_for_and_nowhere_else() {
        let mut settings = TenantSettings::default();
        "openai".clone_into(&mut settings.llm.provider);
        let mut profile = TenantProfile {
            name: "Shop".to_owned(),
            enabled: true,
            settings,
            llm_keys: Keys {
                first: Some("sk-chat".into()),
                ..Keys::default()
            },
            rerank_api_key: None,
            embedding_api_key: None,
            moderation_secret: None,
        };
        assert_eq!(key(&profile), None);
        let mut embedding = EmbeddingSettings {
            provider: "openai".to_owned(),
            ..EmbeddingSettings::default()
        };
        profile.settings.embedding = Some(embedding.clone());
        assert_eq!(key(&profile).as_deref(), Some("sk-chat"));
        embedding.base_url = "https://elsewhere.example/v1".parse().ok();
        profile.settings.embedding = Some(embedding.clone());
        assert_eq!(key(&profile), None);
        embedding.base_url = None;
        "ollama".clone_into(&mut embedding.provider);
        profile.settings.embedding = Some(embedding);
        assert_eq!(key(&profile), None);
        profile.embedding_api_key = Some("sk-embed".into());
        assert_eq!(key(&profile).as_deref(), Some("sk-embed"));
    }
}
