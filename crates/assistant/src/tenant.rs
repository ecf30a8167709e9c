use std::collections::BTreeMap;

use db::TenantTx;
use domain::TenantSettings;
use llm::manager::Keys;
use secrecy::SecretString;
use secrets::{Keyring, row_context};
use serde::Deserialize;
use store::tenants;

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
}

/// A tenant's secrets as they are sealed, as one JSON object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Secrets {
    llm_api_key: Option<SecretString>,
    llm_api_keys: BTreeMap<String, SecretString>,
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
        })
    }
}
