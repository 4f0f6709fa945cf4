//! Templates that mean something else than whoever wrote them thinks: wildcards and parameters of other routers.

/// What a segment looks like and is not, and what to write: at which byte, what is wrong, and the hint.
pub(super) fn foreign_segment(template: &str) -> Option<(usize, String, String)> {
    let mut at = 0;
    for segment in template.split('/') {
        let meant = match segment {
            "*" => Some("{id}` for one segment, or `{rest=**}".to_owned()),
            "**" => Some("{rest=**}".to_owned()),
            _ => segment.strip_prefix(':').filter(|name| is_name(name)).map(|name| format!("{{{name}}}")),
        };
        if let Some(meant) = meant {
            return Some((at, format!("`{segment}` is matched letter by letter"), format!("write `{meant}`")));
        }
        at += segment.len() + 1;
    }
    None
}

fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_look_foreign() {
        let cases = [
            ("/a/*", Some(3)),
            ("/a/**/b", Some(3)),
            ("/:id/x", Some(1)),
            ("/a/{id}:cancel", None),
            ("/a/x:id", None),
            ("/a/:", None),
            ("/a/*.txt", None),
            ("/a/{rest=**}", None),
        ];
        for (template, expected) in cases {
            assert_eq!(foreign_segment(template).map(|(at, ..)| at), expected, "{template}");
        }
    }
}
