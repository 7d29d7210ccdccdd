use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Result<PaymentConfig, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn cny(text: &str) -> Money {
    Money::parse(text, Currency::CNY).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn what_is_left_out_is_as_in_seed_2() {
    let config = read(json!({})).unwrap();
    assert_eq!(config, PaymentConfig::default());
    assert!(config.balance.is_enabled && config.balance.require_password);
    assert_eq!(config.balance.amount_min, cny("0.01"));
    assert_eq!(config.balance.daily_max, Some(cny("10000.00")));
    assert_eq!(config.points.rate, Rate::TEN_FOR_ONE_CNY);
    assert_eq!(config.points.min, Points::parse("10").unwrap());
    assert_eq!(
        config.points.max_per_order,
        Some(Points::parse("1000").unwrap())
    );
    assert_eq!(config.time_zone.to_string(), "Asia/Shanghai");
    assert!(!config.allow_refund_to_balance);
    let partly = read(json!({ "balance": { "daily_max": "5" } })).unwrap();
    assert_eq!(partly.balance.daily_max, Some(cny("5.00")));
    assert_eq!(partly.balance.amount_min, cny("0.01"));
}

#[test]
fn a_configuration_reads_back_from_what_is_written_of_it() {
    let config = read(json!({
        "balance": { "enabled": false, "currency": "KWD", "amount_min": "0.001",
            "amount_max": "9.5", "daily_max": "unlimited", "require_password": false },
        "points": { "points_per_unit": "0.125", "min_points": "0.01", "daily_max": "7.5",
            "max_points_per_order": "unlimited", "currency": "JPY", "expiry_days": 365 },
        "channels": { "ALIPAY": { "enabled": false },
            "WECHAT_PAY": { "amount_min": "0.01", "amount_max": "50000", "daily_max": "60000" } },
        "password": { "rules": { "lock_minutes": 5 },
            "code_key": { "kid": "k", "public_key": "PEM" } },
        "time_zone": "Europe/Berlin",
        "refund_order": ["BALANCE", "EXTERNAL", "POINTS"],
        "allow_refund_to_balance": true,
    }))
    .unwrap();
    let rate = config.points.rate;
    // One eighth of a point for one yen.
    assert_eq!((rate.points_minor(), rate.money_minor()), (12_500, 1_000));
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written["points"]["points_per_unit"], "0.125");
    assert_eq!(read(written), Ok(config));
}

#[test]
fn what_is_wrong_is_named_with_what_is_expected() {
    let cases = [
        (
            json!({ "balance": { "daily_max": "1e3" } }),
            "balance.daily_max must be a plain decimal",
        ),
        (
            json!({ "balance": { "amount_min": "0.001" } }),
            "balance.amount_min has too many decimals",
        ),
        (
            json!({ "balance": { "amount_max": "0.00" } }),
            "balance.amount_max must not be below",
        ),
        (json!({ "balance": { "amount_min": 5 } }), "invalid type"),
        (json!({ "balance": { "currency": "POINTS" } }), "ISO 4217"),
        (
            json!({ "points": { "points_per_unit": "0" } }),
            "points.points_per_unit must be",
        ),
        (
            json!({ "points": { "points_per_unit": "-1" } }),
            "points.points_per_unit must be",
        ),
        (
            json!({ "points": { "points_per_unit": "0.0000001" } }),
            "at most 6 decimals",
        ),
        (
            json!({ "points": { "max_points_per_order": "9" } }),
            "must not be below min_points",
        ),
        (
            json!({ "points": { "expiry_days": 36501 } }),
            "points.expiry_days must be at most",
        ),
        (json!({ "channels": { "CASH": {} } }), "unknown channel"),
        (
            json!({ "time_zone": "Shanghai" }),
            "time_zone must be an IANA name",
        ),
        (
            json!({ "refund_order": ["POINTS", "BALANCE"] }),
            "refund_order must name",
        ),
        (
            json!({ "refund_order": ["POINTS", "POINTS", "BALANCE"] }),
            "refund_order must name",
        ),
        (json!({ "daily": "1" }), "unknown field"),
    ];
    for (value, expected) in cases {
        let error = read(value.clone()).unwrap_err();
        assert!(error.contains(expected), "{value}: {error}");
    }
}

#[test]
fn a_day_ends_at_the_midnight_of_the_time_zone() {
    let shanghai = TimeZone::default();
    let before = at("2026-03-01T15:59:59Z");
    assert_eq!(shanghai.day_at(before).to_string(), "2026-03-01");
    assert_eq!(shanghai.day_end(before), Some(at("2026-03-01T16:00:00Z")));
    let after = at("2026-03-01T16:00:00Z");
    assert_eq!(shanghai.day_at(after).to_string(), "2026-03-02");
}

#[test]
fn a_day_on_which_clocks_change_has_23_or_25_hours() {
    let berlin: TimeZone = "Europe/Berlin".parse().unwrap();
    let spring = at("2026-03-28T23:00:00Z");
    assert_eq!(berlin.day_at(spring).to_string(), "2026-03-29");
    assert_eq!(berlin.day_end(spring), Some(at("2026-03-29T22:00:00Z")));
    let autumn = at("2026-10-24T22:00:00Z");
    assert_eq!(berlin.day_at(autumn).to_string(), "2026-10-25");
    assert_eq!(berlin.day_end(autumn), Some(at("2026-10-25T23:00:00Z")));
}

#[test]
fn a_day_whose_midnight_the_clocks_skip_begins_at_the_first_moment_there_is() {
    let cairo: TimeZone = "Africa/Cairo".parse().unwrap();
    // On 24 April 2026 clocks in Egypt go from 00:00 to 01:00.
    let eve = at("2026-04-23T20:00:00Z");
    assert_eq!(cairo.day_end(eve), Some(at("2026-04-23T22:00:00Z")));
    assert_eq!(
        cairo.day_at(at("2026-04-23T22:00:00Z")).to_string(),
        "2026-04-24"
    );
}
