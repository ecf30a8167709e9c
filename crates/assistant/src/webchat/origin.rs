use channels::webchat::WebchatConfig;
use domain::TenantSettings;
use url::Url;

use crate::Error;

/// Which pages may use a web chat: the channel's own list, or the tenant's where it has none.
///
/// An empty list is any page. The header `Origin` keeps other people's pages out, not programs:
/// those write into it what they like, and are held by the caps.
#[derive(Clone, Debug)]
pub(super) struct Origins(WebchatConfig);

impl Origins {
    pub(super) fn new(mut config: WebchatConfig, settings: &TenantSettings) -> Self {
        if config.allowed_origins.is_empty() {
            let listed = settings.webchat_origins.iter();
            // An entry that is no origin stays as it is: it matches nothing and opens nothing.
            config.allowed_origins = listed
                .map(|entry| match Url::parse(entry.trim()) {
                    Ok(url) => url.origin().ascii_serialization(),
                    Err(_) => entry.clone(),
                })
                .collect();
        }
        Self(config)
    }

    /// Checks the page that opens a session. Without the header only where any page may: browsers
    /// always send it here.
    pub(super) fn check_opening(&self, origin: Option<&str>) -> Result<(), Error> {
        match origin {
            None if self.0.allowed_origins.is_empty() => Ok(()),
            None => Err(Error::OriginNotAllowed),
            Some(_) => self.check(origin),
        }
    }

    /// Checks the page that uses a session. Without the header the token is enough: browsers leave
    /// it out of requests to the page's own server.
    pub(super) fn check(&self, origin: Option<&str>) -> Result<(), Error> {
        match origin {
            Some(origin) if !self.0.allows(origin) => Err(Error::OriginNotAllowed),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(channel: &[&str], tenant: &[&str]) -> Origins {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let config = WebchatConfig {
            allowed_origins: owned(channel),
            ..WebchatConfig::default()
        };
        let settings = TenantSettings {
            webchat_origins: owned(tenant),
            ..TenantSettings::default()
        };
        Origins::new(config, &settings)
    }

    #[test]
    fn the_channels_list_goes_before_the_tenants() {
        let own = origins(&["https://shop.example"], &["https://other.example"]);
        assert!(own.check_opening(Some("https://shop.example")).is_ok());
        assert!(own.check_opening(Some("https://other.example")).is_err());
        let tenants = origins(&[], &["https://Other.example:443/"]);
        assert!(tenants.check_opening(Some("https://other.example")).is_ok());
        assert!(tenants.check_opening(Some("https://shop.example")).is_err());
    }

    #[test]
    fn an_entry_that_is_no_origin_opens_nothing() {
        let broken = origins(&[], &["shop.example", "*"]);
        assert!(broken.check_opening(Some("https://shop.example")).is_err());
        assert!(broken.check_opening(Some("null")).is_err());
        assert!(broken.check_opening(None).is_err());
    }

    #[test]
    fn without_the_header_only_an_open_chat_can_be_opened_but_every_session_used() {
        assert!(origins(&[], &[]).check_opening(None).is_ok());
        let listed = origins(&["https://shop.example"], &[]);
        assert!(listed.check_opening(None).is_err());
        assert!(listed.check(None).is_ok());
        assert!(listed.check(Some("https://evil.example")).is_err());
    }
}
