//! Values of arguments.

use std::time::Duration;

use kassa_core::app::Scope;
use kassa_core::channel::Channel;
use kassa_core::id::EnvelopeId;
use runtime::queue::QueueName;

/// How long a token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(pub Duration);

/// Reads `90s`, `15m`, `1h`; a bare number is seconds.
pub(super) fn ttl(text: &str) -> Result<Ttl, String> {
    const EXPECTED: &str = "expected a time such as 90s, 15m or 1h";
    let (number, unit_s) = match text.trim() {
        text if text.ends_with('h') => (text.trim_end_matches('h'), 3_600),
        text if text.ends_with('m') => (text.trim_end_matches('m'), 60),
        text => (text.trim_end_matches('s'), 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_not_a_number| EXPECTED.to_owned())?;
    let seconds = number
        .checked_mul(unit_s)
        .ok_or_else(|| EXPECTED.to_owned())?;
    if seconds == 0 {
        return Err("expected more than no time".to_owned());
    }
    Ok(Ttl(Duration::from_secs(seconds)))
}

/// Reads a scope; the error lists them all.
pub(super) fn scope(text: &str) -> Result<Scope, String> {
    text.trim().parse().map_err(|_unknown| {
        let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("expected one of {}", all.join(", "))
    })
}

/// Reads a channel that has a gateway: its word, or as it stands in addresses.
pub(super) fn channel(text: &str) -> Result<Channel, String> {
    let text = text.trim();
    let has_gateway = |channel: &Channel| !channel.is_internal();
    let found = text.to_ascii_uppercase().parse().ok();
    let found = found.or_else(|| Channel::from_slug(text));
    found.filter(has_gateway).ok_or_else(|| {
        let channels = Channel::ALL.iter().copied().filter(has_gateway);
        let all: Vec<_> = channels.map(Channel::as_str).collect();
        format!("expected one of {}", all.join(", "))
    })
}

/// Reads a queue: its name, or what it carries.
pub(super) fn queue(text: &str) -> Result<QueueName, String> {
    let short = |queue: QueueName| queue.as_str().trim_start_matches("kassa.");
    QueueName::ALL
        .iter()
        .copied()
        .find(|queue| queue.as_str() == text || short(*queue) == text)
        .ok_or_else(|| {
            let all: Vec<_> = QueueName::ALL.iter().map(|queue| short(*queue)).collect();
            format!("expected one of {}", all.join(", "))
        })
}

/// Reads the id of a message.
pub(super) fn envelope_id(text: &str) -> Result<EnvelopeId, String> {
    text.parse()
        .map_err(|error: kassa_core::id::InvalidId| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_a_bare_number_is_seconds() {
        let seconds = |text| ttl(text).map(|ttl| ttl.0.as_secs());
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("1h"), Ok(3_600));
        for bad in [
            "",
            "h",
            "1d",
            "-1",
            "0",
            "0m",
            "1.5h",
            "99999999999999999999h",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_queue_is_named_with_or_without_its_prefix() {
        assert_eq!(queue("commands"), Ok(QueueName::Commands));
        assert_eq!(queue("kassa.notifications"), Ok(QueueName::Notifications));
        let error = queue("events").unwrap_err();
        assert!(error.contains("notifications, commands"), "{error}");
    }

    #[test]
    fn an_unknown_scope_is_answered_with_the_list() {
        let error = scope("payments").unwrap_err();
        assert!(
            error.contains("payments:write") && error.contains("operations:read"),
            "{error}"
        );
        assert_eq!(scope(" events:read "), Ok(Scope::EventsRead));
    }
}
