//! XML as a flat stream, with what attacks use refused: entities and deep nesting.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::events::{BytesEnd, BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use super::{ExtractError, archive};

/// Deeper than any document: Word itself stops far below.
const DEPTH: usize = 512;

/// A document as it is read.
pub(super) struct Xml<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    depth: usize,
}

/// One step of a document. Names are looked at without their prefix.
pub(super) enum Node<'a> {
    /// A tag that opens an element, an empty one too.
    Open(BytesStart<'a>),
    /// A tag that closes an element, an empty one too.
    Close(BytesEnd<'a>),
    /// Text.
    Text(Cow<'a, str>),
    /// Something without a meaning here.
    Other,
    /// The end.
    End,
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(input: R) -> Self {
        let mut reader = Reader::from_reader(input);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
        }
    }

    /// The next step.
    ///
    /// # Errors
    /// [`ExtractError::Damaged`], [`ExtractError::Entities`], [`ExtractError::TooDeep`],
    /// [`ExtractError::Bomb`].
    pub(super) fn next(&mut self) -> Result<Node<'_>, ExtractError> {
        self.buffer.clear();
        let event = self
            .reader
            .read_event_into(&mut self.buffer)
            .map_err(of_xml)?;
        Ok(match event {
            Event::Start(tag) | Event::Empty(tag) => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(ExtractError::TooDeep);
                }
                Node::Open(tag)
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                Node::Close(tag)
            }
            Event::Text(text) => Node::Text(text.xml10_content()),
            Event::CData(text) => Node::Text(text.xml10_content()),
            Event::GeneralRef(reference) => resolve(&reference),
            Event::DocType(_) => return Err(ExtractError::Entities),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Node::Other,
            Event::Eof => Node::End,
        })
    }

    /// How many bytes are read.
    pub(super) fn position(&self) -> u64 {
        self.reader.buffer_position()
    }

    /// Passes over the rest of the element whose opening tag came last.
    pub(super) fn skip(&mut self) -> Result<(), ExtractError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if let Node::End = self.next()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands each opening tag inside the element whose opening tag came last to `visit`, and passes
    /// over the rest.
    pub(super) fn each_open(
        &mut self,
        mut visit: impl FnMut(&str, &BytesStart<'_>),
    ) -> Result<(), ExtractError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            match self.next()? {
                Node::Open(tag) => visit(tag.local_name().as_ref(), &tag),
                Node::End => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    /// All text inside the element whose opening tag came last.
    pub(super) fn text(&mut self) -> Result<String, ExtractError> {
        let outside = self.depth.saturating_sub(1);
        let mut all = String::new();
        while self.depth > outside {
            match self.next()? {
                Node::Text(text) => all.push_str(&text),
                Node::End => break,
                _ => {}
            }
        }
        Ok(all)
    }
}

/// The value of an attribute, whose name is looked at without its prefix.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    attributes.with_checks(false);
    let found = attributes
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().as_ref() == name)?;
    let value = found.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.into_owned())
}

/// The value of an attribute as a number.
pub(super) fn number<T: std::str::FromStr>(tag: &BytesStart<'_>, name: &str) -> Option<T> {
    attribute(tag, name)?.trim().parse().ok()
}

/// Whether a tag switches on what it names, as it does without a value.
pub(super) fn is_on(tag: &BytesStart<'_>) -> bool {
    !matches!(
        attribute(tag, "val").as_deref(),
        Some("0" | "false" | "off")
    )
}

/// Chars by number and the five names that XML knows; others need a declaration, and are refused
/// with it.
fn resolve<'a>(reference: &BytesRef<'_>) -> Node<'a> {
    if let Ok(Some(char)) = reference.resolve_char_ref() {
        return Node::Text(Cow::Owned(char.to_string()));
    }
    Node::Text(Cow::Borrowed(match reference.as_ref() {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return Node::Other,
    }))
}

fn of_xml(error: Error) -> ExtractError {
    match error {
        Error::Io(error) => archive::of_io(&error),
        _ => ExtractError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(xml: &str) -> Result<String, ExtractError> {
        let mut xml = Xml::new(xml.as_bytes());
        let mut all = String::new();
        loop {
            match xml.next()? {
                Node::Text(text) => all.push_str(&text),
                Node::End => return Ok(all),
                _ => {}
            }
        }
    }

    #[test]
    fn chars_by_name_and_number_are_read() {
        assert_eq!(
            text_of("<a>Tea &amp; <b>coffee</b>&#x20AC;&lt;<![CDATA[&]]></a>").unwrap(),
            "Tea & coffee€<&"
        );
    }

    #[test]
    fn entities_are_refused() {
        let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(matches!(text_of(laughs), Err(ExtractError::Entities)));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{}x{}", "<a>".repeat(600), "</a>".repeat(600));
        assert!(matches!(text_of(&deep), Err(ExtractError::TooDeep)));
        assert!(matches!(
            text_of("<a><b>cut off"),
            Ok(_) | Err(ExtractError::Damaged)
        ));
    }

    #[test]
    fn an_element_is_passed_over_whole() {
        let mut xml = Xml::new(&b"<a><b><b>x</b></b>y</a>"[..]);
        assert!(matches!(xml.next(), Ok(Node::Open(_))));
        assert!(matches!(xml.next(), Ok(Node::Open(_))));
        xml.skip().unwrap();
        assert!(matches!(xml.next(), Ok(Node::Text(text)) if text == "y"));
    }
}
