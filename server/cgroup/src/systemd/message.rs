//! Messages of D-Bus, as bytes. D-Bus Specification, "Message Protocol" and "Marshaling"

/// A value inside a message; only the types that systemd's units ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    /// `t`
    Number(u64),
    /// `au`
    Numbers(Vec<u32>),
    /// `as`
    Texts(Vec<String>),
    /// `ay`
    Bytes(Vec<u8>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Text(_) => "s",
            Self::Flag(_) => "b",
            Self::Number(_) => "t",
            Self::Numbers(_) => "au",
            Self::Texts(_) => "as",
            Self::Bytes(_) => "ay",
        }
    }
}

/// Bytes with each value at a multiple of its own size.
#[derive(Debug, Default)]
pub(super) struct Body(Vec<u8>);

impl Body {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.u32(u32::from(flag));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.u32(length(text.len()));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// An array: its length in bytes, without what aligns its first element to `align`.
    fn array(&mut self, align: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.0.len() - 4;
        self.align(align);
        let begin = self.0.len();
        fill(self);
        let bytes = length(self.0.len() - begin);
        self.0[at..at + 4].copy_from_slice(&bytes.to_le_bytes());
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Text(text) => self.text(text),
            Value::Flag(flag) => self.flag(*flag),
            Value::Number(number) => {
                self.align(8);
                self.0.extend(number.to_le_bytes());
            }
            Value::Numbers(all) => self.array(4, |body| all.iter().for_each(|number| body.u32(*number))),
            Value::Texts(all) => self.array(4, |body| all.iter().for_each(|text| body.text(text))),
            Value::Bytes(all) => self.array(1, |body| body.0.extend(all)),
        }
    }

    /// `a(sv)`
    pub(super) fn properties(&mut self, all: &[(&str, Value)]) {
        self.array(8, |body| {
            for (name, value) in all {
                body.align(8);
                body.text(name);
                body.variant(value);
            }
        });
    }

    /// An array of structures that has none.
    pub(super) fn no_structures(&mut self) {
        self.array(8, |_| {});
    }
}

/// All messages of ours are below a few kilobytes.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    pub(super) destination: &'static str,
    pub(super) path: &'static str,
    pub(super) interface: &'static str,
    pub(super) name: &'static str,
    /// Of its arguments.
    pub(super) signature: &'static str,
}

const CALL: u8 = 1;
pub(super) const ANSWER: u8 = 2;
pub(super) const FAILURE: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_TO: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

const VERSION: u8 = 1;
const LITTLE_ENDIAN: u8 = b'l';
const FIXED_HEADER: usize = 16;
/// The specification's own bound, "Maximum length of a message".
const LONGEST: usize = 128 << 20;

pub(super) fn call(method: Method, serial: u32, body: &Body) -> Vec<u8> {
    let mut head = Body(vec![LITTLE_ENDIAN, CALL, 0, VERSION]);
    head.u32(length(body.0.len()));
    head.u32(serial);
    head.array(8, |head| {
        let mut field = |code: u8, signature: &str, text: &str| {
            head.align(8);
            head.0.push(code);
            head.signature(signature);
            if signature == "g" {
                head.signature(text);
            } else {
                head.text(text);
            }
        };
        field(PATH, "o", method.path);
        field(DESTINATION, "s", method.destination);
        field(INTERFACE, "s", method.interface);
        field(MEMBER, "s", method.name);
        if !method.signature.is_empty() {
            field(SIGNATURE, "g", method.signature);
        }
    });
    head.align(8);
    head.0.extend(&body.0);
    head.0
}

/// A message that came, as far as it is looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) kind: u8,
    pub(super) reply_to: u32,
    pub(super) member: String,
    pub(super) error: String,
    body: Vec<u8>,
}

impl Incoming {
    /// Takes the first message off `bytes`; `None` when it is not whole yet.
    ///
    /// # Errors
    /// With what is wrong when it is no message.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, &'static str> {
        let Some(fixed) = bytes.get(..FIXED_HEADER) else {
            return Ok(None);
        };
        if fixed[0] != LITTLE_ENDIAN || fixed[3] != VERSION {
            return Err("it is in another byte order or version");
        }
        let (Some(body), Some(fields)) = (u32_at(bytes, 4), u32_at(bytes, 12)) else {
            return Ok(None);
        };
        let begin = FIXED_HEADER + fields.next_multiple_of(8);
        let end = begin + body;
        if end > LONGEST {
            return Err("it is too long");
        }
        let Some(whole) = bytes.get(..end) else { return Ok(None) };
        let mut message = Self {
            kind: whole[1],
            body: whole[begin..].to_vec(),
            ..Self::default()
        };
        let mut reader = Reader {
            bytes: &whole[..FIXED_HEADER + fields],
            place: FIXED_HEADER,
        };
        while reader.place < reader.bytes.len() {
            message.field(&mut reader).ok_or("its header is cut short")?;
        }
        bytes.drain(..end);
        Ok(Some(message))
    }

    fn field(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        reader.align(8);
        let code = reader.byte()?;
        match reader.signature()?.as_str() {
            "s" | "o" => {
                let text = reader.text()?;
                match code {
                    MEMBER => self.member = text,
                    ERROR_NAME => self.error = text,
                    _ => {}
                }
            }
            "g" => drop(reader.signature()?),
            "u" => {
                let number = reader.u32()?;
                if code == REPLY_TO {
                    self.reply_to = number;
                }
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            bytes: &self.body,
            place: 0,
        }
    }
}

/// Values in their order; `None` where there are no more.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.place = self.place.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        self.place += 1;
        self.bytes.get(self.place - 1).copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.bytes.get(self.place..self.place + 4)?;
        self.place += 4;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        self.until_zero(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        self.until_zero(length)
    }

    fn until_zero(&mut self, length: usize) -> Option<String> {
        let text = self.bytes.get(self.place..self.place.checked_add(length)?)?;
        self.place += length + 1;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

fn u32_at(bytes: &[u8], place: usize) -> Option<usize> {
    let bytes = bytes.get(place..place + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Method = Method {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        name: "Hello",
        signature: "",
    };

    #[test]
    fn a_call_is_laid_out_as_the_specification_has_it() {
        let bytes = call(HELLO, 1, &Body::default());
        let fields = b"\x01\x01o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0\
                       \x06\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0\
                       \x02\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0\
                       \x03\x01s\0\x05\0\0\0Hello\0";
        let mut expected = b"l\x01\0\x01\0\0\0\0\x01\0\0\0".to_vec();
        expected.extend(u32::try_from(fields.len()).unwrap().to_le_bytes());
        expected.extend(fields);
        expected.resize(expected.len().next_multiple_of(8), 0);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn values_lie_at_multiples_of_their_size() {
        let mut body = Body::default();
        body.text("a");
        body.properties(&[("n", Value::Number(7)), ("p", Value::Numbers(vec![1]))]);
        let expected = b"\x01\0\0\0a\0\0\0\x2c\0\0\0\0\0\0\0\
                         \x01\0\0\0n\0\x01t\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\
                         \x01\0\0\0p\0\x02au\0\0\0\x04\0\0\0\x01\0\0\0";
        assert_eq!(body.0, expected);
    }

    #[test]
    fn what_comes_is_read_when_it_is_whole() {
        let mut body = Body::default();
        body.u32(9);
        body.text("/job/1");
        body.text("web.scope");
        let method = Method {
            name: "JobRemoved",
            signature: "uos",
            ..HELLO
        };
        let sent = call(method, 3, &body);
        let mut bytes = sent[..sent.len() - 1].to_vec();
        assert_eq!(Incoming::take(&mut bytes), Ok(None));
        bytes.push(0);
        bytes.extend(&sent);
        for left in [sent.len(), 0] {
            let message = Incoming::take(&mut bytes).unwrap().unwrap();
            assert_eq!((message.kind, message.member.as_str()), (CALL, "JobRemoved"));
            let mut reader = message.reader();
            assert_eq!(reader.u32(), Some(9));
            assert_eq!(reader.text().as_deref(), Some("/job/1"));
            assert_eq!(reader.text().as_deref(), Some("web.scope"));
            assert_eq!(reader.u32(), None);
            assert_eq!(bytes.len(), left);
        }
    }

    #[test]
    fn strangers_bytes_are_refused_or_waited_for() {
        assert!(Incoming::take(&mut vec![b'B'; 16]).is_err());
        let mut long = call(HELLO, 1, &Body::default());
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Incoming::take(&mut long).is_err());
        // Every cut and every changed byte is judged without a panic.
        let whole = call(HELLO, 1, &Body::default());
        for place in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[place] = value;
                let _ = Incoming::take(&mut changed);
            }
            let _ = Incoming::take(&mut whole[..place].to_vec());
        }
    }
}
