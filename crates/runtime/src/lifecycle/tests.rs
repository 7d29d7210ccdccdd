use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_drain_waits_for_tasks_that_finish_what_they_have() {
    let lifecycle = Lifecycle::new(LONG);
    let (done, was_done) = oneshot::channel();
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("worker", async move {
        soft.cancelled().await;
        tokio::task::yield_now().await;
        done.send("finished").unwrap();
    });
    let report = lifecycle.drain().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(was_done.await, Ok("finished"));
    assert!(lifecycle.ended().is_cancelled());
}

#[tokio::test]
async fn a_task_that_outlasts_the_time_out_is_cut_off_and_reported() {
    let lifecycle = Lifecycle::new(SHORT);
    lifecycle.spawn("stubborn", std::future::pending());
    lifecycle.spawn("stubborn", std::future::pending());
    lifecycle.spawn("quick", async {});
    let report = lifecycle.drain().await;
    assert_eq!(report.cut_off, BTreeMap::from([("stubborn", 2)]));
    assert!(report.timed_out && report.panicked.is_empty() && report.stuck.is_empty());
    assert!(lifecycle.hard().is_cancelled());
}

#[tokio::test]
async fn turning_hard_on_ends_the_drain_at_once() {
    let lifecycle = Lifecycle::new(LONG);
    lifecycle.spawn("stubborn", std::future::pending());
    lifecycle.hard().cancel();
    let report = lifecycle.drain().await;
    assert_eq!(report.cut_off, BTreeMap::from([("stubborn", 1)]));
}

#[tokio::test]
async fn a_task_that_panics_begins_the_end_and_is_reported() {
    let lifecycle = Lifecycle::new(LONG);
    lifecycle.spawn("relay", async { panic!("no lane") });
    lifecycle.soft().cancelled().await;
    let report = lifecycle.drain().await;
    assert_eq!(report.panicked, BTreeMap::from([("relay", 1)]));
    assert!(!report.is_clean());
}

#[tokio::test]
async fn an_aborted_task_counts_as_cut_off() {
    let lifecycle = Lifecycle::new(LONG);
    let handle = lifecycle.spawn("aborted", std::future::pending());
    handle.abort();
    assert_eq!(
        lifecycle.drain().await.cut_off,
        BTreeMap::from([("aborted", 1)])
    );
}

#[tokio::test]
async fn the_last_clone_stops_everything() {
    let lifecycle = Lifecycle::new(LONG);
    let hard = lifecycle.hard().clone();
    let handle = lifecycle.spawn("forgotten", std::future::pending());
    drop(lifecycle);
    assert!(handle.await.is_ok());
    assert!(hard.is_cancelled());
}

#[tokio::test]
async fn readiness_is_all_checks_together() {
    let lifecycle = Lifecycle::new(LONG);
    let ready = lifecycle.ready();
    ready.check("database", || async { Ok(()) });
    let accounts = ready.flag("accounts");
    let report = ready.report().await;
    assert!(!report.ready);
    let expected = [
        ("accounts", CheckState::Failing),
        ("database", CheckState::Ok),
    ];
    assert_eq!(report.checks, BTreeMap::from(expected));
    accounts.set(true);
    assert!(ready.report().await.ready);
    accounts.set(false);
    assert!(!ready.report().await.ready);
}

#[tokio::test]
async fn a_check_that_hangs_is_a_check_that_fails() {
    let ready = Readiness::new(CancellationToken::new()).with_timeout(SHORT);
    ready.check("broker", std::future::pending);
    let report = ready.report().await;
    assert_eq!(
        report.checks,
        BTreeMap::from([("broker", CheckState::TimedOut)])
    );
}

#[tokio::test]
async fn a_draining_process_is_not_ready() {
    let lifecycle = Lifecycle::new(LONG);
    assert!(lifecycle.ready().report().await.ready);
    lifecycle.soft().cancel();
    assert!(!lifecycle.ready().report().await.ready);
}

async fn admin_of(lifecycle: &Lifecycle) -> SocketAddr {
    admin::serve(lifecycle, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap()
}

/// Sends `head` and returns the whole answer.
async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_admin_server_tells_health_readiness_and_metrics() {
    let lifecycle = Lifecycle::new(LONG);
    let accounts = lifecycle.ready().flag("accounts");
    let address = admin_of(&lifecycle).await;
    assert!(
        ask(address, "GET /healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let unready = ask(address, "GET /readyz").await;
    assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
    assert!(
        unready.ends_with(r#"{"ready":false,"checks":{"accounts":"failing"}}"#),
        "{unready}"
    );
    accounts.set(true);
    assert!(
        ask(address, "GET /readyz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let metrics = ask(address, "GET /metrics").await;
    assert!(
        metrics.contains("kassa_ready{check=\"accounts\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_admin_server_refuses_other_paths_and_methods() {
    let lifecycle = Lifecycle::new(LONG);
    let address = admin_of(&lifecycle).await;
    assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
    assert!(
        ask(address, "POST /healthz")
            .await
            .starts_with("HTTP/1.1 405")
    );
    let long = format!("GET /{}", "x".repeat(admin::HEADER_BYTES_MAX * 2));
    assert!(!ask_lenient(address, &long).await.contains("200"));
}

/// As [`ask`], where the server may close before it has read everything.
async fn ask_lenient(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let sent = stream.write_all(request.as_bytes()).await;
    let read = stream.read_to_end(&mut answer).await;
    assert!(sent.is_err() || read.is_err() || !answer.is_empty());
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_admin_server_answers_during_the_drain_and_ends_after_it() {
    let lifecycle = Lifecycle::new(LONG);
    let address = admin_of(&lifecycle).await;
    let (release, released) = oneshot::channel::<()>();
    lifecycle.spawn("busy", async move {
        released.await.unwrap();
    });
    lifecycle.soft().cancel();
    let drain = tokio::spawn({
        let lifecycle = lifecycle.clone();
        async move { lifecycle.drain().await }
    });
    let answer = ask(address, "GET /readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("draining"),
        "{answer}"
    );
    assert!(
        ask(address, "GET /healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    release.send(()).unwrap();
    assert!(drain.await.unwrap().is_clean());
    // The listener goes with its task; a connection is refused once that has run.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
