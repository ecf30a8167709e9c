use secrecy::{ExposeSecret, SecretString};

use crate::section::section;

section! {
    /// How processes tell each other what open web chats are to see at once.
    Live, "Live events";

    /// A Redis server that carries live events between processes, as
    /// `redis://user:password@host:6379`. Not set: Postgres carries them. Every process has to have
    /// the same setting.
    "METACHAT_REDIS_URL" => redis_url: Option<SecretString>, check is_redis;

    /// The channel of that server; installations that share one need different names.
    "METACHAT_REDIS_CHANNEL" = "metachat:live" => redis_channel: String;
}

#[expect(clippy::ref_option, reason = "a check takes the field's own type")]
fn is_redis(url: &Option<SecretString>) -> Result<(), &'static str> {
    match url {
        Some(url) if !url.expose_secret().starts_with("redis://") => {
            Err("must begin with redis://")
        }
        Some(_) | None => Ok(()),
    }
}
