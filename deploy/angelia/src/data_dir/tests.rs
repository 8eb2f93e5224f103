use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

fn open(path: &Path) -> DataDir {
    DataDir::open(path).expect("a usable directory")
}

#[test]
fn a_new_directory_is_closed_to_other_users() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(&parent.path().join("a/b"));
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.private_dir("c").expect("a directory inside")), 0o700);
}

#[test]
fn an_existing_directory_keeps_its_mode_but_private_parts_are_closed() {
    let parent = tempfile::tempdir().expect("a directory");
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).expect("mode");
    fs::create_dir(parent.path().join("nats")).expect("a directory");
    fs::set_permissions(parent.path().join("nats"), Permissions::from_mode(0o755)).expect("mode");

    let dir = open(parent.path());
    let inside = dir.private_dir("nats").expect("a directory inside");

    assert_eq!(mode(dir.path()), 0o755);
    assert_eq!(mode(&inside), 0o700);
}

#[test]
fn a_second_holder_is_refused_and_told_who_holds_it() {
    let parent = tempfile::tempdir().expect("a directory");
    let first = open(parent.path());
    let clone = first.clone();

    let refused = DataDir::open(parent.path()).expect_err("held already");
    assert!(matches!(&refused, DataDirError::InUse { holder: Some(pid), .. } if *pid == std::process::id()));
    assert!(refused.to_string().contains("--data"), "{refused}");

    drop(first);
    assert!(matches!(DataDir::open(parent.path()), Err(DataDirError::InUse { .. })), "a clone still holds it");
    drop(clone);
    open(parent.path());
}

#[test]
fn a_child_process_does_not_keep_the_lock() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(parent.path());
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep runs");

    drop(dir);
    let again = DataDir::open(parent.path());

    child.kill().expect("killed");
    child.wait().expect("reaped");
    again.expect("free while the child was still running");
}

#[test]
fn a_file_in_the_way_is_a_clear_error() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, "").expect("written");

    for path in [file.clone(), file.join("data")] {
        let error = DataDir::open(&path).expect_err("not a directory");
        assert!(matches!(&error, DataDirError::Unusable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains("--data"), "{text}");
    }
}

#[test]
fn a_replaced_file_is_private_and_leaves_no_other_behind() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(parent.path());
    let path = dir.path().join("quickstart.json");
    fs::write(&path, "old").expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("mode");
    // What a crash in the middle of an earlier replacement leaves.
    fs::write(dir.path().join("quickstart.json.new"), "half of something longer").expect("written");

    dir.write_private("quickstart.json", b"new").expect("replaced");

    assert_eq!(fs::read(&path).expect("read"), b"new");
    assert_eq!(mode(&path), 0o600);
    assert!(!dir.path().join("quickstart.json.new").exists());
}

#[test]
fn a_failed_replacement_leaves_the_old_file() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(parent.path());
    dir.write_private("port", b"1").expect("written");
    // A directory where the temporary file goes makes the first step fail, whoever runs the test.
    fs::create_dir(dir.path().join("port.new")).expect("a directory");

    let error = dir.write_private("port", b"2").expect_err("in the way");

    assert!(matches!(&error, DataDirError::Write { path, .. } if path.ends_with("port")), "{error:?}");
    assert_eq!(fs::read(dir.path().join("port")).expect("read"), b"1");
}

#[test]
fn a_secret_is_rolled_once_and_kept() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(parent.path());

    let first = dir.read_or_create_secret::<32>("master.key").expect("rolled");
    let other = dir.read_or_create_secret::<32>("password").expect("rolled");

    assert_eq!(first.len(), 64);
    assert_ne!(first, other);
    assert_eq!(dir.read_or_create_secret::<32>("master.key").expect("read"), first);
    assert_eq!(mode(&dir.path().join("master.key")), 0o600);
}

#[test]
fn a_damaged_secret_is_reported_and_never_replaced() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = open(parent.path());
    for damaged in [&b""[..], b"abc", b"zz", b"\xff\xfe"] {
        fs::write(dir.path().join("master.key"), damaged).expect("written");
        let error = dir.read_or_create_secret::<1>("master.key").expect_err("not two hex digits");
        assert!(matches!(error, DataDirError::MalformedSecret { digits: 2, .. }), "{error:?}");
        assert_eq!(fs::read(dir.path().join("master.key")).expect("read"), damaged);
    }
}

#[test]
fn free_space_is_told() {
    let parent = tempfile::tempdir().expect("a directory");
    assert!(open(parent.path()).free_bytes().expect("a number") > 0);
}
