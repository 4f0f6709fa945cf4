//! Path templates: `/spaces/{id}/files/{path=**}`.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::iter;
use std::sync::Arc;

use crate::policy::segment::{END_RANK, Mixed, Piece, Segment};
use crate::policy::{overlap, template_parse};

/// Matches paths: literal segments and placeholders.
///
/// `{id}` is one non-empty segment, or a non-empty part of one that also has text; `{rest=**}` is one or more whole
/// segments, of which only the path's very last may be empty. Two templates that differ only in the names of their
/// placeholders are equal. At most 4096 bytes and 256 segments.
#[derive(Clone, Debug)]
pub struct Template {
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

/// What is wrong with the text of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateFault {
    /// Byte offset into the text, at most its length.
    pub at: usize,
    /// Lower case, no full stop.
    pub message: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// The first fault with its place: no slash at the start, an empty inner segment, a dot segment, a placeholder that
    /// is not `{name}` or `{name=**}`, two adjacent ones, a second `**`, `%`, `\`, a control character, or too long.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let segments = template_parse::segments(text)?;
        Ok(Self { text: text.into(), segments: segments.into() })
    }

    /// Returns the template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the template with the names of placeholders removed: `/a/{}/{**}`.
    pub fn shape(&self) -> String {
        self.render("{}", "{**}")
    }

    /// Returns a path that the template matches: every placeholder is `x`.
    pub fn example(&self) -> String {
        self.render("x", "x")
    }

    /// Says whether the template matches the path, which is taken as it stands.
    ///
    /// Linear in the path; a table is asked through its lookup instead.
    pub fn matches(&self, path: &str) -> bool {
        let Some(mut left) = path.strip_prefix('/').map(Some) else { return false };
        let mut segments = self.segments.iter();
        for segment in segments.by_ref() {
            let Some(rest) = left else { return false };
            if segment.has_rest() {
                return ends_with_span(rest, segment, segments.as_slice());
            }
            let (first, following) = split_segment(rest);
            if !segment.matches(first) {
                return false;
            }
            left = following;
        }
        left.is_none()
    }

    /// Compares two templates by how specific they are: `Less` means that this one wins wherever both match, `Equal`
    /// that neither does.
    ///
    /// Segments are compared from the left: literal, then text with placeholders (more literal characters first, at
    /// equal count the one without `**`), then `{id}`, then `**`; two different literals tie; where one template ends,
    /// the longer wins.
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.ranks().cmp(other.ranks())
    }

    /// Returns a path that both templates match, a short one without dot segments, if there is any path that both match.
    pub fn overlap(&self, other: &Self) -> Option<String> {
        overlap::witness(&self.segments, &other.segments)
    }

    /// Returns a path that both templates match once letter case and a slash at the end are ignored; it is in lower case.
    pub fn folded_overlap(&self, other: &Self) -> Option<String> {
        overlap::folded_witness(&self.segments, &other.segments)
    }

    /// Returns the byte offset of the first literal character that no request target can hold as sent: `?`, `#`, white
    /// space and what is not ASCII; and of `;`, which upstreams cut off with what follows.
    pub fn unmatchable_literal(&self) -> Option<usize> {
        let mut inside = false;
        let outside = self.text.char_indices().filter(|&(_, character)| {
            inside = if inside { character != '}' } else { character == '{' };
            !inside
        });
        let mut outside = outside;
        outside
            .find(|(_, character)| matches!(character, '?' | '#' | ';' | ' ') || !character.is_ascii())
            .map(|(at, _)| at)
    }

    /// The segments, of which there is at least one.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The rank of each segment, and of the end.
    pub(super) fn ranks(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments.iter().map(Segment::rank).chain(iter::once(END_RANK))
    }

    /// Whether the template is written with a slash at the end.
    pub(super) fn is_closed(&self) -> bool {
        self.segments.last().is_some_and(|last| matches!(last, Segment::Literal(text) if text.is_empty()))
    }

    /// Whether some literal has a capital letter.
    pub(super) fn has_capitals(&self) -> bool {
        let capitals = |text: &str| text.bytes().any(|byte| byte.is_ascii_uppercase());
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => capitals(text),
            Segment::Mixed(mixed) => mixed.pieces().iter().any(|piece| capitals(piece.text())),
            Segment::Placeholder | Segment::Rest => false,
        })
    }

    /// The template with these texts in place of `{id}` and `{rest=**}`.
    pub(super) fn render(&self, placeholder: &str, rest: &str) -> String {
        let mut text = String::with_capacity(self.text.len());
        for segment in &*self.segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Placeholder => text.push_str(placeholder),
                Segment::Rest => text.push_str(rest),
                Segment::Mixed(mixed) => {
                    text.extend(mixed.pieces().iter().map(|piece| match piece {
                        Piece::Text(literal) => literal,
                        Piece::Placeholder => placeholder,
                        Piece::Rest => rest,
                    }));
                }
            }
        }
        text
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for Template {}

impl Hash for Template {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.segments.hash(state);
    }
}

/// The first segment, and what follows its slash.
pub(super) fn split_segment(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, following)| (first, Some(following)))
}

/// Whether no segment of these is empty but the very last.
pub(super) fn is_solid(segments: &str) -> bool {
    !segments.starts_with('/') && !segments.contains("//")
}

/// Whether `path` is a span for the segment with the `**`, followed by one segment for each of `after`.
fn ends_with_span(path: &str, spanning: &Segment, after: &[Segment]) -> bool {
    let mut span = path;
    for segment in after.iter().rev() {
        let Some((before, last)) = span.rsplit_once('/') else { return false };
        if !segment.matches(last) {
            return false;
        }
        span = before;
    }
    is_solid(path) && (after.is_empty() || !span.is_empty()) && spanning.matches_span(span)
}

impl Mixed {
    /// The one segment of `pieces`, simplified: text alone is a literal, a placeholder alone is `{id}` or `{rest=**}`.
    pub(super) fn simplified(pieces: Vec<Piece>) -> Segment {
        match pieces.as_slice() {
            [] => Segment::Literal("".into()),
            [Piece::Text(text)] => Segment::Literal((**text).into()),
            [Piece::Placeholder] => Segment::Placeholder,
            [Piece::Rest] => Segment::Rest,
            [..] => Segment::Mixed(Self::new(pieces)),
        }
    }
}
