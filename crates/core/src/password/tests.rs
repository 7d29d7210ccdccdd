use proptest::prelude::*;

use super::*;

const RULES: fn() -> PasswordRules = PasswordRules::default;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn text_rules() -> PasswordRules {
    PasswordRules {
        length_max: 20,
        digits_only: false,
        ..RULES()
    }
}

#[test]
fn six_digits_that_are_no_run_are_a_password() {
    for password in ["135790", "112233", "908172", "000001"] {
        assert_eq!(RULES().check_new(password), Ok(()), "{password}");
    }
}

#[test]
fn repeated_characters_and_runs_are_refused() {
    for password in ["000000", "999999", "123456", "654321", "012345", "456789"] {
        assert_eq!(
            RULES().check_new(password),
            Err(PasswordRefused::Weak),
            "{password}"
        );
    }
    for password in ["abcdef", "zyxwvut", "!!!!!!"] {
        assert_eq!(
            text_rules().check_new(password),
            Err(PasswordRefused::Weak),
            "{password}"
        );
    }
}

#[test]
fn other_lengths_and_characters_are_refused() {
    let wrong_length = Err(PasswordRefused::Length { min: 6, max: 6 });
    for password in ["", "13579", "1357902"] {
        assert_eq!(RULES().check_new(password), wrong_length, "{password}");
    }
    assert_eq!(RULES().check_new("13579a"), Err(PasswordRefused::NotDigits));
    assert_eq!(
        RULES().check_new("１３５７９０"),
        Err(PasswordRefused::NotDigits)
    );
    for password in ["pass word", "pässword", "passwo\nrd"] {
        assert_eq!(
            text_rules().check_new(password),
            Err(PasswordRefused::Characters),
            "{password:?}"
        );
    }
    assert_eq!(text_rules().check_new("correct-horse"), Ok(()));
    assert!(text_rules().check_new(&"xy".repeat(11)).is_err());
}

#[test]
fn rules_out_of_bounds_name_their_field() {
    type Break = fn(&mut PasswordRules);
    let wrong: [(&str, Break); 10] = [
        ("length_min", |rules| rules.length_min = 5),
        ("length_max", |rules| rules.length_min = 8),
        ("length_max", |rules| rules.length_max = 21),
        ("tries_max", |rules| rules.tries_max = 0),
        ("lock_minutes", |rules| rules.lock_minutes = 0),
        ("code_digits", |rules| rules.code_digits = 5),
        ("code_minutes", |rules| rules.code_minutes = 61),
        ("code_tries_max", |rules| rules.code_tries_max = 11),
        ("code_pause_seconds", |rules| rules.code_pause_seconds = 0),
        ("codes_per_day", |rules| rules.codes_per_day = 0),
    ];
    for (field, breaks) in wrong {
        let mut rules = RULES();
        breaks(&mut rules);
        assert_eq!(rules.validate().unwrap_err().0, field);
    }
    assert_eq!(RULES().validate(), Ok(()));
}

#[test]
fn the_fifth_try_locks_and_the_end_of_the_lock_gives_five_again() {
    let mut tries = Tries::default();
    for left in [4, 3, 2, 1, 0] {
        tries = tries.take(&RULES(), at(0)).unwrap();
        assert_eq!(tries.left(&RULES()), left);
    }
    let until = at(30 * 60);
    assert_eq!(tries.take(&RULES(), at(30 * 60 - 1)), Err(Locked { until }));
    assert_eq!(tries.lock_at(at(30 * 60 - 1)), Some(until));
    assert_eq!(tries.lock_at(until), None);
    let again = tries.take(&RULES(), until).unwrap();
    assert_eq!((again.left(&RULES()), again.locked_until), (4, None));
}

#[test]
fn a_code_is_asked_for_once_a_minute_and_ten_times_a_day() {
    let mut requests = CodeRequests::default();
    for number in 0..10 {
        requests = requests.count(&RULES(), at(60 * number)).unwrap();
        assert_eq!(
            requests.count(&RULES(), at(60 * number + 59)),
            Err(at(60 * number + 60))
        );
    }
    let day = 24 * 60 * 60;
    assert_eq!(requests.count(&RULES(), at(day - 1)), Err(at(day)));
    let next_day = requests.count(&RULES(), at(day)).unwrap();
    assert_eq!((next_day.count, next_day.since), (1, Some(at(day))));
}

#[test]
fn a_code_is_used_once() {
    let fresh = CodeState {
        tries: 0,
        expires_at: at(300),
        used_at: None,
    };
    let CodeTried::Used(used) = fresh.attempt(&RULES(), true, at(1)) else {
        panic!("a right code is used");
    };
    assert_eq!(used.attempt(&RULES(), true, at(2)), CodeTried::Gone);
    assert_eq!(fresh.attempt(&RULES(), true, at(300)), CodeTried::Gone);
}

#[test]
fn a_code_is_gone_after_five_wrong_tries() {
    let mut state = CodeState {
        tries: 0,
        expires_at: at(300),
        used_at: None,
    };
    for left in [4, 3, 2, 1, 0] {
        let CodeTried::Wrong {
            state: next,
            tries_left,
        } = state.attempt(&RULES(), false, at(1))
        else {
            panic!("a wrong code is wrong");
        };
        assert_eq!(tries_left, left);
        state = next;
    }
    assert_eq!(state.attempt(&RULES(), true, at(1)), CodeTried::Gone);
}

proptest! {
    /// Whenever tries are made, no window as long as a lock sees more judged than allowed.
    #[test]
    fn no_more_than_the_allowed_tries_fall_into_the_time_of_a_lock(
        pauses in prop::collection::vec(0..2_000_i64, 1..80),
    ) {
        let rules = RULES();
        let (mut tries, mut now) = (Tries::default(), 0);
        let (mut judged, mut window) = (0_u16, None);
        for pause in pauses {
            now += pause;
            if let Ok(taken) = tries.take(&rules, at(now)) {
                if window.is_some_and(|end| end <= at(now)) {
                    (judged, window) = (0, None);
                }
                judged += 1;
                tries = taken;
                window = taken.locked_until.or(window);
            }
            prop_assert!(judged <= rules.tries_max);
        }
    }

    #[test]
    fn a_password_that_was_refused_does_not_print(password in "[0-9]{6,20}") {
        if let Err(refused) = text_rules().check_new(&password) {
            let text = format!("{refused} {refused:?}").replace("123456", "").replace("654321", "");
            prop_assert!(!text.contains(&password));
        }
    }
}
