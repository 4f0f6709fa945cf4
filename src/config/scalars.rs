//! Scalars: from text to value, or what it must be instead.

use std::time::Duration;

use super::keys::Shape;
use super::suggest::did_you_mean_word;
use super::units;

/// Letters of a refused value that a message repeats at most.
const SHOWN: usize = 60;

/// Why a text is not the value that its key wants.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// What comes after `must be`.
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A scalar as it is written; `plain` is one without quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar<'n> {
    pub(super) text: &'n str,
    pub(super) plain: bool,
}

/// As much of a refused value as a message shows.
pub(super) fn shown(text: &str) -> String {
    let visible = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    let mut shown: String = text.chars().take(SHOWN).map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// `on` and `off` are the words of the documentation; YAML 1.2 has `true` and `false`, without quotes.
pub(super) fn boolean(scalar: Scalar<'_>) -> Result<bool, Wrong> {
    match scalar.text {
        "on" => Ok(true),
        "off" => Ok(false),
        "true" | "True" | "TRUE" if scalar.plain => Ok(true),
        "false" | "False" | "FALSE" if scalar.plain => Ok(false),
        text => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" | "1" => "true",
                "false" | "no" | "off" | "n" | "0" => "false",
                _ => return Err(Wrong::expected("`true` or `false`")),
            };
            let quotes = if scalar.plain { "" } else { ", without quotes" };
            Err(Wrong::expected("`true` or `false`").hint(format!("write `{meant}`{quotes}")))
        }
    }
}

pub(super) fn duration(text: &str, shape: &Shape) -> Result<Duration, Wrong> {
    let value = units::duration(text).map_err(|fault| Wrong { expected: fault.expected.into(), hint: fault.hint })?;
    let Shape::Duration(least, most) = *shape else { return Ok(value) };
    within(value, least, most, |bound| format!("`{}`", units::written(bound)))
}

pub(super) fn size(text: &str, shape: &Shape) -> Result<usize, Wrong> {
    let value = units::size(text).map_err(|fault| Wrong { expected: fault.expected.into(), hint: fault.hint })?;
    let Shape::Size(least, most) = *shape else { return Ok(value) };
    within(value, least, most, |bound| format!("`{}`", units::written_size(bound)))
}

pub(super) fn count(scalar: Scalar<'_>, shape: &Shape) -> Result<usize, Wrong> {
    let Some(value) = scalar.text.parse::<usize>().ok().filter(|_| !scalar.text.starts_with('+')) else {
        return Err(Wrong::expected("a whole number"));
    };
    if !scalar.plain {
        return Err(Wrong::expected("a number").hint(format!("write `{value}`, without quotes")));
    }
    let Shape::Count(least, most) = *shape else { return Ok(value) };
    within(value, least, most, |bound| format!("{bound}"))
}

fn within<T: PartialOrd>(value: T, least: T, most: T, show: impl Fn(T) -> String) -> Result<T, Wrong> {
    if value < least {
        Err(Wrong::expected(format!("at least {}", show(least))))
    } else if value > most {
        Err(Wrong::expected(format!("at most {}", show(most))))
    } else {
        Ok(value)
    }
}

pub(super) fn share(scalar: Scalar<'_>) -> Result<f64, Wrong> {
    let value = scalar.text.parse::<f64>().ok().filter(|share| scalar.plain && *share > 0.0 && *share <= 1.0);
    value.ok_or_else(|| Wrong::expected("a number above 0 and at most 1"))
}

pub(super) fn ratio(scalar: Scalar<'_>) -> Result<f64, Wrong> {
    let value = scalar.text.parse::<f64>().ok().filter(|ratio| scalar.plain && (0.0..=1.0).contains(ratio));
    value.ok_or_else(|| Wrong::expected("a number from 0 to 1"))
}

pub(super) fn choose(text: &str, shape: &Shape) -> Result<&'static str, Wrong> {
    let Shape::Choice(words) = shape else { return Err(Wrong::expected("one of a list")) };
    words.iter().find(|word| **word == text).copied().ok_or_else(|| {
        let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        let expected = match list.as_slice() {
            [first, second] => format!("{first} or {second}"),
            _ => format!("one of {}", list.join(", ")),
        };
        Wrong { expected, hint: did_you_mean_word(text, words.iter().copied()) }
    })
}
