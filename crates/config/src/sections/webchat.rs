use std::num::{NonZeroU32, NonZeroU64};

use crate::section::section;

section! {
    /// What anonymous visitors may do before it costs a model's money.
    Webchat, "Web chat";

    /// Sessions that one address may start in an hour.
    "METACHAT_WEBCHAT_SESSIONS_PER_ADDRESS_HOUR" = "30" => sessions_per_address_hour: NonZeroU32;

    /// Sessions that may be started at one tenant in an hour.
    "METACHAT_WEBCHAT_SESSIONS_PER_TENANT_HOUR" = "2000" => sessions_per_tenant_hour: NonZeroU32;

    /// Messages that a visitor may send in one session.
    "METACHAT_WEBCHAT_MESSAGES_PER_SESSION" = "200" => messages_per_session: NonZeroU32;

    /// Messages that a visitor may send in a minute.
    "METACHAT_WEBCHAT_MESSAGES_PER_MINUTE" = "20" => messages_per_minute: NonZeroU32;

    /// Files that a visitor may send in one session; 0: none.
    "METACHAT_WEBCHAT_FILES_PER_SESSION" = "20" => files_per_session: u32;

    /// Largest file that a visitor may send, in bytes. 10485760 is 10 MiB.
    "METACHAT_WEBCHAT_MAX_FILE_BYTES" = "10485760" => max_file_bytes: NonZeroU64;
}
