//! Every fault of a configuration file and what is said of it: `golden/config/<case>.yaml` beside `<case>.stderr`.
//!
//! `UPDATE_GOLDEN=1` writes the `.stderr` files anew; their differences are then reviewed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::CertificateParams;
use scopegate::config::{self, Diagnostic};

use crate::support::{Authority, Issued};

#[test]
fn every_fault_is_shown_with_its_place_and_a_hint() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/config");
    let cases = cases(&folder);
    assert!(cases.len() >= 40, "{} cases in {}", cases.len(), folder.display());
    let read = tempfile::tempdir().unwrap();
    copy(&folder, read.path());
    write_certificates(&read.path().join("parts/tls"));
    let mut differing = Vec::new();
    for case in cases {
        let golden = case.with_extension("stderr");
        let case = read.path().join(case.file_name().unwrap());
        let found = stderr(&case).replace(&format!("{}/", read.path().display()), "");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        if found != fs::read_to_string(&golden).unwrap_or_default() {
            differing.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(differing.is_empty(), "UPDATE_GOLDEN=1 takes these over:\n{}", differing.join("\n"));
}

/// One fault of a whole section is told once, and not again by everything that needed the section.
#[test]
fn a_section_of_the_example_that_is_misspelt_or_of_another_kind_is_one_fault() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deploy/example/scopegate.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::copy(root.join("routes.yaml"), folder.path().join("routes.yaml")).unwrap();
    let text = fs::read_to_string(root.join("deploy/example/scopegate.yaml")).unwrap();
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines() {
        match sections.last_mut() {
            Some(section) if line.starts_with([' ', '#']) || line.is_empty() => *section += &format!("{line}\n"),
            Some(_) | None => sections.push(format!("{line}\n")),
        }
    }
    let sections = sections.iter().filter(|section| !section.starts_with('#'));
    let sections: Vec<(&str, &str)> = sections.map(|section| section.split_once(':').unwrap()).collect();
    assert_eq!(sections.len(), 7, "{sections:?}");
    for (broken, (key, value)) in sections.iter().enumerate() {
        let misspelt = format!("{}{}", &key[..1], &key[2..]);
        let kinds = [(*key, " oops\n"), (*key, "\n"), (&misspelt, *value)];
        for (key, value) in kinds {
            let with = |(at, section): (usize, &(&str, &str))| {
                let (key, value) = if at == broken { (key, value) } else { *section };
                format!("{key}:{value}")
            };
            fs::write(&file, sections.iter().enumerate().map(with).collect::<String>()).unwrap();
            assert!(config::is_gateway_file(&file).unwrap(), "{key}:{value}");
            let faults = config::load_gateway(&file).unwrap_err();
            let [fault] = faults.as_slice() else { panic!("{key}:{value} is {} faults", faults.len()) };
            assert!(fault.message.contains(&format!("`{key}`")), "{}", fault.message);
        }
    }
}

#[test]
fn every_diagnostic_serialises_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/config");
    let diagnostics = config::load_policy(&[folder.join("yaml-duplicate-key.yaml")]).unwrap_err();
    let first = serde_json::to_value(&diagnostics[0]).unwrap();
    assert_eq!(first["severity"], "error");
    assert_eq!(first["message"], "key `apps` is written twice");
    assert_eq!((&first["line"], &first["column"]), (&4.into(), &3.into()));
    assert_eq!(first["source"], "  apps: {describe: Manage all your apps}");
    assert_eq!((&first["related"]["line"], &first["related"]["label"]), (&2.into(), &"first written here".into()));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Certificates for the cases of TLS: keys are not kept in a repository, and not for tests either.
fn write_certificates(folder: &Path) {
    let authority = Authority::new("authority of the cases");
    let api = authority.issue(&["api.example.com", "www.example.com"]);
    let other = authority.issue(&["other.example.com", "www.example.com"]);
    api.write(folder, "api");
    other.write(folder, "other");
    authority.issue_expired(&["expired.example.com"]).write(folder, "expired");
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    authority.issue_with(&["early.example.com"], early).write(folder, "early");
    authority.issue(&[]).write(folder, "nameless");
    Issued { chain: format!("{}{}", other.chain, api.chain), key: api.key.clone() }.write(folder, "reversed");
    let third = authority.issue(&["third.example.com"]);
    Issued { chain: format!("{}{}", third.chain, api.chain), key: third.key }.write(folder, "disordered");
    let encrypted = api.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    Issued { chain: api.key.clone(), key: encrypted }.write(folder, "encrypted");
    Issued { chain: "no PEM\n".into(), key: format!("{}{}", api.key, other.key) }.write(folder, "several");
    weak().write(folder, "weak");
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    fs::write(folder.join("open.key"), &api.key).unwrap();
    fs::set_permissions(folder.join("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
}

/// A key that aws-lc would not make.
fn weak() -> Issued {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak.example.com", "-keyout"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("chain"))
        .output();
    assert!(made.expect("openssl is installed").status.success());
    Issued { chain: fs::read_to_string(path("chain")).unwrap(), key: fs::read_to_string(path("key")).unwrap() }
}

/// The files that are read by themselves; those below `parts` are read through them.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    cases.sort();
    cases
}

/// What a load has to say: faults, warnings, failed tests.
fn stderr(case: &Path) -> String {
    let said: Vec<Diagnostic> = if config::is_authorization_server_file(case).unwrap() {
        config::load_authorization_server(case).0.map_or_else(|faults| faults, |loaded| loaded.warnings)
    } else if config::is_gateway_file(case).unwrap() {
        config::load_gateway(case).map_or_else(|faults| faults, |gateway| gateway.warnings)
    } else {
        let taken = |policy: config::Policy| policy.warnings.into_iter().chain(policy.tests.failed).collect();
        config::load_policy(&[case.to_owned()]).map_or_else(|faults| faults, taken)
    };
    said.iter().map(|diagnostic| diagnostic.render(false) + "\n").collect()
}
