//! Why a payment password or a one-time code was refused, with the figures that the caller may show.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use kassa_core::ErrorKind;

use crate::Reason;

/// Why a payment password or a one-time code was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The payment needs the payment password.
    #[error("the payment password is required")]
    Required,
    /// The user has no payment password.
    #[error("the user has no payment password")]
    NotSet,
    /// The payment password is wrong.
    #[error("the payment password is wrong: {tries_left} tries are left")]
    Wrong {
        /// Wrong tries until it is locked.
        tries_left: u16,
        /// Until when it is locked, if that was the last one.
        unlock_time: Option<DateTime<Utc>>,
    },
    /// Too many wrong tries.
    #[error("the payment password is locked until {}", instant(.unlock_time))]
    Locked {
        /// When it is open again.
        unlock_time: DateTime<Utc>,
    },
    /// The one-time code is wrong.
    #[error("the one-time code is wrong: {tries_left} tries are left")]
    CodeWrong {
        /// Tries left with this code.
        tries_left: u16,
    },
    /// There is no code, or it was used, tried too often, or is too old.
    #[error("there is no one-time code that is still good: request another")]
    CodeExpired,
    /// Codes are asked for too often.
    #[error("too many one-time codes: the next one in {} seconds", .retry_after.as_secs())]
    TooManyCodes {
        /// When the next one may be asked for.
        retry_after: Duration,
    },
    /// The app has no key to encrypt codes to.
    #[error("the app's policies name no payment_config.password.code_key to encrypt codes to")]
    CodeKeyMissing,
}

impl PasswordError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooManyCodes { .. } => ErrorKind::LimitExceeded,
            Self::Required
            | Self::NotSet
            | Self::Wrong { .. }
            | Self::Locked { .. }
            | Self::CodeWrong { .. }
            | Self::CodeExpired
            | Self::CodeKeyMissing => ErrorKind::FailedPrecondition,
        }
    }

    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Required => Reason::PasswordRequired,
            Self::NotSet => Reason::PasswordNotSet,
            Self::Wrong { .. } => Reason::PasswordWrong,
            Self::Locked { .. } => Reason::PasswordLocked,
            Self::CodeWrong { .. } => Reason::CodeWrong,
            Self::CodeExpired => Reason::CodeExpired,
            Self::TooManyCodes { .. } => Reason::TooManyCodes,
            Self::CodeKeyMissing => Reason::CodeKeyMissing,
        }
    }

    /// What the caller may show.
    pub(crate) fn figures(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Wrong {
                tries_left,
                unlock_time,
            } => {
                let mut figures = vec![("tries_left", tries_left.to_string())];
                figures.extend(unlock_time.map(|at| ("unlock_time", instant(&at))));
                figures
            }
            Self::Locked { unlock_time } => vec![("unlock_time", instant(unlock_time))],
            Self::CodeWrong { tries_left } => vec![("tries_left", tries_left.to_string())],
            Self::TooManyCodes { retry_after } => {
                vec![("retry_after_seconds", retry_after.as_secs().to_string())]
            }
            Self::Required | Self::NotSet | Self::CodeExpired | Self::CodeKeyMissing => Vec::new(),
        }
    }
}

fn instant(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
