//! Values with units or ranges, as they stand in a configuration file. Each error is a sentence that says what was expected.

use std::net::IpAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use weir_protocol::report::MAX_NAME_LENGTH;

use crate::units::parse_duration;

/// Reads a duration such as `"2.5s"`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// Reads a duration within `LEAST..=MOST` milliseconds.
pub fn duration_within<'de, D, const LEAST: u64, const MOST: u64>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let [least, most] = [LEAST, MOST].map(Duration::from_millis);
    let duration = duration(deserializer)?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    let shown = |milliseconds: u64| match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    };
    Err(D::Error::custom(format_args!("out of range: expected {} to {}", shown(LEAST), shown(MOST))))
}

/// Reads a duration, or `"off"` for none.
pub fn duration_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

/// Reads a number within `LEAST..=MOST`.
pub fn within<'de, D, const LEAST: usize, const MOST: usize>(deserializer: D) -> Result<usize, D::Error>
where
    D: Deserializer<'de>,
{
    let value = usize::deserialize(deserializer)?;
    if (LEAST..=MOST).contains(&value) {
        return Ok(value);
    }
    Err(D::Error::custom(format_args!("out of range: expected {LEAST} to {MOST}")))
}

/// Reads one of the `known` words, which stand for values. `what` says what a word is, with its article.
pub fn named<'de, D, T: Copy>(deserializer: D, what: &str, known: &[(&str, T)]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let name = String::deserialize(deserializer)?;
    let found = known.iter().find(|(word, _)| *word == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        D::Error::custom(format_args!("`{name}` is not {what}: expected one of {}", words.join(", ")))
    })
}

/// The word for a value that [`named`] reads; all values have one.
pub fn name_of<T: Copy + PartialEq>(value: T, known: &[(&'static str, T)]) -> &'static str {
    known.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

/// Reads a name: 1 to 64 printable ASCII characters, as the report protocol has them.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parse_name(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

/// As [`name`]; the error is a sentence that says what is expected.
pub fn parse_name(text: &str) -> Result<String, String> {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.is_empty() || text.len() > MAX_NAME_LENGTH || !text.bytes().all(printable) {
        return Err(format!("expected 1 to {MAX_NAME_LENGTH} printable ASCII characters"));
    }
    Ok(text.to_owned())
}

/// Reads a number within `LEAST..=MOST`.
pub fn within_u32<'de, D, const LEAST: u32, const MOST: u32>(deserializer: D) -> Result<u32, D::Error>
where
    D: Deserializer<'de>,
{
    let value = u32::deserialize(deserializer)?;
    if (LEAST..=MOST).contains(&value) {
        return Ok(value);
    }
    Err(D::Error::custom(format_args!("out of range: expected {LEAST} to {MOST}")))
}

/// Reads an address, or a list of them.
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

/// Reads one address.
pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!("`{text}` is no address: expected one of IPv4 or IPv6, without port or prefix, such as \"192.0.2.10\"")
    })?;
    if is_of_one_machine(address) {
        Ok(address)
    } else {
        Err(format!("`{text}` is no address that clients or servers can have"))
    }
}

/// Whether this is the address of one other machine that packets can be sent on to. Not so: addresses of many and of
/// none, loopback's, which would be this machine itself, and those that mean another machine on each interface
/// (`fe80::1`). The broadcast address of a network it knows alone.
#[must_use]
pub fn is_of_one_machine(address: IpAddr) -> bool {
    let is_of_one = !address.is_unspecified() && !address.is_multicast() && !address.is_loopback();
    is_of_one
        && match address {
            IpAddr::V4(four) => !four.is_broadcast() && four.octets()[0] != 0,
            IpAddr::V6(six) => !six.is_unicast_link_local() && six.to_ipv4_mapped().is_none(),
        }
}
