//! The known name that a misspelt one is nearest to.

/// Finds the name nearest to `written`, if one is near enough to be what was meant.
///
/// Near is at most a third of the letters changed, and no more than three, or any change of letter case.
pub(super) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = written.to_lowercase().chars().collect();
    let most = (letters.len() / 3).min(3);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let limit = best.map_or(most, |(distance, _)| distance);
        if name.len().abs_diff(written.len()) > limit.saturating_mul(4) {
            continue;
        }
        let other: Vec<char> = name.to_lowercase().chars().collect();
        if let Some(distance) = distance(&letters, &other, limit)
            && best.is_none_or(|(nearest, _)| distance < nearest)
        {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// A hint of the form ``did you mean `x`?``.
pub(super) fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, names).map(|name| format!("did you mean `{name}`?"))
}

/// The same for a word of a short closed list, where one that only begins alike is meant as well.
pub(super) fn did_you_mean_word<'a>(written: &str, words: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    let alike = |word: &&str| {
        let common = word.bytes().zip(written.bytes()).take_while(|(left, right)| left == right).count();
        common >= 3 && common * 2 > word.len() && common * 2 >= written.len()
    };
    let begins_alike = words.clone().into_iter().find(alike).map(|word| format!("did you mean `{word}`?"));
    did_you_mean(written, words).or(begins_alike)
}

/// Insertions, removals, changes and swaps of neighbours between two words; `None` beyond `limit`.
fn distance(left: &[char], right: &[char], limit: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let width = right.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let change = at(&last, column) + usize::from(letter != other);
            let mut cost = change.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            if row > 0 && column > 0 && left.get(row - 1) == Some(other) && right.get(column - 1) == Some(letter) {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

fn at(row: &[usize], column: usize) -> usize {
    row.get(column).copied().unwrap_or(usize::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_what_was_meant_and_nothing_far() {
        let names = ["automations", "automations:read", "apps", "apps:export", "upstream", "listeners"];
        let cases = [
            ("automation", Some("automations")),
            ("automations:raed", Some("automations:read")),
            ("Apps", Some("apps")),
            ("app:exprt", Some("apps:export")),
            ("zz", None),
            ("upstraem", Some("upstream")),
            ("spaces", None),
            ("x", None),
            ("automations:list", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(nearest(written, names), expected, "{written}");
        }
    }

    #[test]
    fn a_word_that_begins_alike_is_meant_too() {
        let words = ["describe", "implies", "admin", "side", "uses", "warn"];
        let cases = [
            ("description", Some("did you mean `describe`?")),
            ("imply", Some("did you mean `implies`?")),
            ("warning", Some("did you mean `warn`?")),
            ("use", Some("did you mean `uses`?")),
            ("sidereal_time", None),
        ];
        for (written, expected) in cases {
            assert_eq!(did_you_mean_word(written, words).as_deref(), expected, "{written}");
        }
    }
}
