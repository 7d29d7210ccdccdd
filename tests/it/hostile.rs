//! Altered and exhausting callbacks against every room: a fixed seed of what `fuzz` runs for longer.

use tests::hostile::Target;

/// Random cases of each account.
const CASES: u32 = 300;
const SEED: [u8; 32] = *b"the same callbacks in every run.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_altered_callback_panics_takes_long_or_means_another_thing() {
    for target in Box::pin(Target::all()).await {
        target.run(CASES, &SEED).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_callback_exhausts_a_room() {
    for target in Box::pin(Target::all()).await {
        target.run_bombs().unwrap();
    }
}
