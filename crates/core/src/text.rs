//! Texts that callers choose: checked once at the door, then carried as types of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// Longer than allowed, counted in characters.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// A character outside the allowed set.
    #[error("may contain only {allowed}")]
    Characters {
        /// The allowed set in words.
        allowed: &'static str,
    },
}

const ID_CHARACTERS: &str = "letters, digits and . _ : - characters";
const PRINTABLE: &str = "printable characters";

fn check_id(text: &str, max: usize) -> Result<(), InvalidText> {
    check_length(text, max)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    if text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidText::Characters {
            allowed: ID_CHARACTERS,
        })
    }
}

fn check_printable(text: &str, max: usize) -> Result<(), InvalidText> {
    check_length(text, max)?;
    if text.chars().any(char::is_control) {
        return Err(InvalidText::Characters { allowed: PRINTABLE });
    }
    Ok(())
}

fn check_length(text: &str, max: usize) -> Result<(), InvalidText> {
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().count() > max {
        return Err(InvalidText::TooLong { max });
    }
    Ok(())
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($max:literal, $check:ident)),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest allowed text, in characters.
            pub const LENGTH_MAX: usize = $max;

            /// Checks and wraps a text.
            pub fn try_new(text: impl Into<String>) -> Result<Self, InvalidText> {
                let text = text.into();
                $check(&text, Self::LENGTH_MAX)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                Self::try_new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )+};
}

texts! {
    /// The name of an app: a business system that calls Kassa.
    AppId(64, check_app_id),
    /// The caller's idempotency key; unique per app and operation.
    RequestId(36, check_id),
    /// The caller's own order.
    BusinessOrderId(64, check_id),
    /// What kind of order it is, for example `GOODS_ORDER`; the last word of an event's routing key.
    BusinessOrderType(32, check_order_type),
    /// The caller's own refund request.
    BusinessRefundId(64, check_id),
    /// The paying user as the caller knows them.
    UserId(64, check_id),
    /// What the payer sees. 127 characters: the shorter of the gateways' limits.
    Subject(127, check_printable),
    /// Why money is given back. 80 characters: the shorter of the gateways' limits.
    RefundReason(80, check_printable),
    /// Why an operator deals with an anomaly as they do, for the audit log.
    ResolutionReason(500, check_printable),
    /// Why something is done to a wallet, for its statement and the audit log.
    WalletReason(200, check_printable),
    /// A gateway's identifier of the payer (WeChat openid, Alipay buyer id).
    PayerId(128, check_id),
    /// A short code in a callback URL that names a channel account, for example `alipay-main`.
    AccountCode(64, check_code),
}

fn check_app_id(text: &str, max: usize) -> Result<(), InvalidText> {
    check_code(text, max)
}

fn check_code(text: &str, max: usize) -> Result<(), InvalidText> {
    check_length(text, max)?;
    if text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    {
        Ok(())
    } else {
        Err(InvalidText::Characters {
            allowed: "lowercase letters, digits, - and _",
        })
    }
}

fn check_order_type(text: &str, max: usize) -> Result<(), InvalidText> {
    check_length(text, max)?;
    if text
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    {
        Ok(())
    } else {
        Err(InvalidText::Characters {
            allowed: "uppercase letters, digits and _",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_over_its_limit_is_refused_with_the_limit() {
        let long = "a".repeat(65);
        assert_eq!(
            BusinessOrderId::try_new(long),
            Err(InvalidText::TooLong { max: 64 })
        );
        assert!(BusinessOrderId::try_new("a".repeat(64)).is_ok());
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        assert!(Subject::try_new("商".repeat(127)).is_ok());
        assert!(Subject::try_new("商".repeat(128)).is_err());
    }

    #[test]
    fn ids_take_no_blanks_slashes_or_controls() {
        for text in ["a b", "a/b", "a\n", "订单", ""] {
            assert!(BusinessOrderId::try_new(text).is_err(), "{text:?}");
        }
        assert!(Subject::try_new("line\nbreak").is_err());
    }
}
