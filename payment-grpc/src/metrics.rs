//! The metrics of this service. Those of the machinery are in `runtime`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Calls by how they ended. Labels `method`, `code`. A stream counts when it begins.
pub const REQUESTS: &str = "kassa_grpc_requests_total";
/// From a call's headers to its answer; of a stream, to its beginning. Label `method`.
pub const REQUEST_SECONDS: &str = "kassa_grpc_request_seconds";
/// Streams that are open. Label `method`.
pub const STREAMS: &str = "kassa_grpc_streams";

/// Says what each metric means.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "gRPC calls, by method and code");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "from a call's headers to its answer"
    );
    describe_gauge!(STREAMS, "gRPC streams that are open");
}
