use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use crate::section::section;

section! {
    /// Where the process listens and keeps its data.
    Server, "Server";

    /// Address and port of the API, the dashboard and the widget. Port 0 takes any free one.
    "METACHAT_LISTEN" = "127.0.0.1:3000" => listen: SocketAddr,
        production "put a proxy that ends TLS in front; in a container listen on 0.0.0.0:3000.";

    /// Address and port of a listener of its own for metrics, `/metrics` and `/livez`, without a key; each
    /// process needs a port of its own. Not set: none, and `/metrics` at the API's address needs an
    /// operator's key.
    "METACHAT_METRICS_LISTEN" => metrics_listen: Option<SocketAddr>,
        production "set it for workers, which answer no other HTTP, and let only Prometheus reach it.";

    /// Folder of the uploaded files, the key files and the embedded database. Made when missing.
    "METACHAT_DATA_DIR" = ".data" => data_dir: PathBuf,
        production "name a folder that is backed up, by its absolute path.";

    /// Largest file that may be uploaded, in bytes. 52428800 is 50 MiB.
    "METACHAT_MAX_UPLOAD_BYTES" = "52428800" => max_upload_bytes: NonZeroU64;

    /// Whether the caller's address is taken from `X-Forwarded-For`, `true` or `false`. Only behind a
    /// proxy of your own that sets the header: otherwise callers choose their address, and limits
    /// per address mean nothing.
    "METACHAT_TRUST_FORWARDED_FOR" = "false" => trust_forwarded_for: bool,
        production "set to true behind your proxy, or all visitors share one limit.";
}
