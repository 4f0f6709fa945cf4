//! What the documents say is true: blocks load, commands run, and every key, reason, metric and link is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scopegate::policy::Reason;
use scopegate::{cli, config, doctor};

use crate::architecture::ROOMS;
use crate::support::{Fence, ROOT, Workplace, documents, fences, shipped};

fn blocks(info: &str) -> Vec<Fence> {
    let blocks: Vec<_> = fences().into_iter().filter(|fence| fence.info == info).collect();
    assert!(!blocks.is_empty(), "no block `{info}` in any document");
    blocks
}

#[test]
fn every_block_says_what_it_is() {
    let known = [
        "yaml gateway",
        "yaml policy",
        "yaml authorization-server",
        "yaml fragment of gateway",
        "yaml fragment of policy",
        "console",
        "sh",
        "json",
        "text",
    ];
    for Fence { document, line, info, .. } in fences() {
        assert!(known.contains(&info.as_str()), "{document}:{line}: `{info}` is not in CONTRIBUTING.md's table");
    }
}

#[test]
fn gateway_files_and_policies_load_and_pass_their_tests() {
    let kinds = ["yaml gateway", "yaml policy", "yaml authorization-server"];
    for fence in kinds.into_iter().flat_map(blocks) {
        loads(&fence, &fence.text);
    }
}

#[test]
fn fragments_load_in_their_place() {
    for fence in fences() {
        let base = match fence.info.as_str() {
            "yaml fragment of gateway" => {
                shipped("deploy/example/scopegate.yaml").replace("../../routes.yaml", "routes.yaml")
            }
            "yaml fragment of policy" => shipped("routes.yaml"),
            _ => continue,
        };
        loads(&fence, &replaced(&base, &fence.text));
    }
}

#[test]
fn console_sessions_run_as_shown() {
    for fence in blocks("console") {
        let workplace = Workplace::new();
        for session in fence.text.split("$ ").skip(1) {
            let (command, expected) = session.split_once('\n').unwrap_or((session, ""));
            let words = words(command);
            assert_eq!(words.first().map(String::as_str), Some("scopegate"), "{command}");
            let arguments: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
            let (_, stdout, stderr) = workplace.run(&arguments);
            let printed = format!("{stderr}{stdout}");
            let Fence { document, line, .. } = &fence;
            assert!(
                is_like(&printed, expected),
                "{document}:{line}: `{command}` prints\n{printed}\nand not\n{expected}"
            );
        }
    }
}

#[test]
fn commands_are_commands() {
    let makefile = shipped("Makefile");
    for Fence { document, line, text, .. } in blocks("sh") {
        for command in text.lines() {
            let words = words(command);
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let place = format!("{document}:{line}: `{command}`");
            match words.as_slice() {
                ["scopegate", ..] => parses(&words, &place),
                ["cargo", "run", options @ ..] => match options.iter().position(|word| *word == "--") {
                    Some(end) => parses(&[&["scopegate"], &options[end + 1..]].concat(), &place),
                    None => panic!("{place}: nothing behind `--`"),
                },
                ["cargo", "test" | "build", ..] => {}
                ["openssl", command, options @ ..] => knows(command, options, &place),
                ["make", target] => assert!(makefile.contains(&format!("\n{target}: ")), "{place}: no such target"),
                ["curl", .., url] => {
                    let path = url
                        .strip_prefix("http://127.0.0.1:9901")
                        .unwrap_or_else(|| panic!("{place}: not the admin listener"));
                    assert!(
                        ["/healthz", "/readyz", "/metrics", "/routes", "/reload", "/version"].contains(&path),
                        "{place}"
                    );
                }
                _ => panic!("{place}: nobody knows whether this works"),
            }
        }
    }
}

#[test]
fn json_is_json() {
    for Fence { document, line, text, .. } in blocks("json") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
        assert!(parsed.is_ok(), "{document}:{line}: {parsed:?}");
    }
}

#[test]
fn every_key_is_documented_with_its_default() {
    for key in config::keys() {
        let page = format!("docs/{}-file.md", key.file);
        let rows = rows_of(&page, &key.path);
        assert_eq!(rows.len(), 1, "{page} has one row for `{}`", key.path);
        let [_, _, default, meaning, ..] = rows[0].as_slice() else { panic!("{page}: `{}`: four cells", key.path) };
        let expected = match (key.required, key.default) {
            (true, _) => "required".to_owned(),
            (false, None) => "–".to_owned(),
            (false, Some("")) => "empty".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
        };
        assert_eq!(default, &expected, "{page}: `{}`", key.path);
        assert_eq!(meaning.contains("**Restart**"), key.restart, "{page}: `{}`", key.path);
    }
}

#[test]
fn no_key_is_documented_that_is_not_there() {
    for file in ["gateway", "policy", "authorization-server"] {
        let keys: Vec<_> = config::keys().into_iter().filter(|key| key.file == file).map(|key| key.path).collect();
        for row in
            table_rows(&format!("docs/{file}-file.md")).iter().filter(|row| row.len() == 4 && row[0].starts_with('`'))
        {
            assert!(keys.iter().any(|key| row[0] == format!("`{key}`")), "docs/{file}-file.md: {}", row[0]);
        }
    }
}

#[test]
fn every_check_of_doctor_is_documented_in_its_order() {
    let names = doctor::Check::ALL.map(|check| format!("`{}`", check.as_str()));
    let rows = table_rows("docs/doctor.md");
    let of_checks: Vec<_> = rows.iter().filter(|row| row.len() == 4 && row[0].starts_with('`')).collect();
    assert_eq!(of_checks.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), names);
}

#[test]
fn every_reason_is_documented_in_the_order_of_the_checks() {
    let documented: Vec<_> =
        table_rows("docs/refusals.md").into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    let documented: Vec<_> = documented.into_iter().filter(|name| name != "reason").collect();
    assert_eq!(documented, reasons);
}

#[test]
fn the_metrics_are_documented_all_and_no_others() {
    // A family without a sample is not rendered, so the names are taken from where they are written.
    let mut written = BTreeSet::new();
    for file in fs::read_dir(Path::new(ROOT).join("src/telemetry")).expect("the room") {
        let path = file.expect("a file").path();
        if path.to_string_lossy().ends_with("_tests.rs") {
            continue;
        }
        let text = fs::read_to_string(path).expect("UTF-8");
        let code = text.split("#[cfg(test)]\nmod tests").next().expect("a beginning");
        let literals = code.split('"').filter(|literal| literal.starts_with("scopegate_"));
        written.extend(
            literals.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).map(str::to_owned),
        );
    }
    let rows = table_rows("docs/metrics.md").into_iter().map(|row| row[0].trim_matches('`').to_owned());
    assert_eq!(rows.filter(|name| name != "process_*").collect::<BTreeSet<_>>(), written);
}

#[test]
fn the_rooms_are_documented_as_they_are_held_to() {
    let documented: Vec<_> = table_rows("docs/architecture.md")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[2].replace(['`', ' '], "")))
        .collect();
    let held: Vec<_> = ROOMS.iter().map(|(room, imports)| ((*room).to_owned(), imports.join(","))).collect();
    assert_eq!(documented, held);
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut named = 0;
    for document in documents() {
        let text = shipped(&document);
        for (file, name) in text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::")) {
            let source = shipped(&format!("{file}.rs"));
            assert!(is_guarded(&source, name), "{document}: {file}.rs has no test `{name}`");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn each_invariant_and_each_fault_of_a_key_server_names_its_test() {
    let invariants = shipped("docs/architecture.md");
    let rows: Vec<_> = invariants.lines().filter(|line| line.starts_with("| ") && line.contains(".rs::")).collect();
    let numbers: Vec<_> = rows.iter().map(|row| row.split('|').nth(1).unwrap().trim()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    let tokens = shipped("docs/tokens.md");
    for test in shipped("tests/it/keys.rs").split("#[test]\nfn ").skip(1).map(|text| text.split('(').next().unwrap()) {
        let of_files = test == "a_reload_reads_key_files_again";
        assert!(of_files || tokens.contains(&format!("`tests/it/keys.rs::{test}`")), "docs/tokens.md lacks `{test}`");
    }
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let folder = Path::new(ROOT).join(&document).parent().expect("a folder").to_owned();
        for link in shipped(&document).split("](").skip(1) {
            let target = link.split(')').next().expect("an end").split('#').next().expect("a start");
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || folder.join(target).exists(), "{document}: `{target}`");
        }
    }
}

#[test]
fn the_readme_is_read_in_a_sitting() {
    assert!(shipped("README.md").lines().count() <= 200);
    assert!(shipped("CONTRIBUTING.md").lines().count() <= 100);
}

fn loads(fence: &Fence, text: &str) {
    let workplace = Workplace::new();
    workplace.write("shown.yaml", text);
    let (status, _, stderr) = workplace.run(&["check", "shown.yaml"]);
    // A build without traces says which feature it lacks.
    let lacks = !cfg!(feature = "otel") && text.contains("\ntraces:");
    assert!(!lacks || stderr.contains("feature `otel`"), "{stderr}");
    assert_eq!(status, i32::from(lacks), "{}:{}\n{stderr}", fence.document, fence.line);
}

fn parses(words: &[&str], place: &str) {
    if let Err(error) = cli::command().try_get_matches_from(words) {
        panic!("{place}: {error}");
    }
}

/// Whether `openssl` has the command and its options.
fn knows(command: &str, options: &[&str], place: &str) {
    let help = std::process::Command::new("openssl").args([command, "-help"]).output().expect("openssl is installed");
    let help = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
    let known: BTreeSet<_> = help.split_whitespace().collect();
    for option in options.iter().filter(|option| option.starts_with('-')) {
        assert!(known.contains(option), "{place}: `{option}`");
    }
}

/// `base` with its top-level keys replaced by those of `fragment`.
fn replaced(base: &str, fragment: &str) -> String {
    let sections = |text: &str| -> Vec<(String, String)> {
        let mut sections: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            let key = line.split(':').next().filter(|_| line.starts_with(|first: char| first.is_ascii_lowercase()));
            match (key, sections.last_mut()) {
                (Some(key), _) => sections.push((key.to_owned(), format!("{line}\n"))),
                (None, Some((_, text))) => *text += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        sections
    };
    let fragment = sections(fragment);
    let kept = sections(base).into_iter().filter(|(key, _)| fragment.iter().all(|(other, _)| other != key));
    kept.chain(fragment.iter().cloned()).map(|(_, text)| text).collect()
}

/// Whether `text` is `pattern`, in which `...` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let parts: Vec<_> = pattern.trim().split("...").map(str::trim).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return text.trim() == pattern.trim() };
    let Some(mut rest) = text.trim().strip_prefix(first) else { return false };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.trim_end().ends_with(last)
}

/// Whether a source has the test, or a type of that name with an example that may not compile.
fn is_guarded(source: &str, name: &str) -> bool {
    let before = |item: &str| source.split_once(item).map(|(before, _)| before);
    match before(&format!("fn {name}(")) {
        // In a block of property tests the attribute is that of each function as well.
        Some(before) => before.rsplit("}\n").next().is_some_and(|above| above.contains("test]")),
        None => before(&format!("pub struct {name} ")).is_some_and(|docs| docs.contains("/// ```compile_fail")),
    }
}

/// The words of a command line, as a shell splits it: single and double quotes, no expansion.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None | Some(_), _) => word.get_or_insert_default().push(character),
        }
    }
    assert_eq!(quote, None, "an open quote: {line}");
    words.extend(word);
    words
}

/// The cells of every row of every table but its heading and rule; `\|` is a character of a cell.
fn table_rows(document: &str) -> Vec<Vec<String>> {
    let text = shipped(document);
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells = line.trim().trim_matches('|').replace(r"\|", "\u{0}");
        cells.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    })
    .collect()
}

fn rows_of(document: &str, key: &str) -> Vec<Vec<String>> {
    table_rows(document).into_iter().filter(|row| row[0] == format!("`{key}`")).collect()
}
