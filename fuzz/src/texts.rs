use arbitrary::Arbitrary;

/// Marks, spaces and signs that mean something to whoever reads or cuts a text.
const SIGNS: [&str; 48] = [
    " ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    "  \n",
    "*",
    "**",
    "_",
    "__",
    "~~",
    "`",
    "```",
    "~~~",
    "#",
    "# ",
    "## ",
    "- ",
    "* ",
    "1. ",
    "7) ",
    "> ",
    "|",
    "|---|",
    "---",
    "===",
    "\\",
    "!",
    "?",
    ".",
    "…",
    ":",
    "&amp;",
    "&#x41;",
    "<br>",
    "<b>",
    "</b>",
    "<!--",
    "-->",
    "http://a.example/b",
    "🎉",
    "👨‍👩‍👧",
    "e\u{301}",
    "東京",
    "。",
    "\u{200b}",
    "\u{feff}",
    "\0",
];

/// Signs that links and pictures are made of.
const LINKS: [&str; 12] = [
    "[",
    "]",
    "(",
    ")",
    "](",
    "![",
    "[1]",
    "[2, 3]",
    "[1]: ",
    "[x](https://a.example)",
    "<https://a.example>",
    "[ ] ",
];

/// A text in pieces, so that a few bytes make a long one.
#[derive(Arbitrary, Clone, Debug)]
pub struct Text(Vec<Piece>);

#[derive(Arbitrary, Clone, Debug)]
enum Piece {
    Words(String),
    Sign(u8),
    Link(u8),
    /// A letter so many times.
    Run(char, u8),
    /// A sign and a letter, so many times.
    Signs(u8, u8),
    /// A sentence so many times.
    Prose(u8),
}

impl Text {
    /// The text, of at most `max_chars`.
    pub fn build(&self, max_chars: usize) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Sign(at) => text.push_str(sign(*at)),
                Piece::Link(at) => text.push_str(LINKS[usize::from(*at) % LINKS.len()]),
                Piece::Run(letter, times) => {
                    (0..*times).for_each(|_| text.push(*letter));
                }
                Piece::Signs(at, times) => (0..*times).for_each(|_| {
                    text.push_str(sign(*at));
                    text.push('x');
                }),
                Piece::Prose(times) => (0..*times).for_each(|_| {
                    text.push_str("We open at nine, and close at five. ");
                }),
            }
            if text.len() > max_chars * 4 {
                break;
            }
        }
        text.chars().take(max_chars).collect()
    }

    /// The same without addresses of links and pictures, HTML, code and tables: all that stands for
    /// something else than its letters.
    pub fn build_plain(&self, max_chars: usize) -> String {
        let text = self.build(max_chars);
        text.chars()
            .filter(|char| !"(<&`~|\\".contains(*char))
            .collect()
    }
}

fn sign(at: u8) -> &'static str {
    SIGNS[usize::from(at) % SIGNS.len()]
}

/// The letters of a text, in their order.
pub fn letters(text: &str) -> String {
    text.chars().filter(|char| char.is_alphabetic()).collect()
}
