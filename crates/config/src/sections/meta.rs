use secrecy::SecretString;
use url::Url;

use crate::section::section;

section! {
    /// The platform's own app at Meta; tenants may bring their own instead.
    Meta, "WhatsApp and Messenger";

    /// Where the Graph API is.
    "METACHAT_META_GRAPH_URL" = "https://graph.facebook.com" => graph_url: Url;

    /// The version of the Graph API that is called.
    "METACHAT_META_GRAPH_VERSION" = "v25.0" => graph_version: String, check is_version;

    /// The app's id. Not set: any app that is subscribed to a page or number counts as ours, and a
    /// conversation passed by another app as passed to us.
    "METACHAT_META_APP_ID" => app_id: Option<String>;

    /// The app's secret, which signs what arrives at `/webhooks/whatsapp` and `/webhooks/messenger`. Not set: only the secrets of
    /// the channels themselves verify it.
    "METACHAT_META_APP_SECRET" => app_secret: Option<SecretString>,
        production "set it if channels share your app.";

    /// The token that Meta repeats when it verifies one of these addresses. Not set: only the tokens of the
    /// channels themselves verify it.
    "METACHAT_META_VERIFY_TOKEN" => verify_token: Option<SecretString>,
        production "set it to a long random text if channels share your app.";
}

#[expect(clippy::ptr_arg, reason = "a check takes the field's own type")]
fn is_version(version: &String) -> Result<(), &'static str> {
    let numbers = version.strip_prefix('v').and_then(|v| v.split_once('.'));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match numbers {
        Some((major, minor)) if is_number(major) && is_number(minor) => Ok(()),
        _ => Err("must be a version such as v25.0"),
    }
}
