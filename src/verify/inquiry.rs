//! An issuer asked once, as the gateway asks it, for whoever looks for faults: nothing is kept, nothing is counted.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;

use super::client_authentication::Form;
use super::discovery::{Discovery, DiscoveryFault};
use super::refresh::ACCEPT;
use super::settings::{IssuerSettings, KeyAddress, KeySource};
use crate::clock::Clock;
use crate::net::{Answer, FetchFault, FetchSettings, Sent, fetch};
use crate::token::{IntrospectionFault, JwkSet, JwkSetFault, TokenFault, TrustedIssuer};

/// One issuer, to be asked.
#[derive(Clone, Debug)]
pub struct Inquiry<'a> {
    /// As the gateway file describes it.
    pub settings: &'a IssuerSettings,
    /// What its clock is compared with.
    pub clock: &'a Clock,
    /// For a question and its whole answer, where the settings allow no less.
    pub timeout: Duration,
}

/// What an issuer says of its keys.
#[derive(Debug)]
pub struct KeysTold {
    /// Where they are; `None` for a file.
    pub url: Option<Uri>,
    /// The keys; none may be usable.
    pub keys: JwkSet,
    /// Where its metadata says that it is asked about tokens, if that was to be looked up.
    pub introspection: Option<Uri>,
    /// How many seconds its clock is ahead of this machine's, at least, or behind; `None` where its answer has no date.
    pub ahead: Option<i64>,
}

/// Why an issuer says nothing of its keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// The key file cannot be read.
    #[error("the key file cannot be read")]
    File(#[source] std::io::Error),
    /// Its metadata does not say where they are.
    #[error("its metadata does not lead to its keys")]
    Metadata(#[source] DiscoveryFault),
    /// They cannot be had where they should be.
    #[error("its keys cannot be had from `{0}`")]
    Fetch(Uri, #[source] FetchFault),
    /// What is there is no key set.
    #[error("what is there is no key set")]
    NotASet(#[source] JwkSetFault),
}

/// Why an issuer did not say that a token which nobody has issued is not active.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionInquiryFault {
    /// There is no answer, or one with another status than 200.
    #[error("it cannot be asked")]
    Fetch(#[source] FetchFault),
    /// The answer is no JSON object, or has a member twice.
    #[error("its answer cannot be read")]
    Unreadable,
    /// It says that the token is active.
    #[error("it calls a token active that nobody has issued")]
    Active,
    /// The machine gives no randomness.
    #[error("the machine gives no randomness")]
    Unsigned,
}

impl Inquiry<'_> {
    /// Asks for the issuer's keys, or reads them from their file.
    ///
    /// # Errors
    ///
    /// [`KeysFault`].
    pub async fn keys(&self) -> Result<KeysTold, KeysFault> {
        match &self.settings.keys {
            KeySource::File(path) => {
                let text = tokio::fs::read(path).await.map_err(KeysFault::File)?;
                let keys = JwkSet::read(&text).map_err(KeysFault::NotASet)?;
                Ok(KeysTold { url: None, keys, introspection: None, ahead: None })
            }
            KeySource::Remote { address, timeout, ca, .. } => {
                self.remote_keys(address, self.timeout.min(*timeout), ca.as_deref()).await
            }
        }
    }

    async fn remote_keys(
        &self,
        address: &KeyAddress,
        timeout: Duration,
        ca: Option<&Path>,
    ) -> Result<KeysTold, KeysFault> {
        let (url, introspection) = match address {
            KeyAddress::Url(url) => (url.clone(), None),
            KeyAddress::Discovery { insecure_http } => {
                let asked = self.settings.introspection.as_ref().filter(|asked| asked.url.is_none());
                let introspection = asked.map(|asked| asked.insecure_http);
                let (issuer, insecure_http) = (self.settings.rules.issuer.as_str(), *insecure_http);
                let discovery = Discovery { issuer, insecure_http, introspection, timeout, ca };
                let discovered = discovery.run().await.map_err(KeysFault::Metadata)?;
                (discovered.keys, discovered.introspection)
            }
        };
        let began = self.clock.now();
        let settings = FetchSettings { url: &url, accept: ACCEPT, timeout, ca, sent: Sent::default() };
        let answer = match fetch(settings).await {
            Ok(answer) => answer,
            Err(fault) => return Err(KeysFault::Fetch(url, fault)),
        };
        let ahead = ahead(&answer, began, self.clock.now());
        let keys = JwkSet::read(&answer.body).map_err(KeysFault::NotASet)?;
        Ok(KeysTold { url: Some(url), keys, introspection, ahead })
    }

    /// Asks at `endpoint` about a token that nobody has issued, as the settings say. Without settings for it nothing is asked.
    ///
    /// # Errors
    ///
    /// [`IntrospectionInquiryFault`]: anything but the answer that the token is not active.
    pub async fn introspection(&self, endpoint: &Uri) -> Result<(), IntrospectionInquiryFault> {
        let Some(asked) = &self.settings.introspection else { return Ok(()) };
        let token = unissued(asked.prefix.as_deref()).ok_or(IntrospectionInquiryFault::Unsigned)?;
        // RFC 7662 §2.1.
        let form = Form::default().with("token", &token).with("token_type_hint", "access_token");
        let trusted = TrustedIssuer::new(&self.settings.rules);
        let sent = asked.client.authenticate(form, trusted.name(), self.clock.now());
        let settings = FetchSettings {
            url: endpoint,
            accept: "application/json",
            timeout: self.timeout.min(asked.timeout),
            ca: asked.ca.as_deref(),
            sent: sent.ok_or(IntrospectionInquiryFault::Unsigned)?,
        };
        let answer = fetch(settings).await.map_err(IntrospectionInquiryFault::Fetch)?;
        match trusted.read_introspection(&answer.body, self.clock.now(), asked.cache) {
            Err(IntrospectionFault::Token(TokenFault::Inactive)) => Ok(()),
            Err(IntrospectionFault::Unreadable) => Err(IntrospectionInquiryFault::Unreadable),
            Ok(_) | Err(IntrospectionFault::Token(_)) => Err(IntrospectionInquiryFault::Active),
        }
    }
}

/// A token that nobody can have issued, for it is made here.
fn unissued(prefix: Option<&str>) -> Option<String> {
    let mut random = [0; 16];
    rand::fill(&mut random).ok()?;
    Some(format!("{}{}", prefix.unwrap_or_default(), URL_SAFE_NO_PAD.encode(random)))
}

/// The answer was sent between `began` and `ended`, and its date has no parts of a second.
fn ahead(answer: &Answer, began: Duration, ended: Duration) -> Option<i64> {
    let sent_at = answer.sent_at?.as_secs();
    let seconds = |later: u64, earlier: u64| i64::try_from(later.saturating_sub(earlier)).unwrap_or(i64::MAX);
    if sent_at > ended.as_secs() {
        return Some(seconds(sent_at, ended.as_secs()));
    }
    Some(-seconds(began.as_secs(), sent_at))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_a_question_takes_is_no_difference_of_clocks() {
        for (sent_at, began, ended, expected) in [
            (100, 100_900, 100_950, 0),
            (100, 99_900, 100_100, 0),
            (100, 98_000, 104_000, 0),
            (100, 101_000, 101_100, -1),
            (100, 3_700_000, 3_700_100, -3_600),
            (3_700, 100_000, 100_100, 3_600),
        ] {
            let sent_at = Some(Duration::from_secs(sent_at));
            let answer = Answer { unchanged: false, etag: None, max_age: None, sent_at, body: Bytes::new() };
            let (began, ended) = (Duration::from_millis(began), Duration::from_millis(ended));
            assert_eq!(ahead(&answer, began, ended), Some(expected), "{sent_at:?} {began:?} {ended:?}");
        }
    }
}
