//! As much of Protocol Buffers' wire format as OTLP needs.

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

/// Adds fields of one message to a buffer.
#[derive(Debug)]
pub(super) struct Message<'a>(&'a mut Vec<u8>);

impl<'a> Message<'a> {
    /// A message whose fields follow whatever the buffer holds.
    pub(super) fn to(buffer: &'a mut Vec<u8>) -> Self {
        Self(buffer)
    }

    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        varint(self.0, value);
    }

    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend(value.to_le_bytes());
    }

    /// Bytes, a text, or a message that was written already.
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, LENGTH_DELIMITED);
        varint(self.0, value.len() as u64);
        self.0.extend(value);
    }

    /// A message, whose fields `write` adds.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Message<'_>)) {
        self.tag(field, LENGTH_DELIMITED);
        let start = self.0.len();
        write(&mut Message(self.0));
        let (mut length, written) = (Vec::with_capacity(4), self.0.len() - start);
        varint(&mut length, written as u64);
        // Its length stands before it and is known behind it.
        self.0.splice(start..start, length);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        varint(self.0, u64::from(field << 3 | wire_type));
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // Seven bits, and that more follow.
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One field of a message that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of eight or four bytes.
    Fixed,
}

/// The fields of a message, up to its end or to what cannot be read.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match u32::try_from(tag & 7).ok()? {
            VARINT => Value::Number(self.varint()?),
            FIXED64 => self.take(8).map(|_| Value::Fixed)?,
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.take(1)? else { return None };
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_encoding_are_written_and_read() {
        let mut out = Vec::new();
        let mut message = Message::to(&mut out);
        message.number(1, 150);
        message.bytes(2, b"testing");
        message.message(3, |inner| inner.number(1, 150));
        message.fixed32(4, 1);
        message.fixed64(5, 2);
        let expected =
            b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01\x25\x01\x00\x00\x00\x29\x02\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(out, expected);
        let read: Vec<_> = Fields(&out).collect();
        let inner: &[u8] = b"\x08\x96\x01";
        let values = [Value::Number(150), Value::Bytes(b"testing"), Value::Bytes(inner), Value::Fixed, Value::Fixed];
        assert_eq!(read, (1..).zip(values).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_message_has_a_long_length() {
        let mut out = Vec::new();
        Message::to(&mut out).message(1, |inner| inner.bytes(1, &[7; 300]));
        assert_eq!(out.get(..6), Some(&[0x0a, 0xaf, 0x02, 0x0a, 0xac, 0x02][..]));
        assert_eq!(out.len(), 306);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }

        #[test]
        fn numbers_come_back(number: u64) {
            let mut out = Vec::new();
            Message::to(&mut out).number(1, number);
            prop_assert_eq!(Fields(&out).next(), Some((1, Value::Number(number))));
        }
    }
}
