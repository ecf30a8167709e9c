use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{Guard, Refusal};

/// Resolves a name once and hands on its addresses only if every one of them may be called.
pub(crate) struct GuardedResolver {
    guard: Guard,
}

impl GuardedResolver {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            check_all(&guard, name.as_str(), found.iter().map(SocketAddr::ip))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

// One bad address among good ones condemns the name: that mix is how rebinding looks.
fn check_all(
    guard: &Guard,
    name: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Result<(), Refusal> {
    if guard.allows_host(name) {
        return Ok(());
    }
    addresses
        .into_iter()
        .try_for_each(|address| guard.check_address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_private_address_among_public_ones_condemns_the_name() {
        let guard = Guard::default();
        let mixed = ips(&["8.8.8.8", "10.0.0.1"]);
        assert_eq!(
            check_all(&guard, "rebind.example", mixed.clone()),
            Err(Refusal::NotPublic(mixed[1]))
        );
        assert_eq!(check_all(&guard, "dns.example", ips(&["8.8.8.8"])), Ok(()));
    }

    #[test]
    fn an_allowed_name_may_resolve_anywhere_and_another_only_into_an_allowed_network() {
        let guard = Guard::new([
            "hooks.internal".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ]);
        assert_eq!(
            check_all(&guard, "hooks.internal", ips(&["127.0.0.1"])),
            Ok(())
        );
        assert_eq!(
            check_all(&guard, "other.internal", ips(&["10.0.0.1"])),
            Ok(())
        );
        assert!(check_all(&guard, "other.internal", ips(&["127.0.0.1"])).is_err());
    }
}
