use std::io::Write as _;

/// Writes a PDF by hand: numbered objects, a true cross-reference table and a trailer.
#[derive(Default)]
pub(crate) struct Pdf {
    objects: Vec<String>,
    trailer: String,
}

impl Pdf {
    /// A document with a title and an author whose pages hold these lines in Helvetica.
    pub(crate) fn with_pages(pages: &[&[&str]]) -> Self {
        let kids: Vec<String> = (0..pages.len())
            .map(|at| format!("{} 0 R", 5 + at * 2))
            .collect();
        let mut pdf = Self::default();
        pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
        pdf.object(&format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            pages.len()
        ));
        pdf.object(
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        );
        pdf.object("<< /Title (House rules) /Author (Ada Lovelace) >>");
        for lines in pages {
            let content = pdf.objects.len() + 2;
            pdf.object(&format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>"
            ));
            pdf.stream(&text_operators(lines));
        }
        pdf.trailer("/Info 4 0 R");
        pdf
    }

    pub(crate) fn object(&mut self, body: &str) {
        self.objects.push(body.to_owned());
    }

    pub(crate) fn stream(&mut self, content: &str) {
        self.object(&format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }

    pub(crate) fn trailer(&mut self, entries: &str) {
        self.trailer.push_str(entries);
        self.trailer.push(' ');
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"%PDF-1.7\n".to_vec();
        let mut offsets = Vec::new();
        for (at, body) in self.objects.iter().enumerate() {
            offsets.push(out.len());
            write!(out, "{} 0 obj\n{body}\nendobj\n", at + 1).unwrap();
        }
        let (xref, size) = (out.len(), offsets.len() + 1);
        write!(out, "xref\n0 {size}\n0000000000 65535 f \n").unwrap();
        for offset in offsets {
            writeln!(out, "{offset:010} 00000 n ").unwrap();
        }
        let trailer = format!("<< /Size {size} /Root 1 0 R {}>>", self.trailer);
        write!(out, "trailer\n{trailer}\nstartxref\n{xref}\n%%EOF\n").unwrap();
        out
    }
}

/// A page's content: these lines in the font `F1`.
pub(crate) fn text_operators(lines: &[&str]) -> String {
    let shown: Vec<String> = lines.iter().map(|line| format!("({line}) Tj T*")).collect();
    format!("BT /F1 12 Tf 14 TL 72 770 Td\n{}\nET", shown.join("\n"))
}
