//! Operational events: what the process says of itself through `tracing`.

use std::error::Error;
use std::fmt::{Debug, Write};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::Line;
use super::log::Log;
use super::settings::LogFormat;

/// Events of this crate are written from the level of the settings on. Of other crates only warnings and errors are:
/// what they say below that may quote requests, and requests hold tokens.
const OURS: &str = env!("CARGO_PKG_NAME");

/// A layer that hands events to a [`Log`].
#[derive(Debug)]
pub(super) struct Events {
    log: Log,
}

impl Events {
    pub(super) fn new(log: Log) -> Self {
        Self { log }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().split("::").next() == Some(OURS);
        metadata.is_event()
            && *metadata.level() <= self.log.shared().settings().level
            && (is_ours || *metadata.level() <= Level::WARN)
    }
}

impl<S: Subscriber> Layer<S> for Events {
    /// The answer is kept until `Log::reconfigure` asks for new ones, so an event below the level costs next to nothing.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut seen =
            Event { time: self.log.shared().clock.now(), level, message: String::new(), members: Vec::new() };
        event.record(&mut seen);
        self.log.event(seen);
    }
}

/// One event on its way to the writer.
#[derive(Debug)]
pub(super) struct Event {
    time: Duration,
    level: Level,
    message: String,
    members: Vec<(&'static str, Value)>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// A number, `true` or `false`.
    Bare(String),
}

impl Event {
    /// Writes the line.
    pub(super) fn write(&self, out: &mut String, format: LogFormat) {
        let mut line = Line::begin(out, format, self.time, self.level, &self.message);
        for (name, value) in &self.members {
            match value {
                Value::Text(text) => line.text(name, Some(text)),
                Value::Bare(number) => line.number(name, number),
            }
        }
        line.end();
    }

    fn add(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            // A line has each of these once already.
            "ts" => "ts_",
            "level" => "level_",
            "msg" => "msg_",
            name => name,
        };
        self.members.push((name, value));
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a `String` cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.add(field, Value::Text(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.add(field, Value::Text(value.to_owned()));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(fault) = cause {
            // Writing to a `String` cannot fail.
            let _ = write!(text, ": {fault}");
            cause = fault.source();
        }
        self.add(field, Value::Text(text));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        self.add(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }
}
