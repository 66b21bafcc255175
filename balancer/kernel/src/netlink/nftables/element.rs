//! Elements of the maps: the first and the last key of a range, and the mark.

use std::net::IpAddr;

use weir_program::netlink::{Attribute, Malformed, Request};

use crate::model::{Endpoint, Family, Mark, PortRange, Protocol};

/// `NFTA_LIST_ELEM`, `NFTA_SET_ELEM_KEY`, `NFTA_SET_ELEM_DATA`, `NFTA_SET_ELEM_KEY_END`, `NFTA_DATA_VALUE`.
const LIST_ELEMENT: u16 = 1;
const KEY: u16 = 1;
const DATA: u16 = 2;
const KEY_END: u16 = 10;
const DATA_VALUE: u16 = 1;

/// Alignment of a key's fields, in bytes.
pub(super) const ALIGNMENT: u32 = 4;

/// Bits of each field's type in the type of a concatenation, in nft(8).
const TYPE_BITS: u32 = 6;
/// nft(8)'s numbers of `ipv4_addr`, `ipv6_addr`, `inet_proto` and `inet_service`. The kernel stores them, and only nft
/// reads them.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const TYPE_PROTOCOL: u32 = 12;
const TYPE_PORT: u32 = 13;
/// nft(8)'s number of `mark`.
pub(super) const TYPE_MARK: u32 = 19;
/// Length of a mark, in bytes.
pub(super) const MARK_LENGTH: u32 = 4;

/// Lengths of the fields of a family's key, in bytes: address, protocol, port.
pub(super) fn field_lengths(family: Family) -> [u32; 3] {
    [u32::from(family.bits() / 8), 1, 2]
}

/// Length of a family's key with the padding of its fields, in bytes.
pub(super) fn key_length(family: Family) -> u32 {
    field_lengths(family).iter().map(|length| length.next_multiple_of(ALIGNMENT)).sum()
}

/// Type of a family's key.
pub(super) fn key_type(family: Family) -> u32 {
    let address = match family {
        Family::V4 => TYPE_IPV4,
        Family::V6 => TYPE_IPV6,
    };
    (address << TYPE_BITS | TYPE_PROTOCOL) << TYPE_BITS | TYPE_PORT
}

/// Appends an element. A mark is not needed to delete one.
pub(super) fn put<'a>(list: &'a mut Request, endpoint: &Endpoint, mark: Option<Mark>) -> &'a mut Request {
    list.nest(LIST_ELEMENT, |element| {
        element
            .nest(KEY, |key| key.put(DATA_VALUE, &key_bytes(endpoint, endpoint.ports.first())))
            .nest(KEY_END, |key| key.put(DATA_VALUE, &key_bytes(endpoint, endpoint.ports.last())));
        if let Some(mark) = mark {
            element.nest(DATA, |data| data.put(DATA_VALUE, &mark.number().to_ne_bytes()));
        }
        element
    })
}

/// The elements in a list; `None` for one that Weir would not have created.
///
/// # Errors
/// [`Malformed`].
pub(super) fn read(list: Attribute<'_>, family: Family) -> Result<Vec<Option<(Endpoint, Mark)>>, Malformed> {
    list.nested().map(|element| read_element(element?, family)).collect()
}

fn read_element(element: Attribute<'_>, family: Family) -> Result<Option<(Endpoint, Mark)>, Malformed> {
    let (mut key, mut key_end, mut data) = (None, None, None);
    for attribute in element.nested() {
        let attribute = attribute?;
        let value = match attribute.kind {
            KEY => &mut key,
            KEY_END => &mut key_end,
            DATA => &mut data,
            _ => continue,
        };
        *value = attribute.nested().find_kind(DATA_VALUE)?;
    }
    let (Some(key), Some(data)) = (key, data) else { return Ok(None) };
    let (Some(first), Some(last)) = (read_key(key.value, family), read_key(key_end.unwrap_or(key).value, family))
    else {
        return Ok(None);
    };
    let is_one = (first.address, first.protocol) == (last.address, last.protocol);
    let ports = PortRange::new(first.ports.first(), last.ports.last()).filter(|_| is_one);
    let mark = data.u32().ok().and_then(Mark::new);
    Ok(ports.zip(mark).map(|(ports, mark)| (Endpoint { ports, ..first }, mark)))
}

fn key_bytes(endpoint: &Endpoint, port: u16) -> Vec<u8> {
    let mut bytes = match endpoint.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.extend([endpoint.protocol.number(), 0, 0, 0]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn read_key(bytes: &[u8], family: Family) -> Option<Endpoint> {
    let (address, [protocol, 0, 0, 0, high, low, 0, 0]) = bytes.split_last_chunk::<8>()? else { return None };
    let address: IpAddr = match family {
        Family::V4 => <[u8; 4]>::try_from(address).ok()?.into(),
        Family::V6 => <[u8; 16]>::try_from(address).ok()?.into(),
    };
    let ports = u16::from_be_bytes([*high, *low]).into();
    Some(Endpoint { address, protocol: Protocol::from_number(*protocol)?, ports })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::{Messages, Request};

    use super::*;
    use crate::model::tests::{endpoint, mark};

    fn list(fill: impl FnOnce(&mut Request) -> &mut Request) -> Vec<u8> {
        let mut request = Request::new(16, 0);
        request.nest(3, fill);
        request.encode(1).unwrap()
    }

    fn read_back(bytes: &[u8], family: Family) -> Vec<Option<(Endpoint, Mark)>> {
        let message = Messages(bytes).next().unwrap().unwrap();
        let (_, attributes) = message.split_body::<0>().unwrap();
        read(attributes.find_kind(3).unwrap().unwrap(), family).unwrap()
    }

    #[test]
    fn a_key_has_the_layout_that_the_kernel_compares() {
        let endpoint = Endpoint { address: [192, 0, 2, 10].into(), protocol: Protocol::Udp, ports: 554.into() };
        assert_eq!(key_bytes(&endpoint, 5000), [192, 0, 2, 10, 17, 0, 0, 0, 0x13, 0x88, 0, 0]);
        assert_eq!((key_length(Family::V4), key_length(Family::V6)), (12, 24));
        assert_eq!((key_type(Family::V4), key_type(Family::V6)), (0x730d, 0x830d));
    }

    #[test]
    fn an_element_that_weir_would_not_create_is_none() {
        let put_raw = |list: &mut Request, first: &[u8], last: &[u8]| {
            list.nest(LIST_ELEMENT, |element| {
                element.nest(KEY, |key| key.put(DATA_VALUE, first));
                element.nest(KEY_END, |key| key.put(DATA_VALUE, last));
                element.nest(DATA, |data| data.put(DATA_VALUE, &7_u32.to_ne_bytes()))
            });
        };
        let tcp = [192, 0, 2, 10, 6, 0, 0, 0, 2, 42, 0, 0];
        let icmp = [192, 0, 2, 10, 1, 0, 0, 0, 2, 42, 0, 0];
        let other = [192, 0, 2, 11, 6, 0, 0, 0, 2, 42, 0, 0];
        let bytes = list(|list| {
            put_raw(list, &tcp, &tcp);
            put_raw(list, &icmp, &icmp);
            put_raw(list, &tcp, &other);
            put_raw(list, &tcp[..8], &tcp[..8]);
            list
        });
        let read: Vec<_> = read_back(&bytes, Family::V4).iter().map(Option::is_some).collect();
        assert_eq!(read, [true, false, false, false]);
    }

    proptest! {
        #[test]
        fn written_elements_are_read_back(endpoint in endpoint(), mark in mark()) {
            let bytes = list(|list| put(list, &endpoint, Some(mark)));
            prop_assert_eq!(read_back(&bytes, Family::of(endpoint.address)), [Some((endpoint, mark))]);
        }
    }
}
