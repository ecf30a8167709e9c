//! Office documents as the archives that they are.

use std::io::{self, BufReader, Cursor, Read};

use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{ZipArchive, read};

use super::progress::Watch;
use super::xml::Xml;
use super::{ExtractError, Extracted, MediaType, docx, ods, ooxml, pptx, sniff, workbook};

/// More entries than any document has.
const ENTRIES: usize = 20_000;
/// What may be unpacked of one file, in total.
const UNPACKED_BYTES: u64 = 1 << 30;
/// Whatever unpacks to less is no bomb.
const HARMLESS_BYTES: u64 = 64 << 20;
/// Larger than its packed size by more than this is a bomb: sheets come to 10 or 20, deflate ends
/// at 1032.
const RATIO: u64 = 200;
/// The first bytes of an OLE file: Office before 2007, and Office files with a password.
pub(super) const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Reads a document that is called `called`; what it is, its content decides.
pub(super) fn read(
    called: MediaType,
    bytes: &[u8],
    watch: Watch<'_>,
) -> Result<Extracted, ExtractError> {
    if bytes.starts_with(OLE) {
        return read_ole(bytes, watch);
    }
    if !bytes.starts_with(b"PK") {
        return Err(ExtractError::NotOffice);
    }
    let mut archive = Archive::open(bytes)?;
    match archive.kind()?.unwrap_or(called) {
        MediaType::Docx => docx::read(&mut archive, watch),
        MediaType::Pptx => pptx::read(&mut archive, watch),
        MediaType::Ods => ods::read(&mut archive, watch),
        MediaType::Xlsx => {
            // The reader of workbooks unpacks without a limit of its own.
            archive.check_parts("xl/")?;
            workbook::read_xlsx(bytes, &mut archive, watch)
        }
        _ => Err(ExtractError::NotOffice),
    }
}

fn read_ole(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    if sniff::ole_has_stream(bytes, "EncryptedPackage") {
        return Err(ExtractError::PasswordProtected);
    }
    if sniff::ole_has_stream(bytes, "Workbook") || sniff::ole_has_stream(bytes, "Book") {
        return workbook::read_xls(bytes, watch);
    }
    Err(ExtractError::NotOffice)
}

/// An archive that unpacks no more than [`UNPACKED_BYTES`], however often it is asked.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: u64,
}

/// A part of an archive as it is unpacked.
pub(super) struct Part<'a, 'b> {
    file: ZipFile<'a, Cursor<&'b [u8]>>,
    left: &'a mut u64,
}

impl<'b> Archive<'b> {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`ExtractError::Damaged`], [`ExtractError::Bomb`], [`ExtractError::PasswordProtected`].
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, ExtractError> {
        let config = read::Config::default();
        let zip =
            ZipArchive::with_config(config, Cursor::new(bytes)).map_err(|error| of_zip(&error))?;
        if zip.len() > ENTRIES {
            return Err(ExtractError::Bomb);
        }
        let mut archive = Self {
            zip,
            left: UNPACKED_BYTES,
        };
        let mut total = 0_u64;
        for index in 0..archive.zip.len() {
            let entry = archive
                .zip
                .by_index_raw(index)
                .map_err(|error| of_zip(&error))?;
            if entry.encrypted() {
                return Err(ExtractError::PasswordProtected);
            }
            total = total.saturating_add(entry.size());
            let packed = entry.compressed_size().max(1);
            if entry.size() > HARMLESS_BYTES && entry.size() / packed > RATIO {
                return Err(ExtractError::Bomb);
            }
        }
        let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX).max(1);
        if total > HARMLESS_BYTES && total / packed > RATIO {
            return Err(ExtractError::Bomb);
        }
        Ok(archive)
    }

    /// What kind of document it is; `None` if it says nothing of that.
    fn kind(&mut self) -> Result<Option<MediaType>, ExtractError> {
        if let Some(mut part) = self.part("mimetype")? {
            let mut name = Vec::new();
            (&mut part)
                .take(100)
                .read_to_end(&mut name)
                .map_err(|error| of_io(&error))?;
            return match name.trim_ascii() {
                b"application/vnd.oasis.opendocument.spreadsheet" => Ok(Some(MediaType::Ods)),
                _ => Err(ExtractError::NotOffice),
            };
        }
        let main = ooxml::main_part(self)?;
        let folder = main.as_deref().and_then(|path| path.split('/').next());
        Ok(folder.and_then(sniff::of_ooxml_folder))
    }

    /// Unpacks a part as it is read; `None` if there is none of that name.
    pub(super) fn part(&mut self, path: &str) -> Result<Option<Part<'_, 'b>>, ExtractError> {
        let Some(index) = self.index(path) else {
            return Ok(None);
        };
        Ok(Some(Part {
            file: self.zip.by_index(index).map_err(|error| of_zip(&error))?,
            left: &mut self.left,
        }))
    }

    /// A part as XML; `None` if there is none of that name.
    pub(super) fn xml(
        &mut self,
        path: &str,
    ) -> Result<Option<Xml<BufReader<Part<'_, 'b>>>>, ExtractError> {
        let part = self.part(path)?;
        Ok(part.map(|part| Xml::new(BufReader::new(part))))
    }

    /// Names of parts are told apart without regard to case.
    fn index(&self, path: &str) -> Option<usize> {
        let path = path.trim_start_matches('/');
        self.zip.index_for_name(path).or_else(|| {
            let mut names = self.zip.file_names_raw();
            names.position(|name| name.eq_ignore_ascii_case(path.as_bytes()))
        })
    }

    /// Unpacks all parts of a folder to nowhere: whatever their sizes claim, they fit.
    fn check_parts(&mut self, folder: &str) -> Result<(), ExtractError> {
        for index in 0..self.zip.len() {
            let file = self.zip.by_index(index).map_err(|error| of_zip(&error))?;
            let name = file.name_raw().to_ascii_lowercase();
            let is_read = [&b".xml"[..], b".rels", b".bin"]
                .iter()
                .any(|ending| name.ends_with(ending));
            if is_read && name.starts_with(folder.as_bytes()) {
                let mut part = Part {
                    file,
                    left: &mut self.left,
                };
                io::copy(&mut part, &mut io::sink()).map_err(|error| of_io(&error))?;
            }
        }
        self.left = UNPACKED_BYTES;
        Ok(())
    }
}

impl Part<'_, '_> {
    /// Its size as the archive claims it.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }
}

impl Read for Part<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => *self.left = left,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

fn of_zip(error: &ZipError) -> ExtractError {
    match error {
        ZipError::InvalidPassword | ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            ExtractError::PasswordProtected
        }
        _ => ExtractError::Damaged,
    }
}

/// What a failure to unpack says of the file.
pub(super) fn of_io(error: &io::Error) -> ExtractError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ExtractError::Bomb,
        io::ErrorKind::OutOfMemory => ExtractError::TooMuchMemory,
        _ => ExtractError::Damaged,
    }
}
