//! Reads values without recursion and without allocation.

use super::marker;

/// The maximum nesting depth of objects and arrays. In the connect of a real client it is one or two.
pub const MAX_DEPTH: usize = 8;

/// A value, without its parts if it is compound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number (section 2.2).
    Number(f64),
    /// A boolean (section 2.3).
    Boolean(bool),
    /// A string or long string (sections 2.4 and 2.14): UTF-8 by the specification, any bytes in practice.
    String(&'a [u8]),
    /// Null, undefined or unsupported (sections 2.7, 2.8 and 2.15).
    Null,
    /// An object, array, date or XML document, which has been skipped.
    Other,
}

/// Why bytes are not valid AMF0, or not acceptable. Offsets count from the first byte of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message ends inside a value.
    #[error("AMF0 ends at byte {offset}, inside a {kind}")]
    Truncated {
        /// The kind of the incomplete value.
        kind: &'static str,
        /// Its offset.
        offset: usize,
    },

    /// Objects and arrays are nested deeper than [`MAX_DEPTH`].
    #[error("AMF0 nested too deep at byte {offset}: at most {MAX_DEPTH} levels")]
    NestingTooDeep {
        /// The offset of the object or array that exceeds the depth.
        offset: usize,
    },

    /// A reference to an earlier object (section 2.9). No client sends one in a connect, and a small message with
    /// references could stand for a huge or endless value.
    #[error("AMF0 reference at byte {offset}")]
    Reference {
        /// The offset of its marker.
        offset: usize,
    },

    /// A marker that does not start a value: reserved, an object's end outside an object, or the switch to AMF3.
    #[error("AMF0 marker {marker:#04x} at byte {offset} begins no value")]
    UnknownMarker {
        /// The marker.
        marker: u8,
        /// Its offset.
        offset: usize,
    },
}

/// Reads the values of one message in order.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
}

/// The remainder of an object or array whose start has been read.
#[derive(Clone, Copy)]
enum Container {
    /// Names and values up to an end marker.
    Properties,
    /// This number of further values.
    Elements(u32),
}

/// A scalar value, or the start of an object or array.
enum Item<'a> {
    Value(Value<'a>),
    Start(Container),
}

impl<'a> Reader<'a> {
    /// Creates a reader of the values in `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Returns whether all values have been read.
    pub fn is_empty(&self) -> bool {
        self.position == self.input.len()
    }

    /// The number of bytes that have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Reads one value. Objects and arrays are validated to their end.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no complete value. The reader must not be used again.
    pub fn value(&mut self) -> Result<Value<'a>, Error> {
        match self.item()? {
            Item::Value(value) => Ok(value),
            Item::Start(container) => {
                self.walk(container, |_, _| {})?;
                Ok(Value::Other)
            }
        }
    }

    /// Reads one value. If it is an object or an ECMA array, calls `visit` for each of its properties, in order, but
    /// not for those of nested objects.
    ///
    /// # Errors
    ///
    /// As for [`Self::value`]. Some properties may have been visited.
    pub fn properties(&mut self, visit: impl FnMut(&'a [u8], Value<'a>)) -> Result<(), Error> {
        match self.item()? {
            Item::Start(Container::Properties) => self.walk(Container::Properties, visit),
            Item::Start(container) => self.walk(container, |_, _| {}),
            Item::Value(_) => Ok(()),
        }
    }

    /// Reads an object or array to its end. Array elements are visited with an empty name.
    fn walk(&mut self, outermost: Container, mut visit: impl FnMut(&'a [u8], Value<'a>)) -> Result<(), Error> {
        let mut open = [outermost; MAX_DEPTH];
        let mut depth = 1;
        while depth > 0 {
            // `depth` stays within 1..=MAX_DEPTH here.
            let name: &[u8] = match &mut open[depth - 1] {
                Container::Elements(0) => {
                    depth -= 1;
                    continue;
                }
                Container::Elements(left) => {
                    *left -= 1;
                    &[]
                }
                Container::Properties => {
                    let name = self.short_text("property name")?;
                    if name.is_empty() && self.input.get(self.position) == Some(&marker::OBJECT_END) {
                        self.position += 1;
                        depth -= 1;
                        continue;
                    }
                    name
                }
            };
            let offset = self.position;
            let value = match self.item()? {
                Item::Value(value) => value,
                Item::Start(_) if depth == MAX_DEPTH => {
                    return Err(Error::NestingTooDeep { offset });
                }
                Item::Start(inner) => {
                    open[depth] = inner;
                    depth += 1;
                    if depth == 2 {
                        visit(name, Value::Other);
                    }
                    continue;
                }
            };
            if depth == 1 {
                visit(name, value);
            }
        }
        Ok(())
    }

    /// Reads a scalar value, or the start of an object or array.
    fn item(&mut self) -> Result<Item<'a>, Error> {
        let offset = self.position;
        let [marker] = self.array("value")?;
        let value = match marker {
            marker::NUMBER => Value::Number(f64::from_be_bytes(self.array("number")?)),
            marker::BOOLEAN => Value::Boolean(self.array("boolean")? != [0]),
            marker::STRING => Value::String(self.short_text("string")?),
            marker::LONG_STRING => Value::String(self.long_text("long string")?),
            marker::NULL | marker::UNDEFINED | marker::UNSUPPORTED => Value::Null,
            marker::DATE => {
                // Milliseconds as a number, and a reserved time zone (section 2.13).
                let _: [u8; 10] = self.array("date")?;
                Value::Other
            }
            marker::XML_DOCUMENT => {
                self.long_text("XML document")?;
                Value::Other
            }
            marker::OBJECT => return Ok(Item::Start(Container::Properties)),
            marker::TYPED_OBJECT => {
                self.short_text("class name")?;
                return Ok(Item::Start(Container::Properties));
            }
            marker::ECMA_ARRAY => {
                // The count is only a hint; the end marker is decisive (section 2.10).
                let _: [u8; 4] = self.array("ECMA array")?;
                return Ok(Item::Start(Container::Properties));
            }
            marker::STRICT_ARRAY => {
                let count = u32::from_be_bytes(self.array("strict array")?);
                return Ok(Item::Start(Container::Elements(count)));
            }
            marker::REFERENCE => return Err(Error::Reference { offset }),
            marker => return Err(Error::UnknownMarker { marker, offset }),
        };
        Ok(Item::Value(value))
    }

    fn short_text(&mut self, kind: &'static str) -> Result<&'a [u8], Error> {
        let length = u16::from_be_bytes(self.array(kind)?);
        self.take(usize::from(length), kind)
    }

    fn long_text(&mut self, kind: &'static str) -> Result<&'a [u8], Error> {
        let length = u32::from_be_bytes(self.array(kind)?);
        self.take(usize::try_from(length).unwrap_or(usize::MAX), kind)
    }

    fn array<const LENGTH: usize>(&mut self, kind: &'static str) -> Result<[u8; LENGTH], Error> {
        let rest = &self.input[self.position..];
        let array = rest.first_chunk().ok_or(self.truncated(kind))?;
        self.position += LENGTH;
        Ok(*array)
    }

    fn take(&mut self, length: usize, kind: &'static str) -> Result<&'a [u8], Error> {
        let rest = &self.input[self.position..];
        let taken = rest.get(..length).ok_or(self.truncated(kind))?;
        self.position += length;
        Ok(taken)
    }

    fn truncated(&self, kind: &'static str) -> Error {
        let offset = self.position;
        Error::Truncated { kind, offset }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rml_amf0::Amf0Value;

    use super::*;

    fn value(bytes: &[u8]) -> Result<Value<'_>, Error> {
        let mut reader = Reader::new(bytes);
        let value = reader.value();
        if value.is_ok() {
            assert!(reader.is_empty(), "the value ends with the input");
        }
        value
    }

    /// Every kind of value, encoded and decoded.
    const KINDS: [(&[u8], Value<'static>); 17] = [
        (b"\x00\x40\x08\0\0\0\0\0\0", Value::Number(3.0)),
        (b"\x01\x00", Value::Boolean(false)),
        (b"\x01\x07", Value::Boolean(true)),
        (b"\x02\0\x02hi", Value::String(b"hi")),
        (b"\x02\0\x01\xff", Value::String(b"\xff")),
        (b"\x0c\0\0\0\x02hi", Value::String(b"hi")),
        (b"\x05", Value::Null),
        (b"\x06", Value::Null),
        (b"\x0d", Value::Null),
        (b"\x03\0\x01a\x05\0\0\x09", Value::Other),
        (b"\x03\0\0\x05\0\0\x09", Value::Other),
        (b"\x08\0\0\0\x09\0\x01a\x05\0\0\x09", Value::Other),
        (b"\x0a\0\0\0\x02\x05\x01\x01", Value::Other),
        (b"\x0a\0\0\0\x00", Value::Other),
        (b"\x0b\0\0\0\0\0\0\0\0\0\0", Value::Other),
        (b"\x0f\0\0\0\x04<a/>", Value::Other),
        (b"\x10\0\x01C\0\x01a\x05\0\0\x09", Value::Other),
    ];

    #[test]
    fn every_kind_of_value_is_read() {
        for (bytes, expected) in KINDS {
            assert_eq!(value(bytes), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn every_kind_of_value_is_rejected_if_truncated() {
        for (bytes, _) in KINDS {
            for length in 0..bytes.len() {
                let result = value(&bytes[..length]);
                assert!(matches!(result, Err(Error::Truncated { .. })), "{bytes:?} {length}");
            }
        }
    }

    #[test]
    fn the_error_names_the_truncated_value_and_its_offset() {
        let kind = "string";
        assert_eq!(value(b"\x03\0\x01a\x02\0\x09x"), Err(Error::Truncated { kind, offset: 7 }));
        assert_eq!(Error::Truncated { kind, offset: 7 }.to_string(), "AMF0 ends at byte 7, inside a string");
    }

    #[test]
    fn an_announced_length_beyond_the_input_is_a_truncation() {
        let kind = "value";
        assert_eq!(value(b"\x0a\xff\xff\xff\xff\x05\x05"), Err(Error::Truncated { kind, offset: 7 }));
        let kind = "long string";
        assert_eq!(value(b"\x0c\xff\xff\xff\xffabc"), Err(Error::Truncated { kind, offset: 5 }));
    }

    #[test]
    fn references_are_rejected() {
        assert_eq!(value(b"\x07\0\0"), Err(Error::Reference { offset: 0 }));
    }

    #[test]
    fn unknown_markers_are_rejected() {
        for marker in [0x04, 0x09, 0x0e, 0x11, 0x12, 0xff] {
            let offset = 5;
            assert_eq!(value(&[0x0a, 0, 0, 0, 1, marker]), Err(Error::UnknownMarker { marker, offset }));
        }
    }

    #[test]
    fn eight_levels_are_accepted_and_a_ninth_is_rejected() {
        let nested = |levels: usize| {
            let mut bytes = b"\x03\0\x01a".repeat(levels);
            bytes.push(0x05);
            bytes.extend_from_slice(&b"\0\0\x09".repeat(levels));
            bytes
        };
        assert_eq!(value(&nested(8)), Ok(Value::Other));
        let error = Error::NestingTooDeep { offset: 32 };
        assert_eq!(value(&nested(9)), Err(error));
        assert_eq!(value(&nested(100_000)), Err(error));
        assert_eq!(value(&b"\x0a\0\0\0\x01".repeat(9)), Err(Error::NestingTooDeep { offset: 40 }));
    }

    #[test]
    fn closed_objects_do_not_count_as_nesting() {
        let mut bytes = b"\x0a\0\0\x03\xe8".to_vec();
        bytes.extend_from_slice(&b"\x03\0\0\x09".repeat(1000));
        assert_eq!(value(&bytes), Ok(Value::Other));
    }

    #[test]
    fn properties_of_nested_objects_are_not_visited() {
        let bytes = b"\x03\0\x01a\x05\0\x01b\x03\0\x01c\x01\x01\0\0\x09\0\x01d\x02\0\x01x\0\0\x09\x05";
        let mut seen = Vec::new();
        let mut reader = Reader::new(bytes);
        reader.properties(|name, value| seen.push((name, value))).unwrap();
        assert_eq!(seen, [(&b"a"[..], Value::Null), (b"b", Value::Other), (b"d", Value::String(b"x"))]);
        assert_eq!(reader.value(), Ok(Value::Null));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_value_other_than_an_object_has_no_properties() {
        for bytes in [&b"\x05"[..], b"\x0a\0\0\0\x01\x05", b"\x02\0\x01a"] {
            let mut reader = Reader::new(bytes);
            reader.properties(|_, _| panic!("no property expected")).unwrap();
            assert!(reader.is_empty());
        }
    }

    fn any_value() -> impl Strategy<Value = Amf0Value> {
        let leaf = prop_oneof![
            Just(Amf0Value::Null),
            Just(Amf0Value::Undefined),
            any::<bool>().prop_map(Amf0Value::Boolean),
            any::<f64>().prop_map(Amf0Value::Number),
            ".{0,20}".prop_map(Amf0Value::Utf8String),
        ];
        leaf.prop_recursive(10, 40, 4, |inner| {
            let object = proptest::collection::vec((".{1,5}", inner.clone()), 0..4)
                .prop_map(|properties| Amf0Value::Object(HashMap::from_iter(properties)));
            let array = proptest::collection::vec(inner, 0..4).prop_map(Amf0Value::StrictArray);
            prop_oneof![object, array]
        })
    }

    fn depth(value: &Amf0Value) -> usize {
        match value {
            Amf0Value::Object(properties) => 1 + properties.values().map(depth).max().unwrap_or(0),
            Amf0Value::StrictArray(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn values_of_another_implementation_are_read(written in any_value()) {
            let bytes = rml_amf0::serialize(&vec![written.clone()]).unwrap();
            let expected = match &written {
                Amf0Value::Number(number) => Value::Number(*number),
                Amf0Value::Boolean(boolean) => Value::Boolean(*boolean),
                Amf0Value::Utf8String(text) => Value::String(text.as_bytes()),
                Amf0Value::Null | Amf0Value::Undefined => Value::Null,
                Amf0Value::Object(_) | Amf0Value::StrictArray(_) => Value::Other,
            };
            if depth(&written) <= MAX_DEPTH {
                prop_assert_eq!(value(&bytes), Ok(expected));
            } else {
                let result = value(&bytes);
                let rejected = matches!(result, Err(Error::NestingTooDeep { .. }));
                prop_assert!(rejected, "{result:?}");
            }
        }

        #[test]
        fn any_bytes_are_read_or_rejected(
            bytes in proptest::collection::vec(prop_oneof![0u8..0x12, any::<u8>()], 0..500)
        ) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() && reader.value().is_ok() {}
        }
    }
}
