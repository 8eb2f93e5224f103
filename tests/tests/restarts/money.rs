//! Credits over a kill: what a dead process had drawn and not spent is nobody's loss.

use angelia_tests::installation::Setup;
use angelia_tests::process;
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use angelia_tests::wait::{LATER, SOON, eventually};
use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{accepted, call};

const CREDITS: usize = 400;

#[tokio::test]
async fn what_a_killed_program_had_drawn_can_be_spent_to_the_last_credit() {
    let mut installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, CREDITS as u64).await;
    let account = tenant.account(NEVER).await;
    let body = call(&account, &recipient("1234"), "x");
    // Many at once, so that the program draws ahead of what it needs.
    for _ in 0..5 {
        for answer in join_all((0..30).map(|_| tenant.hook.try_call(&body, None))).await {
            tenant.notes.add(&accepted(answer).expect("nothing is wrong yet"));
        }
    }
    let away = tenant.leave();
    installation.kill_everything();
    installation.start().await;
    let tenant = away.back(&installation);
    assert_eq!(tenant.wallet().await.available, (CREDITS - 150) as u64);

    // Until a dead process's rest is back, a call may be told to come again; it is never told that nothing is left.
    eventually("the last credit is spent", LATER, async || {
        let answer = tenant.hook.try_call(&body, None).await.expect("an answer");
        if answer.status == 402 {
            answer.refused_with(402, "Not enough message credits: 1 needed, 0 available");
            return Ok(());
        }
        if let Some(id) = accepted(Ok(answer)) {
            tenant.notes.add(&id);
        }
        Err(format!("{:?}", tenant.wallet().await))
    })
    .await;
    let wallet = tenant.wallet().await;
    assert_eq!((wallet.consumed, wallet.available), (CREDITS as u64, 0));
    tenant.check_log().await;
}

#[tokio::test]
async fn while_the_broker_hangs_no_call_is_told_something_false() {
    let installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 100).await;
    let account = tenant.account(NEVER).await;
    let body = call(&account, &recipient("1234"), "x");
    tenant.notes.add(&accepted(tenant.hook.try_call(&body, None).await).expect("nothing is wrong yet"));
    let broker = Pid::from_raw(i32::try_from(installation.broker_pid()).expect("a process id"));
    kill(broker, Signal::SIGSTOP).expect("the broker runs");
    let answers = join_all((0..10).map(|_| tenant.hook.try_call(&body, None)));
    // The calls wait for the broker, for as long as the program lets them; then it comes back.
    let resumed = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        kill(broker, Signal::SIGCONT).expect("the broker runs");
    };
    let (answers, ()) = tokio::join!(answers, resumed);
    assert!(process::runs(installation.broker_pid(), "nats-server"));
    for answer in answers {
        if let Some(id) = accepted(answer) {
            tenant.notes.add(&id);
        }
    }
    eventually("calls are taken again", SOON, async || {
        let id = accepted(tenant.hook.try_call(&body, None).await).ok_or("503")?;
        tenant.notes.add(&id);
        Ok(())
    })
    .await;
    let report = tenant.check_log().await;
    let ours = report.accepted.values().filter(|accepted| accepted.workspace.to_string() == tenant.id).count();
    assert_eq!(tenant.wallet().await.consumed, ours as u64);
}
