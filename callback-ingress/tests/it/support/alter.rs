//! Callbacks with one altered byte.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::TestIngress;
use super::client::Answer;
use super::vectors::Callback;

/// Alterations tried per callback; each must be refused.
const ALTERATIONS: u32 = 48;

/// Changes one byte at `position` to another value.
pub(crate) fn another_value(bytes: &mut [u8], position: prop::sample::Index, change: u8) {
    let index = position.index(bytes.len());
    bytes[index] ^= change.max(1);
}

/// Changes one byte of a header to a digit, so that the header stays one that HTTP allows.
pub(crate) fn another_letter(value: &mut String, position: prop::sample::Index, change: u8) {
    let index = position.index(value.len());
    let replacement = char::from(b'0' + change % 10);
    value.replace_range(index..=index, &replacement.to_string());
}

/// Sends altered callbacks and expects every one to be refused and none to be kept.
pub(crate) async fn refuses_alterations(
    original: &Callback,
    accepted: impl Fn(&Answer) -> bool,
    alter: impl Fn(&mut Callback, prop::sample::Index, u8),
) {
    let ingress = TestIngress::start().await;
    ingress.clock.set(original.at);
    assert!(
        accepted(&ingress.post(original).await),
        "the original must pass"
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    for _ in 0..ALTERATIONS {
        let strategy = (any::<prop::sample::Index>(), 1_u8..=255);
        let (position, change) = strategy.new_tree(&mut runner).unwrap().current();
        let mut altered = original.clone();
        alter(&mut altered, position, change);
        if altered.body == original.body && altered.headers == original.headers {
            continue;
        }
        let answer = ingress.post(&altered).await;
        assert!(!accepted(&answer), "accepted although altered: {altered:?}");
        assert_eq!(
            ingress.queue.notifications().len(),
            1,
            "kept although altered: {altered:?}"
        );
    }
}

/// Whether a form still says the same: percent-encoding may change its letters' case, or the order.
pub(crate) fn means_the_same(a: &[u8], b: &[u8]) -> bool {
    let read = |body: &[u8]| {
        let mut pairs: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        pairs.sort();
        pairs
    };
    read(a) == read(b)
}

/// A form without its empty fields.
pub(crate) fn without_empty(body: &[u8]) -> Vec<u8> {
    let pairs = form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty());
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish().into_bytes()
}
