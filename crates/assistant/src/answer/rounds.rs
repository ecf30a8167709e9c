use std::sync::Arc;

use domain::{RagMode, TenantId, TenantSettings};
use futures::StreamExt as _;
use jobs::Failure;
use llm::{
    Completion, Error, Event, FinishReason, Message, Model, ModelContext, Provider, Request,
    ToolCall, ToolChoice,
};
use tokio::time::Instant;

use super::prompt::{self, Prompt, Room};
use super::shown::Shown;
use crate::Assistant;
use crate::ingest::search::Passage;
use crate::spending::Calls;
use crate::tools::{HAND_OFF, Registry, SEARCH_KNOWLEDGE_BASE, Sources, ToolContext};

/// The most rounds in which a model may call tools; after them it has to answer.
pub(super) const MAX_ROUNDS: u32 = 5;
/// The most calls of one round that are done.
const MAX_CALLS: usize = 8;

/// An answer as a model gave it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Its text, never empty unless a person is asked for.
    pub(crate) text: String,
    /// Why the model asks for a person, where it does.
    pub(crate) hand_off: Option<String>,
    /// Whether it searched by itself.
    pub(crate) has_searched: bool,
    /// The passages that it may cite.
    pub(crate) passages: Vec<Passage>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The model cannot answer.
    Model(Error),
    /// It said nothing, for this reason.
    Empty(FinishReason),
    /// Somebody else has the job.
    Lost(Failure),
}

/// One asking of a model.
pub(crate) struct Asking<'a> {
    pub(crate) assistant: &'a Assistant,
    /// Whose documents its tools search.
    pub(crate) tenant: TenantId,
    /// Where calls to models are noted.
    pub(crate) calls: &'a Calls,
    pub(crate) prompt: Prompt<'a>,
    pub(crate) model: Arc<dyn Model>,
    /// How much may be asked of it at once.
    pub(crate) context: ModelContext,
    /// Whether it searches by itself.
    pub(crate) has_tools: bool,
    /// Whether it may give the conversation to a person.
    pub(crate) may_hand_off: bool,
    /// When the answer is given up.
    pub(crate) deadline: Instant,
}

/// Whether a model takes tools.
pub(crate) fn takes_tools(settings: &TenantSettings, model: &dyn Model) -> bool {
    let named = Provider::find(&settings.llm.provider);
    named.is_some_and(|provider| provider.capabilities.tools)
        // Whatever the settings name, it may be the one built in that answers.
        && Provider::find(model.provider()).is_none_or(|provider| provider.capabilities.tools)
}

/// How documents reach a model: one that takes no tools gets passages in the prompt instead.
pub(crate) fn rag_mode(settings: &TenantSettings, model: &dyn Model) -> RagMode {
    match settings.rag {
        RagMode::Tool if !takes_tools(settings, model) => RagMode::Context,
        mode => mode,
    }
}

/// What was said between model and tools so far.
#[derive(Default)]
struct Exchange(Vec<Message>);

impl Exchange {
    /// The exchange with results of at most so many characters.
    fn within(&self, result_chars: usize) -> impl Iterator<Item = Message> {
        self.0.iter().map(move |message| {
            let mut message = message.clone();
            if message.tool_call_id.is_some()
                && let Some((end, _)) = message.text.char_indices().nth(result_chars)
            {
                message.text.truncate(end);
                message
                    .text
                    .push_str("\n</source>\n(The rest was left out.)\n");
            }
            message
        })
    }
}

impl Asking<'_> {
    /// Asks until there is an answer: calls are done and their results go back, [`MAX_ROUNDS`] times
    /// at most, and a request that is too long goes out again with less in it. `check` comes before
    /// each request.
    pub(crate) async fn ask(
        &self,
        passages: Vec<Passage>,
        shown: &mut Shown,
        check: impl Fn() -> Result<(), Failure> + Send + Sync,
    ) -> Result<Answered, Stopped> {
        let mut found = Found {
            sources: Sources::of(passages.clone()),
            hand_off: None,
            has_searched: false,
        };
        let mut exchange = Exchange::default();
        let mut room = 0;
        let mut round = 0;
        loop {
            let may_call = !self.tools().is_empty() && round < MAX_ROUNDS;
            let so_far = (&exchange, &found.sources);
            let mut request = self.request(&passages, so_far, Room::ALL[room], may_call);
            let may_be_shortened = room + 1 < Room::ALL.len();
            request.may_be_shortened = may_be_shortened;
            request.deadline = Some(self.deadline);
            check().map_err(Stopped::Lost)?;
            let completion = match self.stream(request, shown).await {
                Err(Error::ContextTooLong { .. }) if may_be_shortened => {
                    room += 1;
                    tracing::info!(
                        room,
                        "the request was too long and goes out with less in it"
                    );
                    continue;
                }
                result => result.map_err(Stopped::Model)?,
            };
            self.note_usage(round, &completion);
            if !may_call || completion.tool_calls.is_empty() {
                return answered(&completion, found);
            }
            shown.begin_again();
            self.call_tools(completion, &mut exchange, &mut found).await;
            if found.hand_off.is_some() {
                return Ok(found.into_answered(String::new()));
            }
            round += 1;
        }
    }

    fn request(
        &self,
        passages: &[Passage],
        (exchange, found): (&Exchange, &Sources),
        room: Room,
        may_call: bool,
    ) -> Request {
        let mut request = prompt::build(&self.prompt, passages, self.has_tools, room);
        if !exchange.0.is_empty() {
            // Where it is the built-in answerer that goes on.
            request.sources = found.passages().iter().map(prompt::as_llm_source).collect();
        }
        request.messages.extend(exchange.within(room.result_chars));
        request.tools = Registry::builtin().definitions(&self.tools());
        if !may_call {
            // They stay in sight: some refuse calls in the exchange whose tools are gone.
            request.tool_choice = ToolChoice::None;
        }
        // Last: it gets the space that the rest leaves.
        prompt::add_history(&mut request, &self.prompt, &self.context, room);
        request
    }

    /// The names of the tools that it may call.
    fn tools(&self) -> Vec<&'static str> {
        let search = self.has_tools.then_some(SEARCH_KNOWLEDGE_BASE);
        let hand_off = self.may_hand_off.then_some(HAND_OFF);
        search.into_iter().chain(hand_off).collect()
    }

    async fn stream(&self, request: Request, shown: &mut Shown) -> Result<Completion, Error> {
        let mut completion = Completion::default();
        let mut events = self.model.stream(request).await?;
        while let Some(event) = events.next().await {
            let event = event?;
            if let Event::TextDelta(text) = &event {
                shown.push(text);
            }
            completion.add(event);
        }
        Ok(completion)
    }

    /// Every round costs: each is told of by itself.
    fn note_usage(&self, round: u32, completion: &Completion) {
        let usage = completion.usage.unwrap_or_default();
        tracing::info!(
            tenant.id = %self.tenant,
            provider = self.model.provider(),
            round,
            tokens.input = usage.input,
            tokens.output = usage.output,
            tokens.cached = usage.cached,
            calls = completion.tool_calls.len(),
            "a model answered"
        );
    }

    /// Does the calls of one round, one after the other, so that what they find is numbered in order.
    async fn call_tools(&self, completion: Completion, exchange: &mut Exchange, found: &mut Found) {
        let calls = completion.tool_calls.clone();
        exchange.0.push(completion.into_message());
        for (at, call) in calls.iter().enumerate() {
            let result = if at < MAX_CALLS {
                self.call(call, found).await
            } else {
                format!("Error: at most {MAX_CALLS} calls are done at a time")
            };
            exchange.0.push(Message::tool(&call.id, result));
        }
    }

    async fn call(&self, call: &ToolCall, found: &mut Found) -> String {
        let mut context = ToolContext {
            assistant: self.assistant,
            tenant: self.tenant,
            calls: self.calls,
            retrieval: &self.prompt.profile.settings.retrieval,
            sources: &mut found.sources,
            hand_off: &mut found.hand_off,
            has_searched: &mut found.has_searched,
        };
        let allowed = self.tools();
        Registry::builtin().call(&mut context, call, &allowed).await
    }
}

/// What calls came to so far.
struct Found {
    sources: Sources,
    hand_off: Option<String>,
    has_searched: bool,
}

impl Found {
    fn into_answered(self, text: String) -> Answered {
        Answered {
            text,
            passages: self.sources.into_passages(),
            hand_off: self.hand_off,
            has_searched: self.has_searched,
        }
    }
}

fn answered(completion: &Completion, found: Found) -> Result<Answered, Stopped> {
    let text = completion.text.trim();
    if text.is_empty() {
        return Err(Stopped::Empty(completion.finish_reason));
    }
    Ok(found.into_answered(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use llm::{Builtin, Scripted};

    use super::*;

    fn settings(provider: &str, rag: RagMode) -> TenantSettings {
        let mut settings = TenantSettings {
            rag,
            ..TenantSettings::default()
        };
        settings.llm.provider = provider.to_owned();
        settings
    }

    #[test]
    fn a_model_without_tools_gets_its_passages_in_the_prompt() {
        let scripted = Scripted::default();
        for (provider, model, rag, expected) in [
            (
                "openai",
                &scripted as &dyn Model,
                RagMode::Tool,
                RagMode::Tool,
            ),
            ("openai", &scripted, RagMode::Context, RagMode::Context),
            ("openai", &scripted, RagMode::Off, RagMode::Off),
            ("builtin", &Builtin, RagMode::Tool, RagMode::Context),
            ("openai", &Builtin, RagMode::Tool, RagMode::Context),
        ] {
            let mode = rag_mode(&settings(provider, rag), model);
            assert_eq!(mode, expected, "{provider}, {}", model.provider());
        }
    }

    #[test]
    fn results_are_cut_where_there_is_no_room() {
        let exchange = Exchange(vec![
            Message::calling("Let me see.", Vec::new()),
            Message::tool("1", "\u{e4}".repeat(100)),
            Message::tool("2", "short"),
        ]);
        let texts: Vec<String> = exchange.within(10).map(|message| message.text).collect();
        assert_eq!(texts[0], "Let me see.");
        assert!(texts[1].starts_with(&"\u{e4}".repeat(10)) && texts[1].contains("left out"));
        assert!(!texts[1].contains(&"\u{e4}".repeat(11)));
        assert_eq!(texts[2], "short");
        let whole: Vec<Message> = exchange.within(usize::MAX).collect();
        assert_eq!(whole, exchange.0);
    }
}
