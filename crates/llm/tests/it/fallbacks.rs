//! Which refusals of a server lead to the next model of a chain, and which end it.

use std::sync::Arc;

use domain::{LlmChoice, LlmSettings, TenantId};
use llm::manager::{Keys, Manager, ManagerPolicy};
use llm::{Error, Model as _, Models, Timeouts};
use outbound::{AllowRule, Guard};
use testkit::standin::{ModelBehaviour, ModelFault};

use crate::matrix::Standin;
use crate::provider::{Wire, platform, request, settings};

/// A server that refuses with a fault, a second one that answers, and how often each is asked.
async fn ask_both(wire: Wire, fault: ModelFault) -> (Result<String, Error>, [usize; 2]) {
    let refusing = Standin::open(wire).await;
    let answering = Standin::open(Wire::Chat).await;
    refusing.script([fault]);
    answering.script([ModelBehaviour::text("Yes")]);
    let settings = LlmSettings {
        fallbacks: vec![LlmChoice {
            provider: "openai".to_owned(),
            model: "m".to_owned(),
            base_url: Some(format!("{}/v1", answering.url()).parse().unwrap()),
        }],
        ..settings(wire)
    };
    let guard = Guard::new(["127.0.0.0/8".parse::<AllowRule>().unwrap()]);
    let models = Models::new(platform(refusing.url()), &guard, Timeouts::default());
    let manager = Manager::new(Arc::new(models.unwrap()), ManagerPolicy::default());
    let chain = manager.chain(TenantId::new(), &settings, &Keys::default());
    let answer = chain.complete(request()).await;
    let asked = [refusing.received().len(), answering.received().len()];
    (answer.map(|answer| answer.text), asked)
}

#[tokio::test]
async fn what_one_model_cannot_do_is_asked_of_the_next() {
    for wire in Wire::ALL {
        for fault in [
            ModelFault::ModelMissing,
            ModelFault::Unsupported,
            ModelFault::ContextTooLong,
        ] {
            let (answer, asked) = ask_both(wire, fault.clone()).await;
            assert_eq!(answer.unwrap(), "Yes", "{wire:?} {fault:?}");
            assert_eq!(asked, [1, 1], "{wire:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_everywhere_ends_the_chain_at_once() {
    for wire in Wire::ALL {
        let (answer, asked) = ask_both(wire, ModelFault::BadRequest).await;
        let error = answer.unwrap_err();
        assert!(
            matches!(error, Error::BadRequest { .. }),
            "{wire:?}: {error:?}"
        );
        assert_eq!(asked, [1, 0], "{wire:?}");
    }
}
