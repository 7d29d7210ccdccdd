//! The contract of the queues: one list of behaviours, the same on every backend. Which backends run
//! is said by `KASSA_TEST_BACKEND`; see [`queue::on_each_backend`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod queue;

use queue::{behaviours, embedded, on_each_backend, parking, rabbit};

macro_rules! contract {
    ($($room:ident::$behaviour:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            on_each_backend(|bed| Box::pin($room::$behaviour(bed))).await;
        }
    )+};
}

contract! {
    behaviours::a_confirmed_message_survives_reopening,
    behaviours::messages_come_in_order_on_one_consumer,
    behaviours::a_dropped_delivery_comes_back,
    behaviours::a_delivery_that_is_done_does_not_come_back,
    parking::a_retry_comes_after_its_delay_and_counts,
    parking::a_parked_message_is_listed_and_put_back_by_name,
    parking::the_oldest_parked_messages_are_put_back_first,
    parking::putting_back_forgets_the_retries,
    behaviours::shuffled_and_repeated_messages_reach_the_handler_at_least_once,
    behaviours::two_consumers_never_hold_the_same_message,
    behaviours::no_more_than_prefetch_deliveries_are_out,
    behaviours::what_a_dropped_consumer_held_reaches_another,
    behaviours::a_caller_that_stops_waiting_loses_no_message,
    behaviours::queues_do_not_mix,
    behaviours::the_depth_counts_ready_and_delayed_messages,
    behaviours::closing_ends_consumers_and_refuses_messages,
    behaviours::a_thousand_concurrent_publishes_all_arrive,
    behaviours::an_envelope_above_the_limit_is_refused,
    behaviours::events_are_confirmed_in_their_order,
}

macro_rules! embedded_only {
    ($($behaviour:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            queue::on_the_embedded_backend(|bed| Box::pin(embedded::$behaviour(bed))).await;
        }
    )+};
}

// What only the embedded queue has: bounds, leases, rows.
embedded_only! {
    a_full_queue_refuses_messages_until_there_is_room,
    a_lease_that_ran_out_is_delivered_again_and_its_old_holder_cannot_end_it,
    a_held_message_stays_held_while_its_process_lives,
    a_row_that_is_no_envelope_is_parked,
    publishing_events_wakes_their_readers,
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    rabbit::options_that_cannot_work_are_refused().await;
}

macro_rules! rabbit_only {
    ($($behaviour:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            let ran = queue::on_rabbit(|bed| {
                Box::pin(async move { rabbit::$behaviour(&bed).await })
            });
            if !ran.await {
                rabbit::a_broker_that_is_not_there_is_reported_soon().await;
            }
        }
    )+};
}

// What only RabbitMQ has: a network, an operator, other users.
rabbit_only! {
    a_cut_connection_fails_publishes_fast_and_comes_back,
    a_work_message_that_no_queue_takes_is_an_error,
    a_returned_message_is_never_counted_as_confirmed,
    a_message_that_is_no_envelope_is_parked_whole,
    a_message_that_is_never_ended_is_parked_by_the_broker,
    an_event_reaches_a_bound_queue_as_a_cloud_event,
}
