//! The readings of a path: every text that an upstream might act on in place of the one that was sent.
//!
//! Each step is something that known servers do to a path before they route it. Steps compose: whatever one of them
//! makes, the others are applied to, until nothing new comes.

use crate::policy::{escapes, target};

/// Says which other readings of a path an upstream might act on.
///
/// A reading is switched off for an upstream that is known not to read so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// Every escape is decoded once; composition repeats it. `%2F` and `%5C` are left alone where `encoded_slash` is off.
    pub decoding: bool,
    /// `%2F`, `\` and `%5C` are slashes.
    pub encoded_slash: bool,
    /// `;…` is cut from each segment.
    pub path_parameters: bool,
    /// Several slashes are one.
    pub merged_slashes: bool,
    /// The path ends at a decoded `?` or `#`.
    pub query_in_path: bool,
    /// A path with and without a slash at its end is one.
    pub trailing_slash: bool,
    /// Letter case means nothing.
    pub letter_case: bool,
    /// The last segment's extension is cut: `.json` and the like.
    pub suffix: bool,
    /// Dots at the end of each segment are cut.
    pub trailing_dot: bool,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            decoding: true,
            encoded_slash: true,
            path_parameters: true,
            merged_slashes: true,
            query_in_path: true,
            trailing_slash: true,
            letter_case: true,
            suffix: false,
            trailing_dot: false,
        }
    }
}

/// The most distinct readings that a path may have.
pub(super) const MOST_READINGS: usize = 64;

/// The most bytes that all distinct readings of a path may have together: each is made, compared and looked up before
/// anybody has shown a token.
///
/// No step makes a text longer, so that a path of up to 1 KiB is refused only for the number of its readings.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// One step from a reading to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Decoding,
    EncodedSlash,
    PathParameters,
    MergedSlashes,
    QueryInPath,
    Suffix,
    TrailingDot,
}

/// A text that an upstream might act on, and the step that made it from an earlier reading.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) text: String,
    pub(super) from: Option<(usize, Step)>,
}

/// Why a path's readings cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// There are more than [`MOST_READINGS`].
    #[error("more than {MOST_READINGS} readings")]
    TooMany,
    /// They have more than [`MOST_BYTES`] together.
    #[error("readings of more than {} KiB together", MOST_BYTES / 1024)]
    TooLong,
    /// One of them has a dot segment, or is no UTF-8, so that nobody can say where it leads.
    #[error("a reading with a dot segment or invalid UTF-8")]
    Broken,
}

impl Readings {
    /// All readings of a path but those of letter case and slash at the end; the first is the path itself.
    pub(super) fn compose(&self, path: &str) -> Result<Vec<Reading>, Unreadable> {
        let mut readings = vec![Reading { text: path.to_owned(), from: None }];
        let (mut next, mut bytes) = (0, path.len());
        while next < readings.len() {
            for step in self.steps() {
                let Some(reading) = readings.get(next) else { break };
                let Some(made) = self.apply(step, &reading.text)? else { continue };
                // Texts of different lengths are told apart without a look at them.
                if readings.iter().any(|known| known.text.len() == made.len() && known.text == made) {
                    continue;
                }
                bytes += made.len();
                if bytes > MOST_BYTES {
                    return Err(Unreadable::TooLong);
                }
                if target::has_dot_segment(&made) {
                    return Err(Unreadable::Broken);
                }
                if readings.len() == MOST_READINGS {
                    return Err(Unreadable::TooMany);
                }
                readings.push(Reading { text: made, from: Some((next, step)) });
            }
            next += 1;
        }
        Ok(readings)
    }

    /// Whether a path with a dot has readings that one without has not.
    pub(super) fn reads_dots(&self) -> bool {
        self.suffix || self.trailing_dot
    }

    fn steps(&self) -> impl Iterator<Item = Step> {
        let steps = [
            (self.decoding, Step::Decoding),
            (self.encoded_slash, Step::EncodedSlash),
            (self.path_parameters, Step::PathParameters),
            (self.merged_slashes, Step::MergedSlashes),
            (self.query_in_path, Step::QueryInPath),
            (self.suffix, Step::Suffix),
            (self.trailing_dot, Step::TrailingDot),
        ];
        steps.into_iter().filter_map(|(enabled, step)| enabled.then_some(step))
    }

    /// What a step makes of a text; `None` where it changes nothing.
    fn apply(&self, step: Step, text: &str) -> Result<Option<String>, Unreadable> {
        Ok(match step {
            Step::Decoding => {
                escapes::decode(text, !self.encoded_slash).map_err(|escapes::NotUtf8| Unreadable::Broken)?
            }
            Step::EncodedSlash => with_plain_slashes(text),
            Step::PathParameters => cut_parameters(text),
            Step::MergedSlashes => merge_slashes(text),
            Step::QueryInPath => text.find(['?', '#']).and_then(|at| text.get(..at)).map(str::to_owned),
            Step::Suffix => cut_suffix(text).map(str::to_owned),
            Step::TrailingDot => cut_dots(text),
        })
    }
}

impl Step {
    /// The key under which an upstream switches the step off.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Decoding => "decoding",
            Self::EncodedSlash => "encoded_slash",
            Self::PathParameters => "path_parameters",
            Self::MergedSlashes => "merged_slashes",
            Self::QueryInPath => "query_in_path",
            Self::Suffix => "suffix",
            Self::TrailingDot => "trailing_dot",
        }
    }
}

/// The names of the steps that lead to a reading, in the order in which they are taken.
pub(super) fn steps_to(readings: &[Reading], position: usize) -> String {
    let mut names = Vec::new();
    let mut origin = readings.get(position).and_then(|reading| reading.from);
    while let Some((before, step)) = origin {
        names.push(step.as_str());
        origin = readings.get(before).and_then(|reading| reading.from);
    }
    names.reverse();
    if names.is_empty() { "as sent".to_owned() } else { names.join(", ") }
}

/// The text with one slash less at its end.
pub(super) fn without_slash(text: &str) -> Option<&str> {
    text.strip_suffix('/').filter(|shorter| !shorter.is_empty())
}

/// The text with a slash at its end, where it has none.
pub(super) fn with_slash(text: &str) -> Option<String> {
    if text.ends_with('/') { None } else { Some(format!("{text}/")) }
}

fn with_plain_slashes(text: &str) -> Option<String> {
    let is_slash = |byte| matches!(byte, b'/' | b'\\');
    if !text.contains('\\') && !escapes::escapes(text).any(is_slash) {
        return None;
    }
    let mut made = String::with_capacity(text.len());
    for (before, byte, written) in escapes::pieces(text) {
        made.extend(before.split('\\').flat_map(|part| ["/", part]).skip(1));
        made.push_str(if byte.is_some_and(is_slash) { "/" } else { written });
    }
    Some(made)
}

fn cut_parameters(text: &str) -> Option<String> {
    text.contains(';').then(|| cut_segments(text, |segment| segment.split_once(';').map_or(segment, |(name, _)| name)))
}

/// The text with each segment cut.
fn cut_segments(text: &str, cut: impl Fn(&str) -> &str) -> String {
    let mut made = String::with_capacity(text.len());
    made.extend(text.split('/').flat_map(|segment| ["/", cut(segment)]).skip(1));
    made
}

fn merge_slashes(text: &str) -> Option<String> {
    text.contains("//").then(|| {
        let mut made = text.to_owned();
        let mut last = ' ';
        made.retain(|character| std::mem::replace(&mut last, character) != '/' || character != '/');
        made
    })
}

/// Cuts the last dot and what follows it, if a name is left before it and the slash.
fn cut_suffix(text: &str) -> Option<&str> {
    let (before, extension) = text.rsplit_once('.')?;
    let plain = !extension.is_empty() && !extension.contains('/') && !before.ends_with('/');
    plain.then_some(before)
}

fn cut_dots(text: &str) -> Option<String> {
    (text.ends_with('.') || text.contains("./")).then(|| cut_segments(text, |segment| segment.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Readings = Readings {
        decoding: true,
        encoded_slash: true,
        path_parameters: true,
        merged_slashes: true,
        query_in_path: true,
        trailing_slash: true,
        letter_case: true,
        suffix: true,
        trailing_dot: true,
    };

    fn texts(readings: Readings, path: &str) -> Result<Vec<String>, Unreadable> {
        let mut texts: Vec<_> = readings.compose(path)?.into_iter().map(|reading| reading.text).collect();
        texts.sort();
        Ok(texts)
    }

    #[test]
    fn each_step_makes_its_text() {
        let none = Readings {
            decoding: false,
            encoded_slash: false,
            path_parameters: false,
            merged_slashes: false,
            query_in_path: false,
            ..Readings::default()
        };
        for (readings, path, made) in [
            (Readings { decoding: true, ..none }, "/a%20b", Some("/a b")),
            (Readings { decoding: true, ..none }, "/a%2Fb", None),
            (Readings { encoded_slash: true, ..none }, "/a%2Fb\\c%5cd%20e", Some("/a/b/c/d%20e")),
            (Readings { path_parameters: true, ..none }, "/a;v=1/b;x;y/c", Some("/a/b/c")),
            (Readings { merged_slashes: true, ..none }, "/a//b///c", Some("/a/b/c")),
            (Readings { query_in_path: true, ..none }, "/a?b#c", Some("/a")),
            (Readings { suffix: true, ..none }, "/a.b/c.json", Some("/a.b/c")),
            (Readings { suffix: true, ..none }, "/a.b/c", None),
            (Readings { suffix: true, ..none }, "/.json", None),
            (Readings { trailing_dot: true, ..none }, "/a./b..", Some("/a/b")),
            (none, "/a%20b;c//d", None),
        ] {
            let mut expected: Vec<_> = [path].into_iter().chain(made).map(str::to_owned).collect();
            expected.sort();
            assert_eq!(texts(readings, path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn readings_compose_until_nothing_new_comes() {
        let readings = texts(Readings::default(), "/a%253Bx%2Fb").unwrap();
        for expected in ["/a%253Bx%2Fb", "/a%3Bx/b", "/a;x/b", "/a/b", "/a%253Bx/b"] {
            assert!(readings.iter().any(|text| text == expected), "`{expected}` in {readings:?}");
        }
        assert_eq!(
            texts(Readings { suffix: true, ..Readings::default() }, "/a.tar.gz").unwrap(),
            ["/a", "/a.tar", "/a.tar.gz"]
        );
    }

    #[test]
    fn an_encoded_slash_stays_one_where_the_upstream_reads_it_so() {
        let readings = Readings { encoded_slash: false, ..Readings::default() };
        assert_eq!(texts(readings, "/a%2Fb%20c").unwrap(), ["/a%2Fb c", "/a%2Fb%20c"]);
    }

    #[test]
    fn readings_that_lead_nowhere_known_are_no_readings() {
        assert_eq!(
            texts(Readings::default(), "/a/..%3Fx"),
            Err(Unreadable::Broken),
            "a dot segment before a decoded `?`"
        );
        assert_eq!(texts(ALL, "/a/..json"), Err(Unreadable::Broken), "a dot segment before a suffix");
        assert_eq!(texts(Readings::default(), &format!("/{}", "%25".repeat(70))).unwrap().len(), 2);
        assert_eq!(texts(Readings::default(), &format!("/%{}20", "25".repeat(70))), Err(Unreadable::TooMany));
    }

    #[test]
    fn long_paths_have_fewer_readings() {
        let path = |segments: usize, last: &str| format!("/files/{}{last}", "a/".repeat(segments));
        let nested = format!("%{}f%3b%3f", "25".repeat(11) + "2");
        for (name, path, too_long) in [
            ("ordinary, nested", path(100, &nested), false),
            ("long, one escape", path(3_900, "%20"), false),
            ("long, slash and parameter", path(3_900, "%2Fb;c"), false),
            ("long, nested", path(3_900, &nested), true),
            ("long, with capitals, nested", path(3_900, &nested).replace('a', "A"), true),
        ] {
            let readings = texts(Readings::default(), &path);
            assert_eq!(readings == Err(Unreadable::TooLong), too_long, "{name}: {:?}", readings.map(|made| made.len()));
        }
    }

    proptest! {
        #[test]
        fn composing_ends_and_never_panics(path in "/([a-c%;.?#/\\\\]|%2[0-9A-F]|%5[cC]|%25|%3[bBfF]|%C3%A9){0,40}") {
            if let Ok(readings) = ALL.compose(&path) {
                prop_assert!(readings.len() <= MOST_READINGS);
                prop_assert!(readings.iter().all(|reading| reading.text.len() <= path.len()), "no step makes a text longer");
                for reading in &readings {
                    for step in ALL.steps() {
                        if let Ok(Some(made)) = ALL.apply(step, &reading.text) {
                            prop_assert!(readings.iter().any(|known| known.text == made), "closed under {step:?}: `{made}`");
                        }
                    }
                }
            }
        }
    }
}
