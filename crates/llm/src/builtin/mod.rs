//! The answerer that needs no model: it quotes the sentences that answer the question.

mod extract;
mod language;
mod matching;
mod sentences;
mod vocabulary;
pub(crate) mod words;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use serde_json::json;

use self::extract::{Quote, extract};
use self::language::Language;
use self::words::Word;
use crate::{
    Error, Event, EventStream, FinishReason, Message, Model, Request, Role, ToolCall, ToolChoice,
    Usage,
};

/// Answers from [`Request::sources`] alone, without key, network or cost. Where there are none yet and
/// the tool [`Builtin::SEARCH`] is offered, it calls that first, as when it stands in for a model that
/// searches by itself.
///
/// The answer is a quote: the sentences that cover the question best, each followed by the number
/// of its source as `[1]`, after a few words that say where they are from. Where the sources do
/// not carry an answer it says so, with no number. The question is whatever the customer said
/// since the last answer; its language (English, German, French, Spanish, Italian, Portuguese or
/// Chinese, else English) is that of the words around the quote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Builtin {
    /// The tool by which documents are searched: its argument `query` is the question.
    pub const SEARCH: &str = "search_knowledge_base";

    /// The language of a text among those that [`Builtin`] speaks, as a code of two letters; `en`
    /// where nothing speaks for another one.
    pub fn language_of(text: &str) -> &'static str {
        Language::of(text).code()
    }

    /// The text that [`Builtin`] streams.
    pub fn answer(request: &Request) -> String {
        let question = question(request);
        let language = Language::of(&question);
        let quotes = extract(&question, &request.sources);
        if quotes.is_empty() {
            return language.unknown().to_owned();
        }
        let mut answer = language.preface().to_owned();
        for quote in quotes {
            let Quote { text, number } = quote;
            let space = if answer.ends_with('：') { "" } else { " " };
            answer.extend([space, &text, " [", &number.to_string(), "]"]);
        }
        answer
    }
}

/// What came after the last answer, the newest first: what the customer said, and calls of tools.
fn since_answer(request: &Request) -> impl Iterator<Item = &Message> {
    let is_answer =
        |message: &Message| message.role == Role::Assistant && message.tool_calls.is_empty();
    let newest = request.messages.iter().rev();
    newest.take_while(move |message| !is_answer(message))
}

/// The call that brings what an answer can rest on, if nothing was searched for yet.
fn search(request: &Request) -> Option<ToolCall> {
    let is_offered = request.tool_choice != ToolChoice::None
        && request
            .tools
            .iter()
            .any(|tool| tool.name == Builtin::SEARCH);
    let has_searched = since_answer(request).any(|message| message.role == Role::Tool);
    if !is_offered || has_searched || !request.sources.is_empty() {
        return None;
    }
    Some(ToolCall {
        id: "search".to_owned(),
        name: Builtin::SEARCH.to_owned(),
        arguments: json!({"query": question(request)}).to_string(),
    })
}

/// What the customer said since the last answer.
fn question(request: &Request) -> String {
    let mut said: Vec<&str> = since_answer(request)
        .filter(|message| message.role == Role::User)
        .map(|message| message.text.as_str())
        .collect();
    said.reverse();
    said.join("\n")
}

/// `text` in pieces of a word, or of four characters where words have no spaces between them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut wide = 0;
    for c in text.chars() {
        let is_full = pieces
            .last()
            .is_some_and(|piece| piece.ends_with([' ', '\n']));
        if is_full || wide == 4 {
            pieces.push(String::new());
            wide = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        wide += usize::from(Word::is_cjk_char(c));
    }
    pieces
}

impl Model for Builtin {
    fn provider(&self) -> &'static str {
        "builtin"
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<EventStream, Error>> {
        Box::pin(async move {
            let (mut events, finish_reason) = match search(&request) {
                Some(call) => (vec![Event::ToolCall(call)], FinishReason::ToolCalls),
                None => {
                    let text = pieces(&Self::answer(&request)).into_iter();
                    (text.map(Event::TextDelta).collect(), FinishReason::Stop)
                }
            };
            events.push(Event::Usage(Usage::default()));
            events.push(Event::Done { finish_reason });
            Ok(stream::iter(events.into_iter().map(Ok)).boxed())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourcePassage, Tool};

    fn request(question: &str, text: &str) -> Request {
        Request {
            messages: vec![
                Message::system("You are the assistant of Acme."),
                Message::user("Do you ship to Norway?"),
                Message::assistant("No."),
                Message::user(question),
            ],
            sources: vec![SourcePassage {
                number: 2,
                title: "handbook.pdf".to_owned(),
                page: Some(3),
                text: text.to_owned(),
                score: 0.8,
            }],
            ..Request::default()
        }
    }

    #[test]
    fn the_answer_says_where_it_is_from_in_the_customers_language() {
        for (question, text, answer) in [
            (
                "How long is the warranty?",
                "The warranty lasts 24 months.",
                "From our documents: The warranty lasts 24 months. [2]",
            ),
            (
                "Wie lange ist die Rückgabefrist?",
                "Unbenutzte Ware nehmen wir zurück. Die Rückgabe ist 30 Tage lang möglich.",
                "Aus unseren Unterlagen: Die Rückgabe ist 30 Tage lang möglich. [2]",
            ),
            (
                "Combien coûte la livraison ?",
                "La livraison coûte 4,90 €. Elle prend trois jours.",
                "Extrait de nos documents : La livraison coûte 4,90 €. [2]",
            ),
            (
                "退货期限是多久？",
                "本店支持退货。退货期限为收货后三十天。运费由买家承担。",
                "根据我们的资料：退货期限为收货后三十天。 [2]",
            ),
        ] {
            assert_eq!(Builtin::answer(&request(question, text)), answer);
        }
    }

    #[test]
    fn it_says_so_when_it_does_not_know() {
        let answer = Builtin::answer(&request(
            "Verkaufen Sie auch Boote?",
            "Wir verkaufen Lampen.",
        ));
        assert_eq!(answer, Language::German.unknown());
        assert!(!answer.contains('['));
    }

    #[tokio::test]
    async fn it_searches_once_where_it_may_and_has_nothing_to_answer_from() {
        let mut asked = request("How long is the warranty?", "The warranty lasts 24 months.");
        let sources = std::mem::take(&mut asked.sources);
        asked.tools = vec![Tool {
            name: Builtin::SEARCH.to_owned(),
            description: String::new(),
            parameters: json!({}),
        }];
        let searching = Builtin.complete(asked.clone()).await.unwrap();
        assert_eq!(searching.finish_reason, FinishReason::ToolCalls);
        let call = &searching.tool_calls[0];
        let query = json!({"query": "How long is the warranty?"}).to_string();
        assert_eq!(
            (call.name.as_str(), &call.arguments),
            (Builtin::SEARCH, &query)
        );
        let mut forbidden = asked.clone();
        forbidden.tool_choice = ToolChoice::None;
        let answer = Builtin.complete(forbidden).await.unwrap();
        assert_eq!(answer.text, Language::English.unknown());
        let id = call.id.clone();
        asked.messages.push(searching.into_message());
        asked.messages.push(Message::tool(&id, "nothing"));
        let answer = Builtin.complete(asked.clone()).await.unwrap();
        assert_eq!(answer.text, Language::English.unknown());
        asked.sources = sources;
        let answer = Builtin.complete(asked).await.unwrap();
        assert_eq!(
            answer.text,
            "From our documents: The warranty lasts 24 months. [2]"
        );
    }

    #[tokio::test]
    async fn the_stream_gives_the_answer_in_pieces() {
        let request = request("How long is the warranty?", "The warranty lasts 24 months.");
        let events: Vec<_> = Builtin
            .stream(request.clone())
            .await
            .unwrap()
            .collect()
            .await;
        assert!(events.len() > 6, "{events:?}");
        let completion = Builtin.complete(request.clone()).await.unwrap();
        assert_eq!(completion.text, Builtin::answer(&request));
        assert_eq!(completion.finish_reason, FinishReason::Stop);
    }
}
