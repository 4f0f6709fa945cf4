//! Which passwords a user may choose: length counts, composition does not (NIST SP 800-63B §3.1.1.2). Pure.

use std::collections::BTreeSet;

use super::LONGEST_PASSWORD;

/// Characters of a password, at least.
pub(super) const SHORTEST: usize = 12;
/// Different characters of a password, at least.
const DIFFERENT: usize = 5;
/// Letters of a name that are too many to be in a password by chance.
const TELLING: usize = 4;
/// What stands in every list of passwords that were found out, in lower case and without what is commonly put between or after.
const COMMON: [&str; 16] = [
    "password",
    "passwort",
    "motdepasse",
    "123456789012",
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "qwerty123456",
    "1q2w3e4r5t6y",
    "abcdefghijkl",
    "iloveyou",
    "letmein",
    "changeme",
    "administrator",
    "correcthorsebatterystaple",
    "trustno1",
];

/// Why a password is not taken: a sentence. `names` are what a stranger would try first: the user's login and name, and the server's.
pub(super) fn weakness(password: &str, names: &[&str]) -> Option<String> {
    if password.chars().count() < SHORTEST {
        return Some(format!("The new password is too short. It needs at least {SHORTEST} characters."));
    }
    if password.len() > LONGEST_PASSWORD {
        return Some("The new password is too long.".to_owned());
    }
    let lower = password.to_lowercase();
    if lower.chars().collect::<BTreeSet<_>>().len() < DIFFERENT {
        return Some("The new password is made of too few different characters.".to_owned());
    }
    if what_is_left(&lower, COMMON.iter().copied()) < SHORTEST / 2 {
        return Some("The new password is one of those that are tried first. Choose another.".to_owned());
    }
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let words = names.iter().flat_map(|name| name.split_whitespace()).filter(|word| word.chars().count() >= TELLING);
    if what_is_left(&lower, words) < SHORTEST / 2 {
        return Some("The new password is little more than your name or login. Choose another.".to_owned());
    }
    None
}

/// How many letters and digits a password has beside the words in it that anybody would try.
fn what_is_left<'a>(password: &str, words: impl Iterator<Item = &'a str>) -> usize {
    let bare: String = password.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let left = words.fold(bare, |left, word| {
        let word: String = word.chars().filter(|letter| letter.is_alphanumeric()).collect();
        if word.is_empty() { left } else { left.replace(&word, "") }
    });
    left.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_what_is_tried_first_is_refused() {
        let long = "aB3 x".repeat(60);
        for (password, expected) in [
            ("", Some("too short")),
            ("elevenchars", Some("too short")),
            ("ééééééééééé", Some("too short")),
            (&*long, Some("too long")),
            ("abababababab", Some("too few")),
            ("111111111111", Some("too few")),
            ("password1234", Some("tried first")),
            ("Password-2026!", Some("tried first")),
            ("correct horse battery staple", Some("tried first")),
            ("qwertyuiop12", Some("tried first")),
            ("nora.example1", Some("your name")),
            ("Nora Example 26", Some("your name")),
            ("quiet lamp forty river", None),
            ("nora likes the quiet river", None),
            ("k7#pQ2!xZ9@m", None),
            ("длинныйпароль", None),
        ] {
            let said = weakness(password, &["nora.example", "Nora Example", "scopegate"]);
            match expected {
                Some(words) => {
                    assert!(said.as_deref().is_some_and(|said| said.contains(words)), "`{password}`: {said:?}")
                }
                None => assert_eq!(said, None, "`{password}`"),
            }
        }
    }
}
