//! How Stripe counts.

use kassa_core::money::{Currency, Money};
use proptest::prelude::*;
use serde_json::Value;

use super::super::CAPABILITIES;
use super::super::wire::money::{from_wire, to_wire};

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/money.json")).unwrap()
}

#[test]
fn every_conversion_vector_holds_both_ways() {
    let vectors = vectors();
    let cases = vectors["conversion_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    for case in cases {
        let code = case["currency"].as_str().unwrap();
        let decimal = case["decimal"].as_str().unwrap();
        let money = Money::parse(decimal, currency(code)).ok();
        let wire = money.and_then(|money| to_wire(money).ok());
        assert_eq!(wire, case["wire"].as_i64(), "{case}");
        if let Some(wire) = wire {
            assert_eq!(from_wire(wire, &code.to_lowercase()).ok(), money, "{case}");
        }
    }
}

#[test]
fn the_decimals_are_those_of_the_sheet() {
    let one = |code: &str| {
        let minor = 10_i64.pow(currency(code).exponent());
        to_wire(Money::try_new(minor, currency(code)).unwrap()).unwrap()
    };
    for (list, expected) in [("zero_decimal", 1), ("three_decimal", 1000)] {
        for code in vectors()["stripe"][list].as_array().unwrap() {
            let code = code.as_str().unwrap();
            // Listed there and told otherwise: the special rule wins.
            let expected = if code == "UGX" { 100 } else { expected };
            assert_eq!(one(code), expected, "{code}");
        }
    }
    for code in ["ISK", "HUF", "TWD", "USD", "EUR", "CNY"] {
        assert_eq!(one(code), 100, "{code}");
    }
}

/// Stripe counts digits of its own units: what is offered to callers is never more than it takes.
#[test]
fn the_largest_amount_of_every_currency_has_eight_digits_at_most() {
    for code in CAPABILITIES.currencies {
        let max = CAPABILITIES.amount_max(currency(code));
        // The largest that Stripe counts, below what is offered; one unit more would be too much.
        let told = (max - 99..=max)
            .rev()
            .find_map(|minor| to_wire(Money::try_new(minor, currency(code)).unwrap()).ok());
        assert!(told.is_some_and(|wire| wire <= 99_999_999), "{code}");
        let above = (max + 1..=max + 100)
            .filter_map(|minor| to_wire(Money::try_new(minor, currency(code)).unwrap()).ok())
            .find(|wire| *wire > 99_999_999);
        assert_eq!(above, None, "{code}");
    }
    let isk = |minor| to_wire(Money::try_new(minor, currency("ISK")).unwrap()).ok();
    assert_eq!(isk(999_999), Some(99_999_900));
    assert_eq!(isk(1_000_000), None);
}

#[test]
fn a_currency_that_stripe_contradicts_itself_about_is_not_taken() {
    assert!(!CAPABILITIES.currencies.contains(&"UGX"));
}

proptest! {
    #[test]
    fn what_is_told_is_what_comes_back(
        minor in 0..=99_999_999_i64,
        position in 0..CAPABILITIES.currencies.len(),
    ) {
        let code = CAPABILITIES.currencies[position];
        let money = Money::try_new(minor, currency(code)).unwrap();
        if let Ok(wire) = to_wire(money) {
            prop_assert_eq!(from_wire(wire, &code.to_lowercase()), Ok(money));
        }
    }
}
