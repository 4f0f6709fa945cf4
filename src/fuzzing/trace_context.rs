//! `traceparent` and `tracestate`, from the peer to the upstream.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::lines::Lines;
use crate::traces::{Begun, SpanId, TraceContext, TraceState};

/// Longer inputs say no more.
const MOST_BYTES: usize = 4096;
/// As many fields as a gateway takes by default.
const MOST_FIELDS: usize = 100;
/// What every trace is recorded of: 2⁶³ in 2⁶³.
const EVERY: u64 = 1 << 63;

/// Lines: `believed` or anything else, a space, and `all` or anything else for what is recorded of new traces; two random numbers, the
/// second that of the call; then a field a line, `p` and a `traceparent`, `s` and a `tracestate`, or some other field's value.
///
/// * A parent is read from one field of the right form, and from none of another form, nor from two.
/// * What an upstream is told is one `traceparent` that a plain reader takes: of the parent's trace if there is one that is believed,
///   recorded or not as the parent is; of a new trace otherwise.
/// * A `tracestate` goes on unchanged, beside the parent that it belongs to and within its bounds, or not at all.
/// * What is not recorded goes on as it came. Other fields stay. Telling twice is telling once.
pub fn trace_context(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut lines = Lines::of(bytes);
    let (switches, numbers) = (lines.line(), lines.text().unwrap_or_default());
    let believed = switches.starts_with(b"believed");
    let threshold = if switches.ends_with(b" all") { EVERY } else { 0 };
    let mut numbers = numbers.split(' ').map(|number| number.parse().unwrap_or(0));
    let (first, call) = (numbers.next().unwrap_or(0), SpanId::random(numbers.next().unwrap_or(0)));
    let came = fields(lines);
    let parent = plain_parent(&came);
    let read = TraceContext::read(&came);
    assert_eq!(read.map(|read| plain(&read)), parent.map(|(trace, span, flags)| (trace, span, flags & 1 == 1)));
    let begun = Begun::of(&came, believed, threshold, || first);
    let parent = parent.filter(|_| believed);
    let mut told = came.clone();
    begun.tell(if begun.context.sampled { call } else { begun.context.span }, &mut told);
    is_told(&came, &told, parent, begun.context.sampled, call);
    has_state_of(&came, &told, parent.is_some());
    assert_eq!(begun.parent.is_some(), parent.is_some());
    assert!(parent.is_some() || begun.context.sampled == (threshold == EVERY), "a new trace");
    let mut twice = told.clone();
    begun.tell(if begun.context.sampled { call } else { begun.context.span }, &mut twice);
    assert_eq!(twice, told);
    assert_eq!(values(&told, "x-other"), values(&came, "x-other"));
}

fn fields(lines: Lines<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.take(MOST_FIELDS) {
        let (name, value) = match line {
            [b'p', value @ ..] => ("traceparent", value),
            [b's', value @ ..] => ("tracestate", value),
            value => ("x-other", value),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            fields.append(HeaderName::from_static(name), value);
        }
    }
    fields
}

fn values<'f>(fields: &'f HeaderMap, name: &str) -> Vec<&'f [u8]> {
    fields.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

/// Trace, span and flags, as W3C Trace Context §3.2.2 writes them: parts between `-`, of known lengths, in lower-case hex digits.
fn plain_parent(fields: &HeaderMap) -> Option<(u128, u64, u8)> {
    let [value] = values(fields, "traceparent")[..] else { return None };
    let value = String::from_utf8_lossy(value);
    let parts: Vec<&str> = value.splitn(5, '-').collect();
    let lower = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let (version, trace, span, flags) = match parts[..] {
        [version, trace, span, flags] => (version, trace, span, flags),
        [version, trace, span, flags, _] if version != "00" => (version, trace, span, flags),
        _ => return None,
    };
    let four = [version, trace, span, flags];
    if version == "ff" || four.map(str::len) != [2, 32, 16, 2] || !four.iter().all(lower) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    Some((trace, span, u8::from_str_radix(flags, 16).ok()?))
}

fn plain(context: &TraceContext) -> (u128, u64, bool) {
    let (trace, span) = (context.trace.to_bytes(), context.span.to_bytes());
    (u128::from_be_bytes(trace), u64::from_be_bytes(span), context.sampled)
}

fn is_told(came: &HeaderMap, told: &HeaderMap, parent: Option<(u128, u64, u8)>, sampled: bool, call: SpanId) {
    let (trace, span, flags) = plain_parent(told).expect("an upstream is told one good parent");
    assert_eq!(flags & 1 == 1, sampled);
    if let Some((parents, _, flags)) = parent {
        assert_eq!((trace, flags & 1 == 1), (parents, sampled));
    }
    if parent.is_some() && !sampled {
        assert_eq!(values(told, "traceparent"), values(came, "traceparent"));
        return;
    }
    assert!(!sampled || span.to_be_bytes() == call.to_bytes());
    // Written here, it is of the version that is known, and as long as that is.
    let [value] = values(told, "traceparent")[..] else { panic!("one field") };
    assert!(value.len() == 55 && value.starts_with(b"00-") && flags <= 1, "{}", value.escape_ascii());
    assert_eq!(TraceContext::read(told).map(|read| plain(&read)), Some((trace, span, sampled)));
}

fn has_state_of(came: &HeaderMap, told: &HeaderMap, has_parent: bool) {
    let state = values(came, "tracestate").join(&b","[..]);
    let members = state.split(|byte| *byte == b',').filter(|member| !member.trim_ascii().is_empty()).count();
    let printable = state.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let fits = state.len() <= 512 && members <= 32 && printable;
    let expected = if has_parent && fits { values(came, "tracestate") } else { Vec::new() };
    assert_eq!(values(told, "tracestate"), expected);
    let text = TraceState::of(came).text(came);
    assert_eq!(text.map(String::into_bytes), Some(state).filter(|_| fits && came.contains_key("tracestate")));
}
