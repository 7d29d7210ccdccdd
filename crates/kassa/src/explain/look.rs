//! How it looks: colours, width, times and spans.

use chrono::{DateTime, TimeDelta, Utc};
use console::{Style, measure_text_width};

/// The narrowest text.
const WIDTH_MIN: usize = 60;
/// The width where nobody says: a pipe, a file.
const WIDTH_DEFAULT: usize = 100;
/// What stands between details.
const SEPARATOR: &str = " · ";

/// How a story is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are seen.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// The time now: spans count from it.
    pub now: DateTime<Utc>,
}

impl Look {
    /// For standard output: `columns` if it is a terminal.
    pub fn new(colour: bool, columns: Option<u16>, now: DateTime<Utc>) -> Self {
        let width = columns.map_or(WIDTH_DEFAULT, usize::from);
        Self {
            colour,
            width: width.max(WIDTH_MIN),
            now,
        }
    }

    pub(super) fn paint(&self, text: &str, style: &Style) -> String {
        if self.colour {
            style.clone().force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(text, &Style::new().dim())
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.paint(text, &Style::new().bold())
    }

    /// A moment with how far it is from now.
    pub(super) fn moment(&self, at: DateTime<Utc>) -> String {
        let distance = at.signed_duration_since(self.now);
        let relative = if distance >= TimeDelta::zero() {
            format!("in {}", span(distance))
        } else {
            format!("{} ago", span(self.now.signed_duration_since(at)))
        };
        format!("{} UTC ({relative})", at.format("%Y-%m-%d %H:%M:%S"))
    }

    /// Items in lines that fit beside `indent` columns. An item is never broken.
    pub(super) fn wrap(&self, items: &[String], indent: usize) -> Vec<String> {
        let room = self.width.saturating_sub(indent);
        let mut lines: Vec<String> = Vec::new();
        for item in items {
            let added = measure_text_width(item).saturating_add(measure_text_width(SEPARATOR));
            match lines.last_mut() {
                Some(line) if measure_text_width(line).saturating_add(added) <= room => {
                    line.push_str(SEPARATOR);
                    line.push_str(item);
                }
                Some(_) | None => lines.push(item.clone()),
            }
        }
        lines
    }
}

/// How long something took: `12 ms`, `1.204 s`, `2 m 05 s`, `3 h 20 m`, `4 d 03 h`.
pub fn span(length: TimeDelta) -> String {
    let whole = |seconds: i64, unit_s: i64| seconds.checked_div(unit_s).unwrap_or_default();
    let rest = |seconds: i64, unit_s: i64| seconds.checked_rem(unit_s).unwrap_or_default();
    let (millis, seconds) = (length.num_milliseconds(), length.num_seconds());
    match seconds {
        ..1 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{:03} s", rest(millis, 1_000)),
        60..3_600 => format!("{} m {:02} s", whole(seconds, 60), rest(seconds, 60)),
        3_600..86_400 => {
            let minutes = whole(rest(seconds, 3_600), 60);
            format!("{} h {minutes:02} m", whole(seconds, 3_600))
        }
        86_400.. => {
            let hours = whole(rest(seconds, 86_400), 3_600);
            format!("{} d {hours:02} h", whole(seconds, 86_400))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(width: u16) -> Look {
        Look::new(false, Some(width), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn spans_grow_from_milliseconds_to_days() {
        let shown = |millis| span(TimeDelta::milliseconds(millis));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1_204), "1.204 s");
        assert_eq!(shown(125_000), "2 m 05 s");
        assert_eq!(shown(12_000_000), "3 h 20 m");
        assert_eq!(shown(356_400_000), "4 d 03 h");
    }

    #[test]
    fn a_moment_says_how_far_it_is() {
        let look = look(100);
        let at = |seconds| look.moment(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        assert_eq!(at(30), "1970-01-01 00:00:30 UTC (in 30.000 s)");
        assert_eq!(at(-5), "1969-12-31 23:59:55 UTC (5.000 s ago)");
    }

    #[test]
    fn items_are_wrapped_between_each_other_and_never_broken() {
        let items = ["a".repeat(30), "b".repeat(30), "c".repeat(90)];
        let lines = look(80).wrap(&items, 10);
        assert_eq!(
            lines,
            [format!("{} · {}", items[0], items[1]), items[2].clone()]
        );
        assert_eq!(look(60).wrap(&items, 10), items);
    }

    #[test]
    fn colours_are_only_where_they_are_seen() {
        let plain = look(80);
        let coloured = Look {
            colour: true,
            ..plain
        };
        assert_eq!(plain.bold("paid"), "paid");
        assert!(coloured.bold("paid").starts_with('\u{1b}'));
    }

    #[test]
    fn a_terminal_that_is_too_narrow_is_not_followed() {
        assert_eq!(look(10).width, WIDTH_MIN);
        assert_eq!(
            Look::new(false, None, DateTime::UNIX_EPOCH).width,
            WIDTH_DEFAULT
        );
    }
}
