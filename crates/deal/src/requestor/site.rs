//! Where providers' connections come from: a second sign, beside key and payee, that two of them are one owner.
//!
//! It is worth little: addresses are for rent. But each copy of an owner that lies for itself then costs an address more, and
//! whoever starts two nodes on one machine is not taken for two. It harms who shares an address with a stranger, so it
//! counts for copies that are compared and for nothing else, and can be put off.

use core::fmt::{self, Display};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use golem_protocol::NodeId;
use serde::{Deserialize, Serialize};

/// The most providers whose address is remembered. Reason: more than offer for the tasks of one
/// node; those without a deal go first.
pub(super) const SITES_MAX: usize = 8 * super::task::OFFERS_MAX;

/// Whether copies of one subtask may go to providers at one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyAddresses {
    /// No, where the addresses tell anything.
    #[default]
    Distinct,
    /// Yes: they need only differ in key and payee.
    Any,
}

/// What of an internet address one owner holds at least: an IPv4 address, or the first 64 bits of an IPv6 one, which is
/// what a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Site {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first half of an IPv6 address.
    V6([u16; 4]),
}

impl Site {
    /// The site of an address; `None` where it tells nothing of whose it is: this machine's own, a private network's, or
    /// one that a carrier shares out.
    pub fn of(address: IpAddr) -> Option<Site> {
        match address.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                let shared = a == 100 && (64..128).contains(&b);
                let silent = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified() || shared;
                (!silent).then_some(Site::V4(ip))
            }
            IpAddr::V6(ip) => {
                let silent =
                    ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified();
                let [a, b, c, d, ..] = ip.segments();
                (!silent).then_some(Site::V6([a, b, c, d]))
            }
        }
    }
}

impl Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Site::V4(ip) => write!(f, "{ip}"),
            Site::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
        }
    }
}

/// An offer that waits, since whoever has the copies of what is open is at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Near {
    /// Whose offer waits.
    pub provider: NodeId,
    /// Who has a copy.
    pub holder: NodeId,
    /// Where both are.
    pub site: Site,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Option<String> {
        Site::of(text.parse().unwrap()).map(|site| site.to_string())
    }

    #[test]
    fn an_address_counts_whole_in_ipv4_and_by_its_first_half_in_ipv6() {
        assert_eq!(site("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_ne!(site("203.0.113.7"), site("203.0.113.8"));
        assert_eq!(site("2001:db8:1:2:3::4").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(site("2001:db8:1:2:3::4"), site("2001:db8:1:2:ffff::"));
        assert_ne!(site("2001:db8:1:2::"), site("2001:db8:1:3::"));
        assert_eq!(site("::ffff:203.0.113.7"), site("203.0.113.7"), "however it is written");
    }

    #[test]
    fn an_address_of_this_machine_or_a_private_network_tells_nothing() {
        for silent in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "0.0.0.0"] {
            assert_eq!(site(silent), None, "{silent}");
        }
        for silent in ["::1", "fd00::1", "fe80::1", "::", "::ffff:10.0.0.1"] {
            assert_eq!(site(silent), None, "{silent}");
        }
    }
}
