//! What the page remembers of each browser: bounded, and gone with the process.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::client::Pending;
use super::explain::Shown;
use super::fault::DemoFault;
use super::random;
use super::tokens::Token;

/// Browsers at most; the oldest gives way.
const MOST: usize = 64;
/// Tokens that a browser keeps, the newest first.
const TOKENS: usize = 4;

/// What the page remembers of one browser.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// The authorization request that the browser was sent away with.
    pub(super) pending: Option<Pending>,
    /// The newest first.
    pub(super) tokens: Vec<Token>,
    /// How many there were, those that gave way too.
    pub(super) given: usize,
    /// The latest request to the API.
    pub(super) shown: Option<Shown>,
    /// What there is to say at the next page.
    pub(super) notice: Option<Notice>,
}

/// Something to say once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The part of the page where it is said: where the browser is sent.
    pub(super) part: &'static str,
    pub(super) text: String,
    pub(super) wrong: bool,
}

impl Session {
    /// Takes a new token; the oldest gives way.
    pub(super) fn keep(&mut self, access_token: String, scope: &str) {
        self.given += 1;
        self.tokens.insert(0, Token::new(self.given, access_token, scope));
        self.tokens.truncate(TOKENS);
    }

    /// Something to say once.
    pub(super) fn say(&mut self, part: &'static str, text: impl Into<String>, wrong: bool) {
        self.notice = Some(Notice { part, text: text.into(), wrong });
    }
}

/// Every browser's session, by its cookie.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<VecDeque<(String, Session)>>);

impl Sessions {
    /// The cookie of a new session.
    ///
    /// # Errors
    ///
    /// [`DemoFault::NoRandomness`].
    pub(super) fn open(&self) -> Result<String, DemoFault> {
        let cookie = random::secret()?;
        let mut sessions = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sessions.push_back((cookie.clone(), Session::default()));
        while sessions.len() > MOST {
            sessions.pop_front();
        }
        Ok(cookie)
    }

    /// Looks at a session, or changes it; `None` for a cookie that is not known.
    pub(super) fn with<T>(&self, cookie: &str, work: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sessions.iter_mut().find(|(known, _)| known == cookie).map(|(_, session)| work(session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_tokens_are_bounded() {
        let sessions = Sessions::default();
        let cookies: Vec<_> = (0..=MOST).map(|_| sessions.open().expect("a cookie")).collect();
        assert!(sessions.with(&cookies[0], |_| ()).is_none(), "the oldest gave way");
        let numbers = sessions.with(&cookies[MOST], |session| {
            (0..=TOKENS).for_each(|_| session.keep("t".into(), "automations"));
            session.tokens.iter().map(|token| token.number).collect::<Vec<_>>()
        });
        assert_eq!(numbers, Some(vec![5, 4, 3, 2]));
    }
}
