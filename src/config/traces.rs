//! `traces` of a gateway file.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};

use crate::traces::{Parents, TracesSettings};

use super::addresses::{check_scheme, url};
use super::read::Fields;
use super::secrets::Folder;

/// Where a collector takes traces, below its address (OTLP/HTTP).
const TRACES: &str = "/v1/traces";

/// Fields that belong to the message and not to the operator.
const OURS: [&str; 6] =
    ["content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "host"];

/// Reads the section, if it is written; a build without traces refuses it.
pub(super) fn read(root: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<TracesSettings> {
    root.node("traces")?;
    if !cfg!(feature = "otel") {
        let hint = "build it with `cargo build --release --features otel`, or take the section out";
        let what = "needs a build with the feature `otel`, and this one is without";
        root.refuse(root.place_of("traces"), "traces", what, Some(hint.to_owned()));
        return None;
    }
    let fields = root.section("traces");
    let url = url(&fields, "otlp", "https://collector.example.com:4318");
    let insecure = fields.boolean("insecure_http");
    if let Some(url) = &url {
        check_scheme(&fields, "otlp", url, insecure, "whoever is in between reads who asked for what");
    }
    let ca = fields.node("ca").map(|_| folder.file(&fields, "ca"));
    let (resource, headers) = (resource(&fields, folder), headers(&fields, folder));
    Some(TracesSettings {
        sample: fields.ratio("sample"),
        parents: match fields.choice("parents") {
            "none" => Parents::None,
            "trusted" => Parents::Trusted,
            _ => Parents::All,
        },
        resource,
        fields: headers,
        interval: fields.duration("interval")?,
        queue: fields.count("queue"),
        timeout: fields.duration("timeout")?,
        ca: ca.flatten(),
        url: for_traces(&url?.value)?,
    })
}

/// The address for traces of a collector: the path is added to what is written, unless it ends so already.
fn for_traces(url: &Uri) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    let written = url.path().trim_end_matches('/');
    let path = if written.ends_with(TRACES) { written.to_owned() } else { format!("{written}{TRACES}") };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// Fields of the operator's choice; their values stand elsewhere.
fn headers(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for entry in fields.entries("headers") {
        let path = format!("headers.{}", entry.key);
        let value = folder.stored(fields, &path, &entry.value);
        match entry.key.parse::<HeaderName>() {
            Err(_) => fields.refuse(entry.place, &path, "is no name of a field", None),
            Ok(name) if OURS.contains(&name.as_str()) => {
                fields.refuse(entry.place, &path, "is the gateway's own to say", None);
            }
            Ok(name) => headers.extend(value.and_then(|value| Some((name, sensitive(&value)?)))),
        }
    }
    headers
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Attributes of the operator's choice, each a text, `{file: PATH}` or `{env: NAME}`.
fn resource(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Vec<(String, String)> {
    let entries = fields.entries("resource").iter();
    entries
        .filter_map(|entry| {
            let value = folder.words(fields, &format!("resource.{}", entry.key), &entry.value)?;
            Some((entry.key.to_string(), value))
        })
        .collect()
}
