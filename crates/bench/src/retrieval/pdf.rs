//! A PDF by hand: pages of text, and pictures that only weigh.

use std::io::Write as _;

/// Lines of a page.
const LINES: usize = 45;

/// A document of so many pages, each with its own text, and with as many bytes of pictures.
pub(super) fn pdf(pages: usize, picture_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut file = File::default();
    let kids: Vec<String> = (0..pages).map(|at| format!("{} 0 R", 4 + at * 2)).collect();
    file.object("<< /Type /Catalog /Pages 2 0 R >>".as_bytes())?;
    let kids = kids.join(" ");
    file.object(format!("<< /Type /Pages /Kids [{kids}] /Count {pages} >>").as_bytes())?;
    file.object(
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )?;
    for page in 0..pages {
        let content = 5 + page * 2;
        file.object(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>"
            )
            .as_bytes(),
        )?;
        file.stream("", text_of(page).as_bytes())?;
    }
    if picture_bytes > 0 {
        let (width, height) = (1024, picture_bytes / 1024);
        let head = format!(
            "/Type /XObject /Subtype /Image /Width {width} /Height {height} \
             /ColorSpace /DeviceGray /BitsPerComponent 8 "
        );
        file.stream(&head, &vec![0x5a; width * height])?;
    }
    file.finish()
}

/// The operators that write a page's lines.
fn text_of(page: usize) -> String {
    let lines = (0..LINES).map(|line| {
        let number = page * LINES + line;
        format!(
            "(Rule {number}: item {} may be returned within {} days if its parcel {} is whole.) Tj T*",
            number * 31 % 9973,
            number % 90 + 1,
            number * 17 % 7919
        )
    });
    let lines: Vec<String> = lines.collect();
    format!("BT /F1 10 Tf 14 TL 60 790 Td\n{}\nET", lines.join("\n"))
}

/// Numbered objects, and where each begins.
struct File {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            bytes: b"%PDF-1.7\n".to_vec(),
            offsets: Vec::new(),
        }
    }
}

impl File {
    fn object(&mut self, body: &[u8]) -> anyhow::Result<()> {
        self.offsets.push(self.bytes.len());
        writeln!(self.bytes, "{} 0 obj", self.offsets.len())?;
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(b"\nendobj\n");
        Ok(())
    }

    fn stream(&mut self, head: &str, content: &[u8]) -> anyhow::Result<()> {
        let mut body = format!("<< {head}/Length {} >>\nstream\n", content.len()).into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\nendstream");
        self.object(&body)
    }

    fn finish(mut self) -> anyhow::Result<Vec<u8>> {
        let (table, size) = (self.bytes.len(), self.offsets.len() + 1);
        write!(self.bytes, "xref\n0 {size}\n0000000000 65535 f \n")?;
        for offset in &self.offsets {
            writeln!(self.bytes, "{offset:010} 00000 n ")?;
        }
        let trailer =
            format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
        self.bytes.extend_from_slice(trailer.as_bytes());
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use rag::extract::{MediaType, read};

    use super::*;

    #[test]
    fn every_page_is_read_and_pictures_are_not() {
        let file = pdf(3, 64 * 1024).unwrap();
        assert!(file.len() > 64 * 1024);
        let read = read(MediaType::Pdf, &file).unwrap();
        assert_eq!(read.page_count, Some(3));
        assert!(read.text.contains("Rule 0:") && read.text.contains("Rule 134:"));
    }
}
