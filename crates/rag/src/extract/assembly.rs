use super::{Extracted, HeadingSpan, MediaType, PageSpan};

/// The most chars of a title, an author or a heading that are kept.
const LABEL_CHARS: usize = 300;

/// An [`Extracted`] in the making: knows at which char it stands.
pub(super) struct Assembly {
    extracted: Extracted,
    chars: usize,
}

impl Assembly {
    pub(super) fn new(media_type: MediaType) -> Self {
        Self {
            extracted: Extracted {
                media_type,
                title: None,
                author: None,
                page_count: None,
                text: String::new(),
                pages: Vec::new(),
                headings: Vec::new(),
            },
            chars: 0,
        }
    }

    /// Adds text, its line ends made `\n` and its control characters left out: Postgres refuses
    /// NUL, and nobody reads the others.
    pub(super) fn push(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let kept = match char {
                '\r' if chars.peek() == Some(&'\n') => continue,
                '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
                '\n' | '\t' => char,
                _ if char.is_control() || char == '\u{feff}' => continue,
                _ => char,
            };
            self.extracted.text.push(kept);
            self.chars += 1;
        }
    }

    /// Adds a block that an empty line parts from the one before.
    pub(super) fn push_block(&mut self, text: &str) {
        if self.chars > 0 {
            self.push("\n\n");
        }
        self.push(text);
    }

    /// Adds a heading as a block of its own.
    pub(super) fn push_heading(&mut self, level: u8, text: &str) {
        let start = if self.chars > 0 { self.chars + 2 } else { 0 };
        self.push_block(text);
        self.mark_heading(level, text, start);
    }

    /// Notes that a heading stands at `start`.
    pub(super) fn mark_heading(&mut self, level: u8, text: &str, start: usize) {
        if let Some(text) = label(text) {
            self.extracted
                .headings
                .push(HeadingSpan { level, text, start });
        }
    }

    /// Adds all blocks of one page by `fill`; a page that stays without text leaves no span.
    pub(super) fn page(&mut self, page: u32, fill: impl FnOnce(&mut Self)) {
        let before = self.chars;
        fill(self);
        let start = if before > 0 { before + 2 } else { 0 };
        if self.chars > start {
            self.extracted.pages.push(PageSpan {
                page,
                start,
                end: self.chars,
            });
        }
    }

    /// The text so far.
    pub(super) fn text(&self) -> &str {
        &self.extracted.text
    }

    pub(super) fn title(&mut self, title: Option<&str>) {
        self.extracted.title = title.and_then(label);
    }

    pub(super) fn author(&mut self, author: Option<&str>) {
        self.extracted.author = author.and_then(label);
    }

    pub(super) fn page_count(&mut self, pages: usize) {
        self.extracted.page_count = u32::try_from(pages).ok();
    }

    pub(super) fn finish(self) -> Extracted {
        self.extracted
    }
}

/// One line of at most [`LABEL_CHARS`] chars, or `None` if nothing stands in it.
fn label(text: &str) -> Option<String> {
    let mut line = String::new();
    for word in text.split(|char: char| char.is_whitespace() || char.is_control()) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let line: String = line.chars().take(LABEL_CHARS).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_one_kind_and_nul_goes() {
        let mut assembly = Assembly::new(MediaType::Text);
        assembly.push("one\r\ntwo\rthree\0\u{7}\tfour");
        assert_eq!(assembly.finish().text, "one\ntwo\nthree\tfour");
    }

    #[test]
    fn pages_and_headings_point_at_their_chars() {
        let mut assembly = Assembly::new(MediaType::Pdf);
        assembly.page(1, |page| page.push_block("Größe"));
        assembly.page(2, |_| {});
        assembly.page(3, |page| {
            page.push_heading(1, "Maße");
            page.push_block("klein");
        });
        let extracted = assembly.finish();
        let chars: Vec<char> = extracted.text.chars().collect();
        let at = |span: &PageSpan| chars[span.start..span.end].iter().collect::<String>();
        assert_eq!(extracted.pages.len(), 2);
        assert_eq!(at(&extracted.pages[0]), "Größe");
        assert_eq!(at(&extracted.pages[1]), "Maße\n\nklein");
        assert_eq!(extracted.headings[0].start, extracted.pages[1].start);
    }
}
