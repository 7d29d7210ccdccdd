//! Whose request it is.
//!
//! `X-Forwarded-For` counts only when the connection itself comes from a trusted proxy, and then only
//! from the right, hop by hop: the first address that is not a trusted proxy's is the client. What
//! stands left of it was written by the client and means nothing.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of whoever sent the request, as far as it can be known.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_in(client, trusted) {
        return client;
    }
    let values: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // An unreadable hop ends the chain: the proxy that passed it on is the last that is known.
        let Some(address) = parse_hop(hop.trim()) else {
            return client;
        };
        client = address;
        if !is_in(client, trusted) {
            return client;
        }
    }
    client
}

/// Whether the connection comes from a trusted proxy.
pub(crate) fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    is_in(peer.to_canonical(), trusted)
}

/// Whether callbacks may come from `client`: any address if the account lists no networks. An
/// unreadable entry allows nothing.
pub(crate) fn is_allowed(client: IpAddr, cidrs: &[String]) -> bool {
    let holds = |cidr: &String| {
        cidr.parse()
            .is_ok_and(|network: IpNet| network.contains(&client))
    };
    cidrs.is_empty() || cidrs.iter().any(holds)
}

fn is_in(address: IpAddr, networks: &[IpNet]) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse::<IpAddr>()
        .or_else(|_not_bare| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_forwarded_address_of_an_untrusted_peer_is_not_believed() {
        assert_eq!(client("192.0.2.7", &["203.0.113.1"]), "192.0.2.7");
    }

    #[test]
    fn the_rightmost_hop_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9, 198.51.100.2, 10.0.0.2"]),
            "198.51.100.2"
        );
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9", "198.51.100.2", "10.0.0.2"]),
            "198.51.100.2"
        );
        assert_eq!(client("fd00::1", &["2001:db8::5"]), "2001:db8::5");
        assert_eq!(
            client("10.0.0.1", &["[2001:db8::5]:443, 10.0.0.2:80"]),
            "2001:db8::5"
        );
    }

    #[test]
    fn an_unreadable_hop_ends_the_chain_at_the_proxy_that_passed_it_on() {
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_the_same_address() {
        assert_eq!(
            client("::ffff:10.0.0.1", &["::ffff:198.51.100.2"]),
            "198.51.100.2"
        );
    }

    #[test]
    fn an_allow_list_allows_its_networks_and_an_unreadable_entry_nothing() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        let client = "203.0.113.9".parse().unwrap();
        assert!(is_allowed(client, &[]));
        assert!(is_allowed(
            client,
            &list(&["198.51.100.0/24", "203.0.113.0/24"])
        ));
        assert!(!is_allowed(client, &list(&["198.51.100.0/24"])));
        assert!(!is_allowed(client, &list(&["anything"])));
    }
}
