//! Names of any length in little room.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// The first 128 bits of SHA-256 over one or several texts: as good as the texts to compare, and of one size.
///
/// Texts are told apart by their lengths, so that no two lists of texts have the same digest but by an accident that no one
/// can bring about. Its Debug shows nothing of the texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameDigest([u8; 16]);

impl NameDigest {
    /// Digests a list of texts.
    pub fn of(texts: &[&str]) -> Self {
        let mut context = Context::new(&SHA256);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for NameDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_are_told_apart() {
        let lists: [&[&str]; 7] = [&[], &[""], &["", ""], &["ab"], &["a", "b"], &["ab", ""], &["b", "a"]];
        for (position, list) in lists.iter().enumerate() {
            for (other, same) in lists.iter().enumerate() {
                assert_eq!(NameDigest::of(list) == NameDigest::of(same), position == other, "{list:?} {same:?}");
            }
        }
    }
}
