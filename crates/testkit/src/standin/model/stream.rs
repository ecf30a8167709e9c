use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use poem::{Body, Response};
use serde_json::Value;

use super::ModelFault;
use crate::standin::listen::Connection;

/// A streamed answer in the pieces it is sent in.
#[derive(Clone, Debug)]
pub(in crate::standin) struct Frames {
    pub(in crate::standin) content_type: &'static str,
    /// What comes before the first token.
    pub(in crate::standin) opening: Vec<Bytes>,
    /// The tokens.
    pub(in crate::standin) deltas: Vec<Bytes>,
    /// What comes after the last.
    pub(in crate::standin) ending: Vec<Bytes>,
    /// What comes in place of the rest when the provider fails.
    pub(in crate::standin) error: Bytes,
}

impl Frames {
    /// The response, `pause` before each token but the first.
    pub(super) fn respond(
        self,
        fault: Option<&ModelFault>,
        pause: Duration,
        connection: &Connection,
    ) -> Response {
        let (stop_after, end) = match fault {
            Some(ModelFault::CutStream { after_chunks }) => {
                (*after_chunks, vec![Step::Cut(connection.clone())])
            }
            Some(ModelFault::Stall { after_chunks }) => (*after_chunks, vec![Step::Stall]),
            Some(ModelFault::ErrorInStream { after_chunks }) => {
                (*after_chunks, vec![Step::Send(self.error)])
            }
            _ => {
                let ending = self.ending.into_iter().map(Step::Send);
                (self.deltas.len(), ending.collect())
            }
        };
        let mut steps: Vec<Step> = self.opening.into_iter().map(Step::Send).collect();
        for (index, delta) in self.deltas.into_iter().take(stop_after).enumerate() {
            if index > 0 && !pause.is_zero() {
                steps.push(Step::Pause(pause));
            }
            steps.push(Step::Send(delta));
        }
        steps.extend(end);
        let body = stream::iter(steps).filter_map(emit);
        Response::builder()
            .content_type(self.content_type)
            .header("cache-control", "no-cache")
            .body(Body::from_bytes_stream(body))
    }
}

/// One step of a stream.
enum Step {
    Send(Bytes),
    Pause(Duration),
    Stall,
    Cut(Connection),
}

async fn emit(step: Step) -> Option<io::Result<Bytes>> {
    // Gives what came before to the connection, so that a cut does not swallow it.
    tokio::task::yield_now().await;
    match step {
        Step::Send(bytes) => Some(Ok(bytes)),
        Step::Pause(pause) => {
            tokio::time::sleep(pause).await;
            None
        }
        Step::Stall => std::future::pending().await,
        Step::Cut(connection) => {
            // The server would end a failed body as if it were whole; this makes it fail to.
            connection.cut();
            Some(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
}

/// A server-sent event that is named after the type in its data.
pub(in crate::standin) fn server_event(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap_or("message");
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// A text in the pieces that stand for tokens here: words, each with the white space before it.
pub(in crate::standin) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut in_word) = (0, false);
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            pieces.push(&text[start..at]);
            start = at;
        }
        in_word = !c.is_whitespace();
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_whole_text() {
        assert_eq!(pieces(" We are  open.\n"), [" We", " are", "  open.", "\n"]);
        assert_eq!(pieces(""), [""; 0]);
    }
}
