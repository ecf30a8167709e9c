//! Addresses that a tenant can set: whatever passes leads to the public internet as far as it can be
//! told without asking a name server, and rules open no more than they say.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::Arbitrary;
use config::AllowRule;
use libfuzzer_sys::fuzz_target;
use outbound::{Guard, check_url, is_public};
use url::{Host, Url};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    v4: u32,
    v6: u128,
    url: &'a str,
    host: &'a str,
    rule: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    check_addresses(input.v4, input.v6);
    check_written(input.url);
    check_written(&format!("http://{}/", input.host));
    check_written(&format!("https://{}/x", Ipv4Addr::from_bits(input.v4)));
    check_written(&format!("http://[{}]:8080/", Ipv6Addr::from_bits(input.v6)));
    check_rule(input.rule, input.v4, input.v6);
});

fn check_addresses(v4: u32, v6: u128) {
    let v4 = Ipv4Addr::from_bits(v4);
    let is_v4_public = is_public(v4.into());
    assert!(!is_v4_public || leads_out(v4), "{v4}");
    // The same address in IPv6's clothes.
    let mapped = is_public(v4.to_ipv6_mapped().into());
    assert_eq!(mapped, is_v4_public, "{v4} mapped");
    let bits = u128::from(v4.to_bits());
    let nat64 = Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | bits);
    assert_eq!(is_public(nat64.into()), is_v4_public, "{nat64}");
    assert!(!is_public(
        Ipv6Addr::from_bits((0x2002_u128 << 112) | (bits << 80)).into()
    ));
    let v6 = Ipv6Addr::from_bits(v6);
    if is_public(v6.into()) {
        let is_global_unicast = v6.segments()[0] & 0xe000 == 0x2000;
        let carried = v6.to_canonical();
        assert!(
            is_global_unicast
                || carried.is_ipv4()
                || v6.segments()[0] == 0x64
                || v6.segments()[0] == 0,
            "{v6}"
        );
        assert!(!v6.is_loopback() && !v6.is_unspecified() && !v6.is_multicast());
        assert!(!v6.is_unique_local() && !v6.is_unicast_link_local());
    }
}

/// What the standard library knows of addresses that lead inside or nowhere.
fn leads_out(v4: Ipv4Addr) -> bool {
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_unspecified())
}

fn check_written(text: &str) {
    let Ok(url) = Url::parse(text) else {
        return;
    };
    if check_url(&url, &Guard::default()).is_err() {
        return;
    }
    assert!(matches!(url.scheme(), "http" | "https"));
    assert!(url.username().is_empty() && url.password().is_none());
    match url.host() {
        Some(Host::Ipv4(address)) => assert!(is_public(address.into()), "{url}"),
        Some(Host::Ipv6(address)) => assert!(is_public(address.into()), "{url}"),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            assert!(
                name != "localhost" && !name.ends_with(".localhost"),
                "{url}"
            );
            assert!(name.parse::<IpAddr>().is_err(), "{url}");
        }
        None => panic!("{url} has no host"),
    }
}

fn check_rule(text: &str, v4: u32, v6: u128) {
    let Ok(rule) = text.parse::<AllowRule>() else {
        return;
    };
    let again: AllowRule = rule.to_string().parse().expect("a rule reads back");
    assert_eq!(again, rule);
    let addresses = [
        Ipv4Addr::from_bits(v4).into(),
        Ipv6Addr::from_bits(v6).into(),
    ];
    for address in addresses {
        let AllowRule::Network {
            address: network,
            prefix_bits,
        } = &rule
        else {
            assert!(!rule.allows_address(address));
            continue;
        };
        if *prefix_bits > 0 && rule.allows_address(address) {
            let first = |address: IpAddr| match address.to_canonical() {
                IpAddr::V4(address) => (4, address.octets()[0] >> 7),
                IpAddr::V6(address) => (6, address.octets()[0] >> 7),
            };
            assert_eq!(first(*network), first(address), "{rule} {address}");
        }
    }
}
