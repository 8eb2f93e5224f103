//! The completion scripts in real shells. Where a shell is not installed, that is said, and its part is left out; bash is
//! there wherever these tests run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use angelia_tests::process;
use tempfile::TempDir;

use crate::Typed;

/// A shell, with the program on its path and the script for it in a file.
struct Shell {
    name: &'static str,
    script: PathBuf,
    folder: TempDir,
}

impl Shell {
    /// None where it is not installed, which is said.
    async fn of(name: &'static str) -> Option<Self> {
        if Command::new(name).args(["-c", "true"]).output().is_err() {
            let said =
                writeln!(std::io::stderr(), "SKIPPED: {name} is not installed, so its completions are not tried");
            said.expect("standard error is there");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let script = folder.path().join(if name == "zsh" { "_angelia" } else { "angelia.completions" });
        std::fs::write(&script, Typed::bare(&["completions", name]).prints().await).expect("a file can be written");
        Some(Self { name, script, folder })
    }

    /// What it prints.
    fn runs(&self, lines: &str) -> String {
        let program = process::angelia();
        let path =
            format!("{}:{}", program.parent().unwrap_or(Path::new(".")).display(), "/usr/local/bin:/usr/bin:/bin");
        let mut command = Command::new("timeout");
        command.args(["60", self.name]).args(if self.name == "zsh" { vec!["-f"] } else { vec![] });
        // Nobody's own settings.
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8");
        command.args(["-c", lines, "shell"]).arg(&self.script);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {said}{}", self.name, String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// What bash would put in the place of the last word.
fn in_bash(shell: &Shell, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    // As bash does it: the function that is registered for the command, with its command, the word, and the one before.
    let lines = format!(
        "source \"$1\"\n\
         registered=$(complete -p angelia) || exit 1\n\
         function=${{registered#*-F }} function=${{function%% *}}\n\
         COMP_WORDS=({}) COMP_CWORD={last}\n\
         \"$function\" angelia \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" ")
    );
    shell.runs(&lines).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_commands_flags_and_values() {
    let bash = Shell::of("bash").await.expect("bash is installed");
    assert_eq!(in_bash(&bash, &["angelia", "worksp"]), ["workspace"]);
    let all = in_bash(&bash, &["angelia", ""]);
    for command in ["send", "tail", "webhook", "audit", "standalone"] {
        assert!(all.contains(&command.to_owned()), "{command} in {all:?}");
    }
    assert!(!all.contains(&"give-token".to_owned()), "that is a workspace's: {all:?}");
    assert_eq!(in_bash(&bash, &["angelia", "workspace", "give"]), ["give-token"]);
    assert_eq!(in_bash(&bash, &["angelia", "send", "--webh"]), ["--webhook-url"]);
    assert_eq!(in_bash(&bash, &["angelia", "completions", "z"]), ["zsh"]);
    assert_eq!(in_bash(&bash, &["angelia", "audit", "verify", "--rec"]), ["--record"]);
}

#[tokio::test]
async fn fish_completes_commands_flags_and_values() {
    let Some(fish) = Shell::of("fish").await else { return };
    let completes = |line: &str| -> Vec<String> {
        let said = fish.runs(&format!("source $argv[2]; complete --do-complete '{line}'"));
        // The word, then what it does.
        said.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    };
    assert_eq!(completes("angelia worksp"), ["workspace"]);
    assert_eq!(completes("angelia workspace give"), ["give-token"]);
    assert_eq!(completes("angelia send --webh"), ["--webhook-url"]);
    assert_eq!(completes("angelia audit export --format c"), ["csv"]);
}

#[tokio::test]
async fn zsh_completes_commands_flags_and_values() {
    let Some(zsh) = Shell::of("zsh").await else { return };
    // Its completion works only in a line editor: a second one in a terminal of its own is typed to.
    let completes = |line: &str, into: &str| {
        let lines = format!(
            "zmodload zsh/zpty\n\
             zpty inner zsh -f -i\n\
             zpty -w inner \"PS1= RPS1=; autoload -Uz compinit; compinit -u -D; source $1; print rea''dy\"\n\
             zpty -r inner said '*ready*' || exit 1\n\
             zpty -w -n inner $'{line}\\t'\n\
             zpty -r inner said '*{into}*' || exit 1\n\
             print -r -- $said\n\
             zpty -d inner"
        );
        let said = zsh.runs(&lines);
        assert!(said.contains(into), "{into} in {said}");
    };
    completes("angelia worksp", "angelia workspace ");
    completes("angelia workspace give", "workspace give-token ");
    completes("angelia send --webh", "send --webhook-url");
    completes("angelia completions z", "completions zsh");
}
