use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use config::AllowRule;
use url::{Host, Url};

use crate::address::is_public;
use crate::{Error, Refusal};

// Ports whose protocols can be talked into something by an HTTP request.
// Source: https://fetch.spec.whatwg.org/#port-blocking (2026-11-23).
const FOREIGN_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Decides which addresses a tenant may have us call: public ones, and those the operator allows.
///
/// Cloning is cheap. The default allows nothing beyond public addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Arc<[AllowRule]>,
}

impl Guard {
    /// A guard with exceptions for hosts and networks of the operator's own.
    pub fn new(allow: impl IntoIterator<Item = AllowRule>) -> Self {
        Self {
            allow: allow.into_iter().collect(),
        }
    }

    pub(crate) fn allows_host(&self, host: &str) -> bool {
        self.allow.iter().any(|rule| rule.allows_host(host))
    }

    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        if is_public(address) || self.allow.iter().any(|rule| rule.allows_address(address)) {
            Ok(())
        } else {
            Err(Refusal::NotPublic(address))
        }
    }

    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        let bare = name.trim_end_matches('.');
        let is_local = bare == "localhost" || bare.ends_with(".localhost");
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let opened = self.allows_host(name)
            || loopback
                .iter()
                .any(|address| self.check_address(*address).is_ok());
        if is_local && !opened {
            return Err(Refusal::Local(bare.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn check(&self, url: &Url) -> Result<(), Refusal> {
        check_shape(url)?;
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(IpAddr::V4(address))?,
            Some(Host::Ipv6(address)) => self.check_address(IpAddr::V6(address))?,
            Some(Host::Domain(name)) => self.check_name(name)?,
            None => return Err(Refusal::NoHost),
        }
        match url.port() {
            Some(port) if FOREIGN_PORTS.contains(&port) => Err(Refusal::Port(port)),
            _ => Ok(()),
        }
    }
}

/// Checks an address at the moment a tenant sets it, without asking the network.
///
/// What a name resolves to is judged later, at each connection; this catches what is wrong on its
/// face, so that the tenant hears of it at once.
///
/// # Errors
/// [`Error::Refused`] with the reason.
pub fn check_url(url: &Url, guard: &Guard) -> Result<(), Error> {
    guard.check(url).map_err(Error::Refused)
}

// What holds for every client, trusted ones included.
pub(crate) fn check_shape(url: &Url) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInfo);
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(Refusal::NoHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, guard: &Guard) -> Result<(), Refusal> {
        guard.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_public_host_passes() {
        let guard = Guard::default();
        for url in [
            "https://example.com/hook",
            "http://example.com:8443/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(check(url, &guard), Ok(()), "{url}");
        }
    }

    #[test]
    fn every_spelling_of_loopback_is_refused() {
        let guard = Guard::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "0177.0.0.1",
            "0x7f000001",
            "0x7f.1",
            "2130706433",
            "0",
            "0.0.0.0",
            "127.0.0.1.",
            "①②⑦.0.0.1",
            "%31%32%37.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
        ] {
            let refused = check(&format!("http://{host}/"), &guard);
            assert!(matches!(refused, Err(Refusal::NotPublic(_))), "{host}");
        }
        for host in ["localhost", "LOCALHOST", "localhost.", "a.localhost"] {
            let refused = check(&format!("http://{host}/"), &guard);
            assert!(matches!(refused, Err(Refusal::Local(_))), "{host}");
        }
    }

    #[test]
    fn what_is_not_plain_http_is_refused() {
        let guard = Guard::default();
        assert_eq!(check("ftp://example.com/", &guard), Err(Refusal::Scheme));
        assert_eq!(check("file:///etc/passwd", &guard), Err(Refusal::Scheme));
        assert_eq!(
            check("http://a@example.com/", &guard),
            Err(Refusal::UserInfo)
        );
        assert_eq!(
            check("http://:b@example.com/", &guard),
            Err(Refusal::UserInfo)
        );
        assert_eq!(
            check("http://example.com:25/", &guard),
            Err(Refusal::Port(25))
        );
    }

    #[test]
    fn a_rule_opens_what_it_says_and_nothing_else() {
        let guard = Guard::new(["10.0.0.0/8".parse().unwrap(), "localhost".parse().unwrap()]);
        assert_eq!(check("http://10.9.8.7/", &guard), Ok(()));
        assert_eq!(check("http://[::ffff:10.9.8.7]/", &guard), Ok(()));
        assert_eq!(check("http://localhost:9000/", &guard), Ok(()));
        assert!(check("http://127.0.0.1/", &guard).is_err());
        assert!(check("http://192.168.0.1/", &guard).is_err());
        assert!(check("http://a.localhost/", &guard).is_err());
    }
}
