use crate::section::section;

section! {
    /// What only tests set.
    Testing, "Testing";

    /// Named points at which the process stops or fails, as the crate `fail` writes them:
    /// `send-reply.sent=panic`. Means nothing in a build without the feature `failpoints`.
    "METACHAT_FAILPOINTS" => failpoints: Option<String>;
}
