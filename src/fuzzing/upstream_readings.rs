//! What servers do to a path before they route it, each as one plain function, and all texts that they make of one.

use std::collections::BTreeSet;

use super::naive;
use crate::policy::Readings;

/// The most texts that a path may be read as.
const MOST_TEXTS: usize = 64;
/// The most bytes that they may have together.
const MOST_BYTES: usize = 64 * 1024;

/// Every text that an upstream with these readings might act on; `None` where nobody can say.
pub(super) fn texts(readings: Readings, path: &str) -> Option<BTreeSet<String>> {
    let mut known = BTreeSet::from([path.to_owned()]);
    let mut waiting = vec![path.to_owned()];
    while let Some(text) = waiting.pop() {
        for made in steps(readings, &text)? {
            if naive::has_dot_segment(&made) && made != text {
                return None;
            }
            if known.insert(made.clone()) {
                waiting.push(made);
            }
        }
        if known.len() > MOST_TEXTS || (known.len() > 1 && known.iter().map(String::len).sum::<usize>() > MOST_BYTES) {
            return None;
        }
    }
    Some(known)
}

fn steps(readings: Readings, text: &str) -> Option<Vec<String>> {
    let mut made = Vec::new();
    if readings.decoding {
        let stays = |byte| !readings.encoded_slash && matches!(byte, b'/' | b'\\');
        made.push(naive::decode(text, stays)?);
    }
    if readings.encoded_slash {
        let slashes = ["%2F", "%2f", "%5C", "%5c", "\\"];
        made.push(slashes.iter().fold(text.to_owned(), |text, slash| text.replace(slash, "/")));
    }
    if readings.path_parameters {
        made.push(segments(text, |segment| segment.split(';').next().unwrap_or_default()));
    }
    if readings.merged_slashes {
        let mut merged = text.to_owned();
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        made.push(merged);
    }
    if readings.query_in_path {
        made.push(text.split(['?', '#']).next().unwrap_or_default().to_owned());
    }
    if readings.suffix {
        made.push(without_suffix(text));
    }
    if readings.trailing_dot {
        made.push(segments(text, |segment| segment.trim_end_matches('.')));
    }
    Some(made)
}

fn segments(text: &str, cut: impl Fn(&str) -> &str) -> String {
    text.split('/').map(cut).collect::<Vec<_>>().join("/")
}

fn without_suffix(text: &str) -> String {
    let (folder, file) = text.rsplit_once('/').unwrap_or(("", text));
    match file.rsplit_once('.') {
        Some((name, extension)) if !name.is_empty() && !extension.is_empty() => format!("{folder}/{name}"),
        Some(_) | None => text.to_owned(),
    }
}
