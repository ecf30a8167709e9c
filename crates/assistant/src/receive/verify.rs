use channels::{Handshake, channel as adapter};
use domain::{ChannelId, ChannelKind};
use secrecy::{ExposeSecret as _, SecretString};
use store::channels::{self as stored, Channel};

use super::directory::{Directory, keys_of};
use crate::{Assistant, Error};

/// What verify tokens are hashed for.
const PURPOSE: &str = "channels/verify_token";

/// How many channels are read at a time whose token is not hashed yet.
const PAGE: i64 = 100;

/// Answers a subscription's question with its challenge, if the token is the platform's or any
/// channel's of the kind; with `id`, that channel's.
///
/// Anybody may ask: no secret is opened for it but of channels that were changed since the last
/// question, once.
///
/// # Errors
/// `Unauthenticated` if the token is nobody's; `NotFound` if there is no such channel, or its kind
/// is not confirmed by a request.
pub async fn verify(
    assistant: &Assistant,
    kind: ChannelKind,
    id: Option<ChannelId>,
    handshake: Handshake<'_>,
) -> Result<String, Error> {
    if !adapter(kind).capabilities().has_handshake {
        return Err(Error::NotFound);
    }
    let expected = match (id, handshake.token) {
        (Some(id), _) => own_token(assistant, kind, id).await?,
        (None, Some(token)) => shared_token(assistant, kind, token).await?,
        (None, None) => None,
    };
    adapter(kind)
        .handshake(handshake, &expected.iter().collect::<Vec<_>>())
        .map_err(|_| Error::Unauthenticated)
}

async fn own_token(
    assistant: &Assistant,
    kind: ChannelKind,
    id: ChannelId,
) -> Result<Option<SecretString>, Error> {
    let mut tx = assistant.db.system().await?;
    let channel = stored::find_any(&mut tx, id).await?;
    let channel = channel
        .filter(|channel| channel.kind == kind)
        .ok_or(Error::NotFound)?;
    Ok(keys_of(assistant, &channel)?.verify_token)
}

/// The token itself, if the platform or a channel of the kind has it.
async fn shared_token(
    assistant: &Assistant,
    kind: ChannelKind,
    token: &str,
) -> Result<Option<SecretString>, Error> {
    let hashes = assistant.keyring.sign_by_each(PURPOSE, token.as_bytes());
    let platforms = assistant.settings.meta.verify_token.as_ref();
    let is_platforms = platforms.is_some_and(|platforms| {
        let hash = assistant
            .keyring
            .sign_by_each(PURPOSE, platforms.expose_secret().as_bytes());
        hash == hashes
    });
    let known = || Some(SecretString::from(token));
    if is_platforms {
        return Ok(known());
    }
    let [current, ..] = hashes[..] else {
        return Ok(None);
    };
    let directory = Directory::of(&assistant.db);
    if token.is_empty() || directory.is_unknown_token(kind, current) {
        return Ok(None);
    }
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
    hash_new(assistant, kind).await?;
    let mut tx = assistant.db.system().await?;
    if stored::has_verify_token(&mut tx, kind, &hashes).await? {
        return Ok(known());
    }
    directory.note_unknown_token(kind, current);
    Ok(None)
}

/// Hashes the tokens of channels that were made or changed since the last question.
async fn hash_new(assistant: &Assistant, kind: ChannelKind) -> Result<(), Error> {
    let mut after = None;
    loop {
        let mut tx = assistant.db.system().await?;
        let page = stored::list_unhashed(&mut tx, kind, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for channel in &page {
            if let Some(hash) = hash_of(assistant, channel) {
                stored::set_verify_token_hash(&mut tx, channel, &hash).await?;
            }
        }
        tx.commit().await?;
    }
}

/// The hash of a channel's token, empty where it has none; `None` if its secrets cannot be opened,
/// which must not shut the door on others.
fn hash_of(assistant: &Assistant, channel: &Channel) -> Option<Vec<u8>> {
    let keys = keys_of(assistant, channel)
        .inspect_err(|error| tracing::error!(error = %error, "a channel is left out"))
        .ok()?;
    let token = keys
        .verify_token
        .filter(|it| !it.expose_secret().is_empty());
    Some(token.map_or_else(Vec::new, |token| {
        let token = token.expose_secret().as_bytes();
        assistant.keyring.sign(PURPOSE, token).to_vec()
    }))
}
