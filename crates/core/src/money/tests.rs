use proptest::prelude::*;

use super::*;

fn cny(text: &str) -> Result<Money, MoneyError> {
    Money::parse(text, Currency::CNY)
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

#[test]
fn plain_decimals_are_read_to_minor_units() {
    for (text, minor) in [
        ("0", 0),
        ("10", 1000),
        ("10.0", 1000),
        ("10.00", 1000),
        ("0.01", 1),
    ] {
        assert_eq!(cny(text).unwrap().amount_minor(), minor, "{text}");
    }
    assert_eq!(
        Money::parse("500", currency("JPY")).unwrap().amount_minor(),
        500
    );
    assert_eq!(
        Money::parse("1.005", currency("KWD"))
            .unwrap()
            .amount_minor(),
        1005
    );
    assert_eq!(
        cny("92233720368547758.07").unwrap().amount_minor(),
        i64::MAX
    );
}

#[test]
fn anything_but_a_plain_decimal_is_refused() {
    for text in [
        "-1", "+1", "1e3", "NaN", "inf", " 1", "1 ", "1,00", ".5", "5.", "01", "1.2.3", "１",
        "0x1", "1_0", "--",
    ] {
        assert_eq!(cny(text), Err(MoneyError::NotADecimal), "{text:?}");
    }
    assert_eq!(cny(""), Err(MoneyError::Empty));
}

#[test]
fn more_decimals_than_the_currency_has_are_refused_not_rounded() {
    assert!(matches!(
        cny("10.005"),
        Err(MoneyError::TooManyDecimals { exponent: 2, .. })
    ));
    assert!(matches!(
        cny("10.000"),
        Err(MoneyError::TooManyDecimals { .. })
    ));
    assert!(Money::parse("1.0", currency("JPY")).is_err());
}

#[test]
fn amounts_beyond_the_storage_are_refused() {
    assert_eq!(cny("92233720368547758.08"), Err(MoneyError::TooLarge));
    assert_eq!(cny(&"9".repeat(24)), Err(MoneyError::TooLarge));
    assert_eq!(cny(&"9".repeat(400)), Err(MoneyError::TooLarge));
    let most = Money::try_new(i64::MAX, Currency::CNY).unwrap();
    assert_eq!(most.checked_add(most), Err(MoneyError::TooLarge));
}

#[test]
fn different_currencies_never_mix() {
    let one = cny("1").unwrap();
    let other = Money::parse("1", Currency::USD).unwrap();
    assert!(matches!(
        one.checked_add(other),
        Err(MoneyError::CurrencyMismatch { .. })
    ));
    assert!(matches!(
        one.checked_sub(other),
        Err(MoneyError::CurrencyMismatch { .. })
    ));
}

#[test]
fn unknown_lower_case_and_metal_codes_are_no_currencies() {
    for code in ["cny", "XXX", "XAU", "ABC", "", "CN", "CNYY"] {
        assert_eq!(
            code.parse::<Currency>(),
            Err(MoneyError::UnknownCurrency),
            "{code}"
        );
    }
}

#[test]
fn exponents_agree_with_the_vector_file() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/currency_exponents.json")).unwrap();
    for (list, exponent) in [("exponent_0", 0), ("exponent_3", 3), ("exponent_4", 4)] {
        for code in vectors["iso4217"][list].as_array().unwrap() {
            let code = code.as_str().unwrap();
            assert_eq!(currency(code).exponent(), exponent, "{code}");
        }
    }
    assert_eq!(Currency::CNY.exponent(), 2);
}

proptest! {
    #[test]
    fn every_amount_reads_back_from_its_text(minor in 0..=i64::MAX, code in "CNY|JPY|KWD|CLF") {
        let money = Money::try_new(minor, currency(&code)).unwrap();
        prop_assert_eq!(Money::parse(&money.to_decimal_string(), currency(&code)), Ok(money));
    }

    #[test]
    fn any_text_either_parses_to_itself_or_is_refused(text in "\\PC{0,30}") {
        if let Ok(money) = cny(&text) {
            let again = cny(&money.to_decimal_string());
            prop_assert_eq!(again, Ok(money));
        }
    }

    #[test]
    fn adding_and_taking_away_again_changes_nothing(a in 0..i64::MAX / 2, b in 0..i64::MAX / 2) {
        let a = Money::try_new(a, Currency::CNY).unwrap();
        let b = Money::try_new(b, Currency::CNY).unwrap();
        prop_assert_eq!(a.checked_add(b).unwrap().checked_sub(b).unwrap(), a);
    }
}
