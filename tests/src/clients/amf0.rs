//! AMF0, the encoding of values in RTMP commands, as far as a client needs it. Independent of Weir's implementation,
//! which it checks.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Always a double.
    Number(f64),
    /// A Boolean.
    Boolean(bool),
    /// At most 65,535 bytes.
    String(String),
    /// Names and values, in order.
    Object(Vec<(String, Value)>),
    /// Null or undefined.
    Null,
}

/// Maximum nesting depth; no server's answer is deeper.
const DEPTH: usize = 16;

impl Value {
    /// A property of an object.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Self> {
        let Self::Object(properties) = self else { return None };
        properties.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// A string property of an object.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.property(name)? {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Appends the encoded value.
    pub fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                into.push(0);
                into.extend(number.to_be_bytes());
            }
            Self::Boolean(truth) => into.extend([1, u8::from(*truth)]),
            Self::String(text) => {
                into.push(2);
                write_text(text, into);
            }
            Self::Object(properties) => {
                into.push(3);
                for (name, value) in properties {
                    write_text(name, into);
                    value.write(into);
                }
                into.extend([0, 0, 9]);
            }
            Self::Null => into.push(5),
        }
    }

    /// Decodes all values of a command; `None` if they are not AMF0.
    #[must_use]
    pub fn read_all(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            values.push(read(&mut bytes, DEPTH)?);
        }
        Some(values)
    }
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("a short string");
    into.extend(length.to_be_bytes());
    into.extend(text.as_bytes());
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match take(bytes, 1)?[0] {
        0 => Some(Value::Number(f64::from_be_bytes(take(bytes, 8)?.try_into().ok()?))),
        1 => Some(Value::Boolean(take(bytes, 1)?[0] != 0)),
        2 => Some(Value::String(read_text(bytes)?)),
        3 => read_properties(bytes, depth),
        // Null and undefined.
        5 | 6 => Some(Value::Null),
        // An ECMA array: a count, which is only a hint, and then as an object.
        8 => take(bytes, 4).and_then(|_| read_properties(bytes, depth)),
        _ => None,
    }
}

fn read_properties(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let mut properties = Vec::new();
    loop {
        let name = read_text(bytes)?;
        if name.is_empty() && bytes.first() == Some(&9) {
            take(bytes, 1)?;
            return Some(Value::Object(properties));
        }
        properties.push((name, read(bytes, depth)?));
    }
}

fn read_text(bytes: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(take(bytes, 2)?.try_into().ok()?);
    String::from_utf8(take(bytes, length.into())?.to_owned()).ok()
}

fn take<'bytes>(bytes: &mut &'bytes [u8], length: usize) -> Option<&'bytes [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_values_are_decoded() {
        let inner = Value::Object(vec![("code".to_owned(), Value::Number(302.0))]);
        let values = vec![Value::String("_error".to_owned()), Value::Boolean(true), Value::Null, inner];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.write(&mut bytes));
        assert_eq!(Value::read_all(&bytes), Some(values));
        assert_eq!(Value::read_all(&bytes[..bytes.len() - 1]), None);
    }
}
