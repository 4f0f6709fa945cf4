//! Every page as HTML: nothing that it is given becomes markup, and nothing needs a script.

use askama::Template;

use super::*;

/// What a stranger would put everywhere.
const HOSTILE: &str = "\"'><script>alert(1)</script>&amp;{{7*7}}</textarea>";

fn person() -> Person {
    Person { name: HOSTILE.to_owned(), login: HOSTILE.to_owned() }
}

fn scope(is_admin: bool) -> Scope {
    Scope { name: HOSTILE.to_owned(), describe: HOSTILE.to_owned(), is_admin, ticked: true }
}

/// The name of each page, its HTML, and how many forms it has.
fn pages() -> Vec<(&'static str, String, usize)> {
    let text = || HOSTILE.to_owned();
    let login = LoginPage { client: Some(text()), login: text(), problem: Some(text()), csrf: text(), to: text() };
    let password =
        |forced| PasswordPage { forced, login: text(), shortest: 12, problem: Some(text()), csrf: text(), to: text() };
    let account = AccountPage { client: text(), person: person(), other_account: text(), csrf: text(), to: text() };
    let consent = ConsentPage {
        client: text(),
        person: person(),
        other_account: text(),
        groups: [false, true].map(|is_admin| ScopeGroup { is_admin, scopes: vec![scope(is_admin)] }).into(),
        before: vec![scope(true)],
        leads_to: text(),
        problem: Some(text()),
        csrf: text(),
        to: text(),
    };
    let approval = Approval { scope: scope(true), since: Day::of(0) };
    let approvals = ApprovalsPage {
        clients: vec![ClientApprovals { id: text(), name: text(), approvals: vec![approval] }],
        said: Some(text()),
        token_lifetime: text(),
        csrf: text(),
    };
    let home = HomePage { person: person(), roles: text() };
    let logout = LogoutPage { person: person(), csrf: text() };
    let link = Some(Link { address: text(), text: "Go on" });
    let message = MessagePage { title: text(), what: text(), advice: text(), link, code: Some(400) };
    vec![
        ("login", login.render().unwrap(), 1),
        ("password", password(false).render().unwrap(), 1),
        ("password, forced", password(true).render().unwrap(), 1),
        ("account", account.render().unwrap(), 1),
        ("consent", consent.render().unwrap(), 1),
        ("approvals", approvals.render().unwrap(), 2),
        ("home", home.render().unwrap(), 0),
        ("logout", logout.render().unwrap(), 1),
        ("message", message.render().unwrap(), 0),
    ]
}

#[test]
fn nothing_that_a_page_is_given_becomes_markup() {
    for (name, html, _) in pages() {
        assert!(html.contains("&#60;script&#62;alert(1)"), "{name} shows it: {html}");
        for wrong in ["<script", "</textarea", "\"'>", "49"] {
            assert!(!html.contains(wrong), "{name}: {wrong}");
        }
    }
}

#[test]
fn every_page_is_whole_and_needs_nothing_but_its_style_sheet() {
    for (name, html, forms) in pages() {
        let count = |text: &str| html.matches(text).count();
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}");
        assert_eq!((count("<title>"), count("<h1>"), count("<main>"), count("</html>")), (1, 1, 1, 1), "{name}");
        assert_eq!((count(" style="), count("<img"), count(" onclick="), count("http:")), (0, 0, 0, 0), "{name}");
        assert_eq!(count(&format!("<link rel=\"stylesheet\" href=\"{}\">", stylesheet_address())), 1, "{name}");
        assert_eq!((count("<form method=\"post\""), count("<form")), (forms, forms), "{name}");
        assert_eq!(count("name=\"csrf\""), forms, "{name}: every form is bound to its session");
    }
}

#[test]
fn a_box_is_ticked_or_not_as_it_is_told() {
    for (ticked, expected) in [(true, 1), (false, 0)] {
        let group = ScopeGroup { is_admin: true, scopes: vec![Scope { ticked, ..scope(true) }] };
        let consent = ConsentPage {
            client: String::new(),
            person: person(),
            other_account: String::new(),
            groups: vec![group],
            before: Vec::new(),
            leads_to: String::new(),
            problem: None,
            csrf: String::new(),
            to: String::new(),
        };
        let html = consent.render().unwrap();
        assert_eq!(html.matches(" checked").count(), expected);
        assert!(
            html.contains("The whole tenant") && !html.contains("Your own data") && !html.contains("role=\"alert\"")
        );
    }
}
