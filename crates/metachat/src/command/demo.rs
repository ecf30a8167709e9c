use assistant::Assistant;
use domain::{ChannelId, ChannelKind, TenantId, TenantSettings};
use store::channels::{self, ChannelValues};
use store::tenants::{self, TenantValues};

const NAME: &str = "Demo";
const PAGE: usize = 100;

/// What a newcomer talks to.
pub(crate) struct Demo {
    pub(crate) tenant: TenantId,
    pub(crate) channel: ChannelId,
}

/// Finds the demo tenant and its web chat, or makes them.
pub(crate) async fn ensure(assistant: &Assistant) -> anyhow::Result<Demo> {
    let tenant = match find_tenant(assistant).await? {
        Some(tenant) => tenant,
        None => {
            let values = TenantValues {
                name: NAME,
                enabled: true,
                settings: &TenantSettings::default(),
                sealed_secrets: None,
            };
            let mut tx = assistant.db.system().await?;
            let tenant = tenants::insert(&mut tx, TenantId::new(), &values).await?;
            tx.commit().await?;
            tenant.id
        }
    };
    let channel = ensure_channel(assistant, tenant).await?;
    Ok(Demo { tenant, channel })
}

async fn find_tenant(assistant: &Assistant) -> anyhow::Result<Option<TenantId>> {
    let mut tx = assistant.db.system().await?;
    let page = tenants::list(&mut tx, None, PAGE).await?;
    Ok(page
        .data
        .into_iter()
        .find(|tenant| tenant.name == NAME)
        .map(|tenant| tenant.id))
}

async fn ensure_channel(assistant: &Assistant, tenant: TenantId) -> anyhow::Result<ChannelId> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let page = channels::list(&mut tx, None, PAGE).await?;
    let found = page
        .data
        .into_iter()
        .find(|channel| channel.kind == ChannelKind::Webchat);
    if let Some(channel) = found {
        return Ok(channel.id);
    }
    let config = ::channels::parse(ChannelKind::Webchat, serde_json::json!({}))
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let values = ChannelValues {
        name: "Web chat",
        enabled: true,
        config: &config.public,
        sealed_secrets: None,
        external_id: None,
    };
    let id = ChannelId::new();
    channels::insert(&mut tx, id, ChannelKind::Webchat, &values).await?;
    tx.commit().await?;
    Ok(id)
}
