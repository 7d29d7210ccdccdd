//! The payment password: what it may be, how often it may be guessed, and the one-time codes with
//! which it is set.
//!
//! A try is taken before it is judged, and given back if it was right. However many are made at once,
//! no more than the allowed number is ever judged before the password is locked.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use crate::code::codes;

/// The shortest and the longest password that an app may demand, in characters.
pub const LENGTH: std::ops::RangeInclusive<u8> = 6..=20;
/// What the number of tries may be.
pub const TRIES: std::ops::RangeInclusive<u16> = 1..=10;
/// What the time of a lock may be, in minutes: up to a week.
pub const LOCK_MINUTES: std::ops::RangeInclusive<u16> = 1..=10_080;
/// Digits of a one-time code.
pub const CODE_DIGITS: std::ops::RangeInclusive<u8> = 6..=12;
/// How long a one-time code may be good for, in minutes.
pub const CODE_MINUTES: std::ops::RangeInclusive<u16> = 1..=60;
/// How long a user may have to wait for the next code, in seconds.
pub const CODE_PAUSE_SECONDS: std::ops::RangeInclusive<u16> = 1..=3_600;
/// Codes that a user may get in 24 hours.
pub const CODES_PER_DAY: std::ops::RangeInclusive<u16> = 1..=100;

codes! {
    /// What a one-time code is good for.
    CodePurpose as "code purpose" {
        /// Setting the first password.
        Set = "SET",
        /// Setting a new one without knowing the old one; it also lifts a lock.
        Reset = "RESET",
    }
}

/// What an app wants of payment passwords and of the codes to set them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordRules {
    /// The fewest characters.
    pub length_min: u8,
    /// The most characters.
    pub length_max: u8,
    /// Whether digits alone are allowed; otherwise any printable ASCII character but the blank.
    pub digits_only: bool,
    /// Wrong tries in a row that lock the password.
    pub tries_max: u16,
    /// How long it is locked, in minutes.
    pub lock_minutes: u16,
    /// Digits of a one-time code.
    pub code_digits: u8,
    /// How long a code is good for, in minutes.
    pub code_minutes: u16,
    /// Wrong tries after which a code is good for nothing.
    pub code_tries_max: u16,
    /// How long a user waits for the next code, in seconds.
    pub code_pause_seconds: u16,
    /// Codes that a user gets within 24 hours of the first.
    pub codes_per_day: u16,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            length_min: 6,
            length_max: 6,
            digits_only: true,
            tries_max: 5,
            lock_minutes: 30,
            code_digits: 6,
            code_minutes: 5,
            code_tries_max: 5,
            code_pause_seconds: 60,
            codes_per_day: 10,
        }
    }
}

/// Why a password was refused when it was to be set. The text is meant for the caller and says nothing
/// of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Too short or too long.
    #[error("must have {min} to {max} characters")]
    Length {
        /// The fewest characters.
        min: u8,
        /// The most characters.
        max: u8,
    },
    /// Something else than digits.
    #[error("must be digits only")]
    NotDigits,
    /// Blanks, controls, or beyond ASCII.
    #[error("may contain only printable ASCII characters without blanks")]
    Characters,
    /// One character over and over, or a run such as 123456.
    #[error("must not be one character repeated or a run such as 123456 or 654321")]
    Weak,
}

impl PasswordRules {
    /// Whether the rules are within their bounds; otherwise which one is not, and what was expected.
    ///
    /// # Errors
    /// The field and what is expected of it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let length = (*LENGTH.start(), *LENGTH.end());
        within("length_min", self.length_min, length)?;
        within("length_max", self.length_max, (self.length_min, length.1))?;
        let tries = (*TRIES.start(), *TRIES.end());
        within("tries_max", self.tries_max, tries)?;
        within("code_tries_max", self.code_tries_max, tries)?;
        let lock = (*LOCK_MINUTES.start(), *LOCK_MINUTES.end());
        within("lock_minutes", self.lock_minutes, lock)?;
        let digits = (*CODE_DIGITS.start(), *CODE_DIGITS.end());
        within("code_digits", self.code_digits, digits)?;
        let minutes = (*CODE_MINUTES.start(), *CODE_MINUTES.end());
        within("code_minutes", self.code_minutes, minutes)?;
        let pause = (*CODE_PAUSE_SECONDS.start(), *CODE_PAUSE_SECONDS.end());
        within("code_pause_seconds", self.code_pause_seconds, pause)?;
        let per_day = (*CODES_PER_DAY.start(), *CODES_PER_DAY.end());
        within("codes_per_day", self.codes_per_day, per_day)
    }

    /// Whether a password may be set.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_new(&self, password: &str) -> Result<(), PasswordRefused> {
        if !self.has_length(password) {
            let (min, max) = (self.length_min, self.length_max);
            return Err(PasswordRefused::Length { min, max });
        }
        if self.digits_only && !password.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PasswordRefused::NotDigits);
        }
        if !password.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PasswordRefused::Characters);
        }
        if is_weak(password) {
            return Err(PasswordRefused::Weak);
        }
        Ok(())
    }

    fn has_length(&self, password: &str) -> bool {
        (usize::from(self.length_min)..=usize::from(self.length_max))
            .contains(&password.chars().count())
    }
}

fn within<T>(field: &'static str, value: T, bounds: (T, T)) -> Result<(), (&'static str, String)>
where
    T: PartialOrd + std::fmt::Display + Copy,
{
    if (bounds.0..=bounds.1).contains(&value) {
        Ok(())
    } else {
        let expected = format!("must be a number from {} to {}", bounds.0, bounds.1);
        Err((field, expected))
    }
}

/// Whether every character follows from the one before by the same step of 0, 1 or -1.
fn is_weak(password: &str) -> bool {
    let bytes = password.as_bytes();
    [0, 1, -1].into_iter().any(|step| {
        bytes
            .iter()
            .zip(bytes.iter().skip(1))
            .all(|(left, right)| i16::from(*left).checked_add(step) == Some(i16::from(*right)))
    })
}

/// How often a password was tried in vain since it was last right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tries {
    /// Tries that were taken and not given back.
    pub taken: u16,
    /// Until when no try is allowed.
    pub locked_until: Option<DateTime<Utc>>,
}

/// No try is allowed before this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    /// When the lock ends.
    pub until: DateTime<Utc>,
}

impl Tries {
    /// Takes a try, before the password is judged. The last one locks; once a lock has ended, all
    /// tries are there again.
    ///
    /// # Errors
    /// [`Locked`].
    pub fn take(self, rules: &PasswordRules, now: DateTime<Utc>) -> Result<Self, Locked> {
        let before = match self.locked_until {
            Some(until) if now < until => return Err(Locked { until }),
            Some(_ended) => 0,
            None => self.taken,
        };
        let taken = before.saturating_add(1);
        let lock = TimeDelta::minutes(i64::from(rules.lock_minutes));
        let until = now
            .checked_add_signed(lock)
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        let locked_until = (taken >= rules.tries_max).then_some(until);
        Ok(Self {
            taken,
            locked_until,
        })
    }

    /// How many tries are left.
    pub fn left(self, rules: &PasswordRules) -> u16 {
        rules.tries_max.saturating_sub(self.taken)
    }

    /// Until when it is locked, if it is.
    pub fn lock_at(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.locked_until.filter(|until| now < *until)
    }
}

/// How many codes a user asked for, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeRequests {
    /// Codes since `since`.
    pub count: u16,
    /// When the first of them was asked for.
    pub since: Option<DateTime<Utc>>,
    /// When the last of them was asked for.
    pub last: Option<DateTime<Utc>>,
}

impl CodeRequests {
    /// Counts one more.
    ///
    /// # Errors
    /// When the next one is allowed.
    pub fn count(self, rules: &PasswordRules, now: DateTime<Utc>) -> Result<Self, DateTime<Utc>> {
        let pause = TimeDelta::seconds(i64::from(rules.code_pause_seconds));
        let end_of = |start: Option<DateTime<Utc>>, length| {
            let end = start.and_then(|start| start.checked_add_signed(length));
            end.filter(|end| now < *end)
        };
        if let Some(allowed_at) = end_of(self.last, pause) {
            return Err(allowed_at);
        }
        let last = Some(now);
        match end_of(self.since, TimeDelta::days(1)) {
            Some(allowed_at) if self.count >= rules.codes_per_day => Err(allowed_at),
            Some(_running) => Ok(Self {
                count: self.count.saturating_add(1),
                last,
                ..self
            }),
            None => Ok(Self {
                count: 1,
                since: last,
                last,
            }),
        }
    }
}

/// A one-time code as it is kept: not the code, but what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeState {
    /// Tries in vain.
    pub tries: u16,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// What came of trying a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeTried {
    /// It was right, and is used now.
    Used(CodeState),
    /// It was wrong, which is counted.
    Wrong {
        /// To be written.
        state: CodeState,
        /// Tries left with this code.
        tries_left: u16,
    },
    /// It is used, worn out or too old: another one is needed.
    Gone,
}

impl CodeState {
    /// Tries the code once.
    pub fn attempt(self, rules: &PasswordRules, fits: bool, now: DateTime<Utc>) -> CodeTried {
        let is_good =
            self.used_at.is_none() && self.tries < rules.code_tries_max && now < self.expires_at;
        if !is_good {
            return CodeTried::Gone;
        }
        if fits {
            return CodeTried::Used(Self {
                used_at: Some(now),
                ..self
            });
        }
        let tries = self.tries.saturating_add(1);
        CodeTried::Wrong {
            state: Self { tries, ..self },
            tries_left: rules.code_tries_max.saturating_sub(tries),
        }
    }
}
