//! Ranges of addresses.

use std::{net::IpAddr, str::FromStr};

use serde::Deserialize;

/// A range of addresses, such as 10.1.0.0/16, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address, and no range such as 10.1.0.0/16");
        let (address, bits) = text.split_once('/').map_or((text.as_str(), None), |(a, bits)| (a, Some(bits)));
        let address = IpAddr::from_str(address).map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    /// Whether an address is in the range. An IPv4 address that a socket for both families reports as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, true),
            IpAddr::V6(a) => (a.to_bits(), false),
        };
        let ((own, own_family), (other, family)) = (number(self.address), number(address));
        let differ = own ^ other;
        own_family == family && (self.bits == 0 || differ >> (128 - self.bits) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        let within = |range: &str, address: &str| {
            Network::try_from(range.to_owned()).unwrap().contains(address.parse().unwrap())
        };
        for (range, address) in [
            ("10.1.0.0/16", "10.1.255.1"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "::ffff:10.1.2.3"),
            ("0.0.0.0/0", "192.168.1.1"),
            ("fd00::/8", "fd12::1"),
        ] {
            assert!(within(range, address), "{range} {address}");
        }
        for (range, address) in
            [("10.1.0.0/16", "10.2.0.1"), ("10.1.2.3", "10.1.2.4"), ("fd00::/8", "fe80::1"), ("0.0.0.0/0", "::1")]
        {
            assert!(!within(range, address), "{range} {address}");
        }
        for wrong in ["", "10.1.0.0/33", "10.1/16", "10.1.0.0/", "a.b"] {
            assert!(Network::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
