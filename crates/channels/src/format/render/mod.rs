mod definitions;

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The marks a channel shows as something else than characters.
pub(super) struct Marks {
    bold: &'static str,
    italic: &'static str,
    struck: &'static str,
    code: &'static str,
    fence: &'static str,
}

/// Source: <https://faq.whatsapp.com/539178204879377>, 2026-05.
pub(super) const WHATSAPP: Marks = Marks {
    bold: "*",
    italic: "_",
    struck: "~",
    code: "`",
    fence: "```",
};

pub(super) const PLAIN: Marks = Marks {
    bold: "",
    italic: "",
    struck: "",
    code: "",
    fence: "",
};

/// How deep lists are indented at most.
const MAX_INDENT: usize = 6;

/// Addresses that are worth showing beside a link's words.
const SCHEMES: [&str; 4] = ["http://", "https://", "mailto:", "tel:"];

/// Writes Markdown with other marks.
pub(super) fn render(markdown: &str, marks: &Marks) -> String {
    let lines = with_line_feeds(markdown);
    let source = definitions::kept_as_text(&lines);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut renderer = Renderer {
        source: &source,
        marks,
        out: String::with_capacity(source.len()),
        read_to: 0,
        is_fresh: true,
        spans: Spans::default(),
        lists: Vec::new(),
        quotes: 0,
        links: Vec::new(),
        is_code: false,
        cells: 0,
        gaps: 0,
        is_head: false,
        bold_from: 0,
    };
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        renderer.take(event, range);
    }
    let end = renderer.out.trim_end().len();
    renderer.out.truncate(end);
    renderer.out
}

/// Ends lines by a line feed alone: the parser loses words behind a lone carriage return.
fn with_line_feeds(markdown: &str) -> Cow<'_, str> {
    if markdown.contains('\r') {
        Cow::Owned(markdown.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(markdown)
    }
}

/// Which spans are open, each counted: a mark inside its like would end it.
#[derive(Default)]
struct Spans {
    bold: usize,
    italic: usize,
    struck: usize,
}

struct Renderer<'a> {
    source: &'a str,
    marks: &'a Marks,
    out: String,
    /// Where the last thing that was written ends in the source.
    read_to: usize,
    /// Whether nothing stands on the line yet but its beginning.
    is_fresh: bool,
    spans: Spans,
    /// The next number of each open list; `None` for one without numbers.
    lists: Vec<Option<u64>>,
    quotes: usize,
    /// The open links and pictures: where their words begin, and their address.
    links: Vec<(usize, String)>,
    is_code: bool,
    /// The cells of a table's row so far.
    cells: usize,
    /// How many cells ended since something was written of the row: a short one has no bars behind it.
    gaps: usize,
    is_head: bool,
    /// Where the words that are bold begin.
    bold_from: usize,
}

impl Renderer<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, &range),
            Event::End(tag) => self.end(tag, &range),
            Event::Text(text) => {
                self.write_lines(&text);
                self.read_to = range.end;
            }
            Event::Code(code) => {
                let is_marked = !code.contains('`');
                let mark = if is_marked { self.marks.code } else { "" };
                self.write(&format!("{mark}{code}{mark}"));
                self.read_to = range.end;
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                if matches!(&*html.to_ascii_lowercase(), "<br>" | "<br/>" | "<br />") {
                    self.new_line(1);
                } else {
                    self.write_lines(&html);
                }
                self.read_to = range.end;
            }
            Event::SoftBreak | Event::HardBreak => {
                self.new_line(1);
                self.read_to = range.end;
            }
            Event::Rule => {
                self.open_block(range.start);
                self.write("---");
                // The range holds the end of the line, which belongs to the gap after it.
                self.read_to = range.start + self.source[range].trim_end().len();
            }
            Event::TaskListMarker(is_done) => {
                self.write(if is_done { "[x] " } else { "[ ] " });
            }
            // Switched off: they stay text.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.write(&text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: &Range<usize>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock | Tag::Table(_) => self.open_block(range.start),
            Tag::Heading { .. } => {
                self.open_block(range.start);
                self.open_bold();
            }
            Tag::BlockQuote(_) => {
                self.open_block_with(range.start, |renderer| renderer.quotes += 1);
            }
            Tag::CodeBlock(kind) => {
                self.open_block(range.start);
                self.is_code = matches!(kind, CodeBlockKind::Fenced(_));
                if self.is_code && !self.marks.fence.is_empty() {
                    self.write(self.marks.fence);
                    self.new_line(1);
                }
            }
            Tag::List(first) => self.lists.push(first),
            Tag::Item => self.open_item(range.start),
            Tag::Emphasis => self.emphasis(range, true),
            Tag::Strong if !self.is_inside_word(range) => self.open_bold(),
            Tag::Strikethrough if !self.is_inside_word(range) => {
                self.spans.struck += 1;
                if self.spans.struck == 1 {
                    self.write(self.marks.struck);
                }
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.begin();
                self.links.push((self.out.len(), dest_url.into_string()));
            }
            Tag::TableHead | Tag::TableRow => {
                if !self.is_fresh {
                    self.new_line(1);
                }
                self.is_head = matches!(tag, Tag::TableHead);
                self.cells = 0;
            }
            Tag::TableCell => {
                self.gaps += usize::from(self.cells > 0);
                self.cells += 1;
                if self.is_head {
                    self.open_bold();
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: &Range<usize>) {
        match tag {
            TagEnd::Heading(_) => self.close_bold(),
            TagEnd::BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::CodeBlock => {
                if self.is_code && !self.marks.fence.is_empty() {
                    if !self.is_fresh {
                        self.new_line(1);
                    }
                    self.write(self.marks.fence);
                }
                self.is_code = false;
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Emphasis => self.emphasis(range, false),
            TagEnd::Strong if !self.is_inside_word(range) => self.close_bold(),
            TagEnd::Strikethrough if !self.is_inside_word(range) => {
                self.spans.struck = self.spans.struck.saturating_sub(1);
                if self.spans.struck == 0 {
                    self.write(self.marks.struck);
                }
            }
            TagEnd::TableCell if self.is_head => self.close_bold(),
            TagEnd::TableHead | TagEnd::TableRow => self.gaps = 0,
            TagEnd::Link | TagEnd::Image => self.close_link(range.end),
            _ => {}
        }
    }

    /// Begins a block on a line of its own, after an empty one where the source has one.
    fn open_block(&mut self, start: usize) {
        self.open_block_with(start, |_| {});
    }

    fn open_block_with(&mut self, start: usize, change: impl FnOnce(&mut Self)) {
        if self.is_fresh {
            change(self);
            return;
        }
        let gap = self.source.get(self.read_to..start).unwrap_or_default();
        let lines = gap.matches('\n').count();
        change(self);
        self.new_line(lines.clamp(1, 2));
    }

    fn open_item(&mut self, start: usize) {
        let depth = self.lists.len().saturating_sub(1);
        if !self.is_fresh {
            let gap = self.source.get(self.read_to..start).unwrap_or_default();
            let lines = gap.matches('\n').count();
            self.end_line(lines.clamp(1, 2));
        }
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            Some(None) | None => "- ".to_owned(),
        };
        if self.quotes > 0 && self.is_line_empty() {
            self.out.push_str("> ");
        }
        if self.is_line_empty() {
            self.out.push_str(&"  ".repeat(depth.min(MAX_INDENT)));
        }
        self.out.push_str(&marker);
        self.is_fresh = true;
    }

    fn is_line_empty(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    /// Ends the line, and leaves `count - 1` empty ones.
    fn end_line(&mut self, count: usize) {
        self.write_open_marks(true);
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
        for _ in 0..count {
            self.out.push('\n');
        }
        self.is_fresh = true;
    }

    /// Ends the line; what stands on the next one is written when something does.
    fn new_line(&mut self, count: usize) {
        if self.out.is_empty() {
            return;
        }
        self.end_line(count);
    }

    /// Writes what stands before the next words: what a line begins with, and the bars between cells.
    fn begin(&mut self) {
        self.begin_line();
        for _ in 0..std::mem::take(&mut self.gaps) {
            self.out.push_str(" | ");
        }
    }

    /// Writes what a line begins with, unless that is done.
    fn begin_line(&mut self) {
        if !self.is_fresh {
            return;
        }
        self.is_fresh = false;
        if self.is_line_empty() {
            if self.quotes > 0 {
                self.out.push_str("> ");
            }
            self.out
                .push_str(&"  ".repeat(self.lists.len().min(MAX_INDENT)));
        }
        self.write_open_marks(false);
    }

    /// Marks do not reach over the end of a line: open ones are closed there, and opened on the next.
    fn write_open_marks(&mut self, is_closing: bool) {
        if is_closing && self.is_fresh {
            return;
        }
        let mut open = [
            (self.spans.bold, self.marks.bold),
            (self.spans.italic, self.marks.italic),
            (self.spans.struck, self.marks.struck),
        ];
        if is_closing {
            open.reverse();
        }
        for (depth, mark) in open {
            if depth > 0 {
                self.out.push_str(mark);
            }
        }
    }

    fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.begin();
        self.out.push_str(text);
    }

    fn write_lines(&mut self, text: &str) {
        for (nth, line) in text.split('\n').enumerate() {
            if nth > 0 {
                if self.is_fresh && !self.out.is_empty() {
                    self.out.push('\n');
                } else {
                    self.new_line(1);
                }
            }
            self.write(line);
        }
    }

    fn open_bold(&mut self) {
        self.begin();
        self.spans.bold += 1;
        if self.spans.bold == 1 {
            self.out.push_str(self.marks.bold);
            self.bold_from = self.out.len();
        }
    }

    fn close_bold(&mut self) {
        self.spans.bold = self.spans.bold.saturating_sub(1);
        if self.spans.bold > 0 {
            return;
        }
        if self.out.len() == self.bold_from {
            // There were no words.
            let end = self.bold_from - self.marks.bold.len();
            self.out.truncate(end);
        } else {
            self.write(self.marks.bold);
        }
    }

    /// Inside a word there is no italic: there the stars are meant, as in `2*3*4`.
    fn emphasis(&mut self, range: &Range<usize>, is_start: bool) {
        if self.is_inside_word(range) {
            self.write("*");
            return;
        }
        if is_start {
            self.begin();
            self.spans.italic += 1;
            if self.spans.italic == 1 {
                self.out.push_str(self.marks.italic);
            }
        } else {
            self.spans.italic = self.spans.italic.saturating_sub(1);
            if self.spans.italic == 0 {
                self.write(self.marks.italic);
            }
        }
    }

    /// Whether a letter or digit touches a span from outside: marks mean nothing there.
    fn is_inside_word(&self, range: &Range<usize>) -> bool {
        let before = self.source[..range.start].chars().next_back();
        let after = self.source[range.end..].chars().next();
        [before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    }

    fn close_link(&mut self, end: usize) {
        self.read_to = end;
        let Some((start, address)) = self.links.pop() else {
            return;
        };
        if !SCHEMES.iter().any(|scheme| address.starts_with(scheme)) {
            return;
        }
        let words = self.out.get(start..).unwrap_or_default();
        let is_address = words == address
            || SCHEMES
                .iter()
                .any(|scheme| address.strip_prefix(scheme) == Some(words));
        if words.is_empty() {
            self.write(&address);
        } else if !is_address {
            self.write(&format!(" ({address})"));
        } else if address.starts_with("http") {
            self.out.truncate(start);
            self.write(&address);
        }
    }
}

#[cfg(test)]
mod tests;
