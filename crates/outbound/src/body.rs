use bytes::{Bytes, BytesMut};
use reqwest::Response;

use crate::Error;

/// Reads an answer's whole body, which may be at most `max_bytes` long.
///
/// # Errors
/// [`Error::TooLarge`] as soon as the body is known to be longer, [`Error::TimedOut`] and
/// [`Error::Interrupted`] if it does not come whole.
pub async fn read_capped(response: Response, max_bytes: usize) -> Result<Bytes, Error> {
    let announced = response.content_length().unwrap_or(0);
    if announced > u64::try_from(max_bytes).unwrap_or(u64::MAX) {
        return Err(Error::TooLarge { max_bytes });
    }
    let (body, is_whole) = read_up_to(response, max_bytes).await?;
    if is_whole {
        Ok(body)
    } else {
        Err(Error::TooLarge { max_bytes })
    }
}

/// Reads the first `max_bytes` of an answer's body and leaves the rest unread, as for a log.
///
/// # Errors
/// [`Error::TimedOut`] and [`Error::Interrupted`] if that much does not come.
pub async fn read_prefix(response: Response, max_bytes: usize) -> Result<Bytes, Error> {
    Ok(read_up_to(response, max_bytes).await?.0)
}

async fn read_up_to(mut response: Response, max_bytes: usize) -> Result<(Bytes, bool), Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        let room = max_bytes - body.len();
        if piece.len() > room {
            body.extend_from_slice(&piece[..room]);
            return Ok((body.freeze(), false));
        }
        body.extend_from_slice(&piece);
    }
    Ok((body.freeze(), true))
}
