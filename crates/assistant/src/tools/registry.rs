use std::sync::LazyLock;

use jsonschema::Validator;
use llm::ToolCall;

use super::{HandOff, SearchKnowledgeBase, Tool, ToolContext, ToolError, arguments};

/// A set of tools that cannot be offered to a model.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTool {
    /// Two tools have one name.
    #[error("there are two tools with the name {0}")]
    Twice(&'static str),
    /// What a tool says of its arguments is no JSON schema.
    #[error("the parameters of the tool {0} are no JSON schema")]
    Schema(&'static str),
}

/// The tools that a model is offered.
pub struct Registry(Vec<Known>);

struct Known {
    tool: Box<dyn Tool>,
    schema: Validator,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|known| known.tool.name());
        f.debug_list().entries(names).finish()
    }
}

static BUILTIN: LazyLock<Registry> = LazyLock::new(|| {
    let tools: Vec<Box<dyn Tool>> = vec![Box::new(SearchKnowledgeBase), Box::new(HandOff)];
    #[expect(
        clippy::expect_used,
        reason = "a constant of this program, which tests make"
    )]
    Registry::new(tools).expect("the tools of the product are valid")
});

impl Registry {
    /// The tools of the product.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// A registry of these tools, in their order.
    ///
    /// # Errors
    /// [`InvalidTool`] for two of one name, or one whose parameters are no JSON schema.
    pub fn new(tools: Vec<Box<dyn Tool>>) -> Result<Self, InvalidTool> {
        let mut known: Vec<Known> = Vec::with_capacity(tools.len());
        for tool in tools {
            let name = tool.name();
            if known.iter().any(|known| known.tool.name() == name) {
                return Err(InvalidTool::Twice(name));
            }
            let schema = jsonschema::validator_for(&tool.parameters())
                .map_err(|_| InvalidTool::Schema(name))?;
            known.push(Known { tool, schema });
        }
        Ok(Self(known))
    }

    /// The tools of these names as a model is told of them.
    pub fn definitions(&self, allowed: &[&str]) -> Vec<llm::Tool> {
        self.0
            .iter()
            .filter(|known| allowed.contains(&known.tool.name()))
            .map(|known| llm::Tool {
                name: known.tool.name().to_owned(),
                description: known.tool.description().to_owned(),
                parameters: known.tool.parameters(),
            })
            .collect()
    }

    /// Does what a model called for among the tools of these names. What goes wrong is part of the
    /// text, which goes back to it.
    pub async fn call(
        &self,
        context: &mut ToolContext<'_>,
        call: &ToolCall,
        allowed: &[&str],
    ) -> String {
        match self.attempt(context, call, allowed).await {
            Ok(text) => text,
            Err(error) => {
                tracing::info!(tool = call.name, error = %error, "a tool call came to nothing");
                format!("Error: {error}")
            }
        }
    }

    async fn attempt(
        &self,
        context: &mut ToolContext<'_>,
        call: &ToolCall,
        allowed: &[&str],
    ) -> Result<String, ToolError> {
        let mut offered = self
            .0
            .iter()
            .filter(|known| allowed.contains(&known.tool.name()));
        let Some(known) = offered.find(|known| known.tool.name() == call.name) else {
            let names = allowed.join(", ");
            return Err(ToolError(format!(
                "there is no such tool; there are: {names}"
            )));
        };
        let arguments = arguments::read(&call.arguments, &known.schema).map_err(ToolError)?;
        let timeout = known.tool.timeout();
        match tokio::time::timeout(timeout, known.tool.run(context, arguments)).await {
            Ok(result) => result,
            Err(_) => Err(ToolError(format!("the tool took longer than {timeout:?}"))),
        }
    }
}
