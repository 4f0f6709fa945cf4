//! Durations and sizes with their units, as both files write them.

use std::time::Duration;

/// Why a text is no quantity: what to say after the key, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitFault {
    pub(super) expected: &'static str,
    pub(super) hint: Option<String>,
}

const DURATION: &str = "a duration such as `250ms`, `30s`, `5m` or `1h`";
const SIZE: &str = "a size such as `512B`, `16KiB` or `1MiB`";

/// Reads a duration as both files write it: `250ms`, `30s`, `5m`, `1h`.
///
/// # Errors
/// What is expected instead, and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|fault| match fault.hint {
        Some(hint) => format!("expected {}: {hint}", fault.expected),
        None => format!("expected {}", fault.expected),
    })
}

/// Reads `250ms`, `30s`, `5m`, `1h`; a bare number is refused, for nobody knows its unit.
pub(super) fn duration(text: &str) -> Result<Duration, UnitFault> {
    let (count, unit) = split(text);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match count.and_then(|count| count.checked_mul(milliseconds)) {
        Some(total) if milliseconds > 0 => Ok(Duration::from_millis(total)),
        _ => Err(UnitFault { expected: DURATION, hint: duration_hint(text, count, unit) }),
    }
}

/// Reads `512B`, `16KiB`, `1MiB`, `1GiB`, in bytes; a bare number is refused.
pub(super) fn size(text: &str) -> Result<usize, UnitFault> {
    let (count, unit) = split(text);
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    match count.and_then(|count| count.checked_mul(bytes)).and_then(|total| usize::try_from(total).ok()) {
        Some(total) if bytes > 0 => Ok(total),
        _ => Err(UnitFault { expected: SIZE, hint: size_hint(count, unit) }),
    }
}

/// A duration as these files write it, in its largest whole unit.
pub(super) fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fitting = units.into_iter().find(|(unit, _)| milliseconds > 0 && milliseconds.is_multiple_of(*unit));
    let (unit, name) = fitting.unwrap_or((1, "ms"));
    format!("{}{name}", milliseconds / unit)
}

/// A size as these files write it, in its largest whole unit.
pub(super) fn written_size(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fitting = units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    let (unit, name) = fitting.unwrap_or((1, "B"));
    format!("{}{name}", bytes / unit)
}

/// Digits in front and what follows them; no digits, or too many, is `None`.
fn split(text: &str) -> (Option<u64>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits).unwrap_or(("", text));
    (count.parse().ok(), unit)
}

fn duration_hint(text: &str, count: Option<u64>, unit: &str) -> Option<String> {
    let count = count?;
    match unit.trim() {
        "" => Some(format!("write `{count}s` or `{count}ms`")),
        "ms" | "s" | "m" | "h" => Some(format!("write `{}`", text.replace(' ', ""))),
        "sec" | "secs" | "second" | "seconds" => Some(format!("write `{count}s`")),
        "min" | "mins" | "minute" | "minutes" => Some(format!("write `{count}m`")),
        "d" | "day" | "days" => Some(format!("write `{}h`", count.saturating_mul(24))),
        _ => None,
    }
}

fn size_hint(count: Option<u64>, unit: &str) -> Option<String> {
    let count = count?;
    match unit.trim() {
        "" => Some(format!("write `{count}B`, `{count}KiB` or `{count}MiB`")),
        "k" | "K" | "kB" | "KB" | "kib" | "Ki" | "KiB" => Some(format!("write `{count}KiB`")),
        "m" | "M" | "MB" | "mib" | "Mi" | "MiB" => Some(format!("write `{count}MiB`")),
        "g" | "G" | "GB" | "gib" | "Gi" | "GiB" => Some(format!("write `{count}GiB`")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1h30m", None),
            ("1d", None),
            ("99999999999999999999h", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("512B", Some(512)),
            ("16KiB", Some(16_384)),
            ("1MiB", Some(1_048_576)),
            ("2GiB", Some(2_147_483_648)),
            ("16384", None),
            ("16KB", None),
            ("16 KiB", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_told_its_unit() {
        assert_eq!(duration("30").unwrap_err().hint.unwrap(), "write `30s` or `30ms`");
        assert_eq!(duration("2 days").unwrap_err().hint.unwrap(), "write `48h`");
        assert_eq!(size("16KB").unwrap_err().hint.unwrap(), "write `16KiB`");
        assert_eq!(size("64").unwrap_err().hint.unwrap(), "write `64B`, `64KiB` or `64MiB`");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _ = duration(&text);
            let _ = size(&text);
        }
    }
}
