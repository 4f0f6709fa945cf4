//! What is said of a fault: message, place with its source line, hint, second place; as text and as JSON.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::faults::Fault;
use super::source::{FileId, Place, Sources};

/// Bytes of a source line that a diagnostic keeps at most: a JSON policy may be one line of megabytes.
const EXCERPT: usize = 240;

/// One message about a place in a file.
///
/// It is complete in itself: what it shows of the file was copied when the file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the files are refused because of it.
    pub severity: Severity,
    /// Lower case, subject first, literals in backticks, no full stop.
    pub message: String,
    /// Where; `None` when the fault is no file's, such as a file that cannot be read.
    #[serde(flatten)]
    pub location: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The second place of a duplicate, an overlap, a contradiction.
    pub related: Option<Related>,
}

/// Whether a diagnostic refuses the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The files are refused.
    Error,
    /// The files are taken; somebody should look.
    Warning,
}

/// A place in a file, with its source line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file's path, as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters from 1.
    pub column: usize,
    /// The line, or of a very long one the part around the place.
    pub source: String,
    /// Bytes of `source` that are meant.
    #[serde(skip)]
    span: Range<usize>,
}

/// A second place and what it is to the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Such as `first written here`.
    pub label: String,
    /// Where.
    #[serde(flatten)]
    pub location: Location,
}

impl Diagnostic {
    /// Makes an error that is about no place, only about a file or the call.
    pub fn without_place(message: String, hint: Option<String>) -> Self {
        Self { severity: Severity::Error, message, location: None, hint, related: None }
    }

    /// Whether the files are refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Renders it for people, with the source line and a caret, ending in a line feed; `colour` for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        if let Some(location) = &self.location {
            group = location.show(group, AnnotationKind::Primary, None);
        }
        if let Some(related) = &self.related {
            group = related.location.show(group, AnnotationKind::Context, Some(&related.label));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.render(&[group]);
        text.push('\n');
        text
    }

    /// Resolves a fault's places against the files that it is about; `secrets` are the places that may not be shown, sorted.
    pub(super) fn resolve(fault: Fault, sources: &Sources, secrets: &[Place]) -> Self {
        let resolve = |place| Location::resolve(place, sources, secrets);
        Self {
            severity: fault.severity,
            message: visible(&fault.message),
            location: fault.place.map(resolve),
            hint: fault.hint.as_deref().map(visible),
            related: fault.related.map(|(place, label)| Related { label: visible(&label), location: resolve(place) }),
        }
    }
}

impl Location {
    fn resolve(place: Place, sources: &Sources, secrets: &[Place]) -> Self {
        let text = sources.text(place.file);
        let start = floor_boundary(text, place.start as usize);
        let (line, line_start) = sources.line(place.file, start);
        let rest = text.get(line_start..).unwrap_or_default();
        let whole = rest.split(['\n', '\r']).next().unwrap_or_default();
        // A carriage return by itself ends what is shown of a line, though no line.
        let from = (start - line_start).min(whole.len());
        let to = floor_boundary(whole, (place.end as usize).saturating_sub(line_start)).max(from);
        let column = whole.get(..from).map_or(from, |text| text.chars().count()) + 1;
        let redacted = redact(whole, hidden(secrets, place.file, line_start..line_start + whole.len()));
        let (source, span) = excerpt(&redacted, from..to);
        let (source, span) = printable(source, span);
        Self { file: sources.path(place.file).display().to_string(), line, column, source, span }
    }

    /// Adds `--> file:line:column` and the source line to a report.
    fn show<'a>(&'a self, group: Group<'a>, kind: AnnotationKind, label: Option<&'a str>) -> Group<'a> {
        let annotation: Annotation<'a> = kind.span(self.span.clone()).label(label);
        let snippet = Snippet::source(self.source.as_str()).line_start(self.line).fold(false).annotation(annotation);
        // The column of an excerpt is not the column of its line, so the header has to be told.
        let before = self.source.get(..self.span.start).unwrap_or_default();
        if before.chars().count() + 1 == self.column {
            return group.element(snippet.path(self.file.as_str()));
        }
        let origin = Origin::path(self.file.as_str()).line(self.line).char_column(self.column);
        group.element(origin).element(snippet)
    }
}

/// A text of one line without control characters: what it repeats of a file moves no cursor and forges no line of a log.
fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// Keys whose value may be a secret, written in the file itself.
pub(super) const SECRET_KEYS: [&str; 3] = ["token", "gateway_token", "client_secret"];

/// The bytes of a line that are known to be secret, from the first byte of the line on.
fn hidden(secrets: &[Place], file: FileId, line: Range<usize>) -> Vec<Range<usize>> {
    let first = secrets.partition_point(|secret| (secret.file, secret.end as usize) <= (file, line.start));
    let within = secrets
        .get(first..)
        .unwrap_or_default()
        .iter()
        .take_while(|secret| secret.file == file && (secret.start as usize) < line.end);
    within.map(|secret| (secret.start as usize).saturating_sub(line.start)..secret.end as usize - line.start).collect()
}

/// Covers secrets, byte for byte: those that are known, and what stands in the line itself as one. The line may be shown for another
/// fault beside them, or for one of syntax, before anybody knows what the line says.
fn redact(line: &str, known: Vec<Range<usize>>) -> Cow<'_, str> {
    let mut secrets = known;
    secrets.extend(SECRET_KEYS.iter().flat_map(|key| find_secrets(line, key)));
    if secrets.is_empty() {
        return Cow::Borrowed(line);
    }
    let is_hidden = |at: usize| secrets.iter().any(|secret| secret.contains(&at));
    let mut covered = String::with_capacity(line.len());
    for (at, letter) in line.char_indices() {
        if is_hidden(at) {
            covered.extend(std::iter::repeat_n('*', letter.len_utf8()));
        } else {
            covered.push(letter);
        }
    }
    Cow::Owned(covered)
}

/// The bytes of each text that is the value of `key`; a mapping there says where the secret is, and is none.
fn find_secrets<'l>(line: &'l str, key: &'static str) -> impl Iterator<Item = Range<usize>> + 'l {
    line.match_indices(key).filter_map(move |(at, _)| {
        let before = line.get(..at)?.chars().next_back();
        let value = line.get(at + key.len()..)?.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?.trim_start();
        let is_key = before.is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.'));
        let is_text = !value.is_empty() && !value.starts_with(['{', '#']);
        let start = line.len() - value.len();
        // A comma or brace inside quotes is part of the secret.
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let end = match quote {
            Some(quote) => value.get(1..)?.find(quote).map(|length| length + 2),
            None => value.find([',', '}']),
        };
        (is_key && is_text).then(|| start..start + end.unwrap_or(value.len()))
    })
}

/// A source line without the controls that its renderer has no picture for, U+0080 to U+009F; the second of its values is `span` in it.
fn printable(line: &str, span: Range<usize>) -> (String, Range<usize>) {
    let shown = |part: Option<&str>| -> String {
        let controls = |letter| matches!(letter, '\u{80}'..='\u{9f}');
        part.unwrap_or_default().chars().map(|c| if controls(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    };
    let (before, after) = (shown(line.get(..span.start)), shown(line.get(span.end..)));
    let meant = shown(line.get(span));
    let span = before.len()..before.len() + meant.len();
    (before + &meant + &after, span)
}

/// The part of a long line around `span`, and where `span` is in it.
fn excerpt(line: &str, span: Range<usize>) -> (&str, Range<usize>) {
    if line.len() <= EXCERPT {
        return (line, span);
    }
    let from = floor_boundary(line, span.start.saturating_sub(EXCERPT / 4));
    let part = line.get(from..floor_boundary(line, from + EXCERPT)).unwrap_or_default();
    (part, span.start - from..(span.end - from).min(part.len()))
}

/// The nearest boundary between characters at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_line_is_covered_and_nothing_moves() {
        let cases = [
            ("  token: s3cret", "  token: ******"),
            (
                "admin: {address: x, token: s3cret, open_metrics: maybe}",
                "admin: {address: x, token: ******, open_metrics: maybe}",
            ),
            ("  \"token\": \"s3cret\"", "  \"token\": ********"),
            ("token: \"s3cret", "token: *******"),
            ("  token: ß", "  token: **"),
            ("  token: {file: admin.token}", "  token: {file: admin.token}"),
            ("  token: {env: NAME}  # token: x", "  token: {env: NAME}  # token: *"),
            ("  forward_token: maybe", "  forward_token: maybe"),
            ("  token_bytes: 1", "  token_bytes: 1"),
            ("{client_secret: s3cret, token: s3cret}", "{client_secret: ******, token: ******}"),
            ("{token: \"s3,c}ret\", a: b}", "{token: **********, a: b}"),
            ("client_secret: {file: secret}", "client_secret: {file: secret}"),
            ("  token:", "  token:"),
            ("    uses: [token, role]", "    uses: [token, role]"),
        ];
        for (line, expected) in cases {
            assert_eq!(redact(line, Vec::new()), expected);
        }
    }

    #[test]
    fn control_characters_of_a_file_reach_no_terminal() {
        let mut sources = Sources::default();
        let file = sources.add("x.yaml".into(), "a: \u{1b}[31mr\u{9b}d\u{7}\u{9b}\n".to_owned()).unwrap();
        let place = Place { file, start: 3, end: 12 };
        let fault = Fault::error(place, "`\u{1b}[31m\n` is no scope").hint("not `\u{9b}`").related(place, "\r");
        let text = Diagnostic::resolve(fault, &sources, &[]).render(false);
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
        assert!(text.starts_with("error: `\u{fffd}[31m\u{fffd}` is no scope\n"), "{text:?}");
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_place() {
        let line = format!("{}HERE{}", "é,".repeat(5_000), ",x".repeat(5_000));
        let start = line.find("HERE").unwrap();
        let mut sources = Sources::default();
        let file = sources.add("long.json".into(), format!("[\n{line}\n]")).unwrap();
        let at = |at: usize| u32::try_from(at + 2).unwrap();
        let place = Place { file, start: at(start), end: at(start + 4) };
        let found = Diagnostic::resolve(Fault::error(place, "it is here"), &sources, &[]);
        let location = found.location.as_ref().unwrap();
        assert_eq!((location.line, location.column), (2, 10_001));
        assert!(location.source.len() <= EXCERPT && location.source.contains("HERE"));
        let text = found.render(false);
        assert!(text.contains("long.json:2:10001") && text.contains("^^^^"), "{text}");
        assert!(found.render(true).contains('\u{1b}'));
    }
}
