use std::time::Duration;

use http::Method;
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, RequestBuilder};
use url::Url;

use crate::guard::check_shape;
use crate::resolver::GuardedResolver;
use crate::{Error, Guard, install_crypto};

/// How long a client waits at most; a single request may set another total by `RequestBuilder::timeout`.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first look-up of the name to the finished TLS handshake. Default 5 s.
    pub connect: Duration,
    /// Between two pieces of the answer, and from the start to the first one, which holds the sending of
    /// a body as well. No bound of its own where it is not below the total. Default 30 s.
    pub read: Duration,
    /// From the start to the last byte of the answer; `None` sets no bound. Default 30 s.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(30),
            total: Some(Duration::from_secs(30)),
        }
    }
}

/// An HTTP client that keeps its connections open between requests; clones share them.
///
/// It follows no redirects, uses no proxy and decompresses nothing.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    guard: Option<Guard>,
}

impl Client {
    /// A client for addresses that a tenant can set, with the default time limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] if TLS cannot be set up.
    pub fn guarded(guard: &Guard) -> Result<Self, Error> {
        Self::guarded_within(guard, Timeouts::default())
    }

    /// A client for addresses that a tenant can set, with time limits of the caller's choice.
    ///
    /// # Errors
    /// [`Error::Invalid`] if TLS cannot be set up.
    pub fn guarded_within(guard: &Guard, timeouts: Timeouts) -> Result<Self, Error> {
        let http = build(timeouts, |builder| {
            builder.dns_resolver(GuardedResolver::new(guard.clone()))
        })?;
        Ok(Self {
            http,
            guard: Some(guard.clone()),
        })
    }

    /// A client for addresses that the operator configured; loopback and private ones are reached.
    ///
    /// # Errors
    /// [`Error::Invalid`] if TLS cannot be set up.
    pub fn trusted(timeouts: Timeouts) -> Result<Self, Error> {
        Ok(Self {
            http: build(timeouts, |builder| builder)?,
            guard: None,
        })
    }

    /// Starts a request; the caller adds headers and body and sends it.
    ///
    /// `?` turns what `send` reports into an [`Error`], a refused look-up into [`Error::Refused`].
    ///
    /// # Errors
    /// [`Error::Refused`] if the URL is not plain `http` or `https`, or a guarded client may not call it.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Error> {
        match &self.guard {
            Some(guard) => guard.check(url),
            None => check_shape(url),
        }
        .map_err(Error::Refused)?;
        Ok(self.http.request(method, url.clone()))
    }
}

fn build(
    timeouts: Timeouts,
    extend: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, Error> {
    install_crypto();
    let builder = || extend(base(timeouts));
    match builder().build() {
        Ok(client) => Ok(client),
        // A bare container has no certificate store; Mozilla's list stands in.
        Err(_) => Ok(builder().tls_certs_only(bundled_roots()?).build()?),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where clients are made"
)]
fn base(timeouts: Timeouts) -> ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("metachat/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeouts.connect)
        .pool_idle_timeout(Duration::from_mins(1));
    // It runs while a body is sent, too: where the total says as much already, a request that has a
    // longer one of its own must not meet it.
    if timeouts.total.is_none_or(|total| timeouts.read < total) {
        builder = builder.read_timeout(timeouts.read);
    }
    match timeouts.total {
        Some(total) => builder.timeout(total),
        None => builder,
    }
}

fn bundled_roots() -> Result<Vec<Certificate>, Error> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|der| Certificate::from_der(der));
    Ok(roots.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::Refusal;

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused_when_the_connection_is_made() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Without the check of the URL, as if the name had resolved elsewhere when it was set.
        let guarded = Client::guarded(&Guard::default()).unwrap();
        let unchecked = Client {
            guard: None,
            ..guarded
        };
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        let request = unchecked.request(Method::GET, &url).unwrap();
        let refused = Error::from(request.send().await.unwrap_err());
        assert!(
            matches!(refused, Error::Refused(Refusal::NotPublic(_))),
            "{refused:?}"
        );
        listener.set_nonblocking(true).unwrap();
        let connection = listener.accept();
        assert!(connection.is_err(), "{connection:?}");
    }

    #[test]
    fn the_bundled_roots_make_a_client() {
        install_crypto();
        let roots = bundled_roots().unwrap();
        assert!(roots.len() > 50, "{} roots", roots.len());
        base(Timeouts::default())
            .tls_certs_only(roots)
            .build()
            .unwrap();
    }
}
