//! What reviewers forget: sizes, rooms, banned words. Reads the source tree and nothing else.
//!
//! Ratchets: what is over a line today stands in a list with its size. It may shrink, and then leaves the list.

use std::fs;
use std::path::{Path, PathBuf};

/// A file over this is split.
const FILE_LINES_MAX: usize = 500;

/// A function over this is split: a screen, and some.
const FUNCTION_LINES_MAX: usize = 80;

/// Functions that are over the line, as (file, function, lines).
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Files that are over the line, as (file, lines).
const LONG_FILES: &[(&str, usize)] = &[];

/// One file of the project.
struct Source {
    /// Its path from the project's root.
    path: String,
    text: String,
}

impl Source {
    /// Whether it holds only tests, or the harness and tools of tests.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs") || self.path.ends_with("properties.rs")
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_domain(&self) -> bool {
        self.path.contains("/domain/") || self.path.ends_with("/domain.rs")
    }

    /// The lines before the tests at the end of the file. A `mod tests;` further up ends nothing.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().enumerate().map(|(n, line)| (n + 1, line))
    }
}

/// Every text file of the project.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the project can be read") {
            let path: PathBuf = entry.expect("the project can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // In a second work tree of a repository `.git` is a file.
            if ["target", ".git", "angelia-data"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).expect("it is below the root").to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 50, "the project has more files than {}", sources.len());
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// The project's code, tests apart.
fn code() -> Vec<Source> {
    sources().into_iter().filter(|source| source.is_rust() && !source.is_test()).collect()
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Lines of code, outside comments, that contain one of `words`.
fn lines_with(sources: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(**word)) {
                found.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    found
}

#[test]
fn no_file_is_over_500_lines() {
    let mut found = Vec::new();
    for source in code() {
        let lines = source.code().count();
        let allowed =
            LONG_FILES.iter().find(|(path, _)| *path == source.path).map_or(FILE_LINES_MAX, |(_, lines)| *lines);
        if lines > allowed {
            found.push(format!("{}: {lines} lines", source.path));
        }
    }
    none("files to be split", &found);
}

/// Every function of a file formatted by rustfmt, with its number of lines: it ends with the brace under its first letter.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.code().map(|(_, line)| line).collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let head = trimmed.split('(').next().unwrap_or_default();
        let Some(name) = head.split("fn ").nth(1).filter(|_| !trimmed.starts_with("//") && !head.contains('"')) else {
            continue;
        };
        let indent = &line[..line.len() - trimmed.len()];
        let ends = |line: &&str| {
            // A body, or a declaration: with a `where`, or with its parameters on lines of their own.
            let rest = line.strip_prefix(indent).unwrap_or_default();
            rest == "}" || rest.starts_with(';') || (rest.starts_with(')') && rest.ends_with(';'))
        };
        let body = lines[start..].iter().position(ends);
        if let Some(length) = body.filter(|_| !trimmed.ends_with(';') && !trimmed.ends_with('}')) {
            functions.push((name.split('<').next().unwrap_or(name).to_owned(), length + 1));
        }
    }
    functions
}

#[test]
fn no_function_is_over_80_lines() {
    let mut found = Vec::new();
    for source in code() {
        for (name, lines) in functions(&source) {
            let listed = LONG_FUNCTIONS.iter().find(|(path, listed, _)| *path == source.path && *listed == name);
            if lines > listed.map_or(FUNCTION_LINES_MAX, |(_, _, lines)| *lines) {
                found.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    none("functions to be split", &found);
}

#[test]
fn what_is_on_a_list_is_still_as_long_as_the_list_says() {
    let mut found = Vec::new();
    let code = code();
    for (path, lines) in LONG_FILES {
        let length = code.iter().find(|source| source.path == *path).map_or(0, |source| source.code().count());
        if length != *lines {
            found.push(format!("{path}: {length}, not {lines}"));
        }
    }
    for (path, name, lines) in LONG_FUNCTIONS {
        let functions = code.iter().find(|source| source.path == *path).map(functions).unwrap_or_default();
        let length = functions.iter().find(|(found, _)| found == name).map_or(0, |(_, lines)| *lines);
        if length != *lines {
            found.push(format!("{path}: {name} has {length}, not {lines}"));
        }
    }
    none("entries to be tightened or removed", &found);
}

#[test]
fn rules_know_no_clock_no_dice_no_broker_and_no_waiting() {
    let domain: Vec<Source> = code().into_iter().filter(Source::is_domain).collect();
    assert!(domain.len() > 20, "only {} files of rules were found", domain.len());
    let banned = [
        "async ",
        ".await",
        "tokio::",
        "async_nats",
        "clock::",
        "dice::",
        "SystemTime",
        "Instant",
        "rand::rng",
        "std::env",
        "std::fs",
        "reqwest",
        "axum",
        "sled::",
    ];
    none("the shell's business in a domain folder", &lines_with(&domain, &banned));
}

#[test]
fn nothing_is_left_to_be_done_and_no_test_is_switched_off() {
    let rust: Vec<Source> =
        sources().into_iter().filter(|source| source.is_rust() && source.path != "tests/tidy.rs").collect();
    let mut found = Vec::new();
    for source in &rust {
        for (number, line) in source.text.lines().enumerate() {
            for word in ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX:", "dbg!("] {
                if line.contains(word) {
                    found.push(format!("{}:{}: {word}", source.path, number + 1));
                }
            }
        }
    }
    none("unfinished", &found);
}

#[test]
fn every_metric_is_a_constant_with_a_sentence_in_a_metrics_file() {
    let mut found = Vec::new();
    for source in code() {
        if source.path.ends_with("/metrics.rs") {
            let mut documented = false;
            for (number, line) in source.code() {
                let line = line.trim();
                if line.contains("const ") && line.contains("&str") && !documented {
                    found.push(format!("{}:{number}: a metric without a sentence", source.path));
                }
                documented = line.starts_with("///");
            }
            continue;
        }
        for (number, line) in source.code() {
            for call in ["counter!(", "gauge!(", "histogram!("] {
                let named = line.split(call).nth(1).is_some_and(|rest| rest.trim_start().starts_with('"'));
                if named {
                    found.push(format!("{}:{number}: a metric's name outside a metrics file", source.path));
                }
            }
        }
    }
    none("metrics", &found);
}

#[test]
fn the_rooms_have_names_and_every_file_says_what_it_is() {
    let mut found = Vec::new();
    for source in code() {
        let parts: Vec<&str> = source.path.split('/').collect();
        for room in
            ["mod.rs", "utils", "utils.rs", "common", "common.rs", "helpers", "helpers.rs", "manager", "manager.rs"]
        {
            if parts.contains(&room) {
                found.push(format!("{}: {room}", source.path));
            }
        }
        let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#![doc = include_str!") {
            found.push(format!("{}: it does not begin with what it is", source.path));
        }
    }
    none("rooms", &found);
}

#[test]
fn no_text_names_a_folder_of_somebodys_machine() {
    // Put together here, or this file would name them.
    let folders = ["home", "Users", "root", "work"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            for folder in folders.iter().filter(|folder| line.contains(folder.as_str())) {
                let before = line.split(folder.as_str()).next().and_then(|before| before.chars().last());
                // Part of a longer path, as in `deploy/work/…`, is somebody's folder no more than any other.
                if !before.is_some_and(|letter| letter.is_alphanumeric() || "._-}$".contains(letter)) {
                    found.push(format!("{}:{}: {folder}", source.path, number + 1));
                }
            }
        }
    }
    none("folders of a machine", &found);
}
