use std::sync::Once;

/// Installs ring as the process's TLS provider, unless one is installed already.
///
/// The clients of this crate call it themselves; a process that opens TLS connections by other means
/// calls it once at its start. Calling it again does nothing.
pub fn install_crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Losing the race to another provider is fine: any provider will do.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}
