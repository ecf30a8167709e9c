use clap::Subcommand;
use domain::{ApiKeyId, TenantId};
use secrecy::ExposeSecret as _;
use secrets::ApiKey;
use store::api_keys::{self, NewApiKey};

use crate::{output, setup};

/// What an operator can do from the command line.
#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Makes a key to the API and prints it, this once.
    CreateKey {
        /// What the key is for.
        #[arg(long)]
        name: String,
        /// The tenant it belongs to; without one it is an operator's key, for all tenants.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
}

pub(crate) async fn run(command: AdminCommand) -> anyhow::Result<()> {
    let config = setup::configure()?;
    let db = setup::database(&config)?;
    match command {
        AdminCommand::CreateKey { name, tenant } => {
            let key = ApiKey::generate();
            let new = NewApiKey {
                id: ApiKeyId::new(),
                name: &name,
                prefix: key.prefix(),
                hash: &key.hash(),
                expires_at: None,
            };
            match tenant {
                Some(tenant) => {
                    let mut tx = db.tenant(tenant).await?;
                    api_keys::insert(&mut tx, &new).await?;
                    tx.commit().await?;
                }
                None => {
                    let mut tx = db.system().await?;
                    api_keys::insert_operator(&mut tx, &new).await?;
                    tx.commit().await?;
                }
            }
            output::print(key.secret().expose_secret())
        }
    }
}
