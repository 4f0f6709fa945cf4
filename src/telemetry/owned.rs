//! An access record on its way to the writer.

use std::time::Duration;

use http::Method;
use smallvec::SmallVec;
use tracing::Level;

use crate::policy::{Access, Reason};

use super::labels::Source;
use super::line::Line;
use super::pseudonym::Pseudonyms;
use super::record::{AccessRecord, CutOff, Peer};
use super::settings::{LogSettings, LogSubject};

/// A copy of an [`AccessRecord`]: the worker copies bytes, the writer makes the line.
#[derive(Debug)]
pub(super) struct OwnedRecord {
    time: Duration,
    peer: Peer,
    method: Method,
    status: u16,
    source: Source,
    reason: Option<Reason>,
    access: Option<Access>,
    duration: Duration,
    upstream_duration: Option<Duration>,
    bytes_in: u64,
    bytes_out: u64,
    cut_off_by: Option<CutOff>,
    texts: Texts,
}

/// The texts of a record, in the order in which they are copied; the roles follow.
#[derive(Clone, Copy, Debug)]
enum Text {
    RequestId,
    Host,
    Path,
    Route,
    Required,
    Missing,
    Scope,
    Issuer,
    Subject,
    ClientId,
    TokenId,
    Table,
    Upstream,
    TraceId,
}

const FIRST_ROLE: usize = Text::TraceId as usize + 1;

impl OwnedRecord {
    pub(super) fn new(record: &AccessRecord<'_>, route: Option<&str>, time: Duration) -> Self {
        Self {
            time,
            peer: record.peer,
            method: record.method.clone(),
            status: record.status,
            source: record.source,
            reason: record.reason,
            access: record.access,
            duration: record.duration,
            upstream_duration: record.upstream_duration,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            cut_off_by: record.cut_off_by,
            texts: Texts::new(record, route),
        }
    }

    /// When the request ended, since the Unix epoch.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// What makes two refusals equal, if this is one.
    pub(super) fn likeness(&self) -> Option<Likeness<'_>> {
        let reason = self.reason?;
        let (route, table) = (self.texts.get(Text::Route), self.texts.get(Text::Table).unwrap_or_default());
        Some(Likeness { route, reason, peer: self.peer, status: self.status, source: self.source, table })
    }

    /// Writes the line.
    pub(super) fn write(&self, out: &mut String, settings: &LogSettings, pseudonyms: &Pseudonyms) {
        let texts = &self.texts;
        let message = if self.reason.is_some() { "request refused" } else { "request forwarded" };
        let mut line = Line::begin(out, settings.format, self.time, level(self.reason, self.status), message);
        line.text("request_id", texts.get(Text::RequestId));
        line.peer("peer", self.peer);
        line.text("method", Some(self.method.as_str()));
        line.text("host", texts.get(Text::Host));
        line.text("path", texts.get(Text::Path));
        line.text("route", texts.get(Text::Route));
        line.number("status", self.status);
        line.text("source", Some(self.source.as_str()));
        line.text("reason", self.reason.map(Reason::as_str));
        line.text("access", self.access.map(Access::as_str));
        line.text("required", texts.get(Text::Required));
        line.text("missing", texts.get(Text::Missing));
        self.write_token(&mut line, settings.subject, pseudonyms);
        line.text("table", texts.get(Text::Table));
        line.milliseconds("duration_ms", self.duration);
        line.text("upstream", texts.get(Text::Upstream));
        if let Some(took) = self.upstream_duration {
            line.milliseconds("upstream_ms", took);
        }
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        line.text("cut_off_by", self.cut_off_by.map(CutOff::as_str));
        line.text("trace_id", texts.get(Text::TraceId));
        line.end();
    }

    fn write_token(&self, line: &mut Line<'_>, subject: LogSubject, pseudonyms: &Pseudonyms) {
        let texts = &self.texts;
        line.text("scope", texts.get(Text::Scope));
        line.list("roles", texts.roles());
        line.text("issuer", texts.get(Text::Issuer));
        match subject {
            LogSubject::Plain => line.text("subject", texts.get(Text::Subject)),
            LogSubject::Hashed => {
                let pseudonym = texts.get(Text::Subject).and_then(|subject| pseudonyms.of(subject));
                line.text("subject", pseudonym.as_deref());
            }
        }
        line.text("client_id", texts.get(Text::ClientId));
        line.text("token_id", texts.get(Text::TokenId));
    }
}

/// The parts of a refusal that a line for many of them can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likeness<'a> {
    pub(super) route: Option<&'a str>,
    pub(super) reason: Reason,
    pub(super) peer: Peer,
    pub(super) status: u16,
    pub(super) source: Source,
    pub(super) table: &'a str,
}

/// The level of a record: an operator has to look at what the gateway or an upstream could not do, not at refusals.
pub(super) fn level(reason: Option<Reason>, status: u16) -> Level {
    match (reason, status) {
        (Some(Reason::Internal), _) => Level::ERROR,
        (Some(_), 502..=504) => Level::WARN,
        (Some(_) | None, _) => Level::INFO,
    }
}

/// Texts in one piece of memory.
#[derive(Debug)]
struct Texts {
    bytes: String,
    /// Where each text begins and ends; `None` is an absent one.
    spans: SmallVec<[Option<(u32, u32)>; 20]>,
}

impl Texts {
    fn new(record: &AccessRecord<'_>, route: Option<&str>) -> Self {
        // INVARIANT: in the order of `Text`.
        let fixed: [Option<&str>; FIRST_ROLE] = [
            Some(record.request_id),
            record.host,
            record.path,
            route,
            record.required,
            record.missing,
            record.scope,
            record.issuer,
            record.subject,
            record.client_id,
            record.token_id,
            Some(record.table),
            record.upstream,
            record.trace_id,
        ];
        let texts = || fixed.into_iter().chain(record.roles.iter().map(|role| Some(&**role)));
        let mut copied = Self {
            bytes: String::with_capacity(texts().flatten().map(str::len).sum()),
            spans: SmallVec::with_capacity(FIRST_ROLE + record.roles.len()),
        };
        texts().for_each(|text| copied.push(text));
        copied
    }

    fn push(&mut self, text: Option<&str>) {
        let start = self.bytes.len();
        self.bytes.push_str(text.unwrap_or_default());
        let span = u32::try_from(start).ok().zip(u32::try_from(self.bytes.len()).ok());
        self.spans.push(span.filter(|_| text.is_some()));
    }

    fn get(&self, text: Text) -> Option<&str> {
        self.span(self.spans.get(text as usize).copied().flatten())
    }

    fn roles(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().skip(FIRST_ROLE).filter_map(|&span| self.span(span))
    }

    fn span(&self, span: Option<(u32, u32)>) -> Option<&str> {
        let (start, end) = span?;
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}
