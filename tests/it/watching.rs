//! What watches the gateway names only what there is: metrics and labels in rules and panels, entries of the runbook, and numbers that are documented.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::shipped;

/// Families that the dashboard leaves out, and why.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "scopegate_reload_last_success_timestamp_seconds",
        "0 until the first reload; the alert uses it, and the table's age is what people ask for",
    ),
    ("scopegate_spans_total", "only builds with traces have it, and a panel without data looks like a fault"),
];

const RULES: [&str; 3] = ["scopegate-limits.yaml", "scopegate-recording.yaml", "scopegate-alerts.yaml"];

/// What Prometheus itself adds.
const TARGET_LABELS: [&str; 4] = ["job", "instance", "alertname", "alertstate"];

#[test]
fn rules_and_panels_name_metrics_that_there_are() {
    let known = families();
    let recorded: BTreeSet<String> = rules().iter().filter_map(|rule| text(rule, "record")).collect();
    for (place, expression) in expressions() {
        for name in names(&expression) {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let known = known.contains_key(family) || known.contains_key(&name) || recorded.contains(&name);
            assert!(known || name == "up" || name == "ALERTS" || is_of_process(&name), "{place}: no metric `{name}`");
        }
    }
}

#[test]
fn rules_and_panels_name_labels_that_there_are() {
    let mut labels: BTreeSet<String> = families().into_values().flatten().collect();
    labels.extend(TARGET_LABELS.map(str::to_owned));
    labels.insert("le".to_owned());
    for (place, expression) in expressions() {
        for label in labels_of(&expression) {
            assert!(labels.contains(&label), "{place}: no metric has a label `{label}`");
        }
    }
}

#[test]
fn selectors_name_labels_of_their_own_metric() {
    let known = families();
    let mut looked_at = 0;
    for (place, expression) in expressions() {
        for (name, selector) in selectors(&expression) {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let Some(own) = known.get(family) else { continue };
            for label in matchers(&selector).filter(|label| !TARGET_LABELS.contains(&label.as_str())) {
                assert!(own.contains(&label), "{place}: `{name}` has no label `{label}`");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}

#[test]
fn every_alert_can_be_acted_upon() {
    let runbook = shipped("docs/runbook.md");
    let entries: Vec<_> = runbook.split("\n## ").skip(1).collect();
    let mut alerts = Vec::new();
    for rule in rules().iter().filter(|rule| rule.get("alert").is_some()) {
        let name = text(rule, "alert").unwrap();
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_else(|| panic!("{name}: no {key}"));
        let severity = rule["labels"]["severity"].as_str().expect("a severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        assert!(!annotation("summary").is_empty() && annotation("description").ends_with('.'), "{name}");
        assert_eq!(annotation("runbook_url"), format!("docs/runbook.md#{}", name.to_lowercase()));
        alerts.push(name);
    }
    let titles: Vec<_> = entries.iter().map(|entry| entry.lines().next().unwrap().to_owned()).collect();
    assert_eq!(titles, alerts, "an entry an alert, in the same order");
    for entry in entries {
        for part in ["**Users see:**", "**Confirm:**\n\n```", "**Do:**\n\n* ", "**Over when** "] {
            assert!(entry.contains(part), "{part} in {entry}");
        }
    }
}

#[test]
fn every_alert_is_tested_and_was_seen_to_fire() {
    let tests = shipped("tests/watching/rules.yaml");
    let seen = shipped("docs/alerts.md");
    for name in rules().iter().filter_map(|rule| text(rule, "alert")) {
        let firing = format!(r#"alertname="{name}", alertstate="firing""#);
        assert!(tests.matches(&firing).count() >= 2, "tests/watching/rules.yaml: `{name}` fires and clears");
        assert!(seen.contains(&format!("| `{name}` |")), "docs/alerts.md: `{name}`");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_what() {
    let mut ids = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title}: its id is not its own");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.') && text.len() > 30), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty()), "{title}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_left_out_on_purpose() {
    let shown: BTreeSet<_> = dashboard_expressions().iter().flat_map(|(_, text)| names(text)).collect();
    for family in families().into_keys() {
        let here = shown.iter().any(|name| name.strip_prefix(&family).is_some_and(is_of_histogram));
        let left_out = NOT_SHOWN.iter().any(|(name, _)| *name == family);
        assert!(here != left_out, "`{family}`: shown: {here}, left out on purpose: {left_out}");
    }
}

#[test]
fn limits_are_the_defaults_of_the_keys_that_they_are_of() {
    for rule in shipped("deploy/prometheus/scopegate-limits.yaml").split("- record: ").skip(1) {
        let key = rule.split("# ").nth(1).and_then(|text| text.split([',', '\n']).next()).expect("a key").trim();
        let value: u64 = rule.split("expr: ").nth(1).and_then(|text| text.trim().parse().ok()).expect("a number");
        let described = scopegate::config::keys().into_iter().find(|known| known.path == key).expect(key);
        assert_eq!(described.default.map(seconds), Some(value), "{key}");
    }
}

/// Every family of docs/metrics.md, which a test holds to the code, with its labels.
fn families() -> BTreeMap<String, BTreeSet<String>> {
    let page = shipped("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `scopegate_"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let name = format!("scopegate_{}", cells.next().expect("a name").trim_end_matches('`'));
        let labels = cells.next().expect("labels").trim_matches(['`', ' ', '|']);
        (name, labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect())
    })
    .collect()
}

fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    for file in RULES {
        let read: Value = serde_yaml::from_str(&shipped(&format!("deploy/prometheus/{file}"))).expect(file);
        for group in read["groups"].as_array().expect("groups") {
            rules.extend(group["rules"].as_array().expect("rules").iter().cloned());
        }
    }
    rules
}

fn dashboard() -> Value {
    serde_json::from_str(&shipped("deploy/grafana/scopegate.json")).expect("JSON")
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().expect("panels").clone()
}

fn dashboard_expressions() -> Vec<(String, String)> {
    let panels = panels();
    let of_panels = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(|target| (panel["title"].to_string(), target["expr"].as_str().unwrap().to_owned()))
    });
    let read = dashboard();
    let marks = read["annotations"]["list"].as_array().expect("a list");
    let variables = read["templating"]["list"].as_array().expect("a list");
    let of_marks = marks.iter().map(|mark| ("a mark".to_owned(), mark["expr"].as_str().unwrap().to_owned()));
    let of_variables = variables.iter().filter_map(|variable| {
        let query = variable["definition"].as_str()?.strip_prefix("label_values(")?;
        Some((variable["name"].to_string(), query.rsplit_once(',')?.0.to_owned()))
    });
    of_panels.chain(of_marks).chain(of_variables).collect()
}

fn expressions() -> Vec<(String, String)> {
    let of_rules = rules().into_iter().map(|rule| {
        let place = text(&rule, "alert").or_else(|| text(&rule, "record")).expect("a name");
        (place, text(&rule, "expr").unwrap_or_else(|| rule["expr"].to_string()))
    });
    of_rules.chain(dashboard_expressions()).collect()
}

fn text(rule: &Value, key: &str) -> Option<String> {
    rule.get(key)?.as_str().map(str::to_owned)
}

/// The names of metrics in an expression: what is neither quoted, nor a label, a function, a keyword or a duration.
fn names(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in words(&outside_labels(expression)) {
        let is_metric = word.contains("scopegate_") || word.contains("scopegate:") || word.starts_with("process_");
        if is_metric || word == "up" || word == "ALERTS" {
            found.insert(word);
        }
    }
    found
}

/// An expression without what stands in braces.
fn outside_labels(expression: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for character in expression.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept
}

/// Metric and braces of every selector.
fn selectors(expression: &str) -> Vec<(String, String)> {
    let pieces: Vec<_> = expression.split('{').collect();
    let name = |before: &str| words(before).pop().unwrap_or_default();
    let pairs = pieces.windows(2).map(|pair| (name(pair[0]), pair[1].split('}').next().unwrap_or_default().to_owned()));
    pairs.collect()
}

/// The labels that a selector's matchers name.
fn matchers(selector: &str) -> impl Iterator<Item = String> {
    let unquoted: String = selector.split('"').step_by(2).collect();
    unquoted.split(',').filter_map(|matcher| words(matcher).into_iter().next()).collect::<Vec<_>>().into_iter()
}

/// The labels of every selector and of every `by`, `without`, `on`, `ignoring` and `group_left`.
fn labels_of(expression: &str) -> BTreeSet<String> {
    let mut labels: BTreeSet<String> =
        selectors(expression).iter().flat_map(|(_, selector)| matchers(selector).collect::<Vec<_>>()).collect();
    for keyword in ["by", "without", "on", "ignoring", "group_left"] {
        for after in expression.split(&format!(" {keyword} (")).skip(1) {
            labels.extend(words(after.split(')').next().unwrap_or_default()));
        }
    }
    labels
}

fn words(text: &str) -> Vec<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let parts = text.split(|character: char| !is_part(character));
    parts.filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic())).map(str::to_owned).collect()
}

fn is_of_process(name: &str) -> bool {
    let known = ["cpu_seconds_total", "open_fds", "max_fds", "resident_memory_bytes", "start_time_seconds"];
    name.strip_prefix("process_").is_some_and(|rest| known.contains(&rest))
}

fn is_of_histogram(end: &str) -> bool {
    ["", "_bucket", "_count", "_sum"].contains(&end)
}

/// A default of a key, in seconds where it is a duration.
fn seconds(default: &str) -> u64 {
    let digits = default.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match default.strip_prefix(digits) {
        Some("m") => 60,
        Some("h") => 3600,
        _ => 1,
    };
    digits.parse::<u64>().expect("a number") * unit
}
