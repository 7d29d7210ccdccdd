//! RSA-2048 with SHA-256: what the crypto module chose (`aws-lc-rs`) against `rsa`, on a message of
//! a callback's size. Ends with the ratios: DESIGN §7 is about them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a benchmark prints and divides; its inputs are fixed"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput};
use gateways::crypto::{RsaPrivateKey, RsaPublicKey};
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer, Verifier};

const VECTORS: &str = include_str!("../src/alipay/testdata/vectors.json");
/// How long each side runs for the ratio.
const RATIO_TIME: Duration = Duration::from_secs(2);
const MESSAGE_BYTES: usize = 700;

fn main() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let key = |pointer: &str| {
        vectors
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap()
    };
    let private_pem = key("/keys/app_private_key_pkcs8_pem");
    let public_pem = key("/keys/app_public_key_pem");
    let message = vec![b'm'; MESSAGE_BYTES];

    let ours_private = RsaPrivateKey::try_parse(private_pem).unwrap();
    let ours_public = RsaPublicKey::try_parse(public_pem).unwrap();
    let rsa_private =
        SigningKey::<Sha256>::new(rsa::RsaPrivateKey::from_pkcs8_pem(private_pem).unwrap());
    let rsa_public =
        VerifyingKey::<Sha256>::new(rsa::RsaPublicKey::from_public_key_pem(public_pem).unwrap());
    let signature = ours_private.sign_sha256(&message).unwrap();
    let rsa_signature =
        |text: &str| Signature::try_from(STANDARD.decode(text).unwrap().as_slice()).unwrap();

    let sign_ours = || {
        black_box(ours_private.sign_sha256(black_box(&message)).unwrap());
    };
    let sign_rsa = || {
        black_box(STANDARD.encode(rsa_private.sign(black_box(&message)).to_bytes()));
    };
    let verify_ours = || assert!(ours_public.verify_sha256(black_box(&message), &signature));
    let verify_rsa = || {
        rsa_public
            .verify(black_box(&message), &rsa_signature(&signature))
            .unwrap();
    };

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rsa2048_sha256");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sign/aws-lc-rs", |bencher| bencher.iter(sign_ours));
    group.bench_function("sign/rsa", |bencher| bencher.iter(sign_rsa));
    group.bench_function("verify/aws-lc-rs", |bencher| bencher.iter(verify_ours));
    group.bench_function("verify/rsa", |bencher| bencher.iter(verify_rsa));
    group.finish();
    criterion.final_summary();

    if std::env::args().any(|argument| argument == "--bench") {
        let ratio = |ours: &dyn Fn(), theirs: &dyn Fn()| per_second(ours) / per_second(theirs);
        println!(
            "sign:   aws-lc-rs / rsa = {:.1}",
            ratio(&sign_ours, &sign_rsa)
        );
        println!(
            "verify: aws-lc-rs / rsa = {:.1}",
            ratio(&verify_ours, &verify_rsa)
        );
    }
}

fn per_second(work: &dyn Fn()) -> f64 {
    let started = Instant::now();
    let mut rounds = 0_u32;
    while started.elapsed() < RATIO_TIME {
        work();
        rounds = rounds.saturating_add(1);
    }
    f64::from(rounds) / started.elapsed().as_secs_f64()
}
