//! The routes, one file for each resource.

mod api_keys;
mod channel_checks;
pub(crate) mod channel_posts;
mod channels;
mod contacts;
mod conversation_steps;
mod conversation_usage;
mod conversations;
mod documents;
mod download;
mod evals;
mod health;
mod identity_secrets;
mod jobs;
mod limits;
mod message_files;
mod messages;
mod presence;
mod providers;
mod queues;
mod raw_items;
mod retrieval;
mod schedules;
mod search;
mod settings;
mod tenants;
mod upload;
mod usage;
pub(crate) mod webchat;
mod webchat_attachments;
mod webhooks;

use poem_openapi::Tags;

/// Every resource; nest tuples beyond sixteen.
pub(crate) type Routes = (
    health::HealthRoutes,
    tenants::TenantRoutes,
    api_keys::ApiKeyRoutes,
    (
        channels::ChannelRoutes,
        channel_checks::ChannelCheckRoutes,
        identity_secrets::IdentitySecretRoutes,
    ),
    (
        documents::DocumentRoutes,
        search::SearchRoutes,
        evals::EvalQuestionRoutes,
        evals::EvalRunRoutes,
    ),
    (
        conversations::ConversationRoutes,
        conversation_steps::StepRoutes,
        presence::PresenceRoutes,
        messages::MessageRoutes,
        message_files::MessageFileRoutes,
        contacts::ContactRoutes,
    ),
    webhooks::WebhookRoutes,
    (
        jobs::JobRoutes,
        queues::QueueRoutes,
        limits::LimitRoutes,
        schedules::ScheduleRoutes,
    ),
    raw_items::RawItemRoutes,
    (
        webchat::WebchatRoutes,
        webchat_attachments::WebchatAttachmentRoutes,
    ),
    (
        usage::UsageRoutes,
        conversation_usage::ConversationUsageRoutes,
        providers::ProviderRoutes,
    ),
);

/// The routes as they are served and specified.
pub(crate) fn all() -> Routes {
    (
        health::HealthRoutes,
        tenants::TenantRoutes,
        api_keys::ApiKeyRoutes,
        (
            channels::ChannelRoutes,
            channel_checks::ChannelCheckRoutes,
            identity_secrets::IdentitySecretRoutes,
        ),
        (
            documents::DocumentRoutes,
            search::SearchRoutes,
            evals::EvalQuestionRoutes,
            evals::EvalRunRoutes,
        ),
        (
            conversations::ConversationRoutes,
            conversation_steps::StepRoutes,
            presence::PresenceRoutes,
            messages::MessageRoutes,
            message_files::MessageFileRoutes,
            contacts::ContactRoutes,
        ),
        webhooks::WebhookRoutes,
        (
            jobs::JobRoutes,
            queues::QueueRoutes,
            limits::LimitRoutes,
            schedules::ScheduleRoutes,
        ),
        raw_items::RawItemRoutes,
        (
            webchat::WebchatRoutes,
            webchat_attachments::WebchatAttachmentRoutes,
        ),
        (
            usage::UsageRoutes,
            conversation_usage::ConversationUsageRoutes,
            providers::ProviderRoutes,
        ),
    )
}

/// The chapters of the specification.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Whether the service is ready.
    Health,
    /// The businesses that use the product.
    Tenants,
    /// Keys to this API.
    ApiKeys,
    /// WhatsApp numbers and web chats.
    Channels,
    /// Files, pages and texts that answers draw on.
    Documents,
    /// What an answer would draw on.
    Search,
    /// How good answers are, by questions of the tenant's own.
    Evals,
    /// Exchanges with contacts.
    Conversations,
    /// People, as one channel knows them.
    Contacts,
    /// Where a tenant's events are sent.
    Webhooks,
    /// The work behind it all.
    Jobs,
    /// How the kinds of jobs stand, what limits them, and who runs them.
    Queues,
    /// What makes jobs by the clock.
    Schedules,
    /// What channels posted.
    RawItems,
    /// The chat on a web site.
    Webchat,
    /// What calls to models take and cost.
    Usage,
    /// Who answers, and how they do.
    Providers,
}
