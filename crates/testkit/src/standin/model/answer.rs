use serde_json::{Value, json};

use super::ModelReply;

/// What somebody said in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::standin) struct Spoken {
    pub(in crate::standin) role: String,
    pub(in crate::standin) text: String,
}

impl Spoken {
    pub(in crate::standin) fn new(role: &str, content: &Value) -> Self {
        Self {
            role: role.to_owned(),
            text: text_of(content),
        }
    }

    /// The messages of a list whose items have a `role` and a `content`.
    pub(in crate::standin) fn all(messages: &Value) -> Vec<Self> {
        let messages = messages.as_array().into_iter().flatten();
        messages
            .map(|message| {
                let role = message["role"].as_str().unwrap_or_default();
                Self::new(role, &message["content"])
            })
            .collect()
    }
}

/// How a line that begins a source looks: its first characters.
const SOURCE_MARKS: [&str; 4] = ["[1]", "[S1]", "<source", "Source 1"];

/// The answer when none is scripted.
pub(super) fn answer_from_prompt(prompt: &[Spoken]) -> String {
    // The last source block counts: earlier ones belong to earlier turns or to examples.
    let mut texts = prompt.iter().rev().map(|spoken| &spoken.text);
    if let Some(line) = texts.find_map(|text| first_source(text)) {
        return format!("Answer from the sources: {line}");
    }
    let question = prompt.iter().rev().find(|spoken| spoken.role == "user");
    let question = question.map_or("", |spoken| spoken.text.as_str());
    format!("Answer to: {question}")
}

/// A search, where one is offered and none was made; then the answer from what was found, wherever a
/// provider's format has it.
pub(super) fn search_first(prompt: &[Spoken], body: &Value) -> ModelReply {
    const SEARCH: &str = "search_knowledge_base";
    const FOUND: [&str; 3] = [r#""role":"tool""#, "function_call_output", "tool_result"];
    let written = body.to_string();
    let has_found = FOUND.iter().any(|mark| written.contains(mark));
    let is_offered = body["tools"].to_string().contains(SEARCH);
    let question = prompt.iter().rev().find(|spoken| spoken.role == "user");
    if is_offered && !has_found {
        return ModelReply::ToolCall {
            name: SEARCH.to_owned(),
            arguments: json!({"query": question.map_or("", |spoken| &spoken.text)}),
        };
    }
    let mut texts = Vec::new();
    collect_texts(body, &mut texts);
    let line = texts.iter().rev().find_map(|text| first_source(text));
    ModelReply::Text {
        text: match line {
            Some(line) => format!("Answer from the sources: {line}"),
            None => answer_from_prompt(prompt),
        },
    }
}

fn collect_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(fields) => fields
            .values()
            .for_each(|value| collect_texts(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text of a content, which is a string or a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

fn first_source(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim);
    let (first, mark) = lines.by_ref().find_map(|line| {
        let mark = SOURCE_MARKS.iter().find(|mark| line.starts_with(**mark))?;
        Some((line, *mark))
    })?;
    let rest = match mark {
        "<source" => first.split_once('>').map_or("", |(_, rest)| rest),
        _ => first[mark.len()..].trim_start_matches(':'),
    };
    let rest = rest.trim();
    if rest.is_empty() {
        return lines.find(|line| !line.is_empty());
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_is_found_behind_its_mark() {
        for sources in [
            "Sources:\n[1] Open from 9 to 5.\n[2] Closed on Sunday.",
            "Sources:\n<source id=\"1\">\nOpen from 9 to 5.\n</source>",
            "Source 1:\n\nOpen from 9 to 5.",
        ] {
            let messages = json!([
                {"role": "system", "content": sources},
                {"role": "user", "content": "When are you open?"},
            ]);
            assert_eq!(
                answer_from_prompt(&Spoken::all(&messages)),
                "Answer from the sources: Open from 9 to 5."
            );
        }
    }

    #[test]
    fn without_sources_the_last_question_comes_back() {
        let messages = json!([
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "When are you open?"}]},
        ]);
        let answer = answer_from_prompt(&Spoken::all(&messages));
        assert_eq!(answer, "Answer to: When are you open?");
    }
}
