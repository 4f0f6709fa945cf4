//! Tells the code which revision it is built from, as `SCOPEGATE_REVISION`.
//!
//! The environment's `SCOPEGATE_REVISION` says it; without one, git does: the first twelve digits of the commit, and `-dirty` if
//! something that goes into the binary is not as in that commit. Without git, as in an unpacked tarball, it is `unknown`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the binary.
const SOURCES: [&str; 6] = ["src", "build.rs", "Cargo.toml", "Cargo.lock", "askama.toml", "routes.yaml"];

fn main() {
    println!("cargo::rerun-if-env-changed=SCOPEGATE_REVISION");
    let said = env::var("SCOPEGATE_REVISION").ok().filter(|said| !said.trim().is_empty());
    let revision = said.or_else(of_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=SCOPEGATE_REVISION={}", revision.trim());
}

fn of_git() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    // Above the folder there may be a repository of something else. In a work tree of git's own, `.git` is a file.
    if !root.join(".git").exists() {
        return None;
    }
    // Whatever of these changes is compiled anew anyway.
    for source in SOURCES {
        watch(&root.join(source));
    }
    let commit = git(&root, &["rev-parse", "--verify", "--short=12", "HEAD"])?;
    for place in places_of_the_commit(&root) {
        watch(&place);
    }
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let changed = git(&root, &status)?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// The files that tell another commit. Never git's index: to look at it changes it.
fn places_of_the_commit(root: &Path) -> impl Iterator<Item = PathBuf> {
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    // A branch has a file of its own from its first new commit on; until then only the log tells of that.
    let names = ["HEAD", "logs/HEAD"].map(str::to_owned).into_iter().chain(branch);
    names.filter_map(|name| git(root, &["rev-parse", "--git-path", &name])).map(|place| root.join(place))
}

/// Cargo takes a file that is not there for one that has changed, and would run this each time.
fn watch(place: &Path) {
    if place.exists() {
        println!("cargo::rerun-if-changed={}", place.display());
    }
}

/// What git prints, if it ends well.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(root).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_owned())
}
