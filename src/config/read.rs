//! Typed readers over the tree: a value, or a fault that names key, place and what to write instead.

use std::fmt;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::faults::{Fault, Faults};
use super::keys::{Key, Shape};
use super::node::{Entry, Node, Value};
use super::scalars::{Scalar, Wrong, boolean, choose, count, duration, ratio, share, shown, size};
use super::source::{FileId, Place, Placed};
use super::{hints, yaml};

/// What a message is about: route `x`, and the keys that lead to the section inside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// Such as ``route `x`: ``, or nothing.
    label: String,
    /// Such as `timeouts.`, or nothing.
    path: String,
}

impl Subject {
    pub(super) fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self { label: format!("{kind} `{name}`: "), path: String::new() }
    }

    /// The same subject, one section deeper.
    pub(super) fn inside(&self, key: impl fmt::Display) -> Self {
        Self { label: self.label.clone(), path: format!("{}{key}.", self.path) }
    }

    /// A message about one key of it.
    pub(super) fn say(&self, key: &str, what: impl fmt::Display) -> String {
        format!("{}`{}{key}` {what}", self.label, self.path)
    }

    /// A message about the whole of it.
    pub(super) fn tell(&self, what: impl fmt::Display) -> String {
        format!("{}{what}", self.label)
    }
}

/// The keys of one section, found.
#[derive(Debug)]
pub(super) struct Fields<'n, 't> {
    keys: &'static [Key],
    written: SmallVec<[Option<&'n Entry<'t>>; 12]>,
    pub(super) place: Place,
    pub(super) subject: Subject,
    pub(super) faults: &'n Faults,
}

impl<'n, 't> Fields<'n, 't> {
    /// Reads a mapping: every unknown and every missing key is a fault; one that is misspelt is no missing one. What is no mapping has
    /// no keys.
    pub(super) fn read(node: &'n Node<'t>, keys: &'static [Key], subject: Subject, faults: &'n Faults) -> Self {
        Self::read_at(node, node.place, keys, subject, faults)
    }

    /// The same, where a missing key is best shown at `place`: the name of what lacks it.
    pub(super) fn read_at(
        node: &'n Node<'t>,
        place: Place,
        keys: &'static [Key],
        subject: Subject,
        faults: &'n Faults,
    ) -> Self {
        let mut fields = Self::absent(keys, place, subject, faults);
        match &node.value {
            Value::Map(entries) => {
                fields.take(entries);
                fields.refuse_missing();
            }
            Value::Unreadable => {}
            Value::Null | Value::Text { .. } | Value::List(_) => {
                let kind = node.value.kind();
                let message = match fields.subject.path.strip_suffix('.') {
                    Some(path) => format!("{}`{path}` must be a mapping, not {kind}", fields.subject.label),
                    None => fields.subject.tell(format_args!("expected a mapping, found {kind}")),
                };
                faults.push(Fault::error(node.place, message).hint_if(hints::mapping(&node.value, keys)));
            }
        }
        fields
    }

    /// A section that is not written: every key has its default.
    pub(super) fn absent(keys: &'static [Key], place: Place, subject: Subject, faults: &'n Faults) -> Self {
        Self { keys, written: smallvec![None; keys.len()], place, subject, faults }
    }

    /// The same keys, whose faults from now on are told elsewhere.
    pub(super) fn telling(self, faults: &'n Faults) -> Self {
        Self { faults, ..self }
    }

    fn take(&mut self, entries: &'n [Entry<'t>]) {
        let mut unknown: SmallVec<[&'n Entry<'t>; 2]> = SmallVec::new();
        for entry in entries {
            match self.slot(&entry.key) {
                Some(slot) => *slot = Some(entry),
                None => unknown.push(entry),
            }
        }
        // One that is misspelt stands for what was meant: the file is refused already, and nothing is missed that is there.
        for entry in unknown {
            self.refuse_unknown(entry);
            let meant = hints::misspelt(&entry.key, self.keys).and_then(|name| self.slot(name));
            if let Some(slot) = meant.filter(|slot| slot.is_none()) {
                *slot = Some(entry);
            }
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'n Entry<'t>>> {
        let position = self.keys.iter().position(|key| key.name == name)?;
        self.written.get_mut(position)
    }

    fn refuse_unknown(&self, entry: &Entry<'_>) {
        let Subject { label, path } = &self.subject;
        let hint = hints::unknown_key(&entry.key, self.keys);
        let message = format!("{label}unknown key `{path}{}`", entry.key);
        self.faults.push(Fault::error(entry.place, message).hint_if(hint));
    }

    fn refuse_missing(&self) {
        for (key, written) in self.keys.iter().zip(&self.written) {
            if key.required && written.is_none() {
                self.faults.push(Fault::error(self.place, self.subject.say(key.name, "is missing")));
            }
        }
    }

    fn key(&self, name: &str) -> Option<(&'static Key, Option<&'n Entry<'t>>)> {
        let found = self.keys.iter().zip(&self.written).find(|(key, _)| key.name == name);
        debug_assert!(found.is_some(), "`{name}` is in no description of keys");
        found.map(|(key, written)| (key, *written))
    }

    /// What a key takes.
    pub(super) fn shape(&self, name: &str) -> Option<Shape> {
        self.key(name).map(|(key, _)| key.shape)
    }

    /// What is written for a key, if it is written.
    pub(super) fn node(&self, name: &str) -> Option<&'n Node<'t>> {
        self.key(name)?.1.map(|entry| &entry.value)
    }

    /// Where a key is written, or else its section.
    pub(super) fn place_of(&self, name: &str) -> Place {
        self.key(name).and_then(|(_, written)| written).map_or(self.place, |entry| entry.place)
    }

    /// Records that a value is not what its key wants.
    pub(super) fn refuse(&self, place: Place, name: &str, what: impl fmt::Display, hint: Option<String>) {
        self.faults.push(Fault::error(place, self.subject.say(name, what)).hint_if(hint));
    }

    /// The scalar that is written for a key, else its default, read by `parse`; `None` when there is neither, or a fault.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(Scalar<'n>) -> Result<T, Wrong>,
    ) -> Option<Placed<T>> {
        let (key, written) = self.key(name)?;
        let Some(entry) = written else {
            let default = Scalar { text: key.default?, plain: true };
            return parse(default).ok().map(|value| Placed { value, place: self.place });
        };
        self.convert(name, &entry.value, parse)
    }

    /// One value of a key, read by `parse`, or a fault.
    pub(super) fn convert<T>(
        &self,
        name: &str,
        node: &'n Node<'t>,
        parse: impl FnOnce(Scalar<'n>) -> Result<T, Wrong>,
    ) -> Option<Placed<T>> {
        let (text, plain) = match &node.value {
            Value::Text { text, plain } => (text.as_ref(), *plain),
            Value::Null | Value::Unreadable | Value::List(_) | Value::Map(_) => {
                self.refuse_kind(node, name, "must be one value");
                return None;
            }
        };
        match parse(Scalar { text, plain }) {
            Ok(value) => Some(Placed { value, place: node.place }),
            Err(Wrong { expected, hint }) => {
                self.refuse(node.place, name, format_args!("must be {expected}, not `{}`", shown(text)), hint);
                None
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<Placed<&'n str>> {
        self.parsed(name, |scalar| Ok(scalar.text))
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        self.parsed(name, boolean).is_some_and(|placed| placed.value)
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        self.placed_duration(name).map(|placed| placed.value)
    }

    pub(super) fn placed_duration(&self, name: &str) -> Option<Placed<Duration>> {
        let shape = self.key(name)?.0.shape;
        self.parsed(name, |scalar| duration(scalar.text, &shape))
    }

    /// A size in bytes.
    pub(super) fn size(&self, name: &str) -> usize {
        let Some((key, _)) = self.key(name) else { return 0 };
        self.parsed(name, |scalar| size(scalar.text, &key.shape)).map_or(0, |placed| placed.value)
    }

    pub(super) fn count(&self, name: &str) -> usize {
        let Some((key, _)) = self.key(name) else { return 0 };
        self.parsed(name, |scalar| count(scalar, &key.shape)).map_or(0, |placed| placed.value)
    }

    pub(super) fn share(&self, name: &str) -> f64 {
        self.parsed(name, share).map_or(1.0, |placed| placed.value)
    }

    pub(super) fn ratio(&self, name: &str) -> f64 {
        self.parsed(name, ratio).map_or(0.0, |placed| placed.value)
    }

    /// One of the words that the key's description lists; `""` when there is neither word nor default, or a fault.
    pub(super) fn choice(&self, name: &str) -> &'static str {
        let Some((key, _)) = self.key(name) else { return "" };
        self.parsed(name, |scalar| choose(scalar.text, &key.shape)).map_or("", |placed| placed.value)
    }

    /// The words of a list, each one that the key's description lists.
    pub(super) fn choices(&self, name: &str) -> Vec<&'static str> {
        let shape = match self.key(name).map(|(key, _)| key.shape) {
            Some(Shape::List(item)) => *item,
            _ => return Vec::new(),
        };
        self.list(name, |scalar| choose(scalar.text, &shape)).into_iter().map(|placed| placed.value).collect()
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<Placed<String>> {
        self.list(name, |scalar| Ok(scalar.text.to_owned()))
    }

    /// Every item of a list, or of its default, read by `parse`; items with a fault are left out.
    pub(super) fn list<T>(&self, name: &str, mut parse: impl FnMut(Scalar<'_>) -> Result<T, Wrong>) -> Vec<Placed<T>> {
        let Some((key, written)) = self.key(name) else { return Vec::new() };
        let Some(entry) = written else {
            return self.default_list(key, parse);
        };
        let single = matches!(key.shape, Shape::Texts) && entry.value.text().is_some();
        let items = if single { std::slice::from_ref(&entry.value) } else { self.nodes(name, &entry.value) };
        items.iter().filter_map(|item| self.convert(name, item, &mut parse)).collect()
    }

    fn default_list<T>(&self, key: &Key, mut parse: impl FnMut(Scalar<'_>) -> Result<T, Wrong>) -> Vec<Placed<T>> {
        let node = key.default.and_then(|text| yaml::parse(text, FileId(u16::MAX), &Faults::default()));
        let Some(Value::List(items)) = node.map(|node| node.value) else { return Vec::new() };
        let read = |item: &Node<'_>| parse(Scalar { text: item.text()?, plain: true }).ok();
        items.iter().filter_map(read).map(|value| Placed { value, place: self.place }).collect()
    }

    /// The items of a list that is written; anything else is a fault and has none.
    pub(super) fn items(&self, name: &str) -> &'n [Node<'t>] {
        self.node(name).map_or(&[], |node| self.nodes(name, node))
    }

    fn nodes(&self, name: &str, node: &'n Node<'t>) -> &'n [Node<'t>] {
        match &node.value {
            Value::List(items) => items,
            Value::Null | Value::Unreadable | Value::Text { .. } | Value::Map(_) => {
                self.refuse_kind(node, name, "must be a list");
                &[]
            }
        }
    }

    /// The entries of a mapping with names of the operator's choice; anything else is a fault and has none.
    pub(super) fn entries(&self, name: &str) -> &'n [Entry<'t>] {
        match self.node(name) {
            None => &[],
            Some(Node { value: Value::Map(entries), .. }) => entries,
            Some(node) => {
                self.refuse_kind(node, name, "must be a mapping");
                &[]
            }
        }
    }

    /// A section inside of this one; when it is not written, every key of it has its default.
    pub(super) fn section(&self, name: &str) -> Fields<'n, 't> {
        let keys = match self.key(name).map(|(key, _)| key.shape) {
            Some(Shape::Section(keys)) => keys,
            _ => &[],
        };
        let subject = self.subject.inside(name);
        match self.node(name) {
            Some(node) => Fields::read(node, keys, subject, self.faults),
            None => Fields::absent(keys, self.place, subject, self.faults),
        }
    }

    /// The same, if it is written.
    pub(super) fn section_if(&self, name: &str) -> Option<Fields<'n, 't>> {
        self.node(name).map(|_| self.section(name))
    }

    fn refuse_kind(&self, node: &Node<'_>, name: &str, must: &str) {
        if matches!(node.value, Value::Unreadable) {
            return;
        }
        let (what, hint) = hints::kind(node, must);
        let of_sections = self.key(name).is_some_and(|(key, _)| matches!(key.shape, Shape::List(Shape::Section(_))));
        let hint = match node.value {
            Value::Text { .. } | Value::Map(_) if of_sections => Some("begin each item with `- `".to_owned()),
            Value::Null | Value::Unreadable | Value::Text { .. } | Value::List(_) | Value::Map(_) => hint,
        };
        self.refuse(node.place, name, what, hint);
    }
}
