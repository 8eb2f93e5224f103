//! Where a command goes and as whom, and what it says when that is not known or nobody is there.

use std::fs;

use angelia_shared::testing::free_port;
use angelia_tests::tenant::Tenant;

use crate::{Typed, installation};

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 7).await;
    let api = installation.quickstart().api_url.clone();
    let here = |typed: Typed| {
        typed
            .env("ANGELIA_API_URL", &api)
            .env("ANGELIA_TOKEN", &tenant.owner_token)
            .env("ANGELIA_WORKSPACE", &tenant.id)
    };
    let show = ["workspace", "show", "--json"];
    assert_eq!(here(Typed::bare(&show)).json().await["id"], tenant.id.as_str());
    // A named directory is another place, whatever the environment knows.
    let demo = here(Typed::at_demo(&show).await).json().await;
    assert_eq!(demo["id"], installation.quickstart().workspace_id.as_str());
    let other = Tenant::new(installation, 0).await;
    let words = ["workspace", "show", "--json", "--token", &other.owner_token, "--workspace", &other.id];
    assert_eq!(here(Typed::bare(&words)).json().await["id"], other.id.as_str());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("token");
    fs::write(&file, format!("{}\n", other.owner_token)).expect("it can be written");
    let file = file.to_string_lossy().into_owned();
    let words = ["workspace", "show", "--json", "--token-file", &file, "--workspace", &other.id];
    assert_eq!(here(Typed::bare(&words)).json().await["id"], other.id.as_str());
    // By default the directory is the one that `standalone` makes by default.
    let mut typed = Typed::bare(&show);
    typed.0.current_dir(folder.path());
    std::os::unix::fs::symlink(installation.data(), folder.path().join("angelia-data")).expect("it can be linked");
    assert_eq!(typed.json().await["id"], installation.quickstart().workspace_id.as_str());
}

#[tokio::test]
async fn a_token_of_this_machine_is_never_sent_to_another_server() {
    let elsewhere = format!("http://127.0.0.1:{}/api/v1", free_port());
    let (_, said) = Typed::at_demo(&["workspace", "show", "--api-url", &elsewhere]).await.ends_with(64).await;
    assert!(said.contains("no token for") && said.contains("--token-file"), "{said}");
    assert!(!said.contains(&installation().await.quickstart().owner_token), "{said}");
}

#[tokio::test]
async fn what_is_missing_is_named_and_ends_with_64() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let at = |words: &[&str]| {
        let mut typed = Typed::bare(words);
        typed.0.current_dir(nowhere.path());
        typed
    };
    for (words, named) in [
        (&["workspace", "show"][..], "--api-url"),
        (&["webhook", "list"][..], "--api-url"),
        (&["tail"][..], "--api-url"),
        (&["send", "Hello", "--to", "1"][..], "--webhook-url"),
        (&["workspace", "show", "--api-url", "http://127.0.0.1:9"][..], "--token-file"),
        (&["workspace", "show", "--api-url", "http://127.0.0.1:9", "--token", "x"][..], "--workspace"),
        (&["workspace", "show", "--api-url", "nonsense", "--token", "x", "--workspace", "y"][..], "nonsense"),
        (&["workspace", "edit", "--api-url", "http://127.0.0.1:9", "--token", "x", "--workspace", "y"][..], "--name"),
    ] {
        let (out, said) = at(words).ends_with(64).await;
        assert!(said.starts_with("angelia: ") && said.contains(named) && out.is_empty(), "{words:?}: {said}");
    }
    at(&["workspace", "no-such-command"]).ends_with(64).await;
}

#[tokio::test]
async fn a_refusal_ends_with_1_and_a_server_that_is_not_there_with_2() {
    let (_, said) = Typed::at_demo(&["webhook", "show", "nonsense"]).await.ends_with(1).await;
    assert!(said.contains("404") && said.contains("/problems/not-found"), "{said}");
    let wrong = ["workspace", "show", "--token", "wrong"];
    let (_, said) = Typed::at_demo(&wrong).await.ends_with(1).await;
    assert!(said.contains("401") && said.contains("/problems/unauthenticated"), "{said}");
    let dead = format!("http://127.0.0.1:{}/api/v1", free_port());
    let words = ["workspace", "show", "--api-url", &dead, "--token", "x", "--workspace", "y"];
    let (out, said) = Typed::bare(&words).ends_with(2).await;
    assert!(said.contains("cannot be reached") && out.is_empty(), "{said}");
    let hook = format!("http://127.0.0.1:{}/hooks/secret", free_port());
    let (_, said) = Typed::bare(&["send", "Hello", "--to", "1", "--webhook-url", &hook]).ends_with(2).await;
    assert!(said.contains("--key cli-") && !said.contains("secret"), "a webhook's URL is a credential: {said}");
    // Something else answers there.
    let other = installation().await.quickstart().sandbox_url.clone();
    let words = ["workspace", "show", "--api-url", &other, "--token", "x", "--workspace", "y"];
    let finished = Typed::bare(&words).run().await;
    assert!([Some(1), Some(2)].contains(&finished.status.code()), "{}", finished.stderr);
}
