use super::*;

crate::settings! {
    /// For the tests.
    struct Sample {
        /// A number of seconds.
        pub wait_s: u64 = "5",
        /// A path, or nothing.
        pub folder: Option<PathBuf> = "",
        /// A secret.
        pub password: Hidden = "",
    }
}

fn source(file: &str, environment: &[(&str, &str)], flags: Vec<(&'static str, String)>) -> Source {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("angelia.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Source { file: read_file(&path).unwrap(), environment, flags: BTreeMap::new() }.with_flags(flags)
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let load = |s: &Source| Sample::load(s).unwrap().wait_s;
    assert_eq!(load(&source("", &[], vec![])), 5);
    assert_eq!(load(&source("wait_s = 6", &[], vec![])), 6);
    assert_eq!(load(&source("wait_s = 6", &[("wait_s", "7")], vec![])), 7);
    assert_eq!(load(&source("wait_s = 6", &[("wait_s", "7")], vec![("wait_s", "8".to_owned())])), 8);
}

#[test]
fn a_value_of_another_kind_names_the_setting() {
    let Err(ConfigError::Value { name, what }) = Sample::load(&source("", &[("wait_s", "soon")], vec![])) else {
        panic!("'soon' is not a number");
    };
    assert_eq!(name, "wait_s");
    assert!(what.contains("\"soon\""), "{what}");
}

#[test]
fn a_name_in_the_file_that_nobody_declared_is_refused() {
    let source = source("wait_s = 1\nwiat_s = 2", &[], vec![]);
    assert!(matches!(source.check_file(Sample::NAMES), Err(ConfigError::Unknown(names)) if names == ["wiat_s"]));
}

#[test]
fn a_secret_is_not_printed() {
    let sample = Sample::load(&source("password = 'hunter2'", &[], vec![])).unwrap();
    let shown: Vec<_> = sample.show().into_iter().map(|s| (s.name, s.doc, s.value)).collect();
    assert_eq!(shown[0], ("wait_s", "A number of seconds.".to_owned(), "5".to_owned()));
    assert_eq!(shown[2].2, "(hidden)");
}

#[test]
fn a_file_with_tables_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("angelia.toml");
    std::fs::write(&path, "[ingress]\nx = 1").unwrap();
    assert!(matches!(read_file(&path), Err(ConfigError::Syntax { .. })));
    assert!(matches!(read_file(&dir.path().join("none")), Err(ConfigError::File { .. })));
}
