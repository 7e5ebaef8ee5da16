//! Just enough of the protobuf wire format to speak with Streamlit: fields are written and found by
//! number, nothing is declared.

/// Builds one message.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// A field of bytes: a string or a message.
    pub(crate) fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        self.varint(u64::from(field << 3 | 2));
        self.varint(value.as_ref().len() as u64);
        self.0.extend_from_slice(value.as_ref());
        self
    }

    /// A field that is a whole number or a truth value.
    pub(crate) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field << 3));
        self.varint(value);
        self
    }

    /// The message.
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The bytes at a path of field numbers, if the message has them.
pub(crate) fn find<'a>(message: &'a [u8], path: &[u32]) -> Option<&'a [u8]> {
    let Some((first, rest)) = path.split_first() else { return Some(message) };
    match value(message, *first)? {
        Value::Bytes(inner) => find(inner, rest),
        Value::Number(_) => None,
    }
}

/// The text at a path of field numbers.
pub(crate) fn text(message: &[u8], path: &[u32]) -> Option<String> {
    find(message, path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The number in a field of the message itself; an enumeration's first value is left out on the
/// wire and reads as `None`.
pub(crate) fn number(message: &[u8], field: u32) -> Option<u64> {
    match value(message, field)? {
        Value::Number(number) => Some(number),
        Value::Bytes(_) => None,
    }
}

/// The last value of a field, as protobuf wants it.
fn value(mut message: &[u8], field: u32) -> Option<Value<'_>> {
    let mut found = None;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Bytes(take(&mut message, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Bytes(take(&mut message, 4)?),
            _ => return None,
        };
        if key >> 3 == u64::from(field) {
            found = Some(value);
        }
    }
    found
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[test]
fn what_is_written_is_found() {
    let inner = Writer::default().bytes(300, "text").number(2, 1 << 40).done();
    let outer = Writer::default().number(1, 7).bytes(5, &inner).done();
    assert_eq!(text(&outer, &[5, 300]).as_deref(), Some("text"));
    assert_eq!(number(find(&outer, &[5]).unwrap(), 2), Some(1 << 40));
    assert_eq!(find(&outer, &[6]), None);
}
