use crate::Request;

/// Tokens that a message takes beside its text.
const PER_MESSAGE: u64 = 4;

/// About how many tokens a text has, for where the provider does not say: a quarter of one for
/// each ASCII character and a whole one for every other, rounded up.
///
/// That is right to a fifth or so for European languages and for Chinese, and too much for
/// scripts like Cyrillic: money that may have been spent is better counted than missed.
pub fn estimate_tokens(text: &str) -> u64 {
    let mut count = Estimate::default();
    count.add(text);
    count.tokens()
}

/// About how many tokens a request has, its tools included.
pub(super) fn of_request(request: &Request) -> u64 {
    let mut count = Estimate::default();
    for message in &request.messages {
        count.add(&message.text);
        for call in &message.tool_calls {
            count.add(&call.name);
            count.add(&call.arguments);
        }
    }
    for tool in &request.tools {
        count.add(&tool.name);
        count.add(&tool.description);
        count.add(&tool.parameters.to_string());
    }
    count.tokens() + PER_MESSAGE * request.messages.len() as u64
}

/// A text of which more and more comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate {
    ascii: u64,
    other: u64,
}

impl Estimate {
    pub(super) fn add(&mut self, text: &str) {
        for char in text.chars() {
            if char.is_ascii() {
                self.ascii += 1;
            } else {
                self.other += 1;
            }
        }
    }

    pub(super) const fn tokens(self) -> u64 {
        self.ascii.div_ceil(4) + self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, Tool};

    #[test]
    fn characters_count_by_how_much_of_a_token_they_are() {
        assert_eq!(estimate_tokens(""), 0);
        assert_eq!(estimate_tokens("a"), 1);
        assert_eq!(estimate_tokens("Do you sell tea?"), 4);
        assert_eq!(estimate_tokens("卖茶吗"), 3);
        assert_eq!(estimate_tokens("Grün"), 2);
    }

    #[test]
    fn a_text_in_pieces_counts_as_the_whole() {
        let mut count = Estimate::default();
        for piece in ["Do", " you", " sell", " tea?"] {
            count.add(piece);
        }
        assert_eq!(count.tokens(), estimate_tokens("Do you sell tea?"));
    }

    #[test]
    fn a_request_counts_with_its_tools() {
        let bare = Request {
            messages: vec![Message::system("Be brief"), Message::user("Hello")],
            ..Request::default()
        };
        assert_eq!(of_request(&bare), 4 + 2 * 4);
        let with_tool = Request {
            tools: vec![Tool {
                name: "find".to_owned(),
                description: "finds".to_owned(),
                parameters: serde_json::json!({}),
            }],
            ..bare
        };
        assert!(of_request(&with_tool) > 12);
    }
}
