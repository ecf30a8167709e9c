//! Passages cut into what can be quoted.

use super::words::Word;

/// A quotable piece of a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) text: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole sentence.
    Sentence,
    /// An item of a list, a row of a table, a line that stands alone.
    Line,
    /// A heading, or a question: it tells what the units after it are about.
    Heading,
}

/// The units of `text` in order; line breaks that only come from a page's width are undone.
pub(super) fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    for paragraph in paragraphs(text) {
        let sentences = split(&paragraph.text);
        let is_alone = sentences.len() == 1;
        for sentence in sentences {
            let kind = kind_of(&sentence, is_alone, paragraph.shape);
            units.push(Unit {
                text: sentence,
                kind,
            });
        }
    }
    // With nothing below it, a short line is all there is to quote.
    if let Some(last) = units.last_mut()
        && last.kind == Kind::Heading
        && !is_question(&last.text)
    {
        last.kind = Kind::Line;
    }
    units
}

fn is_question(text: &str) -> bool {
    text.ends_with(['?', '？'])
}

fn kind_of(text: &str, is_alone: bool, shape: Shape) -> Kind {
    let ends = text.trim_end_matches(CLOSERS).ends_with(ENDS);
    if is_question(text) || shape == Shape::Heading || text.ends_with([':', '：']) {
        return Kind::Heading;
    }
    if ends {
        return Kind::Sentence;
    }
    let is_short = text.split_whitespace().count() <= 7 && text.chars().count() <= 60;
    let is_data = text.contains([':', '：', '@']) || text.contains(|c: char| c.is_ascii_digit());
    if is_alone && is_short && !is_data && shape == Shape::Plain {
        Kind::Heading
    } else {
        Kind::Line
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Plain,
    Item,
    /// An item of a numbered list, or a numbered heading.
    Numbered,
    Heading,
}

struct Paragraph {
    text: String,
    shape: Shape,
}

fn paragraphs(text: &str) -> Vec<Paragraph> {
    let text = text.replace(['\u{ad}', '`'], "").replace("**", "");
    let widest = text.lines().map(width).max().unwrap_or(0);
    let mut done: Vec<Paragraph> = Vec::new();
    let mut open = false;
    let mut last_width = 0;
    for line in text.lines().map(str::trim) {
        let (line, shape) = shape_of(line);
        if line.is_empty() {
            open = false;
            continue;
        }
        let goes_on = open && shape == Shape::Plain;
        match done.last_mut() {
            Some(last) if goes_on && is_wrapped(&last.text, line, last_width, widest) => {
                join(&mut last.text, line);
            }
            _ => done.push(Paragraph {
                text: line.to_owned(),
                shape,
            }),
        }
        last_width = width(line);
        open = shape != Shape::Heading && !line.starts_with('|');
    }
    for at in 0..done.len() {
        // What stands under a numbered heading is no list.
        let is_heading = done
            .get(at + 1)
            .is_some_and(|next| next.shape == Shape::Plain);
        if done[at].shape == Shape::Numbered {
            done[at].shape = if is_heading {
                Shape::Plain
            } else {
                Shape::Item
            };
        }
    }
    for paragraph in &mut done {
        if paragraph.text.starts_with('|') {
            let cells = paragraph.text.split('|').map(str::trim);
            let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
            paragraph.text = cells.join(" – ");
        }
    }
    done
}

/// A line without the mark of its list or heading.
fn shape_of(line: &str) -> (&str, Shape) {
    if line.starts_with('#') {
        return (line.trim_start_matches('#').trim(), Shape::Heading);
    }
    if line.starts_with('|') {
        let is_rule = line.chars().all(|c| "|-: ".contains(c));
        return (if is_rule { "" } else { line }, Shape::Item);
    }
    for mark in ["- ", "• ", "* ", "– ", "· ", "▪ ", "●"] {
        if let Some(item) = line.strip_prefix(mark) {
            return (item.trim(), Shape::Item);
        }
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    if (1..=2).contains(&digits)
        && let Some(item) = line[digits..]
            .strip_prefix(". ")
            .or(line[digits..].strip_prefix(") "))
    {
        return (item.trim(), Shape::Numbered);
    }
    (line, Shape::Plain)
}

/// Columns a line takes: Chinese and Japanese characters are twice as wide.
fn width(line: &str) -> usize {
    line.trim()
        .chars()
        .map(|c| if Word::is_cjk_char(c) { 2 } else { 1 })
        .sum()
}

fn is_wrapped(before: &str, next: &str, last_width: usize, widest: usize) -> bool {
    next.starts_with(char::is_lowercase)
        || before.ends_with([',', '，', '、'])
        || (last_width >= 28 && last_width * 10 >= widest * 6)
}

fn join(text: &mut String, line: &str) {
    let last = text.chars().next_back().unwrap_or(' ');
    let first = line.chars().next().unwrap_or(' ');
    let first_word = line.split_whitespace().next().unwrap_or_default();
    let is_broken_word = last == '-'
        && text.chars().rev().nth(1).is_some_and(char::is_alphabetic)
        && first.is_lowercase()
        && !["und", "oder", "and", "or", "et", "ou", "y", "e"].contains(&first_word);
    if is_broken_word {
        text.pop();
    } else if !(is_wide(last) && is_wide(first)) {
        text.push(' ');
    }
    text.push_str(line);
}

fn is_wide(c: char) -> bool {
    Word::is_cjk_char(c)
        || ('\u{3000}'..='\u{303f}').contains(&c)
        || ('\u{ff00}'..='\u{ff60}').contains(&c)
}

const ENDS: &[char] = &['.', '!', '?', '…', '。', '！', '？'];
const WIDE_ENDS: &[char] = &['。', '！', '？'];
const CLOSERS: &[char] = &[')', ']', '"', '\'', '”', '’', '»', '“', '」', '』', '）'];

/// What ends with a point in the midst of a sentence, in lower case.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "inc", "ltd", "vs", "approx", "ca", "e.g", "i.e", "z.b",
    "d.h", "u.a", "bzw", "inkl", "zzgl", "exkl", "ggf", "evtl", "nr", "no", "tel", "abs", "art",
    "min", "max", "std", "str", "mme", "mlle", "env", "ex", "p", "pp", "sr", "sra", "av", "dott",
    "sig", "fig", "cf", "incl", "excl", "ext", "dept", "est", "mo", "mi", "sa", "ph.d", "u.s",
    "jan", "feb", "aug", "sept", "oct", "okt", "nov", "dec", "dez",
];

/// Cuts a paragraph into sentences: not at abbreviations, initials, decimals and German ordinals.
fn split(paragraph: &str) -> Vec<String> {
    let chars: Vec<char> = paragraph.chars().collect();
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        if !ENDS.contains(&c) {
            continue;
        }
        let is_wide_end = WIDE_ENDS.contains(&c);
        // What closes a quotation in German opens one in Chinese.
        let closes = |c: &char| CLOSERS.contains(c) && !(is_wide_end && *c == '“');
        while chars.get(at).is_some_and(|c| closes(c) || ENDS.contains(c)) {
            at += 1;
        }
        let is_end = is_wide_end || ends_here(&chars[start..at], &chars[at..], c);
        if is_end {
            push(&mut sentences, &chars[start..at]);
            start = at;
        }
    }
    push(&mut sentences, &chars[start..]);
    sentences
}

fn push(sentences: &mut Vec<String>, chars: &[char]) {
    let text: String = chars.iter().collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().any(char::is_alphanumeric) {
        sentences.push(text);
    }
}

fn ends_here(before: &[char], after: &[char], end: char) -> bool {
    let Some(next) = after.first() else {
        return true;
    };
    if is_wide(*next) {
        return true;
    }
    let mut following = after.iter().copied().skip_while(|c| c.is_whitespace());
    let first = following.next();
    if !next.is_whitespace() || first.is_some_and(char::is_lowercase) {
        return false;
    }
    if end != '.' {
        return true;
    }
    let before: String = before.iter().collect();
    let before = before.trim_end_matches('.');
    let word = before
        .rsplit([' ', '(', '\u{a0}'])
        .next()
        .unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    if is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str()) {
        // `No.` is a number's mark only before a number.
        return word.eq_ignore_ascii_case("no") && !first.is_some_and(|c| c.is_ascii_digit());
    }
    let is_ordinal =
        word.len() <= 2 && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    !(is_ordinal && starts_with_month(after))
}

fn starts_with_month(after: &[char]) -> bool {
    let text: String = after.iter().take(12).collect();
    [
        "Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez",
    ]
    .iter()
    .any(|month| text.trim_start().starts_with(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        units(text).into_iter().map(|unit| unit.text).collect()
    }

    #[test]
    fn points_in_the_midst_of_a_sentence_do_not_end_it() {
        assert_eq!(
            texts(
                "Dr. A. Smith pays 3.50 euros, e.g. by card. See No. 5! Really? Yes (always.) Done."
            ),
            [
                "Dr. A. Smith pays 3.50 euros, e.g. by card.",
                "See No. 5!",
                "Really?",
                "Yes (always.)",
                "Done."
            ]
        );
        assert_eq!(
            texts("Am 3. Mai z.B. ist zu. Kosten: ca. 5 Euro zzgl. Versand."),
            [
                "Am 3. Mai z.B. ist zu.",
                "Kosten: ca. 5 Euro zzgl. Versand."
            ]
        );
    }

    #[test]
    fn line_breaks_of_a_page_are_undone() {
        let page = "Customers may return any unused item within thirty\n\
                    days of Delivery. The cost of the return ship-\n\
                    ment is borne by Acme Europe in all\n\
                    cases.\n\nOpening hours\nMonday: 9 to 5\nSaturday: 10 to 2";
        assert_eq!(
            texts(page),
            [
                "Customers may return any unused item within thirty days of Delivery.",
                "The cost of the return shipment is borne by Acme Europe in all cases.",
                "Opening hours",
                "Monday: 9 to 5",
                "Saturday: 10 to 2"
            ]
        );
    }

    #[test]
    fn chinese_sentences_end_without_a_space() {
        assert_eq!(
            texts("未使用的商品在收货后可在三十天内\n退货。运费由买家承担！“可以吗？”可以。"),
            [
                "未使用的商品在收货后可在三十天内退货。",
                "运费由买家承担！",
                "“可以吗？”",
                "可以。"
            ]
        );
    }

    #[test]
    fn a_number_makes_a_heading_or_an_item() {
        let kinds = |text| {
            units(text)
                .into_iter()
                .map(|unit| unit.kind)
                .collect::<Vec<_>>()
        };
        let (heading, sentence, line) = (Kind::Heading, Kind::Sentence, Kind::Line);
        assert_eq!(
            kinds("1. Delivery\nIt takes a day.\n2. Returns\nThey are free."),
            [heading, sentence, heading, sentence]
        );
        assert_eq!(
            kinds("You need:\n1. a receipt\n2. the box"),
            [heading, line, line]
        );
    }

    #[test]
    fn headings_items_and_rows_are_told_apart() {
        let kinds = units(
            "# Returns\nYou have 30 days.\n- unused\n- in its box\n| Zone | Price |\n|---|---|\n| EU | 5 € |\n",
        );
        let kinds: Vec<_> = kinds
            .iter()
            .map(|unit| (unit.text.as_str(), unit.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("Returns", Kind::Heading),
                ("You have 30 days.", Kind::Sentence),
                ("unused", Kind::Line),
                ("in its box", Kind::Line),
                ("Zone – Price", Kind::Line),
                ("EU – 5 €", Kind::Line),
            ]
        );
    }
}
