use std::sync::Arc;

use domain::{LlmSettings, TenantId};
use jobs::Failure;
use llm::Model;
use llm::manager::Keys;

use crate::spending::{Calls, Verdict, look};
use crate::{Assistant, TenantProfile};

const BUILTIN: &str = "builtin";

/// Who answers a tenant's contacts: its chain of models, or the built-in answerer once the month's
/// budget is spent. Its calls are noted.
///
/// # Errors
/// Dead once the budget is spent and the tenant wants no answer then; a retry for what may pass.
pub(crate) async fn choose(
    assistant: &Assistant,
    tenant: TenantId,
    profile: &TenantProfile,
    calls: &Calls,
) -> Result<Arc<dyn Model>, Failure> {
    let settings = &profile.settings;
    let manager = &assistant.manager;
    if settings.llm.provider == BUILTIN {
        // It costs nothing: no budget is in its way.
        let chain = manager.chain(tenant, &builtin(), &Keys::default());
        return Ok(calls.observe(&chain, false));
    }
    match look(assistant, tenant, &settings.budget).await? {
        Verdict::Go => {
            let chain = manager.chain(tenant, &settings.llm, &profile.llm_keys);
            Ok(calls.observe(&chain, false))
        }
        Verdict::Builtin { .. } => {
            let chain = manager.chain(tenant, &builtin(), &Keys::default());
            Ok(calls.observe(&chain, true))
        }
        Verdict::Stop { reason } => Err(Failure::dead(reason)),
    }
}

/// The settings of the answerer that costs nothing.
fn builtin() -> LlmSettings {
    LlmSettings {
        provider: BUILTIN.to_owned(),
        ..LlmSettings::default()
    }
}
