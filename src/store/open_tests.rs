//! The file, its permissions, its version, and what survives.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::samples::*;
use super::*;

/// A connection beside the store, as another program has it.
async fn beside(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let sample = filled().await;
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", sample.path().display());
        assert_eq!(mode(Path::new(&path)), 0o600, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_others_may_use_is_refused_with_a_hint() {
    let sample = filled().await;
    let path = sample.path();
    let beside = format!("{}-wal", path.display());
    for (wrong, file) in [(0o640, path.as_path()), (0o604, path.as_path()), (0o620, Path::new(&beside))] {
        fs::set_permissions(file, Permissions::from_mode(wrong)).unwrap();
        let fault = Store::open(&path, LIFETIME).await.unwrap_err();
        assert!(matches!(fault, StoreFault::File(..)));
        assert!(fault.to_string().contains(&format!("chmod 600 {}", file.display())), "{fault}");
        fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    }
    assert!(Store::open(&path, LIFETIME).await.is_ok());
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "nothing of the kind ".repeat(100);
    fs::write(&path, &text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Store::open(&path, LIFETIME).await, Err(StoreFault::Database(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(matches!(Store::open(folder.path(), LIFETIME).await, Err(StoreFault::File(_, None))));
    let missing = folder.path().join("missing").join("scopegate.db");
    assert!(matches!(Store::open(&missing, LIFETIME).await, Err(StoreFault::File(_, Some(_)))));
}

#[tokio::test]
async fn it_is_new_until_a_user_or_client_is_kept() {
    let sample = empty().await;
    sample.store.close().await;
    let (store, opened) = Store::open(&sample.folder.path().join("scopegate.db"), LIFETIME).await.unwrap();
    assert_eq!(opened, Opened::New);
    let mut change = store.change().await.unwrap();
    change.add_client(&new_client(APP), NOW).await.unwrap();
    change.commit().await.unwrap();
    let (_, opened) = Store::open(&sample.folder.path().join("scopegate.db"), LIFETIME).await.unwrap();
    assert_eq!(opened, Opened::Existing);
}

#[tokio::test]
async fn a_closed_database_is_one_file_and_keeps_its_identity() {
    let sample = filled().await;
    let identity = sample.store.identity().await.unwrap();
    let path = sample.path();
    sample.store.close().await;
    let names: Vec<_> = fs::read_dir(sample.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["scopegate.db"]);
    let (again, opened) = Store::open(&path, LIFETIME).await.unwrap();
    assert_eq!((opened, again.identity().await.unwrap()), (Opened::Existing, identity.clone()));
    assert_ne!(empty().await.store.identity().await.unwrap(), identity);
}

#[tokio::test]
async fn many_may_open_one_new_database_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scopegate.db");
    let opening: Vec<_> = (0..12)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { Store::open(&path, LIFETIME).await.unwrap().0.identity().await.unwrap() })
        })
        .collect();
    let mut identities = Vec::new();
    for open in opening {
        identities.push(open.await.unwrap());
    }
    identities.dedup();
    assert_eq!(identities.len(), 1);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused() {
    let sample = filled().await;
    let mut connection = beside(&sample.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of tomorrow', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(matches!(Store::open(&sample.path(), LIFETIME).await, Err(StoreFault::Migration(_))));
}

#[tokio::test]
async fn every_migration_of_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let is_migration = |name: &str| name.ends_with(".sql");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let sample = empty().await;
    let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations")
        .fetch_one(&mut beside(&sample.path()).await)
        .await
        .unwrap();
    assert_eq!(usize::try_from(applied).unwrap(), names.filter(|name| is_migration(name)).count());
}

#[tokio::test]
async fn every_commit_is_on_disk_and_readers_cannot_write() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    let pragmas = [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 5000)];
    for (pragma, expected) in pragmas {
        let found: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *change.transaction).await.unwrap();
        assert_eq!(found, expected, "{pragma}");
    }
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *change.transaction).await.unwrap();
    assert_eq!(journal, "wal");
    drop(change);
    assert!(sqlx::query("DELETE FROM clients").execute(&sample.store.readers).await.is_err());
}

#[tokio::test]
async fn a_change_that_is_dropped_leaves_nothing_and_the_next_begins() {
    let sample = filled().await;
    for _ in 0..10 {
        let mut change = sample.store.change().await.unwrap();
        change.add_client(&new_client("never"), NOW).await.unwrap();
        change.remove_user(ANN, NOW).await.unwrap();
        assert!(sample.store.client("never").await.unwrap().is_none(), "nobody else sees it yet");
        drop(change);
    }
    assert!(sample.store.client("never").await.unwrap().is_none());
    assert!(sample.store.user(ANN).await.unwrap().is_some());
    assert_eq!(sample.store.feed(0, 10, NOW).await.unwrap().last, 0);
}

#[tokio::test]
async fn a_change_that_is_given_up_while_it_waits_does_not_stop_the_next() {
    let sample = filled().await;
    let another = sample.another().await;
    for _ in 0..10 {
        let open = sample.store.change().await.unwrap();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), another.change()).await;
        assert!(waits.is_err());
        drop(open);
        drop(another.change().await.unwrap());
    }
}

#[tokio::test]
async fn what_is_committed_is_there_after_a_crash() {
    let sample = filled().await;
    // The files as they are at this moment, without any chance to close them: what a killed process leaves behind.
    let folder = tempfile::tempdir().unwrap();
    let open = sample.store.change().await.unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("scopegate.db{suffix}");
        fs::copy(sample.folder.path().join(&name), folder.path().join(&name)).unwrap();
    }
    drop(open);
    let (survivor, _) = Store::open(&folder.path().join("scopegate.db"), LIFETIME).await.unwrap();
    assert!(survivor.user(ANN).await.unwrap().is_some());
    assert!(survivor.client(APP).await.unwrap().is_some());
}

#[tokio::test]
async fn a_transaction_that_the_database_undid_by_itself_spoils_no_later_change() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    // As SQLite does when the disk is full.
    sqlx::raw_sql("ROLLBACK").execute(&mut *change.transaction).await.unwrap();
    assert!(change.commit().await.is_err());
    let mut change = sample.store.change().await.unwrap();
    change.add_client(&new_client("later"), NOW).await.unwrap();
    change.commit().await.unwrap();
    assert!(sample.store.client("later").await.unwrap().is_some());
}

/// Compiles: a server runs on several threads, so that every future of this room must be able to change its thread, also within
/// another.
#[expect(dead_code, reason = "it is compiled, not run")]
fn every_reading_changes_threads(store: Store) {
    drop(tokio::spawn(async move {
        let path = Path::new("/");
        drop(Store::open(path, 0).await);
        drop(store.identity().await);
        drop(store.change().await);
        drop(store.purge(0).await);
        drop(store.feed(0, 0, 0).await);
        drop(store.user("").await);
        drop(store.user_by_login("").await);
        drop(store.users("", 0).await);
        drop(store.client("").await);
        drop(store.clients("", 0).await);
        drop(store.approved("", "").await);
        drop(store.approvals(ApprovalFilter::default(), ("", "", ""), 0).await);
        drop(store.role("").await);
        drop(store.roles().await);
        drop(store.session("", 0).await);
        drop(store.signing_keys().await);
        drop(store.access_token("", 0).await);
        drop(store.refresh_token("", 0).await);
        store.close().await;
    }));
}

#[expect(dead_code, reason = "it is compiled, not run")]
fn every_change_of_grants_changes_threads(mut change: Change) {
    drop(tokio::spawn(async move {
        drop(change.add_session("", "", 0, 0).await);
        drop(change.end_session("").await);
        drop(change.add_code(&code("", "", "")).await);
        drop(change.redeem_code("", 0, |_| true).await);
        drop(change.add_refresh_token(&refresh_token("", "", "", "")).await);
        drop(change.use_refresh_token("", "", 0).await);
        drop(change.revoke_refresh_token("", "", 0).await);
        drop(change.add_access_token(&access_token("", None, "", "")).await);
        drop(change.revoke_access_token("", "", 0).await);
        drop(change.revoke_family("", 0).await);
        drop(change.revoked_until("", "").await);
        drop(change.commit().await);
    }));
}

#[expect(dead_code, reason = "it is compiled, not run")]
fn every_other_change_changes_threads(mut change: Change) {
    drop(tokio::spawn(async move {
        let (scopes, roles) = (ScopeNames::default(), []);
        drop(change.user("").await);
        drop(change.add_user(&new_user("", "", &[]), 0).await);
        drop(change.change_user("", &UserChange::default(), 0).await);
        drop(change.set_password("", &password(""), None).await);
        drop(change.remove_user("", 0).await);
        drop(change.client("").await);
        drop(change.add_client(&new_client(""), 0).await);
        drop(change.change_client("", &ClientChange::default(), 0).await);
        drop(change.set_client_secret("", None).await);
        drop(change.remove_client("", 0).await);
        drop(change.approved("", "").await);
        drop(change.approve("", "", &scopes, 0).await);
        drop(change.remove_approval("", "", None, 0).await);
        drop(change.set_default_roles(&roles).await);
        drop(change.add_role(&role("", "")).await);
        drop(change.change_role(&role("", "")).await);
        drop(change.remove_role("", 0).await);
    }));
}
