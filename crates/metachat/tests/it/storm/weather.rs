//! What goes wrong outside: each request of a model, of Meta or of the other system meets its own luck.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use testkit::standin::{
    GraphBehaviour, GraphReply, ModelBehaviour, ModelFault, ReceiverReply, StatusPlan,
};

use super::ANSWER_DEADLINE_SECONDS;

pub(super) fn model(rng: &mut StdRng) -> ModelBehaviour {
    let fault = match rng.random_range(0..20) {
        0 | 1 => Some(ModelFault::ServerError),
        2 | 3 => Some(ModelFault::RateLimited {
            retry_after_seconds: 1,
        }),
        4 | 5 => Some(ModelFault::Drop),
        6 | 7 => Some(ModelFault::Overloaded),
        8 | 9 => Some(ModelFault::CutStream { after_chunks: 1 }),
        10 => Some(ModelFault::Stall { after_chunks: 2 }),
        _ => None,
    };
    // One in twenty answers comes after everybody stopped waiting for it.
    let first_token_ms = match rng.random_range(0..20) {
        0 => (ANSWER_DEADLINE_SECONDS + 2) * 1000,
        _ => rng.random_range(0..300),
    };
    ModelBehaviour {
        fault,
        first_token_ms,
        ..ModelBehaviour::default()
    }
}

pub(super) fn graph(rng: &mut StdRng) -> GraphBehaviour {
    let reply = match rng.random_range(0..10) {
        0 => GraphReply::Status { status: 500 },
        1 => GraphReply::RateLimited {
            retry_after_seconds: 1,
        },
        2 => GraphReply::AcceptThenDrop,
        3 => GraphReply::Error { code: 131_016 },
        _ => GraphReply::Accept,
    };
    let plans = [
        StatusPlan::default(),
        StatusPlan::duplicated(),
        StatusPlan::reordered(),
    ];
    GraphBehaviour {
        statuses: plans.choose(rng).cloned().unwrap_or_default(),
        delay_ms: rng.random_range(0..100),
        reply,
    }
}

pub(super) fn other_system(rng: &mut StdRng) -> ReceiverReply {
    match rng.random_range(0..4) {
        0 => ReceiverReply::Status { status: 503 },
        1 => ReceiverReply::Drop,
        _ => ReceiverReply::Ok,
    }
}
