//! The codes that payers show at a counter. Whoever holds one can take the payer's money once, within a minute
//! or so: it is used for one call, and never stored, logged or compared with an earlier one.

use std::fmt;
use std::ops::RangeInclusive;

use crate::Secret;
use crate::channel::Channel;

/// How many digits the codes of any channel have.
const DIGITS: RangeInclusive<usize> = 16..=24;

/// What a payer's app shows and a till scans: digits. It does not print, and cannot be serialised.
#[derive(Clone)]
pub struct AuthCode(Secret);

/// Why a text is no code. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 16 to 24 digits")]
pub struct InvalidAuthCode;

/// What the codes of one channel look like.
struct Form {
    digits: RangeInclusive<usize>,
    /// The first two digits.
    heads: RangeInclusive<u32>,
    /// The same in words.
    expected: &'static str,
}

/// Alipay's (alipay.md §6); the 35 characters that stand for a face are not taken.
const ALIPAY: Form = Form {
    digits: 16..=24,
    heads: 25..=30,
    expected: "must have 16 to 24 digits and begin with 25 to 30 for ALIPAY",
};
/// WeChat Pay's (`wechat_v2.md` §5). The sheet marks the first digits as not verified (§12).
const WECHAT_PAY: Form = Form {
    digits: 18..=18,
    heads: 10..=15,
    expected: "must have 18 digits and begin with 10 to 15 for WECHAT_PAY",
};

impl AuthCode {
    /// Checks what all codes have in common, and wraps it.
    ///
    /// # Errors
    /// [`InvalidAuthCode`].
    pub fn try_new(text: &str) -> Result<Self, InvalidAuthCode> {
        let is_code = DIGITS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if is_code {
            Ok(Self(Secret::new(text.to_owned())))
        } else {
            Err(InvalidAuthCode)
        }
    }

    /// The digits. Every call of this is a place to check for leaks.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is expected of a code of `channel`, if this is none; `None` also where a channel has no codes.
    pub fn misfit(&self, channel: Channel) -> Option<&'static str> {
        let form = match channel {
            Channel::Alipay => ALIPAY,
            Channel::WechatPay => WECHAT_PAY,
            Channel::Baidu
            | Channel::Unionpay
            | Channel::Stripe
            | Channel::Paypal
            | Channel::Balance
            | Channel::Points => return None,
        };
        let digits = self.expose();
        let head = digits.get(..2).and_then(|head| head.parse().ok());
        let fits = form.digits.contains(&digits.len())
            && head.is_some_and(|head: u32| form.heads.contains(&head));
        (!fits).then_some(form.expected)
    }
}

impl fmt::Debug for AuthCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthCode")
    }
}

impl PartialEq for AuthCode {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for AuthCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_digits_and_says_nothing_of_them() {
        let code = AuthCode::try_new("280123456789012345").unwrap();
        assert_eq!(format!("{code:?}"), "AuthCode");
        for text in [
            "",
            "28012345678901",
            "28012345678901234a",
            "2801234567890123456789012",
            "28012345678901234５",
            " 280123456789012345",
        ] {
            let refused = AuthCode::try_new(text).unwrap_err().to_string();
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
    }

    #[test]
    fn a_code_belongs_to_one_channel() {
        for (text, alipay, wechat) in [
            ("280123456789012345", true, false),
            ("2501234567890123", true, false),
            ("300123456789012345678901", true, false),
            ("310123456789012345", false, false),
            ("240123456789012345", false, false),
            ("100123456789012345", false, true),
            ("150123456789012345", false, true),
            ("160123456789012345", false, false),
            ("1301234567890123456", false, false),
            ("13012345678901234", false, false),
        ] {
            let code = AuthCode::try_new(text).unwrap();
            assert_eq!(code.misfit(Channel::Alipay).is_none(), alipay, "{text}");
            assert_eq!(code.misfit(Channel::WechatPay).is_none(), wechat, "{text}");
        }
    }
}
