//! Altered and exhausting callbacks against every room: a fixed seed of what `fuzz` runs for longer.

use tests::hostile::Target;

/// Random cases of each account.
const CASES: u32 = 300;
const SEED: [u8; 32] = *b"the same callbacks in every run.";
/// Bits of each byte that are turned over: the last one, that of upper and lower case, one that leaves ASCII, and
/// some at once. `fuzz --every-byte` tries all 255.
const MASKS: [u8; 4] = [0x01, 0x20, 0x80, 0x17];

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_single_altered_byte_that_a_gateway_signs_is_refused() {
    for target in Box::pin(Target::all()).await {
        let refused = target.run_bytes(&MASKS).unwrap();
        assert!(refused > 0, "{}", target.code);
    }
}
