//! Secrets and files that a gateway file names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::verify::ClientKey;

use super::faults::Fault;
use super::inputs::Inputs;
use super::node::{Node, Value};
use super::read::Fields;
use super::source::{Place, Placed};
use super::suggest::did_you_mean;

/// The folder of a gateway file: what the file's relative paths start from.
#[derive(Debug)]
pub(super) struct Folder<'r> {
    pub(super) path: &'r Path,
    pub(super) inputs: &'r mut Inputs,
    /// When it is read, since the Unix epoch: certificates expire.
    pub(super) now: Duration,
}

impl Folder<'_> {
    /// Resolves a path of the gateway file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Resolves the file that a key names; one that cannot be read is a fault.
    pub(super) fn file(&mut self, fields: &Fields<'_, '_>, name: &str) -> Option<PathBuf> {
        let written = fields.text(name)?;
        let path = self.resolve(written.value);
        if let Err(what) = self.inputs.locate(&path) {
            refuse_file(fields, name, written.place, &path, &what);
        }
        Some(path)
    }

    /// When the file is read, in seconds since the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)
    }

    /// Reads a file that a key names at `place`; one that cannot be read is a fault.
    pub(super) fn bytes(&mut self, fields: &Fields<'_, '_>, name: &str, place: Place, path: &Path) -> Option<Vec<u8>> {
        let read = self.inputs.read_file(path);
        read.map_err(|what| refuse_file(fields, name, place, path, &what)).ok()
    }

    /// Reads a secret: a text, `{file: PATH}` or `{env: NAME}`. No message ever shows it.
    pub(super) fn secret(&mut self, fields: &Fields<'_, '_>, name: &str, node: &Node<'_>) -> Option<String> {
        let text = self.written(fields, name, node)?;
        let fits = (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let hint = "it is sent as a field's value".to_owned();
            fields.refuse(node.place, name, "must be 1 to 4096 letters of printable ASCII without space", Some(hint));
        }
        fits.then_some(text)
    }

    /// The same, of words with spaces between them.
    pub(super) fn words(&mut self, fields: &Fields<'_, '_>, name: &str, node: &Node<'_>) -> Option<String> {
        let text = self.written(fields, name, node)?;
        let sound = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let fits = (1..=4096).contains(&text.len()) && text.bytes().all(sound) && text.trim_ascii() == text;
        if !fits {
            fields.refuse(
                node.place,
                name,
                "must be 1 to 4096 letters of printable ASCII, not beginning or ending with space",
                None,
            );
        }
        fits.then_some(text)
    }

    /// The same, where it may not be written in the file itself.
    pub(super) fn stored(&mut self, fields: &Fields<'_, '_>, name: &str, node: &Node<'_>) -> Option<String> {
        if node.text().is_some() {
            fields.faults.hide(node.place);
            let hint = "it may be a secret, and this file is read by many".to_owned();
            fields.refuse(node.place, name, "must be `{file: PATH}` or `{env: NAME}`", Some(hint));
            return None;
        }
        self.words(fields, name, node)
    }

    fn written(&mut self, fields: &Fields<'_, '_>, name: &str, node: &Node<'_>) -> Option<String> {
        match &node.value {
            Value::Text { text, .. } => Some(text.to_string()),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => self.secret_of(fields, name, &entry.key, &entry.value),
                _ => refuse_form(fields, name, node.place, None),
            },
            Value::Unreadable => None,
            Value::Null | Value::List(_) => refuse_form(fields, name, node.place, None),
        }
    }

    /// Reads the private key in the file that a key names.
    pub(super) fn client_key(&mut self, fields: &Fields<'_, '_>, name: &str) -> Option<ClientKey> {
        let written = fields.text(name)?;
        let path = self.resolve(written.value);
        let read = self.inputs.read_secret(&path);
        let key = read.and_then(|text| ClientKey::read(text.as_bytes()).map_err(|fault| fault.to_string()));
        key.map_err(|what| refuse_file(fields, name, written.place, &path, &what)).ok()
    }

    fn secret_of(&mut self, fields: &Fields<'_, '_>, name: &str, form: &str, value: &Node<'_>) -> Option<String> {
        let Some(written) = value.text() else { return refuse_form(fields, name, value.place, None) };
        match form {
            "file" => {
                let path = self.resolve(written);
                let read = self.inputs.read_secret(&path);
                read.map_err(|what| refuse_file(fields, name, value.place, &path, &what)).ok()
            }
            "env" => {
                let read = std::env::var(written).ok();
                if read.is_none() {
                    let what = format!("needs the environment variable `{written}`, which is not set");
                    fields.refuse(value.place, name, what, None);
                }
                read
            }
            other => refuse_form(fields, name, value.place, did_you_mean(other, ["file", "env"])),
        }
    }
}

fn refuse_form(fields: &Fields<'_, '_>, name: &str, place: Place, hint: Option<String>) -> Option<String> {
    fields.refuse(place, name, "must be a text, `{file: PATH}` or `{env: NAME}`", hint);
    None
}

fn refuse_file(fields: &Fields<'_, '_>, name: &str, place: Place, path: &Path, what: &str) {
    let message = fields.subject.say(name, format_args!("names `{}`, which {what}", path.display()));
    fields.faults.push(Fault::error(place, message));
}

/// The text of a key that must not be empty.
pub(super) fn not_empty<'n>(fields: &Fields<'n, '_>, name: &str) -> Option<Placed<&'n str>> {
    let written = fields.text(name)?;
    if written.value.is_empty() {
        fields.refuse(written.place, name, "is empty", None);
        return None;
    }
    Some(written)
}
