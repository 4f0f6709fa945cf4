//! Why an authorization request gets no code (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, RFC 8707 §2).

/// What the client is told by way of its redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthorizationFault {
    /// `invalid_request`; what is wrong with it.
    InvalidRequest(&'static str),
    /// `unauthorized_client`.
    UnauthorizedClient,
    /// `unsupported_response_type`.
    UnsupportedResponseType,
    /// `invalid_scope`.
    InvalidScope,
    /// `invalid_target`.
    InvalidTarget,
    /// `request_not_supported`.
    RequestNotSupported,
    /// `request_uri_not_supported`.
    RequestUriNotSupported,
    /// `registration_not_supported`.
    RegistrationNotSupported,
    /// `access_denied`.
    AccessDenied,
    /// `login_required`, with `prompt=none`.
    LoginRequired,
    /// `consent_required`, with `prompt=none`.
    ConsentRequired,
    /// `interaction_required`, with `prompt=none`.
    InteractionRequired,
}

impl AuthorizationFault {
    /// The `error` parameter.
    pub(super) fn error(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
        }
    }

    /// The `error_description` parameter. It repeats nothing that was sent.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(what) => what,
            Self::UnauthorizedClient => "the client may not use authorization codes",
            Self::UnsupportedResponseType => "the only response type is `code`",
            Self::InvalidScope => "nothing of what is asked for can be granted",
            Self::InvalidTarget => "a resource is none of this server's audiences",
            Self::RequestNotSupported => "request objects are not supported",
            Self::RequestUriNotSupported => "request objects by reference are not supported",
            Self::RegistrationNotSupported => "registration by request is not supported",
            Self::AccessDenied => "the user approved nothing",
            Self::LoginRequired => "the user must log in",
            Self::ConsentRequired => "the user must be asked",
            Self::InteractionRequired => "the user must change the password",
        }
    }
}

/// What the user is shown, because there is nowhere safe to send it (RFC 6749 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownFault {
    /// It cannot be read.
    Malformed,
    /// `client_id` is missing, sent twice, or unknown.
    UnknownClient,
    /// `redirect_uri` is missing, sent twice, or none of the client's.
    RedirectUri,
}

/// Why an authorization request gets no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestFault {
    /// To be shown, and never to be followed.
    Shown(ShownFault),
    /// To be sent to the client.
    Returned(ReturnAddress, AuthorizationFault),
}

/// Where an authorization response goes: a redirect URI that was found registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnAddress {
    /// Byte for byte as it was sent.
    pub(super) redirect_uri: String,
    /// What the client wants back.
    pub(super) state: Option<String>,
}

impl ReturnAddress {
    /// The address with an error response.
    pub(super) fn error(&self, fault: AuthorizationFault, issuer: &str) -> String {
        self.response(&[("error", fault.error()), ("error_description", fault.description())], issuer)
    }

    /// The address with a code.
    pub(super) fn code(&self, code: &str, issuer: &str) -> String {
        self.response(&[("code", code)], issuer)
    }

    fn response(&self, outcome: &[(&str, &str)], issuer: &str) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        // RFC 9207 §2: every response says whose it is.
        let parameters: Vec<_> = outcome.iter().copied().chain(state).chain([("iss", issuer)]).collect();
        super::redirect_uri::with_parameters(&self.redirect_uri, &parameters)
    }
}
