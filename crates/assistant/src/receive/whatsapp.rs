//! Posts of WhatsApp's Cloud API: whose they are, and whether they are genuine.

use std::collections::{BTreeSet, HashMap};

use channels::whatsapp::{self, WhatsappSecrets, claimed_channel_ids, verify_subscription};
use channels::{RawItem, channel as adapter};
use domain::{ChannelId, ChannelKind};
use fail::fail_point;
use secrecy::{ExposeSecret, SecretString};
use secrets::row_context;
use store::channels::{self as stored, Channel};

use super::{Intake, Item, ItemOwner};
use crate::{Assistant, Error};

const KIND: ChannelKind = ChannelKind::Whatsapp;

/// How many channels are read at a time in search of a verify token.
const PAGE: usize = 100;

/// Keeps the items of a post to the address that all channels share.
///
/// The body is genuine if the platform's secret signs it, or that of a channel it names; an item
/// counts only if the secret that signed the body covers its channel, so that a tenant with an app
/// of its own cannot sign for another's number.
///
/// # Errors
/// `Unauthenticated` if no secret signs it; nothing is kept then.
pub async fn receive(
    assistant: &Assistant,
    body: &[u8],
    signature: Option<&[u8]>,
) -> Result<(), Error> {
    let mut tx = assistant.db.system().await?;
    let platform = assistant.settings.meta.app_secret.as_ref();
    let covered = if platform.is_some_and(|secret| signs(secret, body, signature)) {
        let named = all_named(body);
        stored::list_by_external_ids(&mut tx, KIND, &named).await?
    } else {
        let named = claimed_channel_ids(body).map_err(|_| Error::Unauthenticated)?;
        let named = stored::list_by_external_ids(&mut tx, KIND, &named).await?;
        signed_by_their_own(assistant, named, body, signature)?
    };
    let owners: HashMap<&str, ItemOwner> = covered
        .iter()
        .filter_map(|channel| {
            let owner = ItemOwner::Channel(channel.tenant_id, channel.id);
            Some((channel.external_id.as_deref()?, owner))
        })
        .collect();
    let owner_of = |item: &RawItem| {
        let id = item.external_channel_id.as_deref().unwrap_or_default();
        owners.get(id).copied().unwrap_or(ItemOwner::Unknown)
    };
    keep(assistant, tx, body, ItemOwner::Unknown, owner_of).await
}

/// Every number that a genuine post names.
fn all_named(body: &[u8]) -> Vec<String> {
    let items = adapter(KIND).split_items(body).unwrap_or_default();
    let named: BTreeSet<String> = items
        .into_iter()
        .filter_map(|item| item.external_channel_id)
        .collect();
    named.into_iter().collect()
}

/// Keeps the items of a post to a channel's own address, where its secret alone counts.
///
/// # Errors
/// `NotFound` if there is no such channel; `Unauthenticated` if its secret does not sign the body.
pub async fn receive_for(
    assistant: &Assistant,
    id: ChannelId,
    body: &[u8],
    signature: Option<&[u8]>,
) -> Result<(), Error> {
    let mut tx = assistant.db.system().await?;
    let channel = stored::find_any(&mut tx, id).await?;
    let channel = channel
        .filter(|channel| channel.kind == KIND)
        .ok_or(Error::NotFound)?;
    if !sign(&open_secrets(assistant, &channel)?, body, signature) {
        return Err(Error::Unauthenticated);
    }
    let own = ItemOwner::Channel(channel.tenant_id, channel.id);
    let owner_of = |item: &RawItem| {
        let is_own = item.external_channel_id == channel.external_id;
        if is_own { own } else { ItemOwner::Unknown }
    };
    keep(assistant, tx, body, own, owner_of).await
}

async fn keep(
    assistant: &Assistant,
    mut tx: db::SystemTx,
    body: &[u8],
    owner: ItemOwner,
    owner_of: impl Fn(&RawItem) -> ItemOwner,
) -> Result<(), Error> {
    let mut intake = Intake::new(&mut tx, KIND, assistant.clock.now());
    match adapter(KIND).split_items(body) {
        Err(unreadable) => {
            intake
                .keep_unreadable(body, owner, &unreadable.reason)
                .await?;
        }
        Ok(items) => {
            let items = items.into_iter().map(|item| Item {
                owner: owner_of(&item),
                kind: item.kind,
                payload: item.payload,
            });
            intake.keep(items.collect()).await?;
        }
    }
    fail_point!("intake.before_commit");
    tx.commit().await?;
    fail_point!("intake.after_commit");
    Ok(())
}

/// Answers a subscription's question with its challenge, if the token is the platform's or any
/// channel's; with `id`, that channel's.
///
/// # Errors
/// `Unauthenticated` if the token is nobody's.
pub async fn verify(
    assistant: &Assistant,
    id: Option<ChannelId>,
    mode: Option<&str>,
    token: Option<&str>,
    challenge: Option<&str>,
) -> Result<String, Error> {
    let tokens = match id {
        Some(id) => own_tokens(assistant, id).await?,
        None => all_tokens(assistant).await?,
    };
    let tokens: Vec<&SecretString> = tokens.iter().collect();
    verify_subscription(mode, token, challenge, tokens)
        .map(str::to_owned)
        .map_err(|_| Error::Unauthenticated)
}

async fn own_tokens(assistant: &Assistant, id: ChannelId) -> Result<Vec<SecretString>, Error> {
    let mut tx = assistant.db.system().await?;
    let channel = stored::find_any(&mut tx, id).await?;
    let channel = channel
        .filter(|channel| channel.kind == KIND)
        .ok_or(Error::NotFound)?;
    Ok(open_secrets(assistant, &channel)?
        .verify_token
        .into_iter()
        .collect())
}

async fn all_tokens(assistant: &Assistant) -> Result<Vec<SecretString>, Error> {
    let mut tokens: Vec<SecretString> = assistant
        .settings
        .meta
        .verify_token
        .clone()
        .into_iter()
        .collect();
    let mut tx = assistant.db.system().await?;
    let mut after = None;
    loop {
        let page = stored::list_sealed(&mut tx, KIND, after, PAGE).await?;
        after = page.data.last().map(|channel| channel.id);
        for channel in &page.data {
            tokens.extend(opened(assistant, channel).and_then(|secrets| secrets.verify_token));
        }
        if page.next_cursor.is_none() {
            return Ok(tokens);
        }
    }
}

/// Which of the channels that a post names have a secret that signed it.
fn signed_by_their_own(
    assistant: &Assistant,
    named: Vec<Channel>,
    body: &[u8],
    signature: Option<&[u8]>,
) -> Result<Vec<Channel>, Error> {
    let mut covered = named;
    covered.retain(|channel| {
        let secrets = opened(assistant, channel);
        secrets.is_some_and(|secrets| sign(&secrets, body, signature))
    });
    if covered.is_empty() {
        Err(Error::Unauthenticated)
    } else {
        Ok(covered)
    }
}

/// A channel's secrets; one that cannot be opened must not shut the door on the others.
fn opened(assistant: &Assistant, channel: &Channel) -> Option<WhatsappSecrets> {
    open_secrets(assistant, channel)
        .inspect_err(|error| tracing::error!(error = %error, "a channel is left out"))
        .ok()
}

/// Whether one of a channel's secrets signed it; there are two while one replaces the other.
fn sign(secrets: &WhatsappSecrets, body: &[u8], signature: Option<&[u8]>) -> bool {
    let mut signing = secrets.signing().into_iter();
    signing.any(|secret| signs(secret, body, signature))
}

fn signs(secret: &SecretString, body: &[u8], signature: Option<&[u8]>) -> bool {
    let secret = secret.expose_secret().as_bytes();
    signature.is_some_and(|header| whatsapp::verify(secret, body, header).is_ok())
}

/// Opens what a WhatsApp channel keeps secret.
pub(crate) fn open_secrets(
    assistant: &Assistant,
    channel: &Channel,
) -> Result<WhatsappSecrets, Error> {
    let broken = |error| Error::broken(format!("the secrets of channel {}", channel.id), error);
    let sealed = channel.sealed_secrets.as_deref().unwrap_or_default();
    let (table, column) = stored::SECRETS_COLUMN;
    let context = row_context(table, column, channel.id.as_uuid());
    assistant
        .keyring
        .open_json(&context, sealed)
        .map_err(broken)
}
