//! The `payment.v1` API: generated messages and services. The sources and their documentation are in
//! `payment/v1/*.proto`.
//!
//! Messages also have the API's JSON (`serde`): field names as in the `.proto` files, default values
//! written out. Events carry the same JSON.

mod redacted;

/// `package payment.v1`
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("payment.v1");
    include!(concat!(env!("OUT_DIR"), "/payment.v1.serde.rs"));
}

/// The encoded `FileDescriptorSet` of the API, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
