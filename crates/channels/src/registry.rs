use domain::ChannelKind;

use crate::Channel;
use crate::http_channel::HttpChannel;
use crate::messenger::Messenger;
use crate::webchat::Webchat;
use crate::whatsapp::Whatsapp;

/// The implementation of a kind.
pub fn channel(kind: ChannelKind) -> &'static dyn Channel {
    match kind {
        ChannelKind::Whatsapp => &Whatsapp,
        ChannelKind::Webchat => &Webchat,
        ChannelKind::Messenger => &Messenger,
        ChannelKind::Http => &HttpChannel,
    }
}
