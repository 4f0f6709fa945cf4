//! YAML text → a tree of spanned nodes. The one place that knows the parser.
//!
//! The tree keeps every scalar as text: `on`, `1.0` and `null` become what the key that holds them wants, so that a scope
//! named `no` stays a name (YAML 1.2 has no other booleans than `true` and `false`). No map has a key twice: the second is a
//! fault, because two readers of such a file would see two policies.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::diagnostic::SECRET_KEYS;
use super::faults::{Fault, Faults};
use super::node::{Entry, Node, Value};
use super::source::{FileId, Place};

/// Bytes of a file at most.
pub(super) const MAX_BYTES: u64 = 32 << 20;
/// Nodes of a file at most, those that aliases repeat included.
const MAX_NODES: usize = 5_000_000;
/// Lists and maps inside each other at most.
const MAX_DEPTH: usize = 64;
/// Keys of a map up to which each is compared with each.
const FEW_KEYS: usize = 16;

/// Reads one file. `None` when the text is no YAML or holds nothing; the fault is then in `faults`.
pub(super) fn parse<'t>(text: &'t str, file: FileId, faults: &Faults) -> Option<Node<'t>> {
    let mut tree = Tree::new(file, text, faults);
    for event in parser(text) {
        let step = event.map_err(Some).and_then(|(event, span)| tree.take(event, span).ok_or(None));
        if let Err(stop) = step {
            if let Some(error) = stop {
                faults.push(syntax_fault(&error, text, file));
                tree.hide_what_follows();
            }
            return None;
        }
    }
    if tree.root.is_none() {
        faults.push(Fault::error(Place::beginning(file), "the file is empty"));
    }
    tree.root
}

/// The keys of the outermost map; of a text that is no YAML the words that begin a line and end with a colon.
pub(super) fn root_keys(text: &str) -> Vec<Cow<'_, str>> {
    let mut keys = Vec::new();
    let mut depth = 0_usize;
    let mut at_key = true;
    for event in parser(text) {
        let Ok((event, _)) = event else {
            return text.lines().filter_map(|line| Some(Cow::Borrowed(line.split_once(':')?.0))).collect();
        };
        match event {
            Event::SequenceStart(..) if depth == 0 => return keys,
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Scalar(ref text, ..) if depth == 1 && at_key => keys.push(text.clone()),
            Event::Scalar(..) | Event::Alias(_) | Event::UnresolvedAlias(_) => {}
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => continue,
        }
        if depth == 1 && !matches!(event, Event::MappingStart(..) | Event::SequenceStart(..)) {
            at_key = !at_key;
        }
    }
    keys
}

fn parser(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), ScanError>> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        disallow_directives: true,
    };
    Parser::new_from_str_with_options(text, options)
}

fn syntax_fault(error: &ScanError, text: &str, file: FileId) -> Fault {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let place = Place { file, start: offset(start), end: offset(start) };
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let (message, hint) = explain(error.kind(), line);
    Fault::error(place, message).hint_if(hint)
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A list or map whose end has not come yet.
enum Open<'t> {
    List { place: Place, anchor: usize, items: Vec<Node<'t>> },
    Map { place: Place, anchor: usize, entries: Vec<Entry<'t>>, key: Option<Key<'t>> },
}

/// A key whose value has not come yet; `None` is one that is no key, and whose value is left out with it.
type Key<'t> = Option<(Cow<'t, str>, Place)>;

/// The tree as far as it has been read.
struct Tree<'t, 'f> {
    file: FileId,
    text: &'t str,
    faults: &'f Faults,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, (Node<'t>, usize)>,
    nodes: usize,
    root: Option<Node<'t>>,
}

impl<'t, 'f> Tree<'t, 'f> {
    fn new(file: FileId, text: &'t str, faults: &'f Faults) -> Self {
        Self { file, text, faults, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None }
    }

    /// Takes in one event; `None` when nothing more can be read.
    fn take(&mut self, event: Event<'t>, span: Span) -> Option<()> {
        let place = self.place(&span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let plain = style == ScalarStyle::Plain;
                self.hide_secret(place);
                self.complete(Node { place, value: scalar(text, plain) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.open.push(Open::List { place, anchor, items: Vec::new() });
                Some(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.open.push(Open::Map { place, anchor, entries: Vec::new(), key: None });
                Some(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.repeat(anchor, place),
            Event::UnresolvedAlias(name) => {
                let message = format!("alias `*{name}` stands for nothing: there is no `&{name}` before it");
                self.faults.push(Fault::error(place, message).hint("quote text that begins with `*`"));
                self.complete(Node { place, value: Value::Unreadable }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                let fault = Fault::error(place, "the file has a second document");
                self.faults.push(fault.hint("write one document a file; several policy files add up"));
                None
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => Some(()),
        }
    }

    fn place(&self, span: &Span) -> Place {
        let start = span.start.byte_offset().unwrap_or_default();
        let end = span.end.byte_offset().unwrap_or(start);
        Place { file: self.file, start: offset(start), end: offset(end) }
    }

    fn refuse_tag(&self, tagged: bool, span: &Span) {
        if tagged {
            let tag = span.tag_span().unwrap_or(*span);
            let fault = Fault::error(self.place(&tag), "tags have no meaning here");
            self.faults.push(fault.hint("remove it, or quote text that begins with `!`"));
        }
    }

    /// Ends the innermost list or map.
    fn close(&mut self) -> Option<()> {
        match self.open.pop()? {
            Open::List { place, anchor, items } => {
                let place = items.first().map_or(place, |item| self.opening(place, item.place));
                self.complete(Node { place, value: Value::List(items) }, anchor)
            }
            Open::Map { place, anchor, mut entries, .. } => {
                self.refuse_repeated(&mut entries);
                let place = entries.first().map_or(place, |entry| self.opening(place, entry.place));
                self.complete(Node { place, value: Value::Map(entries) }, anchor)
            }
        }
    }

    /// What to point at for a whole list or map: its bracket, or where it has none, its first key or item.
    fn opening(&self, place: Place, first: Place) -> Place {
        let bracket = self.text.get(place.start as usize..).is_some_and(|rest| rest.starts_with(['[', '{']));
        if bracket || place.start != first.start { place } else { first }
    }

    /// Hands a finished node to the list or map around it.
    fn complete(&mut self, node: Node<'t>, anchor: usize) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values, with what aliases repeat");
            self.faults.push(Fault::error(node.place, message));
            return None;
        }
        if anchor != 0 {
            let size = node.count();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                Some(Some((key, place))) => entries.push(Entry { key, place, value: node }),
                Some(None) => {}
                None => *key = Some(self::key(node, self.faults)),
            },
        }
        Some(())
    }

    /// Puts a copy of an anchored node where its alias stands.
    fn repeat(&mut self, anchor: usize, place: Place) -> Option<()> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            self.faults.push(Fault::error(place, "the alias stands inside of what it repeats"));
            return self.complete(Node { place, value: Value::Unreadable }, 0);
        };
        let origin = node.place;
        // INVARIANT: what is copied is counted before it is copied, so nested aliases cannot outgrow the bound.
        self.nodes += size;
        let value = if self.nodes > MAX_NODES { Value::Unreadable } else { node.value.clone() };
        self.hide_secret(origin);
        self.complete(Node { place, value }, 0)
    }

    /// The place of the key whose value comes next, if that may be a secret.
    fn secret_key(&self) -> Option<Place> {
        match self.open.last() {
            Some(Open::Map { key: Some(Some((key, place))), .. }) if SECRET_KEYS.contains(&&**key) => Some(*place),
            Some(Open::Map { .. } | Open::List { .. }) | None => None,
        }
    }

    /// Keeps a text that is the value of such a key out of what is shown.
    fn hide_secret(&self, place: Place) {
        if self.secret_key().is_some() {
            self.faults.hide(place);
        }
    }

    /// Does so with all that follows such a key, where the text cannot be read on.
    fn hide_what_follows(&self) {
        if let Some(key) = self.secret_key() {
            self.faults.hide(Place { start: key.end, end: offset(self.text.len()), ..key });
        }
    }

    /// Takes out the second of two equal keys, and says where both are.
    fn refuse_repeated(&self, entries: &mut Vec<Entry<'t>>) {
        if entries.len() <= FEW_KEYS && !has_repeated(entries) {
            return;
        }
        let mut places: HashMap<Cow<'t, str>, Place> = HashMap::with_capacity(entries.len());
        entries.retain(|entry| {
            let Some(first) = places.get(&entry.key).copied() else {
                places.insert(entry.key.clone(), entry.place);
                return true;
            };
            let message = format!("key `{}` is written twice", entry.key);
            self.faults.push(Fault::error(entry.place, message).related(first, "first written here"));
            false
        });
    }
}

fn has_repeated(entries: &[Entry<'_>]) -> bool {
    entries.iter().enumerate().any(|(at, entry)| entries.iter().take(at).any(|earlier| earlier.key == entry.key))
}

/// YAML 1.2 core schema: nothing, `~` and three spellings of `null` without quotes are null.
fn scalar(text: Cow<'_, str>, plain: bool) -> Value<'_> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ => Value::Text { text, plain },
    }
}

/// A key is text; anything else is a fault.
fn key<'t>(node: Node<'t>, faults: &Faults) -> Key<'t> {
    let kind = node.value.kind();
    let fault = match node.value {
        Value::Text { text, plain } if !plain || text != "<<" => return Some((text, node.place)),
        Value::Text { .. } => Fault::error(node.place, "merge keys are not supported")
            .hint("YAML 1.2 has none; write the keys out, or repeat a whole value with an alias"),
        Value::Unreadable => return None,
        Value::Null | Value::List(_) | Value::Map(_) => {
            Fault::error(node.place, format!("a key is {kind}; it must be text")).hint("quote it")
        }
    };
    faults.push(fault);
    None
}

/// What errors of the parser are called here, and the mistake that is most often behind them.
static WORDS: &[(ErrorKind, &str, &str)] = &[
    (ErrorKind::TabNotAllowed, "a tab is used as indentation", SPACES),
    (ErrorKind::TabInBlockIndentation, "a tab is used as indentation", SPACES),
    (ErrorKind::TabInIndentation, "a tab is used as indentation", SPACES),
    (ErrorKind::TabInPlainScalar, "a tab is used as indentation after this value", SPACES),
    (
        ErrorKind::MappingValueNotAllowed,
        "a `: ` stands where no mapping may begin",
        "quote scopes that contain `: `, as in `\"a: b\"`, or check the indentation",
    ),
    (ErrorKind::ExpectedFlowMappingSeparator, "expected `,` or `}`", BRACKETS),
    (ErrorKind::ExpectedFlowSequenceSeparator, "expected `,` or `]`", BRACKETS),
    (ErrorKind::InvalidColonPlacement, "a `:` is misplaced, or the bracket before it is not closed", BRACKETS),
    (ErrorKind::ExpectedBlockMappingKey, "expected a key at this indentation", ALIGNED),
    (ErrorKind::ExpectedBlockSequenceEntry, "expected a `-` at this indentation", ALIGNED),
    (ErrorKind::InvalidIndentation, "the indentation fits nothing above", ALIGNED),
    (ErrorKind::UnclosedQuotedScalar, "a quote is not closed", "close it on its line"),
    (ErrorKind::MissingAnchorOrAliasName, "`*` and `&` begin names of anchors", "quote the value"),
    (ErrorKind::DirectiveDisallowed, "directives have no meaning here", "remove the line that begins with `%`"),
    (ErrorKind::RecursionLimitExceeded, "lists and mappings are nested too deeply", "64 levels are read"),
];

const SPACES: &str = "indent with spaces";
const BRACKETS: &str =
    "close the bracket, and quote text that contains `{`, `}`, `[`, `]`, `,` or `: ` inside of brackets";
const ALIGNED: &str = "keys of one mapping, and the `-` of one list, stand exactly under each other";

/// What an error of the parser means for whoever wrote the file, and what to write instead.
fn explain(kind: &ErrorKind, line: &str) -> (String, Option<String>) {
    let known = WORDS.iter().find(|(known, _, _)| known == kind);
    let (words, hint) = match known {
        Some((_, words, hint)) => ((*words).to_owned(), Some(*hint)),
        None => unusual(kind),
    };
    let tab = line.trim_start_matches(' ').starts_with('\t');
    let hint = if tab { Some(SPACES) } else { hint };
    (format!("the file is not valid YAML: {words}"), hint.map(str::to_owned))
}

fn unusual(kind: &ErrorKind) -> (String, Option<&'static str>) {
    if let ErrorKind::UnexpectedCharacter { character } = kind {
        return (format!("`{}` cannot begin a value", character.escape_debug()), Some("quote the value"));
    }
    if let ErrorKind::UnclosedFlowCollection { open } = kind {
        return (format!("`{open}` is not closed"), Some(BRACKETS));
    }
    (kind.to_string().replace('\'', "`"), None)
}
