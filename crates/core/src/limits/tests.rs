use serde_json::json;

use super::*;

fn config() -> PaymentConfig {
    serde_json::from_value(json!({
        "balance": { "amount_min": "1.00", "amount_max": "20.00", "daily_max": "50.00" },
        "points": { "min_points": "10", "max_points_per_order": "1000", "daily_max": "1500" },
        "channels": {
            "ALIPAY": { "enabled": false },
            "WECHAT_PAY": { "amount_min": "0.10", "amount_max": "5.00", "daily_max": "8.00" },
        },
    }))
    .unwrap()
}

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

fn points(minor: i64) -> Points {
    Points::try_new(minor).unwrap()
}

#[test]
fn both_ends_of_a_range_are_allowed_and_nothing_beyond() {
    let config = config();
    let refused = Err(Refused::Amount {
        min: Some(cny(100)),
        max: Some(cny(2_000)),
    });
    for (amount, expected) in [
        (99, refused),
        (100, Ok(())),
        (2_000, Ok(())),
        (20_01, refused),
    ] {
        let spending = Spending::Balance(cny(amount));
        assert_eq!(spending.check(&config), expected, "{amount}");
    }
    let wechat = |amount| Spending::External(Channel::WechatPay, cny(amount)).check(&config);
    assert!(wechat(9).is_err() && wechat(5_01).is_err());
    assert_eq!((wechat(10), wechat(500)), (Ok(()), Ok(())));
}

#[test]
fn points_have_a_minimum_and_a_maximum_for_each_order() {
    let config = config();
    let check = |minor| Spending::Points(points(minor)).check(&config);
    let (min, max) = (points(1_000), points(100_000));
    assert_eq!(check(9_99), Err(Refused::PointsBelow { min }));
    assert_eq!((check(1_000), check(100_000)), (Ok(()), Ok(())));
    assert_eq!(check(100_001), Err(Refused::PointsAbove { max }));
}

#[test]
fn a_method_that_is_switched_off_is_refused_by_name() {
    let mut config = config();
    config.balance.is_enabled = false;
    config.points.is_enabled = false;
    for (spending, method) in [
        (Spending::Balance(cny(500)), "BALANCE"),
        (Spending::Points(points(5_000)), "POINTS"),
        (Spending::External(Channel::Alipay, cny(500)), "ALIPAY"),
    ] {
        assert_eq!(spending.check(&config), Err(Refused::Disabled { method }));
    }
}

#[test]
fn a_balance_pays_only_in_its_currency_and_channels_limit_only_theirs() {
    let (config, dollars) = (config(), Money::try_new(10_000, Currency::USD).unwrap());
    assert_eq!(
        Spending::Balance(dollars).check(&config),
        Err(Refused::Currency {
            expected: Currency::CNY,
            found: Currency::USD
        })
    );
    let external = Spending::External(Channel::WechatPay, dollars);
    assert_eq!(
        (external.check(&config), external.daily(&config)),
        (Ok(()), None)
    );
}

#[test]
fn what_is_limited_by_day_is_counted_and_nothing_else() {
    let mut config = config();
    let spending = Spending::External(Channel::WechatPay, cny(200));
    let counted = Daily {
        kind: LimitKind::ChannelDaily,
        method: "WECHAT_PAY",
        unit: Unit::Currency(Currency::CNY),
        amount_minor: 200,
        max_minor: 800,
    };
    assert_eq!(spending.daily(&config), Some(counted));
    let counted = Spending::Points(points(2_000)).daily(&config).unwrap();
    assert_eq!((counted.unit, counted.max_minor), (Unit::Points, 150_000));
    config.balance.daily_max = None;
    assert_eq!(Spending::Balance(cny(200)).daily(&config), None);
    assert_eq!(
        Spending::External(Channel::Alipay, cny(200)).daily(&config),
        None
    );
}
