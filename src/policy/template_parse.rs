//! The grammar of templates.

use crate::policy::TemplateFault;
use crate::policy::segment::{Mixed, Piece, Segment};

/// Bounds that keep every walk over a template short, whoever wrote the file.
const MOST_BYTES: usize = 4096;
const MOST_SEGMENTS: usize = 256;

/// The segments of a template's text, at least one.
pub(super) fn segments(text: &str) -> Result<Vec<Segment>, TemplateFault> {
    let Some(body) = text.strip_prefix('/') else { return Err(no_slash(text)) };
    if text.len() > MOST_BYTES {
        return Err(fault(MOST_BYTES, format!("the path is longer than {MOST_BYTES} bytes"), None));
    }
    Parser { text, left: body, pieces: Vec::new(), segments: Vec::new(), start: 1, has_rest: false }.run()
}

struct Parser<'t> {
    text: &'t str,
    /// What has not been read yet.
    left: &'t str,
    /// Pieces of the segment that is being read.
    pieces: Vec<Piece>,
    segments: Vec<Segment>,
    /// Where the segment that is being read begins.
    start: usize,
    has_rest: bool,
}

impl Parser<'_> {
    fn run(mut self) -> Result<Vec<Segment>, TemplateFault> {
        while let Some(character) = self.left.chars().next() {
            match character {
                '/' => self.slash()?,
                '{' => self.placeholder()?,
                _ => self.literal(character)?,
            }
        }
        self.segment()?;
        Ok(self.segments)
    }

    /// Byte offset of what is read next.
    fn at(&self) -> usize {
        self.text.len() - self.left.len()
    }

    fn skip(&mut self, bytes: usize) {
        self.left = self.left.get(bytes..).unwrap_or("");
    }

    fn slash(&mut self) -> Result<(), TemplateFault> {
        if self.pieces.is_empty() {
            return Err(fault(self.at(), "an inner segment is empty", Some("write one `/` between two segments")));
        }
        self.segment()?;
        self.skip(1);
        self.start = self.at();
        Ok(())
    }

    /// Ends the segment that is being read.
    fn segment(&mut self) -> Result<(), TemplateFault> {
        if let [Piece::Text(text)] = self.pieces.as_slice()
            && matches!(&**text, "." | "..")
        {
            return Err(fault(self.start, format!("`{text}` is a dot segment, which no request may hold"), None));
        }
        if self.segments.len() == MOST_SEGMENTS {
            return Err(fault(self.start, format!("the path has more than {MOST_SEGMENTS} segments"), None));
        }
        self.segments.push(Mixed::simplified(std::mem::take(&mut self.pieces)));
        Ok(())
    }

    fn literal(&mut self, character: char) -> Result<(), TemplateFault> {
        let at = self.at();
        match character {
            '%' => {
                return Err(fault(
                    at,
                    "a template holds no escapes",
                    Some("write the character itself, or a placeholder"),
                ));
            }
            '\\' => return Err(fault(at, "a backslash can be read as a slash", None)),
            '}' => return Err(fault(at, "`}` closes nothing", Some("a placeholder is `{name}` or `{name=**}`"))),
            _ if character.is_control() => return Err(fault(at, "a control character can never match", None)),
            _ => {}
        }
        let end = self.left.find(['/', '{', '%', '\\', '}']).unwrap_or(self.left.len());
        let text = self.left.get(..end).unwrap_or("");
        let text = text.split_once(char::is_control).map_or(text, |(before, _)| before);
        self.pieces.push(Piece::Text(text.into()));
        self.skip(text.len());
        Ok(())
    }

    fn placeholder(&mut self) -> Result<(), TemplateFault> {
        let at = self.at();
        let Some((inner, _)) = self.left.strip_prefix('{').and_then(|after| after.split_once('}')) else {
            return Err(fault(at, "`{` is never closed", Some("a placeholder is `{name}` or `{name=**}`")));
        };
        let piece = placeholder(at, inner)?;
        if self.pieces.last().is_some_and(|last| *last == Piece::Placeholder || *last == Piece::Rest) {
            let hint = "put text or a `/` between them: nobody could say where the first ends";
            return Err(fault(at, "two placeholders are adjacent", Some(hint)));
        }
        if piece == Piece::Rest && std::mem::replace(&mut self.has_rest, true) {
            return Err(fault(at, "a second `**`", Some("a path may have one `{name=**}`")));
        }
        self.pieces.push(piece);
        self.skip(inner.len() + 2);
        Ok(())
    }
}

/// What stands between `{` and `}`, the first of which is at byte `at`.
fn placeholder(at: usize, inner: &str) -> Result<Piece, TemplateFault> {
    let (name, pattern) = inner.split_once('=').map_or((inner, None), |(name, pattern)| (name, Some(pattern)));
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    if name.starts_with('*') || name.ends_with('*') {
        let plain = name.trim_matches('*');
        return Err(fault(
            at,
            "a placeholder's name holds no `*`",
            Some(&format!("write `{{{plain}=**}}` for all that follows")),
        ));
    }
    if name.is_empty() {
        return Err(fault(at, "the placeholder has no name", Some("write `{id}`")));
    }
    if let Some(odd) = name.chars().find(|&character| !fits(character)) {
        let hint = "names are made of letters, digits, `_`, `-` and `.`; a placeholder takes any segment and has no pattern but `=**`";
        return Err(fault(at, format!("a placeholder's name holds no `{}`", odd.escape_debug()), Some(hint)));
    }
    match pattern {
        None => Ok(Piece::Placeholder),
        Some("**") => Ok(Piece::Rest),
        Some("*") => Err(fault(at, "`=*` is no pattern", Some(&format!("write `{{{name}}}`, which is one segment")))),
        Some(_) => {
            let hint =
                format!("write the segments out, with a placeholder for each that varies: `projects/{{{name}}}`");
            Err(fault(at, "a placeholder's only pattern is `**`", Some(&hint)))
        }
    }
}

fn no_slash(text: &str) -> TemplateFault {
    let hint = if text.contains("://") {
        "write the path alone; the host goes into `host`".to_owned()
    } else {
        format!("write `/{text}`")
    };
    fault(0, "a path begins with `/`", Some(&hint))
}

fn fault(at: usize, message: impl Into<String>, hint: Option<&str>) -> TemplateFault {
    TemplateFault { at, message: message.into(), hint: hint.map(str::to_owned) }
}
