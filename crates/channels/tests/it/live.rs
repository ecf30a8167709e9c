//! Against Meta itself, with a test number and a page of one's own: `make test-live`. Without
//! credentials in the environment each says what is missing, and does nothing.
#![expect(
    clippy::disallowed_methods,
    reason = "credentials of whoever runs them, and no settings of the product's"
)]

use bytes::Bytes;
use channels::{
    Audience, CheckKind, Connection, Graph, Health, HttpAnswer, HttpRequest, Outgoing, Permit,
    Platform, SendClass, Upload, channel, perform,
};
use domain::{Author, ChannelKind, Clock, Content, MediaFile, MediaKind, OutgoingMedia};
use serde_json::json;

/// One white pixel.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4////fwAJ+wP9KobjigAAAABJRU5ErkJggg==";

/// A channel of one's own, and somebody who takes messages on it.
struct Account {
    connection: Box<dyn Connection>,
    recipient: String,
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        println!("not run: {name} is not set");
    }
    value
}

fn account(kind: ChannelKind) -> Option<Account> {
    let graph = Graph {
        url: "https://graph.facebook.com".parse().unwrap(),
        version: std::env::var("METACHAT_META_GRAPH_VERSION").unwrap_or("v25.0".to_owned()),
    };
    let (config, recipient) = match kind {
        ChannelKind::Whatsapp => (
            json!({
                "phone_number_id": variable("METACHAT_LIVE_WHATSAPP_PHONE_NUMBER_ID")?,
                "access_token": variable("METACHAT_LIVE_WHATSAPP_ACCESS_TOKEN")?,
                "business_account_id": variable("METACHAT_LIVE_WHATSAPP_BUSINESS_ACCOUNT_ID")?,
            }),
            variable("METACHAT_LIVE_WHATSAPP_RECIPIENT")?,
        ),
        _ => (
            json!({
                "page_id": variable("METACHAT_LIVE_MESSENGER_PAGE_ID")?,
                "page_access_token": variable("METACHAT_LIVE_MESSENGER_PAGE_ACCESS_TOKEN")?,
            }),
            variable("METACHAT_LIVE_MESSENGER_RECIPIENT")?,
        ),
    };
    let parsed = channels::parse(kind, config).unwrap();
    let platform = Platform {
        graph,
        app_id: None,
    };
    let connection = channel(kind)
        .connect(&parsed.public, parsed.secrets.as_ref(), &platform)
        .unwrap();
    Some(Account {
        connection: connection?,
        recipient,
    })
}

async fn ask(request: &HttpRequest) -> HttpAnswer {
    assert_eq!(request.audience, Audience::Operator);
    let client = outbound::Client::trusted(outbound::Timeouts::default()).unwrap();
    perform(&client, request).await.unwrap()
}

impl Account {
    async fn send(&self, content: &Content, to: &str) -> Result<String, SendClass> {
        let tag = format!("live-{}", Clock::system().now().timestamp_millis());
        let outgoing = Outgoing {
            content,
            to,
            tag: &tag,
            reply_to: None,
            author: Author::Assistant,
            permit: &Permit::Free,
            now: Clock::system().now(),
        };
        let request = self.connection.encode(&outgoing).unwrap();
        let sent = self.connection.read_sent(&tag, &ask(&request).await);
        sent.map(|sent| sent.external_id).map_err(|error| {
            println!("{error}");
            error.class
        })
    }
}

async fn run(kind: ChannelKind) {
    let Some(account) = account(kind) else {
        return;
    };
    let connection = account.connection.as_ref();
    for check in connection.checks(Clock::system().now()) {
        let answer = ask(&check.request).await;
        let found = connection.read_check(check.kind, Some(&answer));
        println!("{kind} {:?}: {found:?}", check.kind);
        if check.kind == CheckKind::Credentials {
            assert!(matches!(found.health, Health::Working | Health::Warned));
        }
    }
    // The recipient has to have written within a day.
    let text = Content::text("**metachat** live test: one _text_ and one picture follow.");
    account.send(&text, &account.recipient).await.unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, PICTURE);
    let upload = Upload {
        media_kind: MediaKind::Image,
        mime_type: "image/png",
        filename: "pixel.png",
        bytes: &Bytes::from(bytes.unwrap()),
    };
    let request = connection.upload(&upload).unwrap().unwrap();
    let id = connection.read_uploaded(&ask(&request).await).unwrap();
    let picture = Content::Media(OutgoingMedia {
        media_kind: MediaKind::Image,
        file: MediaFile::Uploaded(id),
        caption: None,
        filename: None,
        media_type: None,
        voice: false,
    });
    account.send(&picture, &account.recipient).await.unwrap();
    let nobody = account.send(&text, "1").await;
    assert!(matches!(nobody, Err(SendClass::Permanent)), "{nobody:?}");
}

#[tokio::test]
#[ignore = "needs a test number at Meta: make test-live"]
async fn live_whatsapp() {
    run(ChannelKind::Whatsapp).await;
}

#[tokio::test]
#[ignore = "needs a page at Meta: make test-live"]
async fn live_messenger() {
    run(ChannelKind::Messenger).await;
}
