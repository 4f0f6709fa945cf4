//! Where a login or a change of password leads. It is always a page of this server, so nobody can be led elsewhere by a link.

use super::url_encoded::{Malformed, UrlEncoded};

/// The path that authorization requests are sent to.
pub(super) const AUTHORIZE: &str = "/oauth/authorize";
/// Carries the proof of [`super::authorization_step::Proof`] from one step of an authorization request to the next.
const PROOF: &str = "scopegate_proof";
/// Bytes of an authorization request in the spelling that it goes on in, at most: half of what a request's head may have.
const LONGEST: usize = 16 * 1024;

/// Where a login or a change of password leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// The first page.
    Home,
    /// The page of approvals.
    Approvals,
    /// The page that changes the password.
    Password,
    /// An authorization request, which is checked anew there.
    Authorization(Pending),
}

/// An authorization request on its way from one step to the next. Nothing of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// What the client sent.
    pub(super) parameters: UrlEncoded,
    /// The same in one spelling; what a proof is made over.
    pub(super) text: String,
    /// What was presented as a proof.
    pub(super) proof: Option<String>,
}

impl Destination {
    /// Reads what [`Destination::text`] writes; anything else leads to the first page.
    pub(super) fn parse(text: &str) -> Self {
        match (text, text.strip_prefix('?')) {
            ("approvals", _) => Self::Approvals,
            ("password", _) => Self::Password,
            (_, Some(query)) => Pending::parse(query.as_bytes()).map_or(Self::Home, Self::Authorization),
            (_, None) => Self::Home,
        }
    }

    /// What a form carries.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Home => String::new(),
            Self::Approvals => "approvals".to_owned(),
            Self::Password => "password".to_owned(),
            Self::Authorization(pending) => format!("?{}", pending.query()),
        }
    }

    /// The path with its query.
    pub(super) fn location(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Approvals => "/approvals".to_owned(),
            Self::Password => "/password".to_owned(),
            Self::Authorization(pending) => format!("{AUTHORIZE}?{}", pending.query()),
        }
    }

    /// The login page that leads there.
    pub(super) fn login(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", &self.text()).finish();
        format!("/login?{query}")
    }
}

impl Pending {
    /// Reads a query or a form.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let mut parameters = UrlEncoded::parse(text)?;
        let proof = parameters.take(PROOF);
        let text = parameters.text();
        // Measured as it will be sent, which can be three times as long as it came: what is let in here is let in after the login too.
        if text.len() > LONGEST { Err(Malformed) } else { Ok(Self { parameters, text, proof }) }
    }

    /// With another proof in place of its own.
    pub(super) fn proven(self, proof: String) -> Self {
        Self { proof: Some(proof), ..self }
    }

    fn query(&self) -> String {
        match &self.proof {
            None => self.text.clone(),
            Some(proof) => {
                let proof = form_urlencoded::Serializer::new(String::new()).append_pair(PROOF, proof).finish();
                format!("{}&{proof}", self.text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_is_a_page_of_this_server() {
        for (text, expected) in [
            ("", "/"),
            ("approvals", "/approvals"),
            ("password", "/password"),
            (
                "?client_id=a&state=%2f%0d%0aSet-Cookie%3A+x",
                "/oauth/authorize?client_id=a&state=%2F%0D%0ASet-Cookie%3A+x",
            ),
            ("?state=é\"'<", "/oauth/authorize?state=%C3%A9%22%27%3C"),
            ("?a=b?c#d", "/oauth/authorize?a=b%3Fc%23d"),
            ("?state=%ff", "/"),
            ("https://evil.example", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("@evil.example", "/"),
            ("approvals/../..//evil.example", "/"),
            ("Approvals", "/"),
        ] {
            assert_eq!(Destination::parse(text).location(), expected, "`{text}`");
        }
    }

    #[test]
    fn a_destination_survives_the_form_that_carries_it() {
        for text in ["", "approvals", "password", "?client_id=a&state=%2F+x", "?a=1&a=2&scopegate_proof=p"] {
            let destination = Destination::parse(text);
            assert_eq!(destination.text(), text);
            assert_eq!(Destination::parse(&destination.text()), destination);
        }
    }

    #[test]
    fn a_proof_is_no_part_of_the_request_that_it_is_made_over() {
        let bare = Pending::parse(b"client_id=a&state=%7e").unwrap();
        let proven = Pending::parse(b"scopegate_proof=p&client_id=a&state=~").unwrap();
        assert_eq!((&bare.text, proven.proof.as_deref()), (&proven.text, Some("p")));
        assert_eq!(
            Destination::Authorization(bare.proven("q".to_owned())).text(),
            "?client_id=a&state=%7E&scopegate_proof=q"
        );
    }

    #[test]
    fn a_request_beyond_what_can_be_sent_again_is_refused() {
        let fits = |letter: &[u8], times: usize| Pending::parse(&[b"a=", &*letter.repeat(times)].concat()).is_ok();
        assert_eq!((fits(b"x", LONGEST - 2), fits(b"x", LONGEST - 1)), (true, false));
        // It goes on as `%7E`.
        assert_eq!((fits(b"~", LONGEST / 3 - 1), fits(b"~", LONGEST / 3)), (true, false));
        let pending = Pending::parse(&[b"a=", &*b"x".repeat(LONGEST - 2)].concat()).unwrap();
        let to = Destination::Authorization(pending.proven("p".repeat(43)));
        assert_eq!(Destination::parse(&to.text()), to, "a proof takes no place of it");
    }
}
