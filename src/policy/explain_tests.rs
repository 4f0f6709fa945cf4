//! What an explanation tells people and programs.

use serde_json::json;

use super::challenge_set::ChallengeSet;
use super::explain::{ceilings_trace, directory_state, side_traces, token_trace};
use super::explanation::{DecisionTrace, Reading, RouteTrace, TargetTrace};
use super::samples::{catalog, ceilings, written};
use super::*;

const ENTRY: &str = "user: all_of(automations:read, any_of(apps, apps:export)); admin: admin.automations";

fn ceilings_of_the_story() -> Ceilings {
    let roles = &[("Analyst", "automations:read spaces"), ("Developer", "apps")];
    ceilings(&catalog(), Some(roles), Some(&[("*", "*")]), &["job"])
}

/// An explanation of a request that found its route, without the look-up.
fn explained(ceilings: &Ceilings, presented: Option<&Presented<'_>>) -> Explanation {
    let catalog = catalog();
    let entry = written(&catalog, ENTRY);
    let Entry::Scoped(sides) = &entry else { panic!("the entry has sides") };
    let standing = presented.map(|presented| Standing::under(&catalog, ceilings, 0, None, presented));
    let standing = standing.as_ref();
    let winner = route("export", "/api/v1/automations/{id}/actions/export");
    let path = "/api/v1/automations/7/actions/export";
    Explanation {
        method: "POST".to_owned(),
        target: Some(TargetTrace { host: "api.example.com".to_owned(), path: path.to_owned() }),
        candidates: vec![winner.clone(), route("rest", "/api/{rest=**}")],
        route: Some(winner),
        readings: vec![reading(path, "as sent", Some("export")), reading(&format!("{path}/"), "trailing_slash", None)],
        requirement: Some(entry.text(&catalog)),
        token: presented
            .zip(standing)
            .map(|(presented, standing)| token_trace(&catalog, ceilings, None, presented, standing)),
        ceilings: ceilings_trace(&catalog, ceilings, standing),
        directory: directory_state(ceilings, None),
        sides: side_traces(sides, &catalog, standing),
        decision: match decide::verdict(&entry, &catalog, standing) {
            Ok(allow) => DecisionTrace::Allow { allow },
            Err(denial) => DecisionTrace::of(&denial),
        },
        would_open: ChallengeSet::choose(sides, &catalog, standing).map(|set| set.scope),
    }
}

fn route(id: &str, template: &str) -> RouteTrace {
    let upstream = "automations".to_owned();
    RouteTrace { id: id.to_owned(), host: None, template: template.to_owned(), upstream }
}

fn reading(text: &str, how: &str, leads_to: Option<&str>) -> Reading {
    let leads_to = leads_to.map(str::to_owned);
    Reading { text: text.to_owned(), how: how.to_owned(), leads_to, agrees: true }
}

#[test]
fn people_read_aligned_lines() {
    let presented = Presented {
        scope: "automations apps:export openid",
        roles: vec!["Analyst", "Ghost"],
        client: PresentedClient::Named("browser"),
        alone: false,
    };
    let text = explained(&ceilings_of_the_story(), Some(&presented)).to_string();
    let expected = "\
POST api.example.com/api/v1/automations/7/actions/export

decision     deny role_ceiling (403): the request needs a scope that no role of the user permits
route        export, to upstream automations
requirement  user: all_of(automations:read, any_of(apps, apps:export)); admin: admin.automations
would open   no set that a challenge could name

candidates
  /api/v1/automations/{id}/actions/export  any host  export  wins
  /api/{rest=**}                           any host  rest

readings
  /api/v1/automations/7/actions/export   as sent         export    agrees
  /api/v1/automations/7/actions/export/  trailing_slash  no route  agrees

token
  held              automations automations:read apps:export
  permitted         automations:read
  ignored           openid
  client            browser
  roles             Analyst Ghost (unknown)
  client's ceiling  on, cuts none
  roles' ceiling    on, cuts automations apps:export

user side             held  client may use  permitted
  all_of              yes   yes             no
    automations:read  yes   yes             yes
    any_of            yes   yes             no
      apps            no    no              no
      apps:export     yes   yes             no
admin side            held  client may use  permitted
  admin.automations   no    no              no
";
    assert_eq!(text, expected);
}

#[test]
fn programs_read_the_same() {
    let presented =
        Presented { scope: "automations apps", roles: vec![], client: PresentedClient::Named("job"), alone: true };
    let explanation = explained(&ceilings_of_the_story(), Some(&presented));
    assert!(explanation.is_allowed());
    let mut json = serde_json::to_value(&explanation).unwrap();
    let all = json!({"held": true, "within_client_ceiling": true, "permitted": true});
    let term = |mut term: serde_json::Value| {
        term.as_object_mut().unwrap().extend(all.as_object().unwrap().clone());
        term
    };
    assert_eq!(json["decision"], json!({"allow": "user"}));
    assert_eq!(json["would_open"], "automations:read apps");
    assert_eq!(json["target"], json!({"host": "api.example.com", "path": "/api/v1/automations/7/actions/export"}));
    assert_eq!(
        json["ceilings"],
        json!({
            "clients": {"state": "on", "cuts": []},
            "roles": {"state": "lifted", "cuts": []},
        })
    );
    assert_eq!(
        json["token"],
        json!({
            "held": ["automations", "automations:read", "apps", "apps:read", "apps:export"],
            "permitted": ["automations", "automations:read", "apps", "apps:read", "apps:export"],
            "ignored": [], "client": "job", "roles": [], "alone": true,
        })
    );
    assert_eq!(
        json["sides"][0].take(),
        json!({"side": "user", "formula": term(json!({"all_of": [
            term(json!({"scope": "automations:read"})),
            term(json!({"any_of": [term(json!({"scope": "apps"})), term(json!({"scope": "apps:export"}))]})),
        ]}))})
    );
    assert_eq!(json["sides"][1]["side"], "admin");
}

#[test]
fn without_a_token_the_explanation_names_what_is_asked_for() {
    let explanation = explained(&Ceilings::default(), None);
    let json = serde_json::to_value(&explanation).unwrap();
    assert!(!explanation.is_allowed());
    assert_eq!(json["decision"]["deny"], "no_token");
    assert_eq!(json["decision"]["status"], 401);
    assert_eq!(json["would_open"], "automations:read apps");
    assert_eq!(json["token"], json!(null));
    assert_eq!(json["ceilings"]["roles"]["state"], "off");
    assert!(explanation.to_string().contains("token\n  none shown\n"));
}

#[test]
fn a_target_that_cannot_be_read_is_told_shortly() {
    let explanation = Explanation {
        target: None,
        route: None,
        candidates: Vec::new(),
        readings: Vec::new(),
        requirement: None,
        sides: Vec::new(),
        decision: DecisionTrace::of(&Denial::BadRequest),
        would_open: None,
        ..explained(&Ceilings::default(), None)
    };
    let expected = "\
POST (target not readable)

decision  deny bad_request (400): the request is malformed

token
  none shown
  client's ceiling  off
  roles' ceiling    off
";
    assert_eq!(explanation.to_string(), expected);
}

#[test]
fn a_terminal_takes_no_orders_from_a_token() {
    let presented = Presented {
        scope: "\u{1b}[2J\u{202e}x automations",
        roles: vec!["a\r\nb"],
        client: PresentedClient::Named("it's\u{7}"),
        alone: false,
    };
    let text = explained(&ceilings_of_the_story(), Some(&presented)).to_string();
    assert!(text.chars().all(|character| character == '\n' || (' '..='~').contains(&character)), "{text}");
    for told in ["\\u{1b}[2J\\u{202e}x", "a\\r\\nb (unknown)", "it's\\u{7}"] {
        assert!(text.contains(told), "{told}");
    }
}

#[test]
fn the_source_of_each_role_is_told() {
    let catalog = catalog();
    let ceilings = Ceilings { directory: true, ..ceilings_of_the_story() };
    let read =
        RoleDirectory::read(br#"{"roles": {"Analyst": {"scopes": []}, "Editor": {"scopes": ["apps"]}}}"#).unwrap();
    let directory = DirectoryRoles::under(&read, &catalog, 0);
    let presented = Presented {
        scope: "apps",
        roles: vec!["Analyst", "Editor", "Ghost"],
        client: PresentedClient::Unlimited,
        alone: false,
    };
    let shown = |ceilings: &Ceilings, directory| {
        let standing = Standing::under(&catalog, ceilings, 0, directory, &presented);
        let token = token_trace(&catalog, ceilings, directory, &presented, &standing);
        let explanation = Explanation {
            token: Some(token),
            directory: directory_state(ceilings, directory),
            ..explained(ceilings, None)
        };
        let text = explanation.to_string();
        let lines = text.lines().filter(|line| line.starts_with("  role"));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        shown(&ceilings, Some(&directory)),
        "roles Analyst Editor (of the role directory) Ghost (unknown); roles' ceiling on, cuts none; role directory read"
    );
    assert_eq!(
        shown(&ceilings, None),
        "roles Analyst Editor (left to the role directory) Ghost (left to the role directory); roles' ceiling on, cuts none; \
         role directory not available here: what its roles permit is not known"
    );
    assert_eq!(shown(&Ceilings::default(), None), "roles Analyst Editor Ghost; roles' ceiling off");
}
