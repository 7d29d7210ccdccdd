//! The fault suite: three services, two processes of each, on PostgreSQL and RabbitMQ, under load,
//! while lines, processes and servers fail. See [`tests::fault`].
//!
//! It needs servers that it may kill, so it is not part of plain `cargo test`:
//! `cargo test --workspace --test fault`, or `scripts/test faults`. Scenarios take turns.
//!
//! Moments are random here: the seed chooses what happens to whom and is printed, but a run is not
//! reproduced to the instant. What must hold holds for every run.

#![expect(clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod scenario;

use std::time::Duration;

use scenario::Scenario;
use tests::fault::trouble::{LineTrouble, Trouble};
use tests::fault::{Server, Service};

/// The pause between two troubles, for work to get into their way.
const PAUSE: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_lines_to_the_database_are_cut_slowed_blocked_and_half_closed() {
    let mut scenario = Scenario::start("database-line").await;
    for trouble in LineTrouble::ALL {
        scenario
            .suffer(Trouble::Line(Server::Database, trouble))
            .await;
        scenario.rest(PAUSE).await;
    }
    scenario.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_lines_to_the_broker_are_cut_slowed_blocked_and_half_closed() {
    let mut scenario = Scenario::start("broker-line").await;
    for trouble in LineTrouble::ALL {
        scenario
            .suffer(Trouble::Line(Server::Broker, trouble))
            .await;
        scenario.rest(PAUSE).await;
    }
    scenario.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_broker_is_killed_and_restarted_under_load() {
    let mut scenario = Scenario::start("broker-killed").await;
    for _ in 0..2 {
        scenario.rest(PAUSE).await;
        scenario.suffer(Trouble::Restart(Server::Broker)).await;
        scenario.rest(PAUSE).await;
    }
    scenario.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_database_is_killed_and_restarted_under_load() {
    let mut scenario = Scenario::start("database-killed").await;
    for _ in 0..4 {
        scenario.rest(PAUSE).await;
        scenario.suffer(Trouble::Restart(Server::Database)).await;
        scenario.rest(PAUSE).await;
    }
    scenario.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_services_are_killed_at_random_moments() {
    let mut scenario = Scenario::start("services-killed").await;
    for _ in 0..5 {
        for service in Service::ALL {
            scenario.rest_at_random(PAUSE).await;
            scenario.suffer(Trouble::Kill(service)).await;
        }
    }
    scenario.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_services_die_at_every_checkpoint() {
    let mut scenario = Scenario::start("checkpoints").await;
    scenario.die_at_every_checkpoint().await;
    scenario.finish().await;
}
