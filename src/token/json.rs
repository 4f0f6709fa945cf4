//! JSON read strictly and without copying where it can be borrowed (RFC 8259; RFC 7515 §5.2, RFC 7519 §7.2).
//!
//! Refused: invalid UTF-8, a byte order mark, lone surrogates, anything after the value, more than 127 levels, numbers that
//! no double can hold, and, where the caller asks, a member name twice in one object at any depth (RFC 7515 §4, RFC 7519 §4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value that borrows from the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The members of a JSON object, in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a> {
    pub(crate) members: Vec<(Cow<'a, str>, Json<'a>)>,
    repeated: bool,
}

/// What is done with a member name that one object has twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// The text is refused.
    Refuse,
    /// The object says so: see [`Object::repeated`].
    Mark,
}

impl<'a> Json<'a> {
    /// Reads one JSON value that is the whole of `bytes`, or gives `None`.
    pub(crate) fn read(bytes: &'a [u8], repeats: Repeats) -> Option<Self> {
        // RFC 8259 §8.1: the text is UTF-8.
        let text = std::str::from_utf8(bytes).ok()?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Reading(repeats).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(value)
    }

    /// Reads one JSON object that is the whole of `bytes` and has no member twice, at any depth.
    pub(super) fn read_object(bytes: &'a [u8]) -> Option<Object<'a>> {
        match Self::read(bytes, Repeats::Refuse)? {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The text, if the value is a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements, if the value is an array.
    pub(crate) fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(elements) => Some(elements),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    /// The members, if the value is an object.
    pub(crate) fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The truth value, if the value is one.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Null | Self::Number(_) | Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The number, if the value is one that is written as a whole number from 0 to below 2^64.
    pub(super) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The number as a double, if the value is one.
    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Tells whether both are the same JSON value; the order of members means nothing.
    pub(super) fn equals(&self, other: &serde_json::Value) -> bool {
        match (self, other) {
            (Self::Null, serde_json::Value::Null) => true,
            (Self::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Self::Number(a), serde_json::Value::Number(b)) => a == b,
            (Self::Text(a), serde_json::Value::String(b)) => a == b,
            (Self::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            (Self::Object(a), serde_json::Value::Object(b)) => {
                a.members.len() == b.len()
                    && a.members.iter().all(|(name, a)| b.get(name.as_ref()).is_some_and(|b| a.equals(b)))
            }
            _ => false,
        }
    }

    /// Tells whether this value or one inside it has a member twice.
    pub(super) fn has_repeats(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
            Self::Array(elements) => elements.iter().any(Self::has_repeats),
            Self::Object(object) => object.repeated || object.members.iter().any(|(_, value)| value.has_repeats()),
        }
    }
}

impl<'a> Object<'a> {
    /// The value of a member.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Tells whether this object itself has a member twice.
    pub(super) fn repeated(&self) -> bool {
        self.repeated
    }

    /// Makes an object of members, and notes whether a name occurs twice.
    fn from_members(members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        let repeated = has_equal_names(&members);
        Self { members, repeated }
    }
}

/// Beyond so many members names are sorted instead of compared each with each, so that hostile objects cost no square.
const FEW_MEMBERS: usize = 16;

fn has_equal_names(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    if members.len() <= FEW_MEMBERS {
        let mut rest = members.iter();
        while let Some((name, _)) = rest.next() {
            if rest.clone().any(|(other, _)| other == name) {
                return true;
            }
        }
        return false;
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.iter().zip(names.iter().skip(1)).any(|(one, next)| one == next)
}

/// Reads one value; serde_json bounds the depth at 127 levels.
#[derive(Clone, Copy)]
struct Reading(Repeats);

impl<'a> DeserializeSeed<'a> for Reading {
    type Value = Json<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Json<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Reading {
    type Value = Json<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'a>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'a>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'a>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'a>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'a>, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Json<'a>, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<Json<'a>, A::Error> {
        // Room for more than comes would make 1 MiB of empty objects two hundred.
        let mut members = Vec::new();
        while let Some(Name(name)) = entries.next_key_seed(NameReading)? {
            members.push((name, entries.next_value_seed(self)?));
        }
        let object = Object::from_members(members);
        if object.repeated && self.0 == Repeats::Refuse {
            return Err(A::Error::custom("a member twice"));
        }
        Ok(Json::Object(object))
    }
}

struct Name<'a>(Cow<'a, str>);

/// Reads a member's name, borrowed unless it has escapes (which `Cow`'s own implementation would copy always).
struct NameReading;

impl<'a> DeserializeSeed<'a> for NameReading {
    type Value = Name<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Name<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for NameReading {
    type Value = Name<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Name<'a>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'a>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}
