use domain::ChunkingSettings;
use rag::chunk::split;
use rag::extract::Extracted;

/// Checks what the rest of the product relies on in a file that was read: its text is readable and
/// can be cut, its pages and headings are where it says.
pub fn check_extracted(extracted: &Extracted) {
    let chars = extracted.text.chars().count();
    assert!(!extracted.text.trim().is_empty());
    let is_odd = |char: char| char.is_control() && char != '\n' && char != '\t';
    assert!(!extracted.text.contains(is_odd), "{:?}", extracted.text);
    let mut last = 0;
    for page in &extracted.pages {
        let is_right = last <= page.start && page.start < page.end && page.end <= chars;
        assert!(is_right, "{page:?} of {chars} behind {last}");
        last = page.end;
    }
    last = 0;
    for heading in &extracted.headings {
        let is_right = last <= heading.start && heading.start < chars;
        assert!(is_right, "{heading:?} of {chars} behind {last}");
        assert!((1..=9).contains(&heading.level), "{heading:?}");
        assert!(!heading.text.is_empty(), "{heading:?}");
        last = heading.start;
    }
    for label in [&extracted.title, &extracted.author].into_iter().flatten() {
        let is_one_line = !label.is_empty() && !label.contains(char::is_control);
        assert!(is_one_line, "{label:?}");
    }
    let passages = split(extracted, &ChunkingSettings::default()).expect("there is text");
    assert!(!passages.is_empty());
}
