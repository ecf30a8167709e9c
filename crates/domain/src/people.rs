//! What a tenant sets about people: its own, who take conversations over, and contacts, who may not
//! want to hear from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

/// Phrases by language (`en`, `de`, …), as a tenant wrote them.
pub type PhrasesByLanguage = BTreeMap<String, Vec<String>>;

/// When a conversation goes to a person, and when it comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct HandoffSettings {
    /// Whether a contact gets a person by asking for one. Default true.
    pub on_words: bool,
    /// The tenant's own phrases that ask for one; a language that is named here takes the place of
    /// the product's phrases of it.
    pub words: PhrasesByLanguage,
    /// Whether the model may give a conversation to a person. Default false.
    pub tool: bool,
    /// Whether a question that could not be answered in time goes to a person. Default false: the
    /// fallback text is sent.
    pub when_unanswered: bool,
    /// Whether a question for which nothing fits in the documents goes to a person. Default false:
    /// the model says that it does not know.
    pub when_unknown: bool,
    /// What the contact reads then; `None`: the product's own words, in the contact's language.
    pub text: Option<String>,
    /// What the contact reads outside business hours; `None`: the product's own words.
    pub closed_text: Option<String>,
    /// What happens outside business hours.
    pub when_closed: WhenClosed,
    /// After how many minutes without a word from a person the machine answers again; 0: never.
    /// Default 0.
    pub release_after_minutes: u32,
}

impl Default for HandoffSettings {
    fn default() -> Self {
        Self {
            on_words: true,
            words: PhrasesByLanguage::new(),
            tool: false,
            when_unanswered: false,
            when_unknown: false,
            text: None,
            closed_text: None,
            when_closed: WhenClosed::HandOff,
            release_after_minutes: 0,
        }
    }
}

/// What happens outside business hours when a conversation is to go to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenClosed {
    /// It goes to a person all the same, who finds it later; the contact reads the text for closed
    /// hours.
    #[default]
    HandOff,
    /// It stays with the machine; the contact reads the text for closed hours.
    Stay,
}

/// How contacts say that they want no more messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptOutSettings {
    /// Whether stop words are heeded. Default true.
    pub enabled: bool,
    /// The tenant's own stop words; a language that is named here takes the place of the product's.
    pub stop_words: PhrasesByLanguage,
    /// The tenant's own words that end the silence; likewise.
    pub start_words: PhrasesByLanguage,
    /// What confirms a stop, once; `None`: the product's own words; empty: nothing.
    pub stop_text: Option<String>,
    /// What confirms the end of the silence; likewise.
    pub start_text: Option<String>,
}

impl Default for OptOutSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            stop_words: PhrasesByLanguage::new(),
            start_words: PhrasesByLanguage::new(),
            stop_text: None,
            start_text: None,
        }
    }
}

/// What is neither answered nor said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModerationSettings {
    /// Words and phrases that no model gets to read and no contact gets to read from one; empty:
    /// anything goes.
    pub blocked: Vec<String>,
    /// What the contact reads in their place; empty: nothing.
    pub text: String,
    /// The tenant's own service, which judges what contacts write and what models answer; `None`:
    /// nobody does.
    pub url: Option<Url>,
    /// What becomes of a text that the service gives no verdict on. Default block.
    pub on_failure: OnFailure,
    /// How long the service may take for a verdict, in seconds. Default 3.
    pub timeout_seconds: u32,
}

/// What becomes of a text that a moderation service gives no verdict on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is blocked.
    #[default]
    Block,
    /// It goes on.
    Allow,
}

impl ModerationSettings {
    /// Whether an answer may turn out to be one that must not be seen.
    pub const fn may_block(&self) -> bool {
        !self.blocked.is_empty() || self.url.is_some()
    }
}

impl Default for ModerationSettings {
    fn default() -> Self {
        Self {
            blocked: Vec::new(),
            text: String::new(),
            url: None,
            on_failure: OnFailure::Block,
            timeout_seconds: 3,
        }
    }
}
