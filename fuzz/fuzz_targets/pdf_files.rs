//! PDF, which other people's code takes apart: what ours makes of it has its pages and headings where
//! it says.
#![no_main]

use fuzz::{check_extracted, contained};
use libfuzzer_sys::fuzz_target;
use rag::extract::{MediaType, read};

fuzz_target!(|bytes: &[u8]| {
    if let Some(Ok(extracted)) = contained(|| read(MediaType::Pdf, bytes)) {
        assert_eq!(extracted.media_type, MediaType::Pdf);
        check_extracted(&extracted);
    }
});
