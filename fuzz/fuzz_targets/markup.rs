//! Markdown in each channel's own marks: no letter is lost of what is only letters and marks, and
//! what is plain stays as it is.
#![no_main]

use arbitrary::Arbitrary;
use channels::{Markup, to_markup};
use fuzz::{Text, letters};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    any: Text,
    plain: Text,
}

fuzz_target!(|input: Input| {
    let any = input.any.build(8000);
    assert_eq!(to_markup(Markup::Markdown, &any), any);
    for markup in [Markup::Whatsapp, Markup::Plain] {
        let shown = to_markup(markup, &any);
        assert_eq!(shown.trim_end(), shown);
        // Indents and marks at the ends of lines take room, and no more than so much.
        assert!(
            shown.len() <= any.len() * 12 + 100,
            "{} of {}",
            shown.len(),
            any.len()
        );
    }
    let plain = input.plain.build_plain(4000);
    for markup in [Markup::Whatsapp, Markup::Plain] {
        assert_eq!(letters(&to_markup(markup, &plain)), letters(&plain));
    }
});
