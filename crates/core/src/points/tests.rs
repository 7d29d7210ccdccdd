use proptest::prelude::*;

use super::*;

const AMOUNT_MAX: i64 = 1_000_000_000_000;

fn cny(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::CNY).unwrap()
}

fn points(minor: i64) -> Points {
    Points::try_new(minor).unwrap()
}

fn rate(of_points: i64, of_money: i64) -> Rate {
    Rate::try_new(of_points, of_money, Currency::CNY).unwrap()
}

#[test]
fn a_hundred_points_are_worth_ten_yuan_at_ten_for_one() {
    let rate = Rate::TEN_FOR_ONE_CNY;
    assert_eq!(rate.value_of(points(10_000)), Ok(cny(1_000)));
    assert_eq!(rate.points_for(cny(1_000)), Ok(points(10_000)));
}

#[test]
fn the_value_of_points_rounds_down_and_the_price_in_points_rounds_up() {
    let rate = rate(3_00, 1_00);
    assert_eq!(rate.value_of(points(2_99)), Ok(cny(99)));
    assert_eq!(rate.value_of(points(2)), Ok(cny(0)));
    assert_eq!(rate.points_for(cny(1)), Ok(points(3)));
    let dear = self::rate(1_00, 3_00);
    assert_eq!(dear.points_for(cny(1)), Ok(points(1)));
    assert_eq!(dear.points_for(cny(4)), Ok(points(2)));
}

#[test]
fn a_rate_of_nothing_is_none() {
    assert_eq!(Rate::try_new(0, 1, Currency::CNY), None);
    assert_eq!(Rate::try_new(1, -1, Currency::CNY), None);
}

#[test]
fn a_price_in_another_currency_is_refused() {
    let dollars = Money::try_new(100, Currency::USD).unwrap();
    assert!(matches!(
        rate(1_000, 1_00).points_for(dollars),
        Err(MoneyError::CurrencyMismatch { .. })
    ));
}

#[test]
fn what_is_beyond_the_range_is_refused() {
    assert_eq!(
        rate(1, i64::MAX).value_of(points(i64::MAX)),
        Err(MoneyError::TooLarge)
    );
    assert_eq!(
        rate(i64::MAX, 1).points_for(cny(i64::MAX)),
        Err(MoneyError::TooLarge)
    );
}

#[test]
fn three_refunds_of_a_third_return_every_point() {
    let parts = [(0, 3_33), (3_33, 3_33), (6_66, 3_34)]
        .map(|(before, amount)| returned(points(100), cny(1_000), cny(before), cny(amount)));
    assert_eq!(parts, [Ok(points(33)), Ok(points(33)), Ok(points(34))]);
}

#[test]
fn more_than_the_leg_paid_returns_nothing() {
    assert_eq!(
        returned(points(100), cny(1_000), cny(9_00), cny(1_01)),
        Err(MoneyError::Negative)
    );
    let nothing = Money::zero(Currency::CNY);
    assert_eq!(
        returned(points(100), nothing, nothing, nothing),
        Err(MoneyError::Empty)
    );
}

proptest! {
    #[test]
    fn the_price_of_an_amount_is_the_least_that_is_worth_it(
        of_points in 1..1_000_000_i64,
        of_money in 1..1_000_000_i64,
        amount in 0..AMOUNT_MAX,
    ) {
        let rate = rate(of_points, of_money);
        let price = rate.points_for(cny(amount)).unwrap();
        prop_assert!(rate.value_of(price).unwrap().amount_minor() >= amount);
        if let Ok(less) = price.checked_sub(points(1)) {
            prop_assert!(rate.value_of(less).unwrap().amount_minor() < amount);
        }
    }

    #[test]
    fn what_points_are_worth_never_costs_more_than_they(
        of_points in 1..1_000_000_i64,
        of_money in 1..1_000_000_i64,
        owned in 0..AMOUNT_MAX,
    ) {
        let rate = rate(of_points, of_money);
        let worth = rate.value_of(points(owned)).unwrap();
        prop_assert!(rate.points_for(worth).unwrap().minor() <= owned);
    }

    #[test]
    fn any_split_of_a_leg_returns_its_points_exactly_and_never_more(
        total in 0..AMOUNT_MAX,
        parts in prop::collection::vec(1..AMOUNT_MAX, 1..20),
    ) {
        let leg = cny(parts.iter().sum());
        let (mut before, mut back) = (cny(0), Points::zero());
        for part in parts {
            let amount = cny(part);
            back = back.checked_add(returned(points(total), leg, before, amount).unwrap()).unwrap();
            before = before.checked_add(amount).unwrap();
            prop_assert!(back.minor() <= total);
        }
        prop_assert_eq!(back, points(total));
    }
}
