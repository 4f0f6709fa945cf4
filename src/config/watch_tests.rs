use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::inputs::Inputs;
use super::watch::Watcher;

const QUIET: Duration = Duration::from_millis(20);
/// So long that only an event can have caused what is seen.
const NEVER: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for one message; `false` when none comes before the deadline.
async fn changed(receiver: &mut Receiver<()>) -> bool {
    matches!(tokio::time::timeout(DEADLINE, receiver.recv()).await, Ok(Some(())))
}

/// What a load of these files would have read.
fn inputs(files: &[&Path], globs: &[&str]) -> Inputs {
    let mut inputs = Inputs::default();
    for file in files {
        // A file that is missing is looked for as well.
        let _ = inputs.read_text(file);
    }
    for glob in globs {
        for path in inputs.expand(glob) {
            inputs.read_text(&path).unwrap();
        }
    }
    inputs
}

/// Watches `inputs` until the folders are known to be watched.
async fn ready(mut inputs: Inputs, stale: &Path) -> (Watcher, Receiver<()>) {
    // A difference that is there already is told as soon as everything is set up.
    inputs.read_text(stale).unwrap();
    fs::write(stale, "other").unwrap();
    let (watcher, mut receiver) = Watcher::start_with(inputs, QUIET, NEVER);
    assert!(changed(&mut receiver).await, "ready");
    (watcher, receiver)
}

/// Runs `change` with a watch on `inputs`, and expects to be told of it.
async fn expect_told(what: &str, inputs: Inputs, change: impl FnOnce()) {
    let stale = tempfile::NamedTempFile::new().unwrap();
    let (_watcher, mut receiver) = ready(inputs, stale.path()).await;
    change();
    assert!(changed(&mut receiver).await, "{what}");
}

#[tokio::test]
async fn whatever_changes_a_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    let other = folder.path().join("routes.yaml.new");
    let missing = folder.path().join("missing.yaml");
    fs::write(&file, "one").unwrap();
    let read = || inputs(&[&file, &missing], &[]);
    expect_told("written in place", read(), || fs::write(&file, "two").unwrap()).await;
    let rename = || {
        fs::write(&other, "three").unwrap();
        fs::rename(&other, &file).unwrap();
    };
    expect_told("renamed over, as editors do", read(), rename).await;
    expect_told("renamed over, a second time", read(), || {
        fs::write(&other, "four").unwrap();
        fs::rename(&other, &file).unwrap();
    })
    .await;
    expect_told("a missing file appears", read(), || fs::write(&missing, "here").unwrap()).await;
    expect_told("a file disappears", read(), || fs::remove_file(&file).unwrap()).await;
}

#[tokio::test]
async fn the_swap_of_a_config_map_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (version, text) in [("..2026_1", "one"), ("..2026_2", "two")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("routes.yaml"), text).unwrap();
    }
    symlink("..2026_1", path("..data")).unwrap();
    symlink("..data/routes.yaml", path("routes.yaml")).unwrap();
    let read = inputs(&[&path("routes.yaml")], &[]);
    expect_told("`..data` is swapped", read, || {
        symlink("..2026_2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        fs::remove_dir_all(path("..2026_1")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_link_s_target_is_watched_where_it_is() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (link, target) = (folder.path().join("routes.yaml"), elsewhere.path().join("real.yaml"));
    fs::write(&target, "one").unwrap();
    symlink(&target, &link).unwrap();
    expect_told("the target is written", inputs(&[&link], &[]), || fs::write(&target, "two").unwrap()).await;
}

#[tokio::test]
async fn a_file_that_a_glob_begins_or_ceases_to_match_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("a.yaml");
    fs::write(&first, "one").unwrap();
    let glob = format!("{}/*.yaml", folder.path().display());
    let read = || inputs(&[], &[&glob]);
    let second = folder.path().join("b.yaml");
    expect_told("a new file", read(), || fs::write(&second, "").unwrap()).await;
    expect_told("a file is gone", read(), || fs::remove_file(&second).unwrap()).await;
}

#[tokio::test]
async fn a_change_before_the_watch_began_is_told_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    fs::write(&file, "one").unwrap();
    let read = inputs(&[&file], &[]);
    fs::write(&file, "two").unwrap();
    let (watcher, mut receiver) = Watcher::start_with(read.clone(), QUIET, NEVER);
    assert!(changed(&mut receiver).await, "at the start");
    watcher.set_files(read);
    assert!(changed(&mut receiver).await, "when other files are set");
}

#[tokio::test]
async fn a_poll_finds_what_no_event_tells() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("later");
    let file = deep.join("routes.yaml");
    let (_watcher, mut receiver) = Watcher::start_with(inputs(&[&file], &[]), QUIET, Duration::from_millis(30));
    fs::create_dir(&deep).unwrap();
    fs::write(&file, "one").unwrap();
    assert!(changed(&mut receiver).await);
}

#[tokio::test]
async fn only_contents_count() {
    let folder = tempfile::tempdir().unwrap();
    let (file, beside) = (folder.path().join("routes.yaml"), folder.path().join("beside"));
    fs::write(&file, "one").unwrap();
    let stale = tempfile::NamedTempFile::new().unwrap();
    let (_watcher, mut receiver) = ready(inputs(&[&file], &[]), stale.path()).await;
    fs::write(&beside, "one").unwrap();
    fs::rename(&beside, &file).unwrap();
    fs::read(&file).unwrap();
    assert!(tokio::time::timeout(QUIET * 10, receiver.recv()).await.is_err(), "nothing has changed");
    fs::write(&file, "two").unwrap();
    assert!(changed(&mut receiver).await);
}

#[tokio::test]
async fn the_thread_ends_with_the_watcher() {
    let folder = tempfile::tempdir().unwrap();
    let (watcher, mut receiver) = Watcher::start_with(inputs(&[&folder.path().join("a")], &[]), QUIET, NEVER);
    drop(watcher);
    assert_eq!(tokio::time::timeout(DEADLINE, receiver.recv()).await, Ok(None));
}
