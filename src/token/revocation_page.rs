//! One answer of an issuer's revocation feed, read strictly: whole or not at all.

use super::json::{Json, Object, Repeats};
use super::name_digest::NameDigest;

/// The longest cursor that is taken, in bytes.
const LONGEST_CURSOR: usize = 1024;
/// The first number of seconds that is none: from here on a double skips whole numbers.
const BEYOND: u64 = 1 << 53;

/// One answer of a revocation feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPage {
    /// What it says of the issuer's tokens, in its order.
    pub entries: Vec<RevocationEntry>,
    /// Entries left out, because they are about another issuer's tokens.
    pub strangers: usize,
    /// Where to read on; at most 1 KiB.
    pub cursor: String,
    /// Whether there is more to be read now.
    pub more: bool,
}

/// Tokens that are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationEntry {
    pub(super) named: Named,
    /// When the last of them ends, in seconds since the Unix epoch.
    pub(super) exp: u64,
}

/// Which tokens of the issuer an entry names. Those named by whom they are for were issued not after a second, or do not say when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The one with this `jti`.
    Id(NameDigest),
    /// Those of a subject.
    Subject(NameDigest, u64),
    /// Those of a client.
    Client(NameDigest, u64),
    /// Those of a subject that a client uses.
    Pair(NameDigest, u64),
}

/// Why a text is no answer of a revocation feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// Not one JSON object, or a member twice at any depth.
    #[error("the text is not a JSON object with each member once")]
    NotAnObject,
    /// `entries` is not an array.
    #[error("`entries` is missing or not an array")]
    Entries,
    /// `cursor` is not a text of at most 1 KiB.
    #[error("`cursor` is missing, not a text, or longer than 1024 bytes")]
    Cursor,
    /// `more` is neither `true` nor `false`.
    #[error("`more` is missing or neither true nor false")]
    More,
    /// An entry of neither form.
    #[error("entry {0} is malformed")]
    Entry(usize),
}

impl RevocationPage {
    /// Reads one answer. Members that nobody knows are ignored, and so are entries whose `iss` is not `issuer`.
    ///
    /// # Errors
    ///
    /// [`PageFault`] for the first thing in it that is not as it must be; then nothing of it counts.
    pub fn read(text: &[u8], issuer: &str) -> Result<Self, PageFault> {
        let page = Json::read(text, Repeats::Refuse).ok_or(PageFault::NotAnObject)?;
        let page = page.as_object().ok_or(PageFault::NotAnObject)?;
        let listed = page.get("entries").and_then(Json::as_array).ok_or(PageFault::Entries)?;
        let cursor = page.get("cursor").and_then(Json::as_text).filter(|cursor| cursor.len() <= LONGEST_CURSOR);
        let cursor = cursor.ok_or(PageFault::Cursor)?.to_owned();
        let more = page.get("more").and_then(Json::as_bool).ok_or(PageFault::More)?;
        let mut read = Self { entries: Vec::with_capacity(listed.len()), strangers: 0, cursor, more };
        for (position, entry) in listed.iter().enumerate() {
            let entry = entry.as_object().ok_or(PageFault::Entry(position))?;
            let named = text_of(entry, "iss").ok().flatten().ok_or(PageFault::Entry(position))?;
            if named == issuer {
                read.entries.push(self::entry(entry).ok_or(PageFault::Entry(position))?);
            } else {
                read.strangers += 1;
            }
        }
        Ok(read)
    }
}

fn entry(members: &Object<'_>) -> Option<RevocationEntry> {
    let id = text_of(members, "jti").ok()?;
    let subject = text_of(members, "sub").ok()?;
    let client = text_of(members, "client_id").ok()?;
    let before = members.get("issued_before").map(seconds);
    let named = match (id, subject, client, before) {
        (Some(id), None, None, None) => Named::Id(NameDigest::of(&[id])),
        (None, Some(subject), None, Some(before)) => Named::Subject(NameDigest::of(&[subject]), before?),
        (None, None, Some(client), Some(before)) => Named::Client(NameDigest::of(&[client]), before?),
        (None, Some(subject), Some(client), Some(before)) => Named::Pair(NameDigest::of(&[subject, client]), before?),
        _ => return None,
    };
    Some(RevocationEntry { named, exp: members.get("exp").and_then(seconds)? })
}

/// A member that must be a text where it is there.
fn text_of<'v>(members: &'v Object<'_>, name: &str) -> Result<Option<&'v str>, ()> {
    members.get(name).map(|value| value.as_text().ok_or(())).transpose()
}

/// Whole seconds since the Unix epoch.
fn seconds(value: &Json<'_>) -> Option<u64> {
    value.as_u64().filter(|seconds| *seconds < BEYOND)
}
