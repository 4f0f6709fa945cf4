//! One line of the log, in JSON or as text for people.

use std::fmt::{Display, Write};
use std::time::Duration;

use tracing::Level;

use super::record::Peer;
use super::settings::LogFormat;
use super::timestamp::Timestamp;

/// Adds one line to a buffer, member after member.
///
/// Whatever a member holds, a line stays one line and a value one value: what could end either is escaped.
#[derive(Debug)]
pub(super) struct Line<'a> {
    out: &'a mut String,
    format: LogFormat,
}

impl<'a> Line<'a> {
    /// Begins a line with its time, level and message.
    pub(super) fn begin(out: &'a mut String, format: LogFormat, time: Duration, level: Level, message: &str) -> Self {
        let time = Timestamp(time);
        let level = level_text(level);
        match format {
            LogFormat::Json => write(out, format_args!("{{\"ts\":\"{time}\",\"level\":\"{level}\",\"msg\":")),
            LogFormat::Text => write(out, format_args!("{time} {level:<5} ")),
        }
        match format {
            LogFormat::Text if is_sentence(message) => out.push_str(message),
            LogFormat::Text | LogFormat::Json => push_quoted(out, message),
        }
        Self { out, format }
    }

    /// Adds a text, if there is one.
    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.name(name);
        match self.format {
            LogFormat::Text if is_word(value) => self.out.push_str(value),
            LogFormat::Text | LogFormat::Json => push_quoted(self.out, value),
        }
    }

    /// Adds what needs no quotes in either format: a number, `true` or `false`.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.name(name);
        write(self.out, format_args!("{value}"));
    }

    /// Adds an address.
    pub(super) fn peer(&mut self, name: &str, value: Peer) {
        self.name(name);
        match self.format {
            LogFormat::Json => write(self.out, format_args!("\"{value}\"")),
            LogFormat::Text => write(self.out, format_args!("{value}")),
        }
    }

    /// Adds a duration in milliseconds, to the microsecond.
    pub(super) fn milliseconds(&mut self, name: &str, value: Duration) {
        let micros = value.as_micros();
        self.number(name, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    /// Adds a list of texts, unless it is empty.
    pub(super) fn list<'v>(&mut self, name: &str, values: impl Iterator<Item = &'v str>) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.name(name);
        let mut opening = '[';
        for value in values {
            self.out.push(opening);
            opening = ',';
            push_quoted(self.out, value);
        }
        self.out.push(']');
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.out.push_str(match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        });
    }

    fn name(&mut self, name: &str) {
        match self.format {
            LogFormat::Json => {
                self.out.push(',');
                push_quoted(self.out, name);
                self.out.push(':');
            }
            LogFormat::Text => write(self.out, format_args!(" {name}=")),
        }
    }
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Writing to a `String` cannot fail.
fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Whether a message may stand without quotes: nobody can take a part of it for a member.
fn is_sentence(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'=' | b'\\'))
}

/// Whether a value may stand without quotes.
fn is_word(text: &str) -> bool {
    is_sentence(text) && !text.contains([' ', '['])
}

/// Adds a JSON string (RFC 8259 §7).
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push_str(text);
    } else {
        text.chars().for_each(|character| push_escaped(out, character));
    }
    out.push('"');
}

/// Beyond what JSON asks for, characters that end a line or turn the writing direction on a terminal are escaped.
fn push_escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            write(out, format_args!("\\u{:04x}", u32::from(character)));
        }
        _ if character.is_control() => write(out, format_args!("\\u{:04x}", u32::from(character))),
        _ => out.push(character),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(format: LogFormat, message: &str, add: impl FnOnce(&mut Line<'_>)) -> String {
        let mut out = String::new();
        let mut line = Line::begin(&mut out, format, Duration::from_millis(1), Level::WARN, message);
        add(&mut line);
        line.end();
        out
    }

    #[test]
    fn text_is_one_line_that_people_can_read() {
        let cases = [
            ("word", "automations:read", "x=automations:read"),
            ("empty", "", "x=\"\""),
            ("space", "a b", "x=\"a b\""),
            ("a forged member", "a status=200", "x=\"a status=200\""),
            ("a forged line", "a\n1970-01-01T00:00:00.000Z info", "x=\"a\\n1970-01-01T00:00:00.000Z info\""),
            ("a quote", "a\"b", "x=\"a\\\"b\""),
            ("a terminal's escape", "\u{1b}[2J", "x=\"\\u001b[2J\""),
            ("right to left", "a\u{202e}b", "x=\"a\\u202eb\""),
            ("another script", "läuft", "x=\"läuft\""),
        ];
        for (name, value, expected) in cases {
            let written = line(LogFormat::Text, "took `x`", |line| line.text("x", Some(value)));
            assert_eq!(written, format!("1970-01-01T00:00:00.001Z warn  took `x` {expected}\n"), "{name}");
        }
        let forged = line(LogFormat::Text, "a\nb=c", |_| {});
        assert_eq!(forged, "1970-01-01T00:00:00.001Z warn  \"a\\nb=c\"\n");
    }

    #[test]
    fn durations_have_three_decimals() {
        let cases = [(0, "0.000"), (7, "0.007"), (1_000, "1.000"), (1_234_567, "1234.567")];
        for (micros, expected) in cases {
            let written = line(LogFormat::Text, "m", |line| line.milliseconds("d", Duration::from_micros(micros)));
            assert!(written.ends_with(&format!(" d={expected}\n")), "{written}");
        }
    }

    proptest! {
        #[test]
        fn json_gives_back_what_was_written(message: String, value: String, list in prop::collection::vec(any::<String>(), 0..4)) {
            let written = line(LogFormat::Json, &message, |line| {
                line.text("value", Some(&value));
                line.text("absent", None);
                line.list("list", list.iter().map(String::as_str));
            });
            prop_assert_eq!(written.matches(|character: char| character.is_control()).collect::<Vec<_>>(), ["\n"]);
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(&read["msg"], &message);
            prop_assert_eq!(&read["value"], &value);
            prop_assert!(read.get("absent").is_none());
            let roles = read.get("list").and_then(|list| list.as_array()).cloned().unwrap_or_default();
            prop_assert_eq!(roles, list);
        }

        #[test]
        fn text_is_never_more_than_one_line(message: String, value: String) {
            let written = line(LogFormat::Text, &message, |line| line.text("value", Some(&value)));
            prop_assert_eq!(written.matches(|character: char| character.is_control()).collect::<Vec<_>>(), ["\n"]);
        }
    }
}
