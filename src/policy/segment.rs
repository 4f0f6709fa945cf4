//! Segments of a template and the texts that they match.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// One segment of a template: what stands between two slashes.
///
/// The order of the values is only for sorting tables; which segment is more specific is a matter of [`Segment::rank`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// Text alone; empty only at the end of a template that ends with a slash.
    Literal(Arc<str>),
    /// Text and placeholders.
    Mixed(Mixed),
    /// `{id}`: one non-empty segment.
    Placeholder,
    /// `{rest=**}`: one or more segments, of which only the path's very last may be empty.
    Rest,
}

/// A piece of a segment that mixes text and placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Piece {
    /// Literal characters, at least one.
    Text(Box<str>),
    /// At least one character, none of them a slash.
    Placeholder,
    /// `**`: at least one character, over as many segments as needed.
    Rest,
}

/// A segment of text and placeholders: no two placeholders are adjacent, and at most one is a `**`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mixed {
    pieces: Arc<[Piece]>,
    /// Position of the `**` in `pieces`.
    rest: Option<usize>,
    rank: u32,
}

/// Ranks of whole segments; a smaller one is more specific.
const LITERAL_RANK: u32 = 0;
const PLACEHOLDER_RANK: u32 = u32::MAX - 2;
const REST_RANK: u32 = u32::MAX - 1;
/// The rank of "the template ends here": of two that agree so far, the longer wins.
pub(super) const END_RANK: u32 = u32::MAX;

impl Segment {
    /// How specific the segment is; the smaller wins.
    pub(super) fn rank(&self) -> u32 {
        match self {
            Self::Literal(_) => LITERAL_RANK,
            Self::Mixed(mixed) => mixed.rank,
            Self::Placeholder => PLACEHOLDER_RANK,
            Self::Rest => REST_RANK,
        }
    }

    /// Whether the segment may take several segments of a path.
    pub(super) fn has_rest(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Placeholder => false,
            Self::Mixed(mixed) => mixed.has_rest(),
            Self::Rest => true,
        }
    }

    /// The segment with its text in one letter case.
    pub(super) fn folded(&self) -> Self {
        match self {
            Self::Literal(text) => match fold_case(text) {
                Cow::Borrowed(_) => self.clone(),
                Cow::Owned(folded) => Self::Literal(folded.into()),
            },
            Self::Mixed(mixed) => Self::Mixed(mixed.folded()),
            Self::Placeholder | Self::Rest => self.clone(),
        }
    }

    /// Whether the segment, which has no `**`, matches one segment of a path.
    pub(super) fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *segment,
            Self::Mixed(mixed) => mixed.matches(segment),
            Self::Placeholder => !segment.is_empty(),
            Self::Rest => false,
        }
    }

    /// Whether the segment, which has a `**`, matches `span`: whole segments of a path, joined by slashes, none of them
    /// empty but the path's last.
    pub(super) fn matches_span(&self, span: &str) -> bool {
        match self {
            Self::Literal(_) | Self::Placeholder => false,
            Self::Mixed(mixed) => mixed.matches_span(span),
            Self::Rest => true,
        }
    }

    /// An order for building tries: the more specific first, and literals of one length together.
    pub(super) fn sorting(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => literal_order(a, b),
            (Self::Mixed(a), Self::Mixed(b)) => a.pieces.cmp(&b.pieces),
            (Self::Literal(_) | Self::Mixed(_) | Self::Placeholder | Self::Rest, _) => Ordering::Equal,
        })
    }
}

/// Orders literals so that a search compares lengths before it reads text.
pub(super) fn literal_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Mixed {
    /// The segment made of these pieces; adjacent placeholders and a second `**` were refused before.
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        let rest = pieces.iter().position(|piece| *piece == Piece::Rest);
        let literal: usize = pieces.iter().map(|piece| piece.text().chars().count()).sum();
        // More literal characters first; at equal count the one without `**` first.
        let literal = u32::try_from(literal).unwrap_or(u32::MAX).min(MOST_LITERAL_CHARACTERS);
        let rank = 1 + ((MOST_LITERAL_CHARACTERS - literal) << 1) + u32::from(rest.is_some());
        Self { pieces: pieces.into(), rest, rank }
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// How specific the segment is; the smaller wins.
    pub(super) fn rank(&self) -> u32 {
        self.rank
    }

    /// The text that every match begins with.
    pub(super) fn prefix(&self) -> &str {
        self.pieces.first().map_or("", Piece::text)
    }

    /// The text that every match ends with.
    pub(super) fn suffix(&self) -> &str {
        self.pieces.last().map_or("", Piece::text)
    }

    /// Whether one text could match both segments.
    ///
    /// Each has a placeholder between its beginning and its end. Where these fit the other's, the placeholders can take
    /// all that the other has in between.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let (beginning, end) = ((self.prefix(), other.prefix()), (self.suffix(), other.suffix()));
        (beginning.0.starts_with(beginning.1) || beginning.1.starts_with(beginning.0))
            && (end.0.ends_with(end.1) || end.1.ends_with(end.0))
    }

    pub(super) fn folded(&self) -> Self {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Piece::Text(fold_case(text).into()),
            Piece::Placeholder | Piece::Rest => piece.clone(),
        });
        Self { pieces: pieces.collect(), ..*self }
    }

    /// Whether one segment of a path matches, a `**` being taken for one part of it.
    pub(super) fn matches(&self, segment: &str) -> bool {
        glob(self.pieces.iter(), segment)
    }

    /// Whether whole segments of a path match, joined by slashes, none of them empty but the path's last.
    pub(super) fn matches_span(&self, span: &str) -> bool {
        let Some((first, _)) = span.split_once('/') else { return self.matches(span) };
        let last = span.rsplit_once('/').map_or("", |(_, last)| last);
        let Some(rest) = self.rest else { return false };
        let (before, after) = (self.pieces.iter().take(rest + 1), self.pieces.iter().skip(rest));
        let open_end = rest + 1 == self.pieces.len();
        glob(before, first) && ((open_end && last.is_empty()) || glob(after, last))
    }
}

/// Beyond this many literal characters two segments of text and placeholders count as equally specific.
const MOST_LITERAL_CHARACTERS: u32 = 0xFFFF;

impl Piece {
    /// The literal text of the piece; empty for placeholders.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Placeholder | Self::Rest => "",
        }
    }
}

/// Whether `text` is the pieces in this order, each placeholder standing for at least one character.
///
/// A text between two placeholders is taken where it first occurs: what follows can only gain by that.
fn glob<'p>(pieces: impl Iterator<Item = &'p Piece>, text: &str) -> bool {
    let (mut left, mut open) = (text, false);
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let Piece::Text(literal) = piece else {
            open = true;
            continue;
        };
        if !open {
            let Some(after) = left.strip_prefix(&**literal) else { return false };
            left = after;
        } else if pieces.peek().is_none() {
            return left.len() > literal.len() && left.ends_with(&**literal);
        } else {
            let mut characters = left.chars();
            let found = characters.next().and_then(|_| characters.as_str().split_once(&**literal));
            let Some((_, after)) = found else { return false };
            (left, open) = (after, false);
        }
    }
    if open { !left.is_empty() } else { left.is_empty() }
}

/// A text in lower case, as an upstream that ignores letter case might read it.
///
/// Besides ASCII, the four characters beyond it that some languages fold into ASCII letters are folded too.
pub(super) fn fold_case(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        Cow::Owned(text.chars().map(fold_character).collect())
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// One character in lower case, as [`fold_case`] folds it.
pub(super) fn fold_character(character: char) -> char {
    match character {
        '\u{130}' | '\u{131}' => 'i',
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        _ => character.to_ascii_lowercase(),
    }
}
