use super::progress::Watch;
use super::{ExtractError, Extracted, HeadingSpan, MediaType, PageSpan, Unit};

/// The most chars of a title, an author or a heading that are kept.
const LABEL_CHARS: usize = 300;

/// How many headings are kept: more than any book has, and few enough to be cheap.
const HEADINGS: usize = 100_000;

/// An [`Extracted`] in the making: knows at which char it stands.
pub(super) struct Assembly<'a> {
    extracted: Extracted,
    chars: usize,
    taken: Taken,
    watch: Watch<'a>,
}

/// What left an [`Assembly`] in parts.
#[derive(Default)]
struct Taken {
    chars: usize,
    bytes: usize,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(media_type: MediaType, watch: Watch<'a>) -> Self {
        Self {
            watch,
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
            taken: Taken::default(),
        }
    }

    /// Adds text, its line ends made `\n` and its control characters left out: Postgres refuses
    /// NUL, and nobody reads the others.
    pub(super) fn push(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        self.extracted.text.reserve(text.len());
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let kept = match char {
                '\r' if chars.peek() == Some(&'\n') => continue,
                '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
                '\n' | '\t' => char,
                _ if is_unseen(char) => continue,
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

    /// Adds a line, below the one before.
    pub(super) fn push_line(&mut self, text: &str) {
        if self.chars > 0 {
            self.push("\n");
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
        if let (Some(text), true) = (label(text), self.extracted.headings.len() < HEADINGS) {
            let start = start - self.taken.chars;
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
                start: start - self.taken.chars,
                end: self.chars - self.taken.chars,
            });
        }
    }

    /// Takes out the text since the last part, with positions from its own start. To be called
    /// between pages.
    pub(super) fn take_part(&mut self) -> Extracted {
        let part = Extracted {
            text: std::mem::take(&mut self.extracted.text),
            pages: std::mem::take(&mut self.extracted.pages),
            headings: std::mem::take(&mut self.extracted.headings),
            ..self.extracted.clone()
        };
        self.taken.chars = self.chars;
        self.taken.bytes += part.text.len();
        part
    }

    /// The text so far, without the parts that were taken.
    pub(super) fn text(&self) -> &str {
        &self.extracted.text
    }

    /// Whether there is more text than one file may hold: what comes now is left out, and
    /// [`Self::finish`] fails, so a reader may stop.
    pub(super) fn is_full(&self) -> bool {
        self.taken.bytes + self.extracted.text.len() > self.watch.text_bytes()
    }

    /// Tells how far the reader has come.
    pub(super) fn at(&self, unit: Unit, done: u64, total: Option<u64>) {
        self.watch.at(unit, done, total);
    }

    /// The words of the first heading.
    pub(super) fn first_heading(&self) -> Option<String> {
        let first = self.extracted.headings.first()?;
        Some(first.text.clone())
    }

    /// Sets the title, if there is a word in it.
    pub(super) fn title(&mut self, title: Option<&str>) {
        if let Some(title) = title.and_then(label) {
            self.extracted.title = Some(title);
        }
    }

    /// Sets the title, if none is set.
    pub(super) fn title_if_none(&mut self, title: Option<&str>) {
        if self.extracted.title.is_none() {
            self.title(title);
        }
    }

    /// Sets the author, if there is a word in it.
    pub(super) fn author(&mut self, author: Option<&str>) {
        if let Some(author) = author.and_then(label) {
            self.extracted.author = Some(author);
        }
    }

    pub(super) fn page_count(&mut self, pages: usize) {
        self.extracted.page_count = u32::try_from(pages).ok();
    }

    /// The whole, or the last part.
    ///
    /// # Errors
    /// [`ExtractError::TooMuchText`].
    pub(super) fn finish(self) -> Result<Extracted, ExtractError> {
        if self.is_full() {
            return Err(ExtractError::TooMuchText);
        }
        Ok(self.extracted)
    }
}

/// Whether nobody reads a char, and Postgres refuses some of its like: a control character, or the
/// mark of a byte order.
fn is_unseen(char: char) -> bool {
    char.is_control() || char == '\u{feff}'
}

/// One line of at most [`LABEL_CHARS`] chars, or `None` if nothing stands in it.
fn label(text: &str) -> Option<String> {
    let mut line = String::new();
    for word in text.split(|char: char| char.is_whitespace() || is_unseen(char)) {
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

    fn assembly(media_type: MediaType) -> Assembly<'static> {
        Assembly::new(media_type, Watch::unseen())
    }

    #[test]
    fn more_text_than_allowed_is_no_text() {
        let mut full = Assembly::new(MediaType::Text, Watch::within(8));
        full.push("nine char");
        full.push("no more");
        assert_eq!(full.text(), "nine char");
        assert!(matches!(full.finish(), Err(ExtractError::TooMuchText)));
    }

    #[test]
    fn line_ends_become_one_kind_and_nul_goes() {
        let mut assembly = assembly(MediaType::Text);
        assembly.push("one\r\ntwo\rthree\0\u{7}\tfour");
        assert_eq!(assembly.finish().unwrap().text, "one\ntwo\nthree\tfour");
    }

    #[test]
    fn a_heading_that_nobody_can_see_is_none() {
        let mut assembly = assembly(MediaType::Html);
        assembly.push_heading(1, "\u{feff}");
        assembly.push_heading(1, "\u{7}");
        assembly.push_heading(2, "\u{feff}Maße");
        assembly.title(Some("\u{feff}"));
        let extracted = assembly.finish().unwrap();
        assert_eq!(extracted.title, None);
        let headings: Vec<&str> = extracted
            .headings
            .iter()
            .map(|it| it.text.as_str())
            .collect();
        assert_eq!(headings, ["Maße"]);
        let start = extracted.headings[0].start;
        assert_eq!(
            extracted.text.chars().skip(start).collect::<String>(),
            "Maße"
        );
    }

    #[test]
    fn pages_and_headings_point_at_their_chars() {
        let mut assembly = assembly(MediaType::Pdf);
        assembly.page(1, |page| page.push_block("Größe"));
        assembly.page(2, |_| {});
        assembly.page(3, |page| {
            page.push_heading(1, "Maße");
            page.push_block("klein");
        });
        let extracted = assembly.finish().unwrap();
        let chars: Vec<char> = extracted.text.chars().collect();
        let at = |span: &PageSpan| chars[span.start..span.end].iter().collect::<String>();
        assert_eq!(extracted.pages.len(), 2);
        assert_eq!(at(&extracted.pages[0]), "Größe");
        assert_eq!(at(&extracted.pages[1]), "Maße\n\nklein");
        assert_eq!(extracted.headings[0].start, extracted.pages[1].start);
    }
}
