//! Workbooks of Excel, which other people's code takes apart: what ours makes of it has its sheets
//! where it says.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::{Part, check_extracted, contained, document};
use libfuzzer_sys::fuzz_target;
use rag::extract::{MediaType, read};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Sheets([Part<'a>; 3]),
    Book([Part<'a>; 2]),
    Bytes(bool, &'a [u8]),
}

/// A workbook of one sheet whose second style of cells is a date.
const BOOK: [(&str, &str); 4] = [
    (
        "_rels/.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Target=\"xl/workbook.xml\" Type=\"http://schemas.openxmlformats.org\
         /officeDocument/2006/relationships/officeDocument\"/></Relationships>",
    ),
    (
        "xl/workbook.xml",
        "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">\
         <sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>",
    ),
    (
        "xl/_rels/workbook.xml.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Target=\"worksheets/sheet1.xml\" Type=\"http://schemas.openxmlformats\
         .org/officeDocument/2006/relationships/worksheet\"/></Relationships>",
    ),
    (
        "xl/styles.xml",
        "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
         <cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"46\"/></cellXfs>\
         </styleSheet>",
    ),
];

fuzz_target!(|input: Input<'_>| {
    let (kind, bytes) = match &input {
        Input::Sheets(parts) => {
            let names = [
                "xl/worksheets/sheet1.xml",
                "xl/sharedStrings.xml",
                "docProps/core.xml",
            ];
            (MediaType::Xlsx, document(&BOOK, &names, parts))
        }
        Input::Book(parts) => {
            let names = ["xl/workbook.xml", "xl/styles.xml"];
            (MediaType::Xlsx, document(&BOOK[..1], &names, parts))
        }
        Input::Bytes(true, bytes) => (MediaType::Xlsx, bytes.to_vec()),
        Input::Bytes(false, bytes) => (MediaType::Xls, bytes.to_vec()),
    };
    if let Some(Ok(extracted)) = contained(|| read(kind, &bytes)) {
        check_extracted(&extracted);
    }
});
