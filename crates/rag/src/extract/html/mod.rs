//! Web pages. Nothing is fetched, nothing is run.

mod elements;
mod page;

use std::convert::Infallible;

use html5gum::{DefaultEmitter, Token, Tokenizer};

use super::assembly::Assembly;
use super::progress::Watch;
use super::{ExtractError, Extracted, MediaType};

use page::Page;

/// Reads a page: its headings, paragraphs, lists and tables, in the order of the source. What
/// leads through a site or runs in a browser is left out.
pub(super) fn read(source: &str, watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut assembly = Assembly::new(MediaType::Html, watch);
    let mut page = Page::new(&mut assembly);
    for token in Tokenizer::new_with_emitter(source, emitter) {
        let token = token.unwrap_or_else(|never: Infallible| match never {});
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                let attribute = |name: &str| {
                    let value = tag.attributes.get(name.as_bytes())?;
                    Some(String::from_utf8_lossy(value).into_owned())
                };
                page.open(&name, tag.self_closing, &attribute);
            }
            Token::EndTag(tag) => page.close(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => page.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if page.is_full() {
            break;
        }
    }
    page.finish();
    assembly.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(source: &str) -> Extracted {
        read(source, Watch::unseen()).unwrap()
    }

    #[test]
    fn a_page_becomes_its_text() {
        let extracted = page(
            "<!doctype html><html><head><title>House &amp; rules</title>\
             <meta name=author content='Ada Lovelace'><style>p { color: red }</style></head><body>\
             <nav><a href=/>Home</a> <ul><li>Shop</ul></nav>\
             <h1>Returns</h1><p>Free for\n  <b>30</b>&nbsp;days.<br>Keep the receipt.\
             <h2>How</h2><ul><li>Pack it<li>Send it<ol><li>by post<li>by courier</ol></ul>\
             <script>document.write('<p>no</p>')</script><pre>a  b\n c</pre>\
             <footer>Call us</footer></body></html>",
        );
        assert_eq!(extracted.title.as_deref(), Some("House & rules"));
        assert_eq!(extracted.author.as_deref(), Some("Ada Lovelace"));
        assert_eq!(
            extracted.text,
            "Returns\n\nFree for 30 days.\nKeep the receipt.\n\nHow\n\n- Pack it\n- Send it\n  \
             1. by post\n  2. by courier\n\na  b\n c\n\nCall us"
        );
        let headings: Vec<_> = extracted
            .headings
            .iter()
            .map(|heading| (heading.level, heading.text.as_str()))
            .collect();
        assert_eq!(headings, [(1, "Returns"), (2, "How")]);
    }

    #[test]
    fn rows_of_tables_carry_the_names_of_their_columns() {
        let extracted = page(
            "<p>Prices<table><caption>Tea</caption><thead><tr><th>Kind<th>Price</thead>\
             <tr><td>Green<td><p>4</p><p>per bag</p><tr><td colspan=2>Black</table>End",
        );
        assert_eq!(
            extracted.text,
            "Prices\n\nTea\n\nKind | Price\nKind: Green | Price: 4 per bag\nKind: Black\n\nEnd"
        );
    }

    #[test]
    fn a_table_that_only_arranges_a_page_is_no_table() {
        let extracted = page(
            "<table><tr><td><h1>Shop</h1><p>One.</p></td><td>Side</td></tr><tr><td>\
             <table><tr><th>a<th>b<tr><td>1<td>2</table></td></tr></table>",
        );
        assert_eq!(extracted.text, "Shop\n\nOne.\n\nSide\n\na | b\na: 1 | b: 2");
    }

    #[test]
    fn what_is_left_open_does_not_swallow_the_rest() {
        let extracted = page("<div><nav><ul><li>Home</div><p>Words<i>and<p>more</b></p>");
        assert_eq!(extracted.text, "Wordsand\n\nmore");
        let extracted = page("<p hidden>no</p><p>yes</p><select><option>one</select>");
        assert_eq!(extracted.text, "yes");
    }

    #[test]
    fn nesting_without_end_is_read_in_good_time() {
        let deep = format!("{}words", "<div><b>".repeat(20_000));
        assert_eq!(page(&deep).text, "words");
        let tables = format!("{}words", "<table><tr><td>".repeat(10_000));
        assert_eq!(page(&tables).text, "words");
    }
}
