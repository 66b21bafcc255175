//! Deserialisers for values with units or ranges. Each error is a sentence that says what was expected.

use std::net::IpAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use weir_protocol::{Name, NameBuf};

use crate::units::parse_duration;

/// Deserialises a duration such as `"2.5s"`; see [`parse_duration`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// Deserialises a duration of `MIN` to `MAX` milliseconds, both included.
pub fn duration_within<'de, D, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let [min, max] = [MIN, MAX].map(Duration::from_millis);
    let duration = duration(deserializer)?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    let format = |milliseconds: u64| match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    };
    Err(D::Error::custom(format_args!("out of range: expected {} to {}", format(MIN), format(MAX))))
}

/// Deserialises a duration, or `"off"` as `None`.
pub fn duration_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

/// Deserialises an integer of `MIN` to `MAX`, both included.
pub fn within<'de, D, const MIN: usize, const MAX: usize>(deserializer: D) -> Result<usize, D::Error>
where
    D: Deserializer<'de>,
{
    let value = usize::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&value) {
        return Ok(value);
    }
    Err(D::Error::custom(format_args!("out of range: expected {MIN} to {MAX}")))
}

/// Deserialises a keyword: one of the `known` words, which stand for values. `what` names the kind of value in the
/// error, with its article, such as "a policy".
pub fn named<'de, D, T: Copy>(deserializer: D, what: &str, known: &[(&str, T)]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let name = String::deserialize(deserializer)?;
    let value = known.iter().find(|(word, _)| *word == name).map(|(_, value)| *value);
    value.ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        D::Error::custom(format_args!("`{name}` is not {what}: expected one of {}", words.join(", ")))
    })
}

/// Returns the keyword of a value, for a table of keywords as in [`named`]; empty if the value is not in the table.
pub fn name_of<T: Copy + PartialEq>(value: T, known: &[(&'static str, T)]) -> &'static str {
    known.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

/// Deserialises a name: 1 to 64 printable ASCII characters, as in the report protocol.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NameBuf>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// Parses a name as [`name`] does. The error is a sentence that says what is expected.
pub fn parse_name(text: &str) -> Result<String, String> {
    Name::new(text).map(|name| name.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Deserialises an integer of `MIN` to `MAX`, both included.
pub fn within_u32<'de, D, const MIN: u32, const MAX: u32>(deserializer: D) -> Result<u32, D::Error>
where
    D: Deserializer<'de>,
{
    let value = u32::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&value) {
        return Ok(value);
    }
    Err(D::Error::custom(format_args!("out of range: expected {MIN} to {MAX}")))
}

/// Deserialises an IP address, or a list of them; see [`is_forwardable`] for those that are accepted.
pub fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an address, or a list of addresses")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut addresses = Vec::new();
            while let Some(address) = list.next_element()? {
                addresses.push(address);
            }
            Ok(addresses)
        }
    }
    let texts = deserializer.deserialize_any(Visitor)?;
    texts.iter().map(|text| parse_address(text).map_err(D::Error::custom)).collect()
}

/// Deserialises one IP address; see [`is_forwardable`] for those that are accepted.
pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!("`{text}` is not an IP address: expected IPv4 or IPv6 without port or prefix, such as \"192.0.2.10\"")
    })?;
    if is_forwardable(address) {
        Ok(address)
    } else {
        Err(format!("`{text}` is not a unicast address of another machine"))
    }
}

/// Returns whether packets can be forwarded to this address: a unicast address of one other machine.
///
/// Unspecified, multicast, broadcast and loopback addresses are not, nor are IPv6 link-local ones, which stand for
/// another machine on each interface, and IPv4-mapped ones. The broadcast address of a single network cannot be told
/// apart.
#[must_use]
pub fn is_forwardable(address: IpAddr) -> bool {
    let is_unicast = !address.is_unspecified() && !address.is_multicast() && !address.is_loopback();
    is_unicast
        && match address {
            IpAddr::V4(four) => !four.is_broadcast() && four.octets()[0] != 0,
            IpAddr::V6(six) => !six.is_unicast_link_local() && six.to_ipv4_mapped().is_none(),
        }
}
