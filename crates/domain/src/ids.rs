use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// A UUIDv7 of our own making: sorts by the millisecond it was made in.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a fresh id.
            #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
            #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as the database and the API carry it.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A business that uses the product: the unit of isolation, limits and billing.
    TenantId;
    /// A key to the API.
    ApiKeyId;
    /// A tenant's WhatsApp number or web chat.
    ChannelId;
    /// A person as one channel knows them.
    ContactId;
    /// The exchange with one contact, from first message to closing.
    ConversationId;
    /// One message of a conversation, in either direction.
    MessageId;
    /// One item as a channel posted it.
    RawItemId;
    /// A file whose text answers draw on.
    DocumentId;
    /// A passage of a document.
    ChunkId;
    /// An address that receives outgoing webhooks.
    EndpointId;
    /// One event on its way to one endpoint.
    DeliveryId;
    /// Something that happened, as told to integrators.
    EventId;
    /// A file of a contact's message.
    MessageFileId;
    /// A visitor's stay in a web chat.
    WebchatSessionId;
    /// A file that a web chat's visitor sent, or is about to.
    AttachmentId;
    /// A secret that a tenant's server vouches for its logged-in users with.
    IdentitySecretId;
    /// A question that a tenant's documents are expected to answer.
    EvalQuestionId;
    /// One asking of such questions.
    EvalRunId;
    /// One call to a model.
    ModelCallId;
    /// One erasure of everything kept about a contact.
    ErasureId;
}
