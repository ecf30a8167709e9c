use serde_json::Value;

/// How a line that begins a source looks: its first characters.
const SOURCE_MARKS: [&str; 4] = ["[1]", "[S1]", "<source", "Source 1"];

/// The answer to a chat request when none is scripted.
pub(super) fn answer_from_prompt(body: &Value) -> String {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let texts: Vec<String> = messages.iter().map(text_of).collect();
    // The last source block counts: earlier ones belong to earlier turns or to examples.
    if let Some(line) = texts.iter().rev().find_map(|text| first_source(text)) {
        return format!("Answer from the sources: {line}");
    }
    let question = messages
        .iter()
        .zip(&texts)
        .rev()
        .find(|(message, _)| message["role"] == "user")
        .map_or("", |(_, text)| text.as_str());
    format!("Answer to: {question}")
}

/// The text of a message, whose content is a string or a list of parts.
pub(super) fn text_of(message: &Value) -> String {
    match &message["content"] {
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
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_source_is_found_behind_its_mark() {
        for sources in [
            "Sources:\n[1] Open from 9 to 5.\n[2] Closed on Sunday.",
            "Sources:\n<source id=\"1\">\nOpen from 9 to 5.\n</source>",
            "Source 1:\n\nOpen from 9 to 5.",
        ] {
            let body = json!({"messages": [
                {"role": "system", "content": sources},
                {"role": "user", "content": "When are you open?"},
            ]});
            assert_eq!(
                answer_from_prompt(&body),
                "Answer from the sources: Open from 9 to 5."
            );
        }
    }

    #[test]
    fn without_sources_the_last_question_comes_back() {
        let body = json!({"messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "When are you open?"}]},
        ]});
        assert_eq!(answer_from_prompt(&body), "Answer to: When are you open?");
    }
}
