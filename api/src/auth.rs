//! Who calls: an operator, or a tenant, by API key.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use db::{SystemTx, TenantTx};
use domain::TenantId;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header};
use poem::{Endpoint, Request, Response};
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use poem_openapi::error::AuthorizationError;
use secrets::ApiKey;
use store::api_keys::{self, KeyOwner};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::observe::{RequestId, answer};
use crate::rate_limit::Decision;
use crate::{AppState, Problem};

/// How long an answer about a key is believed: a revoked key works this much longer at most.
const BELIEVED_FOR: TimeDelta = TimeDelta::seconds(10);
/// How many keys are remembered at once.
const REMEMBERED: usize = 10_000;

/// Who calls, and what they may do.
#[derive(Clone)]
pub struct Caller {
    state: Arc<AppState>,
    /// The key's id; nil for the operator's own key.
    key: Uuid,
    /// The key's tenant; `None` for an operator's key.
    tenant: Option<TenantId>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("key", &self.key)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// What handlers can reach.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// The caller's tenant; `None` for an operator.
    pub const fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// The id of the caller's key; nil for the operator's own.
    pub(crate) const fn key(&self) -> Uuid {
        self.key
    }

    /// Begins a transaction of a tenant, if the caller may act for it and it exists.
    ///
    /// # Errors
    /// 404 if the tenant is not there or another one, 503 if the database is away.
    pub async fn act_for(&self, tenant: TenantId) -> Result<TenantTx, Problem> {
        match self.tenant {
            Some(own) if own != tenant => return Err(Problem::not_found()),
            _ => {}
        }
        let mut tx = self.state.db.tenant(tenant).await?;
        if store::tenants::exists(&mut tx).await? {
            Ok(tx)
        } else {
            Err(Problem::not_found())
        }
    }

    /// Begins a transaction over all tenants, if the caller is an operator.
    ///
    /// # Errors
    /// 403 for a tenant's key, 503 if the database is away.
    pub async fn operate(&self) -> Result<SystemTx, Problem> {
        self.require_operator()?;
        Ok(self.state.db.system().await?)
    }

    /// Whose things the caller sees in a list over all tenants: the asked-for tenant's, and with a
    /// tenant's key only its own.
    ///
    /// # Errors
    /// 404 if another tenant is asked for.
    pub fn visible(&self, asked: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
        match (self.tenant, asked) {
            (Some(own), Some(asked)) if own != asked => Err(Problem::not_found()),
            (Some(own), _) => Ok(Some(own)),
            (None, asked) => Ok(asked),
        }
    }

    /// Checks that the caller is an operator.
    ///
    /// # Errors
    /// 403 for a tenant's key.
    pub fn require_operator(&self) -> Result<(), Problem> {
        match self.tenant {
            Some(_) => Err(Problem::operator_only()),
            None => Ok(()),
        }
    }
}

/// An API key, sent as `Authorization: Bearer mck_…`.
///
/// An operator's key works for every tenant, a tenant's key for its own: everything else is 404.
#[derive(Debug, SecurityScheme)]
#[oai(rename = "api_key", ty = "bearer", checker = "known_caller")]
pub struct Auth(pub Caller);

async fn known_caller(request: &Request, _: Bearer) -> poem::Result<Caller> {
    request
        .data::<Caller>()
        .cloned()
        .ok_or_else(|| AuthorizationError.into())
}

/// Whose keys were asked for lately, and what the answer was.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<HashMap<[u8; 32], Known>>);

#[derive(Clone, Copy)]
struct Known {
    owner: Option<KeyOwner>,
    until: DateTime<Utc>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

impl KeyCache {
    /// Forgets every answer, after keys were changed by this process.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn find(&self, hash: &[u8; 32], now: DateTime<Utc>) -> Option<Known> {
        let known = self.lock().get(hash).copied();
        known.filter(|known| known.until > now)
    }

    fn keep(&self, hash: [u8; 32], owner: Option<KeyOwner>, now: DateTime<Utc>) {
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(
            hash,
            Known {
                owner,
                until: now + BELIEVED_FOR,
            },
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds out who calls, holds them to their limit, and tells them how much of it is left.
///
/// A request without an API key goes on: whether it needs one is the route's to say.
pub(crate) async fn authenticate<E>(
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response>
where
    E: Endpoint,
{
    let Some(state) = request.data::<Arc<AppState>>().map(Arc::clone) else {
        return Err(Problem::internal("the state is not set").into());
    };
    let Some(caller) = identify(&state, &request).await? else {
        return Ok(answer(&*endpoint, request).await);
    };
    let decision = state.rates.check(caller.key);
    let tenant = caller.tenant;
    let mut response = if decision.is_allowed() {
        request.set_data(caller);
        answer(&*endpoint, request).await
    } else {
        let id = RequestId::of(&request);
        let problem = Problem::rate_limited(decision.retry_after_seconds());
        crate::problem::render(problem.into(), id.as_str())
    };
    add_headers(response.headers_mut(), &decision);
    response.set_data(CallerTenant(tenant));
    Ok(response)
}

/// Whose key a request came with, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerTenant(pub(crate) Option<TenantId>);

async fn identify(state: &Arc<AppState>, request: &Request) -> Result<Option<Caller>, Problem> {
    let header = request.header(header::AUTHORIZATION).unwrap_or_default();
    let Some((scheme, token)) = header.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim();
    let hash = secrets::sha256(token.as_bytes());
    if bool::from(hash.ct_eq(&state.admin_key_hash)) {
        return Ok(Some(Caller {
            state: Arc::clone(state),
            key: Uuid::nil(),
            tenant: None,
        }));
    }
    // What has no key's form needs no look-up: it may be a token of another kind.
    if token.parse::<ApiKey>().is_err() {
        return Ok(None);
    }
    let now = state.clock.now();
    let owner = match state.keys.find(&hash, now) {
        Some(known) => known.owner,
        None => look_up(state, &hash, now).await?,
    };
    let valid = owner.filter(|owner| owner.expires_at.is_none_or(|at| at > now));
    Ok(valid.map(|owner| Caller {
        state: Arc::clone(state),
        key: owner.id.as_uuid(),
        tenant: owner.tenant,
    }))
}

async fn look_up(
    state: &AppState,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<KeyOwner>, Problem> {
    let mut tx = state.db.system().await?;
    let owner = api_keys::find_owner(&mut tx, hash).await?;
    if let Some(owner) = &owner {
        api_keys::touch(&mut tx, owner.id, now).await?;
    }
    tx.commit().await?;
    state.keys.keep(*hash, owner, now);
    Ok(owner)
}

fn add_headers(headers: &mut HeaderMap, decision: &Decision) {
    for (name, text) in decision.headers() {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
