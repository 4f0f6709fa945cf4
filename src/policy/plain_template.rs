//! Templates as plainly as their rules are written: one character after the other, every possibility tried.
//!
//! What the tests and the fuzz targets compare the real ones with.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "its input is known to be a template"
)]

/// A step of a template.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Character(char),
    /// `{id}`.
    Placeholder,
    /// `{rest=**}`.
    Rest,
}

/// A template's text, ready to be compared with paths.
#[derive(Debug)]
pub struct Pattern {
    tokens: Vec<Token>,
    /// One for each segment and one for the end; the smaller wins.
    pub specificity: Vec<(u8, i64, u8)>,
    /// Whether it ends with a slash.
    pub is_closed: bool,
}

impl Pattern {
    /// Takes a text that is known to be a template.
    pub fn new(template: &str) -> Self {
        let specificity = template.split('/').skip(1).map(specificity).chain([(9, 0, 0)]).collect();
        Self { tokens: tokens(template), specificity, is_closed: template.ends_with('/') }
    }

    /// The same template with its letters folded.
    pub fn folded(template: &str) -> Self {
        let mut folded = Self::new(template);
        for token in &mut folded.tokens {
            if let Token::Character(character) = token {
                *character = fold_character(*character);
            }
        }
        folded
    }

    /// Whether the path is one of the template's.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let mut failed = vec![false; (self.tokens.len() + 1) * (path.len() + 1)];
        self.matches_from(0, &path, 0, &mut failed)
    }

    fn matches_from(&self, token: usize, path: &[char], at: usize, failed: &mut [bool]) -> bool {
        let place = token * (path.len() + 1) + at;
        if failed[place] {
            return false;
        }
        let left = &path[at..];
        let found = match self.tokens.get(token) {
            None => left.is_empty(),
            Some(Token::Character(c)) => left.first() == Some(c) && self.matches_from(token + 1, path, at + 1, failed),
            Some(Token::Placeholder) => {
                let most = left.iter().take_while(|c| **c != '/').count();
                (1..=most).any(|n| self.matches_from(token + 1, path, at + n, failed))
            }
            Some(Token::Rest) => {
                let after_slash = token > 0 && self.tokens[token - 1] == Token::Character('/');
                spans(left, after_slash).into_iter().any(|n| self.matches_from(token + 1, path, at + n, failed))
            }
        };
        failed[place] = !found;
        found
    }
}

/// How many characters a `**` may take: one or more segments, of which only the path's very last may be empty.
fn spans(left: &[char], after_slash: bool) -> Vec<usize> {
    let text: String = left.iter().collect();
    let mut spans = Vec::new();
    let mut length = 0;
    for (position, segment) in text.split('/').enumerate() {
        let is_last = length + segment.chars().count() == left.len();
        if segment.is_empty() {
            if is_last && (position > 0 || after_slash) {
                spans.push(length);
            }
            break;
        }
        spans.extend((1..=segment.chars().count()).map(|n| length + n));
        length += segment.chars().count() + 1;
    }
    spans
}

fn tokens(template: &str) -> Vec<Token> {
    let (mut tokens, mut left) = (Vec::new(), template);
    while let Some(character) = left.chars().next() {
        left = &left[character.len_utf8()..];
        if character == '{' {
            let (inner, after) = left.split_once('}').unwrap();
            tokens.push(if inner.ends_with("=**") { Token::Rest } else { Token::Placeholder });
            left = after;
        } else {
            tokens.push(Token::Character(character));
        }
    }
    tokens
}

/// Literal, then text with placeholders (more characters first, then without `**`), then `{id}`, then `**`.
fn specificity(segment: &str) -> (u8, i64, u8) {
    let tokens = tokens(segment);
    let literal = tokens.iter().filter(|token| matches!(token, Token::Character(_))).count();
    let rest = tokens.contains(&Token::Rest);
    match (literal == tokens.len(), literal) {
        (true, _) => (0, 0, 0),
        (false, 0) => (if rest { 3 } else { 2 }, 0, 0),
        (false, count) => (1, -i64::try_from(count).unwrap(), u8::from(rest)),
    }
}

/// The text in lower case, as servers on several platforms fold it.
pub fn fold_case(text: &str) -> String {
    text.chars().map(fold_character).collect()
}

fn fold_character(character: char) -> char {
    match character {
        'İ' | 'ı' => 'i',
        'ſ' => 's',
        '\u{212A}' => 'k',
        _ => character.to_ascii_lowercase(),
    }
}
