//! Compiles the `.proto` files without protoc: messages, services, their JSON, and the descriptor
//! set for reflection.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 8] = [
    "payment/v1/types.proto",
    "payment/v1/payment_service.proto",
    "payment/v1/refund_service.proto",
    "payment/v1/channel_service.proto",
    "payment/v1/event_service.proto",
    "payment/v1/operations_service.proto",
    "payment/v1/wallet_service.proto",
    "payment/v1/payment_password_service.proto",
];

/// Messages that carry a secret; `src/redacted.rs` prints them without it.
const REDACTED: [&str; 7] = [
    "payment.v1.ChangePaymentPasswordRequest",
    "payment.v1.ClientSecret",
    "payment.v1.CreatePaymentRequest",
    "payment.v1.ResetPaymentPasswordRequest",
    "payment.v1.RetryPaymentRequest",
    "payment.v1.SetPaymentPasswordRequest",
    "payment.v1.VerifyPaymentPasswordRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let encoded = descriptors.encode_to_vec();
    #[expect(
        clippy::disallowed_methods,
        reason = "a build script is told its folder this way"
    )]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &encoded)?;

    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .skip_debug(REDACTED)
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .preserve_proto_field_names()
        .emit_fields()
        .build(&[".payment.v1"])?;
    Ok(())
}
