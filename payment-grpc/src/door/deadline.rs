//! Deadlines: the caller's `grpc-timeout`, cut to the configured maximum.

use std::time::Duration;

use http::HeaderMap;

/// Where gRPC callers say how long they wait.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// The most digits that the protocol allows; they fit without overflow.
const DIGITS_MAX: usize = 8;
/// An answer must leave before the caller stops listening: so much earlier at most.
const ANSWER_MARGIN_MAX: Duration = Duration::from_millis(20);
/// And for short deadlines this part of them.
const ANSWER_MARGIN_PART: u32 = 10;

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Until our answer must leave.
    pub(super) answer: Duration,
    /// Until the caller stops listening, if it said so.
    pub(super) caller: Option<Duration>,
}

impl Patience {
    /// What the headers ask for, cut to `max`.
    pub(super) fn of(headers: &HeaderMap, max: Duration) -> Self {
        let caller = headers
            .get(GRPC_TIMEOUT)
            .and_then(|value| value.to_str().ok())
            .and_then(parse);
        let answer = match caller {
            Some(asked) => {
                let margin = (asked / ANSWER_MARGIN_PART).min(ANSWER_MARGIN_MAX);
                asked.saturating_sub(margin).min(max)
            }
            None => max,
        };
        Self { answer, caller }
    }
}

/// `1S`, `500m` and so on. A malformed value counts as none.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let well_formed =
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !well_formed {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.checked_mul(3600)?)),
        "M" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MAX: Duration = Duration::from_secs(30);

    fn patience(value: &'static str) -> Patience {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(value));
        Patience::of(&headers, MAX)
    }

    #[test]
    fn the_answer_leaves_before_the_caller_stops_listening() {
        assert_eq!(patience("1S").answer, Duration::from_millis(980));
        assert_eq!(patience("100m").answer, Duration::from_millis(90));
        assert_eq!(patience("0n").answer, Duration::ZERO);
    }

    #[test]
    fn the_maximum_cuts_what_is_asked_for_and_stands_in_for_what_is_not() {
        assert_eq!(
            patience("1H"),
            Patience {
                answer: MAX,
                caller: Some(Duration::from_hours(1))
            }
        );
        assert_eq!(
            Patience::of(&HeaderMap::new(), MAX),
            Patience {
                answer: MAX,
                caller: None
            }
        );
    }

    #[test]
    fn a_malformed_timeout_counts_as_none() {
        for value in ["", "S", "1", "-1S", "1.5S", "123456789S", "1s", "é"] {
            assert_eq!(parse(value), None, "{value:?}");
        }
        assert_eq!(parse("99999999H"), Some(Duration::from_hours(99_999_999)));
    }
}
