use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::child::Header;
use super::frame::{Facts, Frame, Run};
use super::progress::{Listener, Progress};
use super::{ExtractError, Extracted};
use crate::chunk::{self, Chunk, ChunkError, Parts, TokenCounter};

/// How often the parent hears of progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Cuts what a reader brings, and tells it to `W`, frame by frame. One that does not listen is met
/// when the end is written.
pub(super) struct Teller<'a, W> {
    header: &'a Header,
    counter: &'a dyn TokenCounter,
    state: Mutex<State<'a, W>>,
}

struct State<'a, W> {
    out: W,
    /// When progress was last told.
    told_at: Option<Instant>,
    /// How far the text is cut, until that fails.
    cutting: Result<Cutting<'a>, ExtractError>,
}

/// A text that is cut part by part.
struct Cutting<'a> {
    parts: Parts<'a>,
    run: Run,
    has_begun: bool,
}

impl<'a> Cutting<'a> {
    fn new(header: &Header, counter: &'a dyn TokenCounter) -> Self {
        Self {
            parts: Parts::new(header.chunking, counter),
            run: Run::default(),
            has_begun: false,
        }
    }

    fn begin(&mut self, first: &Extracted, out: &mut impl Write) -> Result<(), ExtractError> {
        self.has_begun = true;
        Frame::Facts(Facts::of(first))
            .write(out)
            .map_err(ExtractError::Unavailable)
    }

    fn cut(&mut self, part: Extracted, out: &mut impl Write) -> Result<(), ExtractError> {
        if !self.has_begun {
            self.begin(&part, out)?;
        }
        let chunks = self.parts.cut(part).map_err(of_cutting)?;
        self.push(chunks, out)
    }

    fn push(
        &mut self,
        chunks: impl IntoIterator<Item = Chunk>,
        out: &mut impl Write,
    ) -> Result<(), ExtractError> {
        chunks
            .into_iter()
            .try_for_each(|chunk| self.run.push(chunk, out))
            .map_err(ExtractError::Unavailable)
    }
}

impl<'a, W: Write + Send> Teller<'a, W> {
    pub(super) fn new(header: &'a Header, counter: &'a dyn TokenCounter, out: W) -> Self {
        Self {
            header,
            counter,
            state: Mutex::new(State {
                out,
                told_at: None,
                cutting: Ok(Cutting::new(header, counter)),
            }),
        }
    }

    /// Cuts what is left, or the whole if nothing was handed over.
    pub(super) fn end(self, last: Extracted) -> Result<W, ExtractError> {
        let state = self.state.into_inner();
        let State {
            mut out, cutting, ..
        } = state.map_err(|_| ExtractError::Crashed)?;
        let mut cutting = cutting?;
        if cutting.has_begun {
            cutting.cut(last, &mut out)?;
        } else {
            // Passage by passage: nothing of a long text is held twice.
            cutting.begin(&last, &mut out)?;
            let chunks = chunk::chunks(&last, &self.header.chunking, self.counter);
            cutting.push(chunks.map_err(of_cutting)?, &mut out)?;
        }
        cutting
            .run
            .flush(&mut out)
            .and_then(|()| Frame::End.write(&mut out))
            .map_err(ExtractError::Unavailable)?;
        Ok(out)
    }
}

impl<W: Write + Send> Listener for Teller<'_, W> {
    /// Told at the start, at the end, and now and then.
    fn progress(&self, progress: Progress) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let is_recent = state.told_at.is_some_and(|at| at.elapsed() < REPORT_EVERY);
        if is_recent && progress.total != Some(progress.done) {
            return;
        }
        state.told_at = Some(Instant::now());
        Frame::Progress(progress)
            .write(&mut state.out)
            .unwrap_or_default();
    }

    fn takes_parts(&self) -> bool {
        Parts::can_cut(&self.header.chunking)
    }

    fn part(&self, part: Extracted) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let State { out, cutting, .. } = &mut *state;
        if let Ok(so_far) = cutting
            && let Err(error) = so_far.cut(part, out)
        {
            *cutting = Err(error);
        }
    }

    fn start_over(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.cutting = Ok(Cutting::new(self.header, self.counter));
        }
    }
}

fn of_cutting(error: ChunkError) -> ExtractError {
    match error {
        ChunkError::Empty => ExtractError::Empty,
        ChunkError::OverlapTooLarge => ExtractError::Unavailable(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use domain::ChunkingSettings;

    use super::*;
    use crate::chunk::{Estimate, Tokenizer};
    use crate::extract::{MediaType, PageSpan};

    fn header() -> Header {
        Header {
            media_type: MediaType::Pdf,
            chunking: ChunkingSettings::default(),
            tokenizer: Tokenizer::Estimate,
            tokenizer_file: None,
            cpu_seconds: 1,
            memory_bytes: 1,
            text_bytes: 1 << 20,
        }
    }

    /// A page of one passage.
    fn page(page: u32, text: &str) -> Extracted {
        Extracted {
            media_type: MediaType::Pdf,
            title: None,
            author: None,
            page_count: Some(100),
            text: text.to_owned(),
            pages: vec![PageSpan {
                page,
                start: 0,
                end: text.chars().count(),
            }],
            headings: Vec::new(),
        }
    }

    async fn told(bytes: &[u8]) -> Vec<Frame> {
        let (mut input, mut frames) = (bytes, Vec::new());
        while let Some((frame, _)) = Frame::read(&mut input).await.unwrap() {
            frames.push(frame);
        }
        frames
    }

    #[tokio::test]
    async fn passages_of_parts_are_told_run_by_run_and_go_on_counting() {
        let header = header();
        let teller = Teller::new(&header, &Estimate, Vec::new());
        for number in 1..=70 {
            teller.part(page(number, "Ten chars."));
        }
        let bytes = teller.end(page(71, "The end.")).unwrap();
        let frames = told(&bytes).await;
        let [
            Frame::Facts(_),
            Frame::Chunks(first),
            Frame::Chunks(rest),
            Frame::End,
        ] = &frames[..]
        else {
            panic!("{frames:?}");
        };
        assert_eq!((first.len(), rest.len()), (64, 7));
        let last = rest.last().unwrap();
        assert_eq!(
            (last.ordinal, last.page, last.char_start),
            (70, Some(71), 700)
        );
    }

    #[tokio::test]
    async fn what_came_before_a_text_is_read_anew_is_told_no_more() {
        let header = header();
        let teller = Teller::new(&header, &Estimate, Vec::new());
        teller.part(page(1, "Undecodable."));
        teller.start_over();
        let bytes = teller.end(page(1, "Decoded.")).unwrap();
        let frames = told(&bytes).await;
        let [
            Frame::Facts(_),
            Frame::Facts(_),
            Frame::Chunks(chunks),
            Frame::End,
        ] = &frames[..]
        else {
            panic!("{frames:?}");
        };
        assert_eq!(chunks.len(), 1);
        assert_eq!(
            (chunks[0].ordinal, chunks[0].text.as_str()),
            (0, "Decoded.")
        );
    }
}
