//! A browser without a script: it keeps cookies, reads forms and sends them, and never follows a redirect by itself.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use super::client::{Client, Response};

/// A browser that only ever talks to one server.
#[derive(Clone, Debug)]
pub struct Browser {
    server: SocketAddr,
    cookies: BTreeMap<String, String>,
}

/// A page, or a redirect.
#[derive(Clone, Debug)]
pub struct Page {
    pub response: Response,
}

/// One form of a page, as it would be sent: hidden fields and ticked boxes, each with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Browser {
    pub fn new(server: SocketAddr) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    pub fn get(&mut self, target: &str) -> Page {
        self.try_get(target).expect("a page")
    }

    /// Sends a form as it stands.
    pub fn submit(&mut self, form: &Form) -> Page {
        self.try_submit(form).expect("a page")
    }

    /// The same; a fault when the server goes away.
    pub fn try_get(&mut self, target: &str) -> io::Result<Page> {
        self.exchange("GET", target, "")
    }

    /// The same; a fault when the server goes away.
    pub fn try_submit(&mut self, form: &Form) -> io::Result<Page> {
        let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        self.exchange("POST", &form.action, &content)
    }

    fn exchange(&mut self, method: &str, target: &str, content: &str) -> io::Result<Page> {
        let server = self.server;
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let content_fields = if method == "POST" {
            let length = content.len();
            format!(
                "Origin: http://{server}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
            )
        } else {
            String::new()
        };
        let mut client = Client::try_connect(server)?;
        client.try_send(format!(
            "{method} {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{cookies}{content_fields}\r\n{content}"
        ))?;
        let response = client.try_response_to(method)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.keep_cookies(&response);
        Ok(Page { response })
    }

    fn keep_cookies(&mut self, response: &Response) {
        for (_, value) in response.message.fields.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = value.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() || rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    pub fn status(&self) -> u16 {
        self.response.status
    }

    pub fn text(&self) -> String {
        self.response.text()
    }

    /// Where a redirect leads to.
    pub fn location(&self) -> Option<&str> {
        self.response.field("location")
    }

    /// A parameter of the redirect's query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.location()?.split_once('?')?;
        form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The form whose action begins with `action`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn form(&self, action: &str) -> Form {
        let text = self.text();
        let form = forms(&text).into_iter().find(|form| form.action.starts_with(action));
        form.unwrap_or_else(|| panic!("no form to `{action}` on this page ({}): {text}", self.status()))
    }
}

impl Form {
    /// Sets a field, whether it is there or not.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Every form of a page. Buttons are left out: whoever presses one adds its field.
fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for part in page.split("<form").skip(1) {
        let part = part.split("</form>").next().unwrap_or_default();
        let mut tags = part.split('<');
        let action = attribute(tags.next().unwrap_or_default(), "action").unwrap_or_default();
        let fields = tags.filter(|tag| tag.starts_with("input ") || tag.starts_with("input\n")).filter_map(field);
        forms.push(Form { action, fields: fields.collect() });
    }
    forms
}

/// What an `input` sends.
fn field(tag: &str) -> Option<(String, String)> {
    let kind = attribute(tag, "type").unwrap_or_default();
    let head = tag.split('>').next().unwrap_or_default();
    let is_unticked = matches!(&*kind, "checkbox" | "radio") && !head.split_whitespace().any(|word| word == "checked");
    if is_unticked || kind == "submit" {
        return None;
    }
    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
}

/// The value of an attribute of a tag, unescaped.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let (_, after) = tag.split_once(&format!("{name}=\""))?;
    let value = after.split('"').next()?;
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'")];
    let named = named.into_iter().chain([("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")]);
    Some(named.fold(value.to_owned(), |text, (escape, letter)| text.replace(escape, letter)))
}
