//! `traceparent` and `tracestate` (W3C Trace Context).

use std::fmt;
use std::num::{NonZero, NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that says to which trace a request belongs, and to which span of it.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The field in which tracing systems keep what is theirs.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Bytes of a `traceparent` of version 00 (W3C Trace Context §3.2.2.1).
const LENGTH: usize = 55;
/// W3C Trace Context §3.2.2.5.1.
const SAMPLED: u8 = 1;
/// W3C Trace Context §3.3.1.1: a list of at most 32 members; §3.3.1.5 asks for 512 characters to be passed on, and no more are.
const MOST_MEMBERS: usize = 32;
const LONGEST_STATE: usize = 512;

/// A trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// A span: 8 bytes, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span in it that what follows belongs to.
    pub span: SpanId,
    /// Whether the span is recorded.
    pub sampled: bool,
}

/// What a request says in `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceState {
    /// Nothing.
    Absent,
    /// What may be passed on.
    Sound,
    /// More than may be passed on, or what no field of that name can hold.
    Unsound,
}

impl TraceId {
    /// A trace of two random numbers.
    pub fn random(high: u64, low: u64) -> Self {
        Self(NonZero::new(u128::from(high) << 64 | u128::from(low)).unwrap_or(NonZero::<u128>::MIN))
    }

    /// Its bytes in the order of the network.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// The half of it that sampling goes by.
    pub(super) fn low(self) -> u64 {
        // The rest is the other half.
        self.0.get() as u64
    }
}

impl SpanId {
    /// A span of a random number.
    pub fn random(number: u64) -> Self {
        Self(NonZero::new(number).unwrap_or(NonZero::<u64>::MIN))
    }

    /// Its bytes in the order of the network.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TraceContext {
    /// Reads the one `traceparent` of a request; `None` if there is none, several, or one that is not as the recommendation has it
    /// (W3C Trace Context §3.2.2): a new trace is to begin then.
    pub fn read(fields: &HeaderMap) -> Option<Self> {
        let mut values = fields.get_all(TRACEPARENT).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.as_bytes())
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let [v1, v2, b'-', middle @ .., b'-', f1, f2] = known else { return None };
        let version = byte([*v1, *v2])?;
        // §3.2.2.1: 255 is forbidden. §3.2.4: a later version may go on behind a `-`, this one may not.
        if version == u8::MAX || (version == 0 && !rest.is_empty()) || rest.first().is_some_and(|next| *next != b'-') {
            return None;
        }
        let (trace, parent) = middle.split_at_checked(32)?;
        let parent = parent.strip_prefix(b"-")?;
        // §3.2.2.3, §3.2.2.4: all zeroes are forbidden.
        let trace = TraceId(NonZero::new(number(trace)?)?);
        let span = SpanId(NonZero::new(u64::try_from(number(parent)?).ok()?)?);
        Some(Self { trace, span, sampled: byte([*f1, *f2])? & SAMPLED != 0 })
    }

    /// Writes this as the `traceparent` of a request, in place of whatever was there. What `tracestate` says stays or is taken away.
    pub(super) fn write(self, keeps_state: bool, fields: &mut HeaderMap) {
        fields.insert(TRACEPARENT, self.to_field());
        if !keeps_state {
            fields.remove(TRACESTATE);
        }
    }

    fn to_field(self) -> HeaderValue {
        let flags = if self.sampled { SAMPLED } else { 0 };
        let mut text = Vec::with_capacity(LENGTH);
        text.extend(b"00-");
        push_hex(&mut text, &self.trace.to_bytes());
        text.push(b'-');
        push_hex(&mut text, &self.span.to_bytes());
        text.push(b'-');
        push_hex(&mut text, &[flags]);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("-"))
    }
}

impl TraceState {
    /// Looks at what a request says. It means something only beside a good `traceparent` (W3C Trace Context §3.3).
    pub fn of(fields: &HeaderMap) -> Self {
        let (mut bytes, mut members) = (0, 0);
        for value in fields.get_all(TRACESTATE) {
            let value = value.as_bytes();
            bytes += value.len() + 1;
            members += value.split(|byte| *byte == b',').filter(|member| !member.trim_ascii().is_empty()).count();
            if !value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
                return Self::Unsound;
            }
        }
        match bytes {
            0 => Self::Absent,
            _ if bytes - 1 <= LONGEST_STATE && members <= MOST_MEMBERS => Self::Sound,
            _ => Self::Unsound,
        }
    }

    /// Takes away what may not be passed on.
    pub(super) fn clean(self, fields: &mut HeaderMap) {
        if self == Self::Unsound {
            fields.remove(TRACESTATE);
        }
    }

    /// The text of a sound one, its fields joined as RFC 9110 §5.3 has it.
    pub fn text(self, fields: &HeaderMap) -> Option<String> {
        if self != Self::Sound {
            return None;
        }
        let values = fields.get_all(TRACESTATE).iter().map(HeaderValue::to_str);
        values.collect::<Result<Vec<_>, _>>().ok().map(|values| values.join(","))
    }
}

/// Two lower-case hex digits.
fn byte(digits: [u8; 2]) -> Option<u8> {
    u8::try_from(number(&digits)?).ok()
}

/// At most 32 lower-case hex digits.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn fields(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    fn read(values: &[&str]) -> Option<TraceContext> {
        TraceContext::read(&fields("traceparent", values))
    }

    #[test]
    fn trace_context_section_3_2_2_what_is_not_as_it_must_be_is_none() {
        let cases = [
            ("good", GOOD, true),
            ("not sampled", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("flags of later versions", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", true),
            ("a later version", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("a later version with more", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", true),
            ("a later version, not separated", "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what", false),
            ("this version with more", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", false),
            ("the forbidden version", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("no hex version", "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("upper case", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("a zero trace", "00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("a zero parent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("no hex flags", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x", false),
            ("short", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false),
            ("a wrong sign", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("misplaced", "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01", false),
            ("spaces", " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01", false),
            ("empty", "", false),
        ];
        for (name, value, expected) in cases {
            assert_eq!(read(&[value]).is_some(), expected, "{name}");
        }
        assert_eq!(read(&[GOOD, GOOD]), None, "several");
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn only_the_first_flag_says_whether_it_is_sampled() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("fe", false)] {
            let value = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            assert_eq!(read(&[&value]).unwrap().sampled, sampled, "{flags}");
        }
    }

    #[test]
    fn trace_context_section_3_3_a_state_has_bounds() {
        let (longest, longer) = (format!("a={}", "b".repeat(510)), format!("a={}", "b".repeat(511)));
        let (most, more) = (["a=b"; 32].join(","), ["a=b"; 33].join(","));
        let cases: [(&str, &[&str], TraceState); 9] = [
            ("none", &[], TraceState::Absent),
            ("one", &["congo=t61rcWkgMzE"], TraceState::Sound),
            ("empty members", &["a=b, ,,c=d"], TraceState::Sound),
            ("two fields", &["a=b", "c=d"], TraceState::Sound),
            ("the longest", &[&longest], TraceState::Sound),
            ("longer", &[&longer], TraceState::Unsound),
            ("longer in two", &[&longest, "a"], TraceState::Unsound),
            ("the most", &[&most], TraceState::Sound),
            ("more", &[&more], TraceState::Unsound),
        ];
        for (name, values, expected) in cases {
            assert_eq!(TraceState::of(&fields("tracestate", values)), expected, "{name}");
        }
        let mut odd = HeaderMap::new();
        odd.insert("tracestate", HeaderValue::from_bytes(b"a=\xff").unwrap());
        assert_eq!(TraceState::of(&odd), TraceState::Unsound);
        assert_eq!(TraceState::Sound.text(&fields("tracestate", &["a=b", "c=d"])).as_deref(), Some("a=b,c=d"));
    }

    #[test]
    fn what_is_written_replaces_what_was_there() {
        let mut all = fields("traceparent", &["x", GOOD]);
        all.insert("tracestate", HeaderValue::from_static("a=b"));
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        context.write(true, &mut all);
        assert_eq!((all.get_all(TRACEPARENT).iter().count(), all.len()), (1, 2));
        assert_eq!(all[TRACEPARENT], GOOD);
        context.write(false, &mut all);
        assert_eq!(all.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(high: u64, low: u64, span: u64, sampled: bool) {
            let context = TraceContext { trace: TraceId::random(high, low), span: SpanId::random(span), sampled };
            let field = context.to_field();
            prop_assert_eq!(TraceContext::parse(field.as_bytes()), Some(context));
            prop_assert_eq!(field.to_str().unwrap().split('-').nth(1).unwrap(), context.trace.to_string());
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceContext::parse(&bytes);
        }
    }
}
