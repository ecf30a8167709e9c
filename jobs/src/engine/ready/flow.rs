use std::sync::Arc;

use domain::TenantId;

use crate::KindInfo;

/// Jobs that are equally eligible: same kind, tenant, priority and limit keys.
#[derive(Debug)]
pub(in crate::engine) struct Flow {
    /// The number in the table: a hash of the rest.
    pub(in crate::engine) id: i64,
    pub(in crate::engine) kind: KindInfo,
    pub(in crate::engine) tenant: Option<TenantId>,
    /// Lower goes first within a tenant.
    pub(in crate::engine) priority: i16,
    /// Every key a limit on which holds for it.
    pub(in crate::engine) limit_keys: Vec<Arc<str>>,
}

impl Flow {
    pub(in crate::engine) fn new(
        id: i64,
        kind: KindInfo,
        tenant: Option<TenantId>,
        priority: i16,
        own_keys: &[Option<String>; 2],
    ) -> Self {
        let mut limit_keys = vec![Arc::from(kind_key(kind.name))];
        if let Some(tenant) = tenant {
            limit_keys.push(Arc::from(tenant_key(tenant)));
            limit_keys.push(Arc::from(format!("{}/{}", tenant_key(tenant), kind.name)));
        }
        limit_keys.extend(own_keys.iter().flatten().map(|key| Arc::from(key.as_str())));
        Self {
            id,
            kind,
            tenant,
            priority,
            limit_keys,
        }
    }
}

/// The key of limits on everything of one tenant.
fn tenant_key(tenant: TenantId) -> String {
    format!("tenant:{tenant}")
}

fn kind_key(kind: &str) -> String {
    format!("kind:{kind}")
}
