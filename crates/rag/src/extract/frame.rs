//! What a child tells its parent: frames of JSON, each behind its length.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Extracted, MediaType, Progress};
use crate::chunk::Chunk;

/// No frame is longer: a run of chunks is cut by [`RUN_BYTES`], and one chunk is far below.
const FRAME_BYTES: u32 = 16 << 20;
/// Chunks go to the parent in runs of this many …
const RUN_CHUNKS: usize = 64;
/// … or of this many bytes.
const RUN_BYTES: usize = 1 << 20;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What the file was read as, which is not always what it is called.
    pub media_type: MediaType,
    /// The title that the file gives itself.
    pub title: Option<String>,
    /// The author that the file names.
    pub author: Option<String>,
    /// How many pages or slides it has; `None` for formats without.
    pub page_count: Option<u32>,
    /// Postgres text search configuration of its language.
    pub text_config: String,
}

impl Facts {
    /// By the whole text, or by a first part that is long enough to tell the language.
    pub(super) fn of(extracted: &Extracted) -> Self {
        Self {
            media_type: extracted.media_type,
            title: extracted.title.clone(),
            author: extracted.author.clone(),
            page_count: extracted.page_count,
            text_config: crate::language::text_config(&extracted.text).to_owned(),
        }
    }
}

/// One message of a child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Frame {
    /// How far it has come.
    Progress(Progress),
    /// What the file says of itself, before any chunk; once more if it is read anew in another way:
    /// what came before counts for nothing then.
    Facts(Facts),
    /// The next chunks.
    Chunks(Vec<Chunk>),
    /// There is no more to come.
    End,
}

impl Frame {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len())
            .ok()
            .filter(|length| *length <= FRAME_BYTES)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&json)?;
        out.flush()
    }

    /// The next frame, and its length with all; `None` where the frames end.
    pub(super) async fn read(
        input: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<(Self, usize)>> {
        let mut length = [0; 4];
        match input.read_exact(&mut length).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length);
        if length > FRAME_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut json = vec![0; usize::try_from(length).unwrap_or_default()];
        input.read_exact(&mut json).await?;
        let frame = serde_json::from_slice(&json)?;
        Ok(Some((frame, json.len() + 4)))
    }
}

/// Chunks on their way to the parent, run by run.
#[derive(Default)]
pub(super) struct Run {
    chunks: Vec<Chunk>,
    bytes: usize,
}

impl Run {
    /// Adds a chunk; a run that is whole by that is written.
    pub(super) fn push(&mut self, chunk: Chunk, out: &mut impl Write) -> io::Result<()> {
        self.bytes += chunk.text.len();
        self.chunks.push(chunk);
        if self.chunks.len() >= RUN_CHUNKS || self.bytes >= RUN_BYTES {
            return self.flush(out);
        }
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.bytes = 0;
        let chunks = std::mem::take(&mut self.chunks);
        if chunks.is_empty() {
            return Ok(());
        }
        Frame::Chunks(chunks).write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Unit;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        let progress = Progress {
            unit: Unit::Pages,
            done: 3,
            total: Some(9),
        };
        Frame::Progress(progress).write(&mut bytes).unwrap();
        Frame::End.write(&mut bytes).unwrap();
        let mut input = &bytes[..];
        let (first, length) = Frame::read(&mut input).await.unwrap().unwrap();
        assert!(matches!(first, Frame::Progress(found) if found == progress));
        assert!(length > 4);
        let (second, _) = Frame::read(&mut input).await.unwrap().unwrap();
        assert!(matches!(second, Frame::End));
        assert!(Frame::read(&mut input).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nonsense_is_no_frame_and_takes_no_memory() {
        let mut input = &b"\xff\xff\xff\xff{}"[..];
        assert!(Frame::read(&mut input).await.is_err());
        let mut input = &b"\x02\0\0\0{}"[..];
        assert!(Frame::read(&mut input).await.is_err());
        let mut input = &b"\x09\0\0\0{}"[..];
        assert!(Frame::read(&mut input).await.is_err());
    }
}
