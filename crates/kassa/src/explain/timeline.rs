//! The timeline: one line per thing that happened, its details below it.

use chrono::{DateTime, TimeDelta, Utc};
use console::Style;
use flows::operations::{Entry, EntryKind, Story, What};
use kassa_core::gateway_call::CallOutcome;

use super::look::{Look, span};

/// Width of the kinds.
const KIND_WIDTH: usize = 12;
/// Where titles begin: after the time and the kind.
const INDENT: usize = 30;
/// Details that only programs need, and those that are shown in another form.
const NOT_SHOWN: [&str; 8] = [
    "audit_id",
    "cursor",
    "event_id",
    "message_id",
    "transfer_id",
    "duration_ms",
    "published",
    "processed",
];

pub(super) fn lines(story: &Story, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    let mut day = None;
    for entry in &story.entries {
        let date = entry.at.date_naive();
        if day != Some(date) {
            day = Some(date);
            lines.push(look.bold(&format!("  {date} UTC")));
        }
        lines.extend(of_entry(entry, look));
    }
    lines
}

fn of_entry(entry: &Entry, look: &Look) -> Vec<String> {
    let kind = entry.what.kind();
    let time = look.dim(&entry.at.format("%H:%M:%S%.3f").to_string());
    let word = look.paint(
        &format!("{:<KIND_WIDTH$}", kind.as_str()),
        &kind_style(kind),
    );
    let title = look.paint(&entry.title(), &title_style(&entry.what));
    let remark = remark(entry).map_or_else(String::new, |text| {
        format!("  {}", look.dim(&format!("({text})")))
    });
    let mut lines = vec![format!("  {time}  {word}  {title}{remark}")];
    let details: Vec<String> = entry
        .details()
        .into_iter()
        .filter(|(name, _)| !NOT_SHOWN.contains(&name.as_str()))
        .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
        .collect();
    let wrapped = look.wrap(&details, INDENT);
    lines.extend(
        wrapped
            .iter()
            .map(|line| format!("{:INDENT$}{}", "", look.dim(line))),
    );
    lines
}

/// How long it took, in the words of its kind.
fn remark(entry: &Entry) -> Option<String> {
    let after = |then: DateTime<Utc>| span(then.signed_duration_since(entry.at));
    match &entry.what {
        What::Call { call, .. } => Some(span(TimeDelta::milliseconds(call.duration_ms))),
        What::Notification { notification, .. } => Some(match notification.processed_at {
            Some(at) => format!("processed after {}", after(at)),
            None => "not processed yet".to_owned(),
        }),
        What::Told(row) => Some(match row.published_at {
            Some(at) => format!("published after {}", after(at)),
            None => "not published yet".to_owned(),
        }),
        What::Request(_)
        | What::Begun { .. }
        | What::Submitted { .. }
        | What::Transition { .. }
        | What::Transfer(_)
        | What::Anomaly { .. }
        | What::Resolution { .. } => None,
    }
}

fn kind_style(kind: EntryKind) -> Style {
    match kind {
        EntryKind::Request => Style::new().cyan(),
        EntryKind::Call => Style::new().blue(),
        EntryKind::Notification => Style::new().magenta(),
        EntryKind::Transition | EntryKind::Resolution => Style::new().green(),
        EntryKind::Transfer => Style::new().yellow(),
        EntryKind::Anomaly => Style::new().red().bold(),
        EntryKind::Event | EntryKind::Command => Style::new().dim(),
    }
}

fn title_style(what: &What) -> Style {
    match what {
        What::Transition { .. } => Style::new().bold(),
        What::Anomaly { .. } => Style::new().red().bold(),
        What::Call { call, .. } => match call.outcome {
            CallOutcome::Answered => Style::new(),
            CallOutcome::Later | CallOutcome::NotSent | CallOutcome::Unknown => {
                Style::new().yellow()
            }
            CallOutcome::Refused | CallOutcome::Misconfigured => Style::new().red(),
        },
        What::Told(row) if row.published_at.is_none() => Style::new().yellow(),
        What::Request(_)
        | What::Begun { .. }
        | What::Submitted { .. }
        | What::Notification { .. }
        | What::Transfer(_)
        | What::Resolution { .. }
        | What::Told(_) => Style::new(),
    }
}
