use super::super::Unit;
use super::super::assembly::Assembly;
use super::super::table::{Cell, Header, Table, one_line};
use super::elements::{is_block, is_foreign, is_left_out, is_void};

/// More elements inside each other are not kept track of.
const DEPTH: usize = 256;
/// How far around it a tag may close others without naming them.
const NEAR: usize = 32;
/// More columns than a table has.
const COLUMNS: usize = 1000;
const REPORT_BLOCKS: u64 = 1024;

/// A page on its way into the text, tag by tag.
pub(super) struct Page<'a, 'b> {
    assembly: &'a mut Assembly<'b>,
    /// The elements that are open, the innermost last.
    open: Vec<String>,
    /// How many elements were open outside the one that is left out.
    skipped_at: Option<usize>,
    /// The text since the last end of a block.
    line: String,
    /// Whether white space stands between the line and what comes next.
    needs_space: bool,
    lists: Vec<List>,
    /// The mark of the item that the line belongs to.
    mark: Option<String>,
    after_item: bool,
    tables: Vec<OpenTable>,
    /// What the page gives as its title.
    title: Option<String>,
    blocks: u64,
}

struct List {
    /// The number of its next item; `None`: it counts none.
    next: Option<u64>,
}

#[derive(Default)]
struct OpenTable {
    /// `None` until the first row is whole, and again once the table proves to arrange the page.
    table: Option<Table>,
    row: Vec<Cell>,
    column: usize,
    span: usize,
    in_cell: bool,
    has_header: bool,
    /// Whether it only arranges the page: a heading or another table stands in it.
    is_layout: bool,
}

impl<'a, 'b> Page<'a, 'b> {
    pub(super) fn new(assembly: &'a mut Assembly<'b>) -> Self {
        Self {
            assembly,
            open: Vec::new(),
            skipped_at: None,
            line: String::new(),
            needs_space: false,
            lists: Vec::new(),
            mark: None,
            after_item: false,
            tables: Vec::new(),
            title: None,
            blocks: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.assembly.is_full()
    }

    pub(super) fn open(
        &mut self,
        name: &str,
        self_closing: bool,
        attribute: &dyn Fn(&str) -> Option<String>,
    ) {
        if is_void(name) {
            return self.void(name, attribute);
        }
        self.close_implied(name);
        let is_kept = self.open.len() < DEPTH;
        if is_kept && !(self_closing && is_foreign(name)) {
            self.open.push(name.to_owned());
        }
        if self.skipped_at.is_some() {
            return;
        }
        if is_kept && (is_left_out(name) || attribute("hidden").is_some()) {
            self.skipped_at = Some(self.open.len() - 1);
            return;
        }
        match name {
            "ul" | "menu" => self.open_list(None),
            "ol" => {
                let start = attribute("start").and_then(|start| start.parse().ok());
                self.open_list(Some(start.unwrap_or(1)));
            }
            "li" => self.open_item(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.arrange();
                self.flush();
            }
            "table" => {
                self.arrange();
                self.flush();
                if self.tables.len() < DEPTH {
                    self.tables.push(OpenTable::default());
                }
            }
            "tr" => self.close_row(),
            "td" | "th" => self.open_cell(name == "th", attribute),
            "title" | "caption" => self.flush(),
            _ if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|open| open == name) else {
            return;
        };
        self.close_down_to(at);
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.skipped_at.is_some() {
            return;
        }
        match self.open.last().map(String::as_str) {
            Some("title") => self.title = Some(one_line(text)),
            _ if self.is_preformatted() => self.line.push_str(text),
            _ => self.flow(text),
        }
    }

    pub(super) fn finish(mut self) {
        self.close_down_to(0);
        while !self.tables.is_empty() {
            self.close_table();
        }
        self.flush();
        let title = self.title.take();
        let first = self.assembly.first_heading();
        self.assembly.title(title.as_deref());
        self.assembly.title_if_none(first.as_deref());
    }

    fn is_preformatted(&self) -> bool {
        let mut near = self.open.iter().rev().take(NEAR);
        near.any(|open| open == "pre")
    }

    /// Text whose white space only parts words.
    fn flow(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.needs_space = true;
        }
        for word in text.split_whitespace() {
            if self.needs_space && !self.line.is_empty() && !self.line.ends_with('\n') {
                self.line.push(' ');
            }
            self.line.push_str(word);
            self.needs_space = true;
        }
        self.needs_space =
            text.ends_with(char::is_whitespace) || (text.trim().is_empty() && self.needs_space);
    }

    fn void(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        if self.skipped_at.is_some() {
            return;
        }
        match name {
            "br" => {
                self.line.push('\n');
                self.needs_space = false;
            }
            "hr" => self.end_block(),
            "meta" => {
                let is_author =
                    attribute("name").is_some_and(|name| name.eq_ignore_ascii_case("author"));
                if is_author {
                    self.assembly.author(attribute("content").as_deref());
                }
            }
            _ => {}
        }
    }

    /// Closes what the start of `name` closes without a tag.
    fn close_implied(&mut self, name: &str) {
        let (closed, fence): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "menu"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            "td" | "th" => (&["td", "th"], &["table"]),
            "tr" => (&["tr", "td", "th", "caption"], &["table"]),
            "thead" | "tbody" | "tfoot" => (
                &["thead", "tbody", "tfoot", "tr", "td", "th", "caption"],
                &["table"],
            ),
            "option" => (&["option"], &["select"]),
            _ if is_block(name) => (&["p"], &["button", "table", "td", "th"]),
            _ => return,
        };
        let near = self.open.len().saturating_sub(NEAR);
        let inside = self.open[near..]
            .iter()
            .rposition(|open| fence.contains(&open.as_str()))
            .map_or(near, |at| near + at + 1);
        let outermost = self.open[inside..]
            .iter()
            .position(|open| closed.contains(&open.as_str()));
        if let Some(at) = outermost {
            self.close_down_to(inside + at);
        }
    }

    /// Closes the elements from `at` on, the innermost first.
    fn close_down_to(&mut self, at: usize) {
        while self.open.len() > at {
            let Some(name) = self.open.pop() else {
                return;
            };
            match self.skipped_at {
                Some(outside) if self.open.len() > outside => continue,
                Some(_) => {
                    self.skipped_at = None;
                    continue;
                }
                None => {}
            }
            match name.as_str() {
                "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.close_heading(&name),
                "ul" | "ol" | "menu" => {
                    self.flush();
                    self.lists.pop();
                }
                "li" => self.flush_item(),
                "td" | "th" => self.close_cell(),
                "tr" => self.close_row(),
                "table" => self.close_table(),
                "caption" => self.flush(),
                name if is_block(name) => self.end_block(),
                _ => {}
            }
        }
    }

    fn open_list(&mut self, next: Option<u64>) {
        self.flush_item();
        if self.lists.len() < DEPTH {
            self.lists.push(List { next });
        }
    }

    fn open_item(&mut self) {
        self.flush_item();
        if self.in_cell() {
            return;
        }
        let depth = self.lists.len().saturating_sub(1).min(8);
        let mark = match self.lists.last_mut().and_then(|list| list.next.as_mut()) {
            Some(next) => {
                *next = next.saturating_add(1);
                format!("{}.", next.saturating_sub(1))
            }
            None => "-".to_owned(),
        };
        self.mark = Some(format!("{}{mark} ", "  ".repeat(depth)));
    }

    fn flush_item(&mut self) {
        if self.lists.is_empty() {
            return self.end_block();
        }
        self.flush();
    }

    fn close_heading(&mut self, name: &str) {
        let level = name.as_bytes().get(1).map_or(1, |digit| digit - b'0');
        let text = one_line(&std::mem::take(&mut self.line));
        if !text.is_empty() {
            self.assembly.push_heading(level, &text);
        }
        (self.needs_space, self.after_item, self.mark) = (false, false, None);
    }

    /// Ends the block that the line is; in a cell it only parts words.
    fn end_block(&mut self) {
        if self.in_cell() {
            self.needs_space = true;
        } else {
            self.flush();
        }
    }

    fn in_cell(&self) -> bool {
        self.tables
            .last()
            .is_some_and(|table| table.in_cell && !table.is_layout)
    }

    /// Makes the line a block of its own, or an item of a list.
    fn flush(&mut self) {
        if self.in_cell() {
            self.needs_space = true;
            return;
        }
        let line = std::mem::take(&mut self.line);
        self.needs_space = false;
        let text = line.trim_matches('\n').trim_end();
        if text.trim().is_empty() {
            return;
        }
        match self.mark.take() {
            Some(mark) => {
                let item = format!("{mark}{}", text.trim_start());
                if self.after_item {
                    self.assembly.push_line(&item);
                } else {
                    self.assembly.push_block(&item);
                }
                self.after_item = true;
            }
            None => {
                self.assembly.push_block(text);
                self.after_item = false;
            }
        }
        self.blocks += 1;
        if self.blocks.is_multiple_of(REPORT_BLOCKS) {
            let done = u64::try_from(self.assembly.text().len()).unwrap_or_default();
            self.assembly.at(Unit::Bytes, done, None);
        }
    }

    /// Notes that the tables around arrange the page; what stands in their cells are blocks.
    fn arrange(&mut self) {
        let Some(table) = self.tables.last_mut().filter(|table| !table.is_layout) else {
            return;
        };
        table.is_layout = true;
        let row = std::mem::take(&mut table.row);
        if let Some(table) = table.table.take() {
            table.finish(self.assembly);
        }
        let line = std::mem::take(&mut self.line);
        for cell in row {
            self.assembly.push_block(&cell.text);
        }
        self.line = line;
        self.flush();
    }

    fn open_cell(&mut self, is_header: bool, attribute: &dyn Fn(&str) -> Option<String>) {
        self.flush();
        if let Some(table) = self.tables.last_mut() {
            let span = attribute("colspan").and_then(|span| span.parse().ok());
            table.span = span.unwrap_or(1).clamp(1, COLUMNS);
            table.in_cell = true;
            table.has_header |= is_header && table.table.is_none();
        }
    }

    fn close_cell(&mut self) {
        let Some(table) = self.tables.last_mut() else {
            return self.flush();
        };
        if table.is_layout {
            return self.flush();
        }
        if std::mem::take(&mut table.in_cell) {
            let text = std::mem::take(&mut self.line);
            if table.column < COLUMNS {
                table.row.push(Cell::untyped(table.column, &text));
            }
            table.column += table.span;
            self.needs_space = false;
        }
    }

    fn close_row(&mut self) {
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let row = std::mem::take(&mut table.row);
        table.column = 0;
        if table.is_layout || row.is_empty() {
            return;
        }
        let header = if table.has_header {
            Header::Given
        } else {
            Header::Unknown
        };
        let open = table.table.get_or_insert_with(|| Table::new(header));
        open.row(self.assembly, row);
        self.after_item = false;
    }

    fn close_table(&mut self) {
        self.close_row();
        let Some(open) = self.tables.pop() else {
            return;
        };
        if let Some(table) = open.table {
            table.finish(self.assembly);
        }
        self.flush();
    }
}
