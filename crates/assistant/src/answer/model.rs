use std::sync::Arc;

use domain::{LlmSettings, TenantId};
use jobs::Failure;
use llm::manager::{Chain, Keys};
use llm::{Model, ModelContext};

use crate::spending::{Calls, Verdict, look};
use crate::{Assistant, TenantProfile};

const BUILTIN: &str = "builtin";

/// Who answers.
pub(crate) struct Chosen {
    /// The model, its fallbacks behind it.
    pub(crate) model: Arc<dyn Model>,
    /// How much may be asked of it at once.
    pub(crate) context: ModelContext,
}

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
) -> Result<Chosen, Failure> {
    let settings = &profile.settings;
    let manager = &assistant.manager;
    if settings.llm.provider == BUILTIN {
        // It costs nothing: no budget is in its way.
        let chain = manager.chain(tenant, &builtin(), &Keys::default());
        return Ok(observed(calls, &chain, false));
    }
    match look(assistant, tenant, &settings.budget).await? {
        Verdict::Go => {
            let chain = manager.chain(tenant, &settings.llm, &profile.llm_keys);
            Ok(observed(calls, &chain, false))
        }
        Verdict::Builtin { .. } => {
            let chain = manager.chain(tenant, &builtin(), &Keys::default());
            Ok(observed(calls, &chain, true))
        }
        Verdict::Stop { reason } => Err(Failure::dead(reason)),
    }
}

fn observed(calls: &Calls, chain: &Arc<Chain>, is_fallback: bool) -> Chosen {
    Chosen {
        model: calls.observe(chain, is_fallback),
        context: chain.context(),
    }
}

/// The settings of the answerer that costs nothing.
fn builtin() -> LlmSettings {
    LlmSettings {
        provider: BUILTIN.to_owned(),
        ..LlmSettings::default()
    }
}
