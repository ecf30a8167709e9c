use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Unsupported;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// Plain text in any encoding.
    #[serde(rename = "text/plain")]
    Text,
    /// Markdown.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// A web page.
    #[serde(rename = "text/html")]
    Html,
    /// A table as text, with any delimiter.
    #[serde(rename = "text/csv")]
    Csv,
    /// PDF.
    #[serde(rename = "application/pdf")]
    Pdf,
    /// Word.
    #[serde(rename = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")]
    Docx,
    /// PowerPoint.
    #[serde(rename = "application/vnd.openxmlformats-officedocument.presentationml.presentation")]
    Pptx,
    /// Excel.
    #[serde(rename = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    Xlsx,
    /// Excel before 2007.
    #[serde(rename = "application/vnd.ms-excel")]
    Xls,
    /// Spreadsheets of LibreOffice and others.
    #[serde(rename = "application/vnd.oasis.opendocument.spreadsheet")]
    Ods,
}

impl MediaType {
    /// Every format.
    pub const ALL: &'static [Self] = &[
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Csv,
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Xls,
        Self::Ods,
    ];

    /// Its name as HTTP and the database carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Csv => "text/csv",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Xls => "application/vnd.ms-excel",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
        }
    }

    /// The endings of its files, without the dot.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["txt", "text", "log"],
            Self::Markdown => &["md", "markdown", "mdown"],
            Self::Html => &["html", "htm", "xhtml"],
            Self::Csv => &["csv", "tsv", "tab"],
            Self::Pdf => &["pdf"],
            Self::Docx => &["docx", "docm", "dotx"],
            Self::Pptx => &["pptx", "pptm", "ppsx", "potx"],
            Self::Xlsx => &["xlsx", "xlsm", "xltx"],
            Self::Xls => &["xls", "xlt"],
            Self::Ods => &["ods", "ots"],
        }
    }

    /// What a client calls a file: by the media type that it declares, else by the name's ending.
    pub(super) fn called(name: &str, declared: Option<&str>) -> Option<Self> {
        let declared = declared.map(|declared| {
            let essence = declared.split(';').next().unwrap_or_default();
            essence.trim().to_ascii_lowercase()
        });
        let name = name.to_lowercase();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let by_ending = Self::ALL
            .iter()
            .copied()
            .find(|known| known.endings().contains(&ending));
        let by_type = match declared.as_deref() {
            Some("text/x-markdown") => Some(Self::Markdown),
            Some("text/tab-separated-values" | "application/csv") => Some(Self::Csv),
            Some("application/xhtml+xml") => Some(Self::Html),
            // Everything that is text is called so; the ending knows more.
            None | Some("text/plain") => None,
            Some(other) => other.parse().ok(),
        };
        // On Windows with Excel, browsers call a CSV what they call an XLS.
        match (by_ending, by_type) {
            (Some(ending), Some(Self::Xls)) => Some(ending),
            (ending, by_type) => by_type.or(ending),
        }
    }

    /// Whether it is a file whose text everybody can read without a program for it.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Markdown | Self::Html | Self::Csv)
    }

    /// Whether it is a table of sheets.
    pub const fn is_workbook(self) -> bool {
        matches!(self, Self::Xlsx | Self::Xls | Self::Ods)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MediaType {
    type Err = Unsupported;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
            .ok_or(Unsupported::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_database_and_json() {
        for media_type in MediaType::ALL {
            assert_eq!(media_type.as_str().parse(), Ok(*media_type));
            assert_eq!(
                serde_json::to_string(media_type).unwrap(),
                format!("\"{media_type}\"")
            );
        }
        assert!("image/png".parse::<MediaType>().is_err());
    }
}
