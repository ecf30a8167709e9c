use db::{Db, DbOptions};
use domain::{ChannelId, ChannelKind, TenantId, TenantSettings};
use serde_json::json;
use store::channels::{self, ChannelValues};
use store::tenants::{self, TenantValues};
use testkit::TestDb;

/// Two tenants, neither of which may meet what is the other's.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) database: TestDb,
    pub(crate) one: TenantId,
    pub(crate) other: TenantId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = TestDb::new().await;
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let (one, other) = (TenantId::new(), TenantId::new());
        let mut tx = db.system().await.unwrap();
        for (id, name) in [(one, "One"), (other, "Other")] {
            tenants::insert(&mut tx, id, &values(name)).await.unwrap();
        }
        tx.commit().await.unwrap();
        Self {
            db,
            database,
            one,
            other,
        }
    }

    /// Connects a channel of the first tenant's.
    pub(crate) async fn channel(&self, kind: ChannelKind, external_id: Option<&str>) -> ChannelId {
        let id = ChannelId::new();
        let mut tx = self.db.tenant(self.one).await.unwrap();
        let config = json!({});
        let values = ChannelValues {
            name: "Channel",
            enabled: true,
            config: &config,
            sealed_secrets: external_id.map(|_| &b"sealed"[..]),
            external_id,
        };
        channels::insert(&mut tx, id, kind, &values).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
}

pub(crate) fn values(name: &str) -> TenantValues<'_> {
    // Leaked once in each test: settings are borrowed.
    let settings: &'static TenantSettings = Box::leak(Box::default());
    TenantValues {
        name,
        enabled: true,
        settings,
        sealed_secrets: None,
    }
}
