use domain::MediaKind;

use crate::{FileTraits, MediaError};

/// The largest file that is fetched: what Meta lets people send, in bytes.
pub(super) const MAX_INBOUND_BYTES: usize = 100 * 1024 * 1024;

/// Hosts that Meta keeps WhatsApp's files on.
pub(super) const HOSTS: [&str; 2] = ["fbsbx.com", "whatsapp.net"];

const KB: usize = 1024;
const MB: usize = 1024 * KB;

const AUDIO: &[&str] = &[
    "audio/aac",
    "audio/amr",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
];
const IMAGE: &[&str] = &["image/jpeg", "image/png"];
const VIDEO: &[&str] = &["video/mp4", "video/3gpp"];
const STICKER: &[&str] = &["image/webp"];

/// Checks a file that is to be uploaded; any document is taken.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>, 2026-05.
pub(super) fn check_file(file: &FileTraits<'_>) -> Result<(), MediaError> {
    let (types, max_bytes) = match file.media_kind {
        MediaKind::Audio => (AUDIO, 16 * MB),
        MediaKind::Image => (IMAGE, 5 * MB),
        MediaKind::Video => (VIDEO, 16 * MB),
        MediaKind::Sticker => (STICKER, 500 * KB),
        MediaKind::Document => (&[][..], 100 * MB),
    };
    let mime_type = file.mime_type.split(';').next().unwrap_or_default().trim();
    if !types.is_empty() && !types.contains(&mime_type) {
        return Err(MediaError::WrongType {
            mime_type: mime_type.to_owned(),
        });
    }
    if file.size_bytes > max_bytes as u64 {
        return Err(MediaError::TooLarge { max_bytes });
    }
    Ok(())
}
