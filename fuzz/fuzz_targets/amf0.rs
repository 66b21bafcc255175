//! AMF0 is read to its end or rejected, and never beyond its end. Where another implementation reads it too, both read
//! the same values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rml_amf0::Amf0Value;
use weir_fronts::rtmp::amf0::{Reader, Value};

fuzz_target!(|input: &[u8]| {
    let mut reader = Reader::new(input);
    let mut values = Vec::new();
    while !reader.is_empty() {
        let before = reader.position();
        let mut visitor = reader.clone();
        let mut visited = 0;
        let properties = visitor.properties(|name, _| visited += 1 + name.len());
        match reader.value() {
            Ok(value) => values.push(value),
            Err(error) => return assert!(properties.is_err(), "{error}"),
        }
        assert!(before < reader.position() && reader.position() <= input.len());
        assert!(visited <= reader.position() - before, "more properties than bytes");
        assert!(properties.is_err() || visitor.position() == reader.position());
    }
    // The other implementation has no depth limit. Deeply nested input was rejected above and does not reach it.
    let Ok(others) = rml_amf0::deserialize(&mut &input[..]) else { return };
    if others.len() != values.len() {
        // It takes an object's end marker for the end of the input, wherever it comes.
        return assert!(others.len() < values.len());
    }
    for (value, other) in values.iter().zip(&others) {
        match (value, other) {
            (Value::Number(number), Amf0Value::Number(other)) => assert_eq!(number.to_bits(), other.to_bits()),
            // Any byte but zero is true (section 2.3); the other implementation accepts only 1.
            (Value::Boolean(boolean), Amf0Value::Boolean(other)) => assert!(*boolean || !other),
            (Value::String(text), Amf0Value::Utf8String(other)) => assert_eq!(*text, other.as_bytes()),
            (Value::Null, Amf0Value::Null | Amf0Value::Undefined) => {}
            (Value::Other, Amf0Value::Object(_) | Amf0Value::StrictArray(_)) => {}
            _ => panic!("{value:?} is read as {other:?}"),
        }
    }
});
