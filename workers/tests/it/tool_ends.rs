//! What a model is told of a call, however the tool ends.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use assistant::spending::{About, Calls};
use assistant::tools::{
    HandOff, InvalidTool, Registry, SearchKnowledgeBase, Sources, Tool, ToolContext, ToolError,
};
use domain::{BudgetSettings, CallPurpose, RetrievalSettings};
use llm::{HashedNgrams, ToolCall};
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, settings};

/// How a tool of these tests ends.
#[derive(Clone, Copy)]
enum End {
    Well,
    Badly,
    Never,
}

struct Made {
    name: &'static str,
    end: End,
    /// Held as long as it works.
    work: Arc<()>,
}

#[async_trait::async_trait]
impl Tool for Made {
    fn name(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> &'static str {
        "Counts what is in stock."
    }

    fn parameters(&self) -> Value {
        json!({"type": "object"})
    }

    fn timeout(&self) -> Duration {
        match self.end {
            End::Never => Duration::from_millis(50),
            End::Well | End::Badly => PATIENCE,
        }
    }

    async fn run(&self, context: &mut ToolContext<'_>, _: Value) -> Result<String, ToolError> {
        let _work = Arc::clone(&self.work);
        match self.end {
            End::Well => {
                *context.has_searched = true;
                Ok("Forty are left.".to_owned())
            }
            End::Badly => Err(ToolError("the warehouse does not answer".to_owned())),
            End::Never => future::pending().await,
        }
    }
}

/// Tools of each end, all of which hold the same while they work.
fn tools(work: &Arc<()>) -> Registry {
    let tools = [
        ("slow", End::Never),
        ("broken", End::Badly),
        ("whole", End::Well),
    ];
    let tools = tools.map(|(name, end)| {
        let work = Arc::clone(work);
        Box::new(Made { name, end, work }) as Box<dyn Tool>
    });
    Registry::new(tools.into()).unwrap()
}

fn call(name: &str) -> ToolCall {
    ToolCall {
        id: "1".to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
    }
}

#[tokio::test]
async fn a_tool_that_fails_or_takes_too_long_is_told_of_in_a_sentence_and_the_next_is_called() {
    let stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let work = Arc::new(());
    let tools = tools(&work);
    let resting = Arc::strong_count(&work);
    let about = About {
        tenant: stage.tenant,
        purpose: CallPurpose::Answer,
        conversation: None,
        budget: BudgetSettings::default(),
    };
    let calls = Calls::begin(&stage.assistant, about);
    let retrieval = RetrievalSettings::default();
    let (mut sources, mut hand_off, mut has_searched) = (Sources::default(), None, false);
    let mut context = ToolContext {
        assistant: &stage.assistant,
        tenant: stage.tenant,
        calls: &calls,
        retrieval: &retrieval,
        sources: &mut sources,
        hand_off: &mut hand_off,
        has_searched: &mut has_searched,
    };
    for (name, expected) in [
        ("slow", "Error: the tool took longer than 50ms"),
        ("broken", "Error: the warehouse does not answer"),
        ("whole", "Forty are left."),
    ] {
        let (call, allowed) = (call(name), ["slow", "broken", "whole"]);
        let told = tools.call(&mut context, &call, &allowed);
        let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
        assert_eq!(told, expected);
        // What took too long does not go on behind the answer's back.
        assert_eq!(Arc::strong_count(&work), resting, "{name}");
    }
    // One that is there but was not offered is none, and is not called.
    let told = tools.call(&mut context, &call("whole"), &["broken"]).await;
    assert_eq!(told, "Error: there is no such tool; there are: broken");
    assert!(has_searched && hand_off.is_none());
}

#[test]
fn tools_that_cannot_be_told_apart_are_no_registry() {
    let twice = vec![
        Box::new(HandOff) as Box<dyn Tool>,
        Box::new(SearchKnowledgeBase),
        Box::new(HandOff),
    ];
    let refused = Registry::new(twice).unwrap_err();
    assert!(matches!(refused, InvalidTool::Twice("hand_off")));
}
