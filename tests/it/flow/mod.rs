//! Whole stories through the real doors: gRPC in, callbacks in, events out.

mod anomaly;
mod anomaly_ends;
mod anomaly_kinds;
mod attempt;
mod callback;
mod close;
mod create;
mod events;
mod explain;
mod forged;
mod mixed;
mod mixed_race;
mod mixed_refused;
mod order;
mod products;
mod refund;
mod refund_race;
mod retry;
mod retry_race;
mod story;
mod sync;
mod synchronise;
mod top_up;
mod wallet;
mod watch;
mod worker;
