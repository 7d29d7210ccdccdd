//! Signals end the process: in a test binary of its own, since it signals itself.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::pending;
use std::process::Command;
use std::time::Duration;

use runtime::lifecycle::{Lifecycle, Signals};

fn signal_myself(name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// One test, because signals reach every listener of the process.
#[tokio::test]
async fn the_first_signal_drains_and_the_second_stops_at_once() {
    let lifecycle = Lifecycle::new(Duration::from_mins(1));
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("polite", async move { soft.cancelled().await });
    let signals = Signals::install().unwrap();
    signal_myself("TERM");
    assert!(lifecycle.run_until(signals).await.is_clean());

    let lifecycle = Lifecycle::new(Duration::from_mins(1));
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("stubborn", async move {
        soft.cancelled().await;
        signal_myself("INT");
        pending::<()>().await;
    });
    let signals = Signals::install().unwrap();
    signal_myself("TERM");
    let report = lifecycle.run_until(signals).await;
    assert_eq!(report.cut_off.get("stubborn"), Some(&1));
}
