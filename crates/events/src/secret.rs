use domain::EndpointId;
use secrecy::ExposeSecret;
use secrets::{Error, Keyring, WebhookSecret, row_context};
use store::webhook_endpoints::{Endpoint, SECRET_COLUMN};

/// Seals the secret of an endpoint for its row; it opens in no other.
///
/// # Errors
/// Those of the keyring.
pub fn seal_secret(
    keyring: &Keyring,
    endpoint: EndpointId,
    secret: &WebhookSecret,
) -> Result<Vec<u8>, Error> {
    let text = secret.to_text();
    keyring.seal(&context(endpoint), text.expose_secret().as_bytes())
}

/// Opens the secret of an endpoint.
///
/// # Errors
/// Those of the keyring, and [`Error::Malformed`] if what was sealed is no webhook secret.
pub fn open_secret(keyring: &Keyring, endpoint: &Endpoint) -> Result<WebhookSecret, Error> {
    let bytes = keyring.open(&context(endpoint.id), &endpoint.sealed_secret)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::Malformed)?;
    text.parse().map_err(|_| Error::Malformed)
}

fn context(endpoint: EndpointId) -> Vec<u8> {
    let (table, column) = SECRET_COLUMN;
    row_context(table, column, endpoint.as_uuid())
}
