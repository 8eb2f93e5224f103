//! A replica that begins, beside others or alone.

use std::time::Duration;

use angelia_tests::client::{Answer, http};
use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::installation::text;
use angelia_tests::wait::{LATER, eventually};
use reqwest::Method;
use serde_json::json;

/// How many times it begins: each time the moment before it knows everything is short.
const TIMES: usize = 8;

/// How many workspaces it has to read.
const WORKSPACES: usize = 60;

#[tokio::test]
async fn a_replica_that_begins_never_says_that_what_is_there_is_not() {
    let mut fleet = Fleet::start(Size { ingresses: 1, ledgers: 1, dispatchers: 1, wired: false }, &[]).await;
    let operator = fleet.operator(0);
    let mut path = String::new();
    for _ in 0..WORKSPACES {
        let made = operator.post("/workspaces", json!({"name": "one of many"})).await.expect(201);
        path = format!("/workspaces/{}", text(&made, "id"));
    }
    let (http, url, token) = (http(), format!("{}/api/v1{path}", fleet.urls[0]), fleet.operator_token().to_owned());
    for _ in 0..TIMES {
        let ingress = fleet.members.iter_mut().find(|member| member.name == "ingress-0").expect("there is one");
        ingress.kill();
        ingress.start();
        // The last one made is the last one read.
        eventually("it knows the workspace", LATER, async || {
            let request = http.request(Method::GET, &url).bearer_auth(&token).timeout(Duration::from_secs(5));
            let answer = Answer::to(request).await.map_err(|error| error.to_string())?;
            match answer.status {
                200 => Ok(()),
                503 => Err(answer.text()),
                other => panic!("it said {other}: {}", answer.text()),
            }
        })
        .await;
    }
}
