//! The authorization server's pages: plain values → HTML.
//!
//! Every page is made on the server, works without a script and without a picture, and loads nothing but `style.css` of its own
//! origin. Values are escaped by the templates. This room knows no database, no request and no cookie.

mod day;
mod stylesheet;
mod view;

#[cfg(test)]
mod view_tests;

pub use day::Day;
pub use stylesheet::{STYLESHEET, STYLESHEET_PATH, stylesheet_address, stylesheet_version};
pub use view::{
    AccountPage, Approval, ApprovalsPage, ClientApprovals, ConsentPage, HomePage, Link, LoginPage, LogoutPage,
    MessagePage, PasswordPage, Person, Scope, ScopeGroup,
};
