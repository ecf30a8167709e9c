use std::time::Duration;

/// Makes the client by which stand-ins call the product: no proxy, no redirects, 30 seconds a call.
///
/// # Errors
/// What `reqwest` says when it cannot be set up.
#[expect(
    clippy::disallowed_methods,
    reason = "stand-ins call loopback addresses, which the product's guarded client refuses"
)]
pub(super) fn loopback_client() -> Result<reqwest::Client, reqwest::Error> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race to another thread leaves a provider installed as well.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
    }
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
}
