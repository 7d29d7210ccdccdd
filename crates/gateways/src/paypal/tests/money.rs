//! How PayPal writes amounts.

use kassa_core::money::{Currency, Money};
use proptest::prelude::*;
use serde_json::Value;

use super::super::CAPABILITIES;
use super::super::money::{from_wire, to_wire};
use super::super::wire::Amount;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/money.json")).unwrap()
}

fn amount(code: &str, value: &str) -> Amount {
    Amount {
        currency_code: code.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn every_conversion_vector_holds_both_ways() {
    let vectors = vectors();
    let cases = vectors["conversion_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let code = case["currency"].as_str().unwrap();
        let money = Money::parse(case["decimal"].as_str().unwrap(), currency(code)).unwrap();
        let wire = to_wire(money).ok();
        let expected = case["wire"].as_str();
        assert_eq!(
            wire.as_ref().map(|wire| wire.value.as_str()),
            expected,
            "{case}"
        );
        if let Some(wire) = wire {
            assert_eq!(from_wire(&wire), Ok(money), "{case}");
        }
    }
}

#[test]
fn the_currencies_are_those_of_the_sheet() {
    let vectors = vectors();
    let list = |name: &str| -> Vec<String> {
        let codes = vectors["paypal"][name].as_array().unwrap().iter();
        codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    };
    let mut expected = list("supported");
    let mut found: Vec<_> = CAPABILITIES.currencies.to_vec();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    for code in list("zero_decimal") {
        let one = Money::parse("1", currency(&code)).unwrap();
        assert_eq!(to_wire(one).unwrap().value, "1", "{code}");
    }
}

#[test]
fn the_largest_amount_of_every_currency_has_fifteen_digits_before_its_point() {
    for code in CAPABILITIES.currencies {
        let currency = currency(code);
        let max = CAPABILITIES.amount_max(currency);
        let whole = if currency.exponent() == 0 {
            max
        } else {
            max / 100
        };
        assert_eq!(whole, 999_999_999_999_999, "{code}");
    }
    let written = |code: &str, minor| to_wire(Money::try_new(minor, currency(code)).unwrap());
    let value = |code: &str, minor| written(code, minor).unwrap().value;
    assert_eq!(value("USD", 99_999_999_999_999_999), "999999999999999.99");
    assert_eq!(value("HUF", 99_999_999_999_999_900), "999999999999999");
    assert_eq!(value("JPY", 999_999_999_999_999), "999999999999999");
    assert!(written("JPY", 1_000_000_000_000_000).is_err());
    assert!(written("USD", 100_000_000_000_000_000).is_err());
}

#[test]
fn amounts_are_compared_as_numbers_and_what_is_none_is_refused() {
    for (code, value, minor) in [
        ("USD", "10.9", 1090),
        ("USD", "10", 1000),
        ("USD", ".5", 50),
        ("USD", "10.900", 1090),
        ("JPY", "500.00", 500),
        ("HUF", "500", 50_000),
    ] {
        let money = Money::try_new(minor, currency(code)).unwrap();
        assert_eq!(from_wire(&amount(code, value)), Ok(money), "{code} {value}");
    }
    for (code, value) in [
        ("USD", "10.999"),
        ("USD", "-1.00"),
        ("USD", ""),
        ("USD", "."),
        ("USD", "1e3"),
        ("USD", "1,00"),
        ("USD", " 1.00"),
        ("USD", "000000000000000000000000000000001"),
        ("JPY", "500.5"),
        ("KWD", "1.00"),
        ("usd", "1.00"),
        ("XXX1", "1.00"),
    ] {
        assert!(from_wire(&amount(code, value)).is_err(), "{code} {value}");
    }
}

proptest! {
    #[test]
    fn what_is_told_is_what_comes_back(
        minor in 0..=CAPABILITIES.amount_minor_max,
        position in 0..CAPABILITIES.currencies.len(),
    ) {
        let money = Money::try_new(minor, currency(CAPABILITIES.currencies[position])).unwrap();
        if let Ok(wire) = to_wire(money) {
            prop_assert_eq!(from_wire(&wire), Ok(money));
        }
    }
}
