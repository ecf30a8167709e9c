use llm::{ModelContext, Request};
use rag::chunk::{TokenCounter, Tokenizer};
use store::messages::Message;

/// Tokens that a message takes beside its text.
const PER_MESSAGE: usize = 4;
/// The part of a context that stays empty: texts are counted by another vocabulary than the model's,
/// or by an estimate.
const SPARED: u32 = 16;

/// The room that a request leaves in a model's context for what was said before.
pub(super) struct Space {
    counter: &'static dyn TokenCounter,
    tokens: usize,
}

impl Space {
    /// What is left beside a request as it stands, and the answer to it. Texts are counted by the
    /// vocabulary of the context's model where it is known here, and by [`rag::chunk::Estimate`] else.
    pub(super) fn beside(request: &Request, context: &ModelContext) -> Self {
        let counter = Tokenizer::of_chat_model(&context.model).counter();
        let answer = request.max_output_tokens.unwrap_or_default();
        let usable = context
            .request_tokens(answer)
            .saturating_sub(context.tokens / SPARED);
        let usable = usize::try_from(usable).unwrap_or(usize::MAX);
        Self {
            counter,
            tokens: usable.saturating_sub(tokens_of(request, counter)),
        }
    }

    /// The newest messages that fit into so many hundredths of it, and into `most` tokens; whatever is
    /// older than one that does not fit goes as well.
    pub(super) fn newest<'a>(
        &self,
        history: &'a [Message],
        percent: usize,
        most: Option<u32>,
    ) -> &'a [Message] {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let share = self.tokens.saturating_mul(percent) / 100;
        let mut left = share.min(most.unwrap_or(usize::MAX));
        let fitting = history.iter().rev().take_while(|message| {
            let tokens = self.counter.count(&message.text) + PER_MESSAGE;
            let fits = tokens <= left;
            left = left.saturating_sub(tokens);
            fits
        });
        &history[history.len() - fitting.count()..]
    }
}

/// What a model reads of a request, its tools included.
fn tokens_of(request: &Request, counter: &dyn TokenCounter) -> usize {
    let messages = request.messages.iter().map(|message| {
        let calls = message.tool_calls.iter();
        let calls: usize = calls
            .map(|call| counter.count(&call.name) + counter.count(&call.arguments))
            .sum();
        counter.count(&message.text) + calls + PER_MESSAGE
    });
    let tools = request.tools.iter().map(|tool| {
        let parameters = counter.count(&tool.parameters.to_string());
        counter.count(&tool.name) + counter.count(&tool.description) + parameters
    });
    messages.chain(tools).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::{DateTime, Utc};
    use domain::{Author, ChannelId, ConversationId, Direction, MessageId, MessageStatus};
    use llm::{Message as Said, ToolCall};

    use super::*;

    /// Something that the contact said, as the `seq`th message.
    pub(in super::super) fn said(seq: i64, text: &str) -> Message {
        Message {
            id: MessageId::new(),
            conversation_id: ConversationId::new(),
            channel_id: ChannelId::new(),
            seq,
            direction: Direction::Inbound,
            author: Author::Contact,
            turn: None,
            text: text.to_owned(),
            content: serde_json::Value::Null,
            sources: Vec::new(),
            status: MessageStatus::Received,
            error: None,
            error_code: None,
            external_id: None,
            send_attempts: 0,
            sending_at: None,
            unknown_at: None,
            sent_at: None,
            edited_at: None,
            revoked_at: None,
            occurred_at: DateTime::<Utc>::UNIX_EPOCH,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            unanswered_reason: None,
            retry_count: 0,
        }
    }

    pub(in super::super) fn context(tokens: u32) -> ModelContext {
        ModelContext {
            model: "somebody's own".to_owned(),
            tokens,
            is_known: true,
        }
    }

    fn request(answer_tokens: u32, texts: &[&str]) -> Request {
        Request {
            messages: texts.iter().map(|text| Said::user(*text)).collect(),
            max_output_tokens: Some(answer_tokens),
            ..Request::default()
        }
    }

    /// The positions of what is left of ten messages of six tokens, ten with what is beside them.
    fn left(space: &Space, percent: usize, most: Option<u32>) -> Vec<i64> {
        let history: Vec<Message> = (1..=10).map(|seq| said(seq, "a b c d e f")).collect();
        let newest = space.newest(&history, percent, most).iter();
        newest.map(|message| message.seq).collect()
    }

    #[test]
    fn the_oldest_go_first() {
        // 160 less a sixteenth, 50 for the answer and 6 for the question leave 94.
        let space = Space::beside(&request(50, &["Why?"]), &context(160));
        assert_eq!(left(&space, 100, None), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let roomy = Space::beside(&request(50, &["Why?"]), &context(8_192));
        assert_eq!(left(&roomy, 100, None).len(), 10);
    }

    #[test]
    fn what_does_not_fit_takes_whatever_is_older_with_it() {
        let space = Space::beside(&request(0, &[]), &context(64));
        let long = "a ".repeat(100);
        let history = [said(1, "short"), said(2, &long), said(3, "short")];
        let newest: Vec<i64> = space
            .newest(&history, 100, None)
            .iter()
            .map(|it| it.seq)
            .collect();
        assert_eq!(newest, [3]);
    }

    #[test]
    fn a_tenant_may_take_less_and_never_more_than_fits() {
        let space = Space::beside(&request(50, &["Why?"]), &context(160));
        assert_eq!(left(&space, 100, Some(25)), [9, 10]);
        assert_eq!(left(&space, 100, Some(0)), [0; 0]);
        assert_eq!(left(&space, 100, Some(u32::MAX)), left(&space, 100, None));
        assert_eq!(left(&space, 25, None), [9, 10]);
        assert_eq!(left(&space, 0, None), [0; 0]);
    }

    #[test]
    fn all_that_a_model_reads_takes_its_space() {
        let context = context(320);
        let free = |request: &Request| Space::beside(request, &context).tokens;
        let bare = request(50, &["Why?"]);
        let more = request(50, &["Why?", "a b c d e f"]);
        assert_eq!(free(&bare), 320 - 20 - 50 - 6);
        assert_eq!(free(&bare) - free(&more), 10);
        let mut calling = bare.clone();
        let call = ToolCall {
            id: "1".to_owned(),
            name: "search".to_owned(),
            arguments: "{}".to_owned(),
        };
        calling.messages.push(Said::calling("", vec![call]));
        assert_eq!(free(&bare) - free(&calling), 4 + 2 + 2);
        let mut with_tools = bare.clone();
        with_tools.tools.push(llm::Tool {
            name: "search".to_owned(),
            description: "Finds.".to_owned(),
            parameters: serde_json::json!({}),
        });
        assert_eq!(free(&bare) - free(&with_tools), 2 + 2 + 2);
        // What is too long by itself leaves nothing.
        assert_eq!(free(&request(50, &[&"a ".repeat(500)])), 0);
    }

    #[test]
    fn the_vocabulary_of_the_contexts_model_counts_where_it_is_known() {
        let text = "The parcel arrives in two days.";
        let count = |model: &str| {
            let context = ModelContext {
                model: model.to_owned(),
                tokens: 8_192,
                is_known: false,
            };
            let counter = Space::beside(&Request::default(), &context).counter;
            counter.count(text)
        };
        assert_eq!((count("gpt-4"), count("llama3.2")), (7, 9));
    }
}
