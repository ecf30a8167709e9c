use std::sync::Arc;

use domain::LlmSettings;
use jobs::Failure;
use llm::Model;
use llm::manager::Keys;

use super::turn::Turn;
use crate::Assistant;
use crate::spending::{Calls, Verdict, look};

const BUILTIN: &str = "builtin";

/// Who answers a turn: the tenant's chain of models, or the built-in answerer once the month's
/// budget is spent. Its calls are noted.
///
/// # Errors
/// Dead once the budget is spent and the tenant wants no answer then; a retry for what may pass.
pub(super) async fn choose(
    assistant: &Assistant,
    turn: &Turn,
    calls: &Calls,
) -> Result<Arc<dyn Model>, Failure> {
    let settings = &turn.profile.settings;
    let (tenant, manager) = (turn.tenant_id, &assistant.manager);
    if settings.llm.provider == BUILTIN {
        // It costs nothing: no budget is in its way.
        let chain = manager.chain(tenant, &builtin(), &Keys::default());
        return Ok(calls.observe(&chain, false));
    }
    match look(assistant, tenant, &settings.budget).await? {
        Verdict::Go => {
            let chain = manager.chain(tenant, &settings.llm, &turn.profile.llm_keys);
            Ok(calls.observe(&chain, false))
        }
        Verdict::Builtin => {
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
