use db::TenantTx;
use domain::{AccountEffect, AccountEvent, ChannelHealth, RawOutcome};
use jobs::Failure;
use store::channels::Channel;

use crate::Assistant;
use crate::channel_health::{self as health, Witness};

/// What the operator told about the account: what it means for the channel is kept, and told.
///
/// Limits, templates and consents change nothing here: they are on the raw item, with their note.
pub(super) async fn apply(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    event: &AccountEvent,
) -> Result<RawOutcome, Failure> {
    let found = match &event.effect {
        AccountEffect::Working => ChannelHealth::Working,
        AccountEffect::Warned => ChannelHealth::Warned,
        AccountEffect::Restricted | AccountEffect::Disabled => ChannelHealth::Restricted,
        AccountEffect::None
        | AccountEffect::Limit { .. }
        | AccountEffect::Template { .. }
        | AccountEffect::Consent { .. } => return Ok(RawOutcome::Ignored),
    };
    let told = Witness::Operator;
    health::note(assistant, tx, channel, found, &note(event), told).await?;
    Ok(RawOutcome::Done)
}

fn note(event: &AccountEvent) -> String {
    let mut words = vec![event.kind.as_str()];
    words.extend(event.event.as_deref());
    words.extend(event.number.as_deref());
    let said = event.note.as_deref().map(|note| format!(": {note}"));
    format!("{}{}", words.join(" "), said.unwrap_or_default())
}
