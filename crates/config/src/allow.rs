use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One exception to the rule that tenants' addresses must be public: a host by name, or a network.
///
/// Written as `hooks.internal` (that very name, whatever it resolves to), `10.0.0.7` or `10.0.0.0/8`.
/// A network does not open a name rule's host and the other way round, except that a name may
/// resolve into an allowed network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowRule {
    /// One host name, lower case, without a trailing dot.
    Host(String),
    /// All addresses that share the first `prefix_bits` bits with `address`.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// 0 to 32 for IPv4, 0 to 128 for IPv6.
        prefix_bits: u8,
    },
}

impl AllowRule {
    /// Tells whether this rule names `host`; case and a trailing dot do not matter.
    pub fn allows_host(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
            Self::Network { .. } => false,
        }
    }

    /// Tells whether `address` lies in this rule's network; an IPv4-mapped one counts as its IPv4 form.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let Self::Network {
            address: network,
            prefix_bits,
        } = self
        else {
            return false;
        };
        match (network.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*prefix_bits)
            }
            _ => false,
        }
    }
}

/// The text is neither a host name, nor an address, nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no host name, address or network such as `hooks.internal`, `10.0.0.7` or `10.0.0.0/8`")]
pub struct InvalidAllowRule;

impl FromStr for AllowRule {
    type Err = InvalidAllowRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            let address = address.to_canonical();
            let widest = if address.is_ipv4() { 32 } else { 128 };
            let prefix_bits = match prefix {
                Some(prefix) => prefix.parse().map_err(|_| InvalidAllowRule)?,
                None => widest,
            };
            if prefix_bits > widest {
                return Err(InvalidAllowRule);
            }
            return Ok(Self::Network {
                address,
                prefix_bits,
            });
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if prefix.is_some() || !is_host_name(&name) {
            return Err(InvalidAllowRule);
        }
        Ok(Self::Host(name))
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Network {
                address,
                prefix_bits,
            } => write!(f, "{address}/{prefix_bits}"),
        }
    }
}

// A last label of digits would be an IPv4 address in one of its odd spellings, never a name.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last_is_a_word = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    name.len() <= 253 && name.split('.').all(label) && last_is_a_word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> AllowRule {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let ten = rule("10.1.0.0/16");
        assert!(ten.allows_address(ip("10.1.255.255")));
        assert!(ten.allows_address(ip("::ffff:10.1.0.1")));
        assert!(!ten.allows_address(ip("10.2.0.0")));
        assert!(!ten.allows_address(ip("::a01:1")));
        assert!(rule("fd00::/8").allows_address(ip("fdff::1")));
        assert!(!rule("fd00::/8").allows_address(ip("fc00::1")));
        assert!(rule("0.0.0.0/0").allows_address(ip("8.8.8.8")));
        assert!(!rule("127.0.0.1").allows_address(ip("127.0.0.2")));
    }

    #[test]
    fn a_name_means_that_host_alone() {
        let hooks = rule("Hooks.Internal.");
        assert!(hooks.allows_host("hooks.internal"));
        assert!(hooks.allows_host("HOOKS.internal."));
        assert!(!hooks.allows_host("a.hooks.internal"));
        assert!(!hooks.allows_address(ip("10.0.0.1")));
    }

    #[test]
    fn what_is_no_host_and_no_network_is_refused() {
        for text in [
            "",
            " ",
            "http://a",
            "a b",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "host/8",
            "127.1",
            "0x7f000001",
            "2130706433",
            "a..b",
            "*.a",
            "host:80",
        ] {
            assert_eq!(text.parse::<AllowRule>(), Err(InvalidAllowRule), "{text}");
        }
    }
}
