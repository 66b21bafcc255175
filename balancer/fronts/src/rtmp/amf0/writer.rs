//! Writes values.

use super::marker;

/// Appends values to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    output: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Creates a writer that appends to `output`.
    pub fn new(output: &'a mut Vec<u8>) -> Self {
        Self { output }
    }

    /// Appends a number (section 2.2).
    pub fn number(&mut self, number: f64) -> &mut Self {
        self.output.push(marker::NUMBER);
        self.output.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a string (section 2.4), or a long string (section 2.14) if it is longer than 65,535 bytes.
    pub fn string(&mut self, text: &str) -> &mut Self {
        if let Ok(length) = u16::try_from(text.len()) {
            self.output.push(marker::STRING);
            self.output.extend_from_slice(&length.to_be_bytes());
        } else {
            // Proof: every text written here fits an RTMP message, whose length has 24 bits.
            #[expect(clippy::expect_used, reason = "a text of 4 GiB is neither read nor written here")]
            let length = u32::try_from(text.len()).expect("texts are far shorter than 4 GiB");
            self.output.push(marker::LONG_STRING);
            self.output.extend_from_slice(&length.to_be_bytes());
        }
        self.output.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends null (section 2.7).
    pub fn null(&mut self) -> &mut Self {
        self.output.push(marker::NULL);
        self
    }

    /// Appends an object (section 2.5). `fill` writes its properties, each a [`Self::name`] and one value.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.output.push(marker::OBJECT);
        fill(self);
        self.output.extend_from_slice(&[0, 0, marker::OBJECT_END]);
        self
    }

    /// Appends the name of a property of an object. Its value must follow.
    pub fn name(&mut self, name: &'static str) -> &mut Self {
        // Proof: names are literals in this crate, of a few bytes each.
        #[expect(clippy::expect_used, reason = "names are constants of this crate")]
        let length = u16::try_from(name.len()).expect("names are short");
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(name.as_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rml_amf0::Amf0Value;

    use super::super::reader::{Reader, Value};
    use super::*;

    #[test]
    fn each_value_is_encoded_as_specified() {
        let mut output = Vec::new();
        Writer::new(&mut output).number(1.0).string("hi").null().object(|object| {
            object.name("a").null();
        });
        assert_eq!(output, b"\0\x3f\xf0\0\0\0\0\0\0\x02\0\x02hi\x05\x03\0\x01a\x05\0\0\x09");
    }

    #[test]
    fn a_text_longer_than_65535_bytes_becomes_a_long_string() {
        for (length, marker) in [(65_535, marker::STRING), (65_536, marker::LONG_STRING)] {
            let text = "a".repeat(length);
            let mut output = Vec::new();
            Writer::new(&mut output).string(&text);
            assert_eq!(output[0], marker);
            let value = Reader::new(&output).value();
            assert_eq!(value, Ok(Value::String(text.as_bytes())));
        }
    }

    proptest! {
        #[test]
        fn another_implementation_reads_what_we_write(number in any::<f64>(), text in ".*", nested in ".*") {
            let mut output = Vec::new();
            Writer::new(&mut output).number(number).string(&text).null().object(|object| {
                object.name("outer").object(|object| {
                    object.name("inner").string(&nested);
                });
            });
            let inner = HashMap::from([("inner".to_owned(), Amf0Value::Utf8String(nested))]);
            let outer = HashMap::from([("outer".to_owned(), Amf0Value::Object(inner))]);
            prop_assert_eq!(
                rml_amf0::deserialize(&mut &output[..]).unwrap(),
                [
                    Amf0Value::Number(number),
                    Amf0Value::Utf8String(text),
                    Amf0Value::Null,
                    Amf0Value::Object(outer),
                ]
            );
        }
    }
}
