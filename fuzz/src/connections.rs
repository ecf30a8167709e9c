use channels::{Connection, Graph, Platform, channel};
use domain::ChannelKind;
use serde_json::json;

/// What all channels share: Meta's Graph API at `https://graph.example/`, and no app.
pub fn platform() -> Platform {
    Platform {
        graph: Graph {
            url: "https://graph.example/".parse().expect("an address"),
            version: "v25.0".to_owned(),
        },
        app_id: None,
    }
}

/// A channel of that kind with settings; `None` where nothing is sent by request.
pub fn connect(kind: ChannelKind) -> Option<Box<dyn Connection>> {
    let (public, secrets) = match kind {
        ChannelKind::Whatsapp => (
            json!({"phone_number_id": "200000000000001"}),
            json!({"access_token": "token"}),
        ),
        ChannelKind::Messenger => (
            json!({"page_id": "300000000000001", "hand_off_to_inbox": false}),
            json!({"page_access_token": "token"}),
        ),
        ChannelKind::Http => (
            json!({"send_url": "https://system.example/"}),
            json!({"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}),
        ),
        ChannelKind::Webchat => return None,
    };
    channel(kind)
        .connect(&public, Some(&secrets), &platform())
        .expect("the settings are in their form")
}
