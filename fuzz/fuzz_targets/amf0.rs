//! AMF0 is read to its end or refused, never beyond, and as another implementation reads it where both do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rml_amf0::Amf0Value;
use weir_fronts::rtmp::amf0::{Reader, Value};

fuzz_target!(|input: &[u8]| {
    let mut reader = Reader::new(input);
    let mut values = Vec::new();
    while !reader.is_empty() {
        let before = reader.position();
        let mut alike = reader.clone();
        let mut shown = 0;
        let walked = alike.properties(|name, _| shown += 1 + name.len());
        match reader.value() {
            Ok(value) => values.push(value),
            // Only an object or an array has properties; all else is refused by the one, and not by the other.
            Err(error) => return assert!(walked.is_err(), "{error}"),
        }
        assert!(before < reader.position() && reader.position() <= input.len());
        assert!(shown <= reader.position() - before, "no more than was there");
        assert!(walked.is_err() || alike.position() == reader.position());
    }
    // The other one knows no bounds: it has to be spared what is nested, which was refused above.
    let Ok(others) = rml_amf0::deserialize(&mut &input[..]) else { return };
    if others.len() != values.len() {
        // It takes the end of an object, wherever it stands, for the end of everything.
        return assert!(others.len() < values.len());
    }
    for (value, other) in values.iter().zip(&others) {
        match (value, other) {
            (Value::Number(number), Amf0Value::Number(other)) => assert_eq!(number.to_bits(), other.to_bits()),
            // Any byte but zero is true (section 2.3); to the other one only 1 is.
            (Value::Boolean(boolean), Amf0Value::Boolean(other)) => assert!(*boolean || !other),
            (Value::String(text), Amf0Value::Utf8String(other)) => assert_eq!(*text, other.as_bytes()),
            (Value::Nothing, Amf0Value::Null | Amf0Value::Undefined) => {}
            (Value::Other, Amf0Value::Object(_) | Amf0Value::StrictArray(_)) => {}
            _ => panic!("{value:?} is {other:?}"),
        }
    }
});
