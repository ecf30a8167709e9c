//! What the fuzz targets share: texts that are worth cutting and formatting, what is kept of a post
//! and of a file, Office documents of made-up parts, channels with settings, a server that answers in
//! pieces, and a place for other people's panics.

mod connections;
mod extracted;
mod office;
mod others;
mod posts;
mod server;
mod texts;

pub use connections::{connect, platform};
pub use extracted::check_extracted;
pub use office::{Part, document};
pub use others::contained;
pub use posts::{check_items, check_message, claims_cover, holds_nul};
pub use server::{Answer, Server};
pub use texts::{Text, letters};
