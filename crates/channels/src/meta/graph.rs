use http::Method;
use serde_json::Value;
use url::Url;

use crate::lenient::{list, text};
use crate::{Audience, Finding, Health, HttpRequest, SendClass, SendError};

/// Where the Graph API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The address before the version, for example `https://graph.facebook.com`.
    pub url: Url,
    /// The version, for example `v25.0`.
    pub version: String,
}

impl Graph {
    /// The address of a thing, by the segments after the version; they are escaped.
    ///
    /// # Errors
    /// [`SendClass::Config`] if the Graph API's address cannot hold a path.
    pub(crate) fn address(&self, segments: &[&str]) -> Result<Url, SendError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| {
                SendError::of(SendClass::Config, "the Graph API's address takes no path")
            })?
            .pop_if_empty()
            .push(&self.version)
            .extend(segments);
        Ok(url)
    }

    /// A request about a thing. An address without a path was refused when the platform started.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> HttpRequest {
        let url = self.address(segments).unwrap_or_else(|_| self.url.clone());
        HttpRequest::new(method, url, Audience::Operator)
    }
}

/// The id of what an answer says was made.
pub(crate) fn read_id(answer: &Value) -> Result<String, SendError> {
    text(answer, "id")
        .ok_or_else(|| SendError::of(SendClass::Unknown, "the Graph API's answer names no id"))
}

/// What an answer of `subscribed_apps` says about our app and the fields it must have.
///
/// Without an id of our own app any app counts, for with a tenant's own app we do not know it.
pub(crate) fn read_subscription(answer: &Value, app_id: Option<&str>, needed: &[&str]) -> Finding {
    let apps = list(answer, "data");
    let ours = apps.iter().find(|app| {
        let data = app.get("whatsapp_business_api_data").unwrap_or(app);
        app_id.is_none_or(|id| text(data, "id").as_deref() == Some(id))
    });
    let Some(ours) = ours else {
        let note = "no app that posts to us is subscribed";
        return Finding::new(Health::Unsubscribed, note);
    };
    let fields: Vec<&str> = list(ours, "subscribed_fields")
        .iter()
        .filter_map(|field| field.as_str().or_else(|| field["name"].as_str()))
        .collect();
    let missing: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|name| !fields.contains(name))
        .collect();
    if missing.is_empty() {
        Finding::new(Health::Working, "the app is subscribed")
    } else {
        let note = format!("the app is not subscribed to {}", missing.join(", "));
        Finding::new(Health::Unsubscribed, note)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_address_holds_the_version_and_cannot_be_left() {
        for base in ["http://127.0.0.1:9/graph", "http://127.0.0.1:9/graph/"] {
            let graph = Graph {
                url: base.parse().unwrap(),
                version: "v25.0".to_owned(),
            };
            let request = graph.request(Method::GET, &["1", "../x?y#z/"]);
            assert_eq!(
                request.url.as_str(),
                "http://127.0.0.1:9/graph/v25.0/1/..%2Fx%3Fy%23z%2F"
            );
        }
        let pathless = Graph {
            url: "mailto:a@b.example".parse().unwrap(),
            version: "v1".to_owned(),
        };
        let error = pathless.address(&["1"]).unwrap_err();
        assert_eq!(error.class, SendClass::Config);
    }

    #[test]
    fn a_subscription_needs_our_app_and_its_fields() {
        let of_page = json!({"data": [
            {"id": "5", "subscribed_fields": ["messages"]},
            {"id": 7, "subscribed_fields": ["messages", "messaging_postbacks"]},
        ]});
        let said = |app, needed: &[&str]| read_subscription(&of_page, app, needed).health;
        assert_eq!(said(Some("7"), &["messages"]), Health::Working);
        assert_eq!(
            said(Some("5"), &["messaging_postbacks"]),
            Health::Unsubscribed
        );
        assert_eq!(said(Some("6"), &[]), Health::Unsubscribed);
        assert_eq!(said(None, &["messages"]), Health::Working);
        let of_account = json!({"data": [{"whatsapp_business_api_data": {"id": "7"}}]});
        assert_eq!(
            read_subscription(&of_account, Some("7"), &[]).health,
            Health::Working
        );
        for nothing in [json!({"data": []}), json!({}), json!(null)] {
            let found = read_subscription(&nothing, None, &[]);
            assert_eq!(found.health, Health::Unsubscribed);
        }
    }
}
