use assistant::channel_health::{self, Witness};
use channels::CheckKind;
use domain::ChannelHealth;
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::Value;
use uuid::Uuid;

use super::Tag;
use super::channels::Kind;
use crate::Problem;
use crate::answer::{Answer, Found};
use crate::auth::Auth;

/// How a channel is.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "ChannelHealth")]
pub(super) enum ChannelHealthView {
    /// Nobody has looked yet, or there was no answer that says anything.
    Unknown,
    /// It works.
    Working,
    /// It works, and a person should look before it does not.
    Warned,
    /// Its credentials are dead or lack a permission: connect it anew.
    TokenDead,
    /// The operator has blocked or limited it.
    Restricted,
    /// The operator does not post to us.
    Unsubscribed,
    /// Its set-up at the operator, or here, is wrong.
    Misconfigured,
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "ChannelCheckType")]
enum CheckType {
    /// Whether the credentials count, and are those of this number or page.
    Credentials,
    /// Whether the operator posts to us.
    Subscription,
}

/// What one check found.
#[derive(Debug, Object)]
#[oai(rename = "ChannelFinding")]
struct FindingView {
    /// What was looked at.
    check: CheckType,
    /// What was found.
    health: ChannelHealthView,
    /// A sentence for people.
    note: String,
}

/// What a look at a channel found.
#[derive(Debug, Object)]
#[oai(rename = "ChannelTest")]
struct TestView {
    /// The worst of the findings; `working` where there is nothing to check.
    health: ChannelHealthView,
    /// What each check found.
    findings: Vec<FindingView>,
}

/// What a kind of channel can do.
#[derive(Debug, Object)]
#[oai(rename = "ChannelCapabilities")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
struct CapabilitiesView {
    /// The longest text of one message in UTF-16 units, `null` where there is no limit; a longer
    /// answer is sent as several.
    max_text_units: Option<u64>,
    /// How long after a contact's last message it may be answered freely; `null`: for ever.
    reply_window_hours: Option<u64>,
    /// Whether it reports how far messages have come.
    statuses: bool,
    /// Whether a question can have answers to tap.
    choices: bool,
    /// Whether a message can be a file.
    media: bool,
    /// Whether it has templates for contacts who did not write lately.
    templates: bool,
    /// Whether contacts can be shown that an answer is being written.
    typing: bool,
}

/// A kind of channel.
#[derive(Debug, Object)]
#[oai(rename = "ChannelTypeInfo")]
struct TypeView {
    /// The type.
    #[oai(rename = "type")]
    kind: Kind,
    /// What it can do.
    capabilities: CapabilitiesView,
    /// Its configuration as a JSON schema (2020-12), in the order of a form: `writeOnly` fields are
    /// secrets and never come back.
    config_schema: Value,
}

/// The kinds of channels.
#[derive(Debug, Object)]
#[oai(rename = "ChannelTypes")]
struct TypesView {
    /// The kinds.
    data: Vec<TypeView>,
}

pub(crate) struct ChannelCheckRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Channels")]
impl ChannelCheckRoutes {
    /// List the types of channels
    ///
    /// What each can do, and its settings as a JSON schema that a form can be made from.
    #[oai(
        path = "/channel-types",
        method = "get",
        operation_id = "list_channel_types"
    )]
    async fn types(&self, _auth: Auth) -> Found<TypesView> {
        let data = domain::ChannelKind::ALL.iter().copied().map(describe);
        Answer(TypesView {
            data: data.collect(),
        })
    }

    /// Test a channel's connection
    ///
    /// Asks the channel's operator whether the credentials count and whether it posts to us; if it
    /// does not, it is asked to. A generic HTTP channel gets a signed `ping`. No message is sent. What
    /// waits because the channel was dead or blocked goes on if it works.
    #[oai(
        path = "/tenants/:tenant_id/channels/:channel_id/test",
        method = "post",
        operation_id = "test_channel"
    )]
    async fn test(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The channel.
        channel_id: Path<Uuid>,
    ) -> Result<Found<TestView>, Problem> {
        let tx = auth.0.act_for(tenant_id.0.into()).await?;
        let tenant = tx.tenant();
        drop(tx);
        let assistant = &auth.0.state().assistant;
        let id = channel_id.0.into();
        let look = channel_health::look(assistant, tenant, id, Witness::Person).await?;
        let findings = look.findings.into_iter().map(|(check, found)| FindingView {
            check: match check {
                CheckKind::Credentials => CheckType::Credentials,
                CheckKind::Subscription => CheckType::Subscription,
            },
            health: found.health.into(),
            note: found.note,
        });
        Ok(Answer(TestView {
            health: look.health.into(),
            findings: findings.collect(),
        }))
    }
}

fn describe(kind: domain::ChannelKind) -> TypeView {
    let can = channels::channel(kind).capabilities();
    TypeView {
        kind: kind.into(),
        capabilities: CapabilitiesView {
            max_text_units: can.max_text_units.map(|units| units as u64),
            reply_window_hours: can.reply_window.map(|window| window.as_secs() / 3600),
            statuses: can.has_statuses,
            choices: can.has_choices,
            media: can.has_media,
            templates: can.has_templates,
            typing: can.has_typing,
        },
        config_schema: channels::json_schema(kind),
    }
}

impl From<ChannelHealth> for ChannelHealthView {
    fn from(health: ChannelHealth) -> Self {
        match health {
            ChannelHealth::Unknown => Self::Unknown,
            ChannelHealth::Working => Self::Working,
            ChannelHealth::Warned => Self::Warned,
            ChannelHealth::TokenDead => Self::TokenDead,
            ChannelHealth::Restricted => Self::Restricted,
            ChannelHealth::Unsubscribed => Self::Unsubscribed,
            ChannelHealth::Misconfigured => Self::Misconfigured,
        }
    }
}
