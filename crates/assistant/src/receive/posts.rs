//! Posts of channels' operators: whose they are, and whether they are genuine.

use std::collections::BTreeSet;
use std::sync::Arc;

use channels::{Post, RawItem, Unreadable, channel as adapter};
use domain::{ChannelId, ChannelKind};
use secrecy::SecretString;

use super::directory::{Directory, Known};
use super::gathering::SettledPost;
use super::settled::Settled;
pub use super::verify::verify;
use super::{Item, ItemOwner, keeping};
use crate::{Assistant, Error};

/// Keeps the items of a post to the address that all channels of a kind share.
///
/// The body is genuine if the platform's secret signs it, or that of a channel it names; an item
/// counts only if the secret that signed the body covers its channel, so that a tenant with an app
/// of its own cannot sign for another's number.
///
/// # Errors
/// `Unauthenticated` if no secret signs it; nothing is kept then.
pub async fn receive(
    assistant: &Assistant,
    kind: ChannelKind,
    post: &Post<'_>,
) -> Result<(), Error> {
    let platform = assistant.settings.meta.app_secret.as_ref();
    let is_platforms = platform.is_some_and(|secret| signs(kind, &[secret], post));
    let items = if is_platforms {
        Some(adapter(kind).split_items(post.body))
    } else {
        None
    };
    let covered = match &items {
        Some(items) => named_by(assistant, kind, items.as_deref().unwrap_or_default()).await?,
        None => signed_by_their_own(assistant, kind, post).await?,
    };
    let items = items.unwrap_or_else(|| adapter(kind).split_items(post.body));
    keep(assistant, kind, post, items, ItemOwner::Unknown, |item| {
        owners(item, &covered)
    })
    .await
}

/// Keeps the items of a post to a channel's own address, where its secret alone counts.
///
/// # Errors
/// `NotFound` if there is no such channel; `Unauthenticated` if its secret does not sign the body.
pub async fn receive_for(
    assistant: &Assistant,
    kind: ChannelKind,
    id: ChannelId,
    post: &Post<'_>,
) -> Result<(), Error> {
    let directory = Directory::of(&assistant.db);
    let mut known = directory.find(assistant, id).await?;
    if known
        .as_ref()
        .is_some_and(|it| it.is_stale() && !it.signed(kind, post))
    {
        known = directory.read(assistant, id).await?;
    }
    let known = known
        .filter(|known| known.channel.kind == kind)
        .ok_or(Error::NotFound)?;
    if !known.signed(kind, post) {
        return Err(Error::Unauthenticated);
    }
    let channel = &known.channel;
    let own = ItemOwner::Channel(channel.tenant_id, channel.id);
    let all = [Arc::clone(&known)];
    // Where posts name no channel the address alone tells.
    let is_named = channel.external_id.is_some();
    let items = adapter(kind).split_items(post.body);
    keep(assistant, kind, post, items, own, |item| {
        if is_named {
            owners(item, &all)
        } else {
            vec![own]
        }
    })
    .await
}

impl Known {
    /// Whether one of the channel's secrets signed a post; there are two while one replaces the other.
    fn signed(&self, kind: ChannelKind, post: &Post<'_>) -> bool {
        self.keys.as_ref().is_some_and(|keys| {
            let secrets: Vec<&SecretString> = keys.signing.iter().collect();
            signs(kind, &secrets, post)
        })
    }
}

/// The channels that a genuine post names.
async fn named_by(
    assistant: &Assistant,
    kind: ChannelKind,
    items: &[RawItem],
) -> Result<Vec<Arc<Known>>, Error> {
    let named = all_named(items);
    let directory = Directory::of(&assistant.db);
    let mut covered = directory.list(assistant, kind, &named.channels).await?;
    if !named.accounts.is_empty() {
        let of_accounts = directory.read_accounts(assistant, kind, &named.accounts);
        covered.extend(of_accounts.await?);
    }
    Ok(covered)
}

/// What a genuine post names.
#[derive(Default)]
struct Named {
    channels: Vec<String>,
    accounts: Vec<String>,
}

fn all_named(items: &[RawItem]) -> Named {
    let mut channels = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    for item in items {
        match (&item.external_channel_id, &item.external_account_id) {
            (Some(channel), _) => drop(channels.insert(channel.clone())),
            (None, Some(account)) => drop(accounts.insert(account.clone())),
            (None, None) => {}
        }
    }
    Named {
        channels: channels.into_iter().collect(),
        accounts: accounts.into_iter().collect(),
    }
}

/// Whose an item is: the channel's that it names, or every channel's of the account.
fn owners(item: &RawItem, covered: &[Arc<Known>]) -> Vec<ItemOwner> {
    let of = |known: &Arc<Known>| ItemOwner::Channel(known.channel.tenant_id, known.channel.id);
    let found: Vec<ItemOwner> = match (&item.external_channel_id, &item.external_account_id) {
        (Some(id), _) => covered
            .iter()
            .filter(|known| known.channel.external_id.as_ref() == Some(id))
            .map(of)
            .take(1)
            .collect(),
        (None, Some(account)) => covered
            .iter()
            .filter(|known| known.channel.account_id() == Some(account))
            .map(of)
            .collect(),
        (None, None) => Vec::new(),
    };
    if found.is_empty() {
        vec![ItemOwner::Unknown]
    } else {
        found
    }
}

async fn keep(
    assistant: &Assistant,
    kind: ChannelKind,
    post: &Post<'_>,
    items: Result<Vec<RawItem>, Unreadable>,
    owner: ItemOwner,
    owners_of: impl Fn(&RawItem) -> Vec<ItemOwner>,
) -> Result<(), Error> {
    let received_at = post.received_at;
    let settled = match items {
        Err(Unreadable { reason }) => vec![Settled::unreadable(
            kind,
            received_at,
            owner,
            post.body,
            reason,
        )],
        Ok(items) => {
            let items = items.into_iter().flat_map(|item| {
                let owners = owners_of(&item);
                owners.into_iter().map(move |owner| Item {
                    owner,
                    kind: item.kind,
                    payload: item.payload.clone(),
                })
            });
            items
                .map(|item| Settled::of(kind, received_at, item))
                .collect()
        }
    };
    keeping::keep(&assistant.db, SettledPost::new(settled, post.body.len())).await
}

/// Which of the channels that a post names have a secret that signed it; those that do not are read
/// again before the post is refused.
async fn signed_by_their_own(
    assistant: &Assistant,
    kind: ChannelKind,
    post: &Post<'_>,
) -> Result<Vec<Arc<Known>>, Error> {
    let named = adapter(kind)
        .claimed_channel_ids(post.body)
        .map_err(|_| Error::Unauthenticated)?;
    let directory = Directory::of(&assistant.db);
    let mut covered = directory.list_claimed(assistant, kind, &named).await?;
    if covered
        .iter()
        .any(|known| known.is_stale() && !known.signed(kind, post))
    {
        covered = directory.read_list(assistant, kind, &named).await?;
    }
    covered.retain(|known| known.signed(kind, post));
    if covered.is_empty() {
        Err(Error::Unauthenticated)
    } else {
        Ok(covered)
    }
}

fn signs(kind: ChannelKind, secrets: &[&SecretString], post: &Post<'_>) -> bool {
    adapter(kind).verify(secrets, post).is_ok()
}
