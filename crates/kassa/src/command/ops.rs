//! `kassa ops`: what is stuck, and how it goes on.

use chrono::{DateTime, SecondsFormat, Utc};
use flows::operations::{self, Waiting};
use kassa_core::text::AppId;
use runtime::queue::{Parked, QueueName};
use runtime::store::WaitingRow;
use serde_json::{Value, json};

use crate::cli::{Global, ParkedChoice, ParkedRedrive, WaitingChoice, WaitingRedrive};
use crate::exit::Outcome;
use crate::explain::span;
use crate::output::{Mark, Output};

/// Who the audit log says it was.
const ACTOR: &str = "cli";

fn actor() -> anyhow::Result<AppId> {
    Ok(AppId::try_new(ACTOR)?)
}

fn queues(choice: &ParkedChoice) -> Vec<QueueName> {
    choice
        .queue
        .map_or_else(|| QueueName::ALL.to_vec(), |queue| vec![queue])
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Lists parked messages.
///
/// # Errors
/// What the queue says.
pub async fn list_parked(
    global: &Global,
    choice: &ParkedChoice,
    output: Output,
) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation_with_queue(global).await?;
    let mut found = Vec::new();
    for queue in queues(choice) {
        found.extend(operations::list_parked(&kassa, queue, choice.limit.into()).await?);
    }
    output.object(&json!({ "parked": found.iter().map(parked).collect::<Vec<_>>() }))?;
    if found.is_empty() {
        output.line(format_args!("{} nothing is parked", output.mark(Mark::Ok)))?;
    }
    for message in &found {
        print_parked(message, kassa.clock.now(), output)?;
    }
    kassa.queue.close().await;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Puts parked messages back.
///
/// # Errors
/// What the queue or the store says.
pub async fn redrive_parked(
    global: &Global,
    args: &ParkedRedrive,
    output: Output,
) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation_with_queue(global).await?;
    let (actor, limit) = (actor()?, usize::from(args.choice.limit));
    let mut chosen = Vec::new();
    let mut put_back = Vec::new();
    for queue in queues(&args.choice) {
        let messages = operations::choose_parked(&kassa, queue, &args.ids, limit).await?;
        if !args.dry_run && !messages.is_empty() {
            let ids: Vec<_> = messages.iter().map(|message| message.envelope.id).collect();
            put_back.extend(operations::redrive_parked(&kassa, &actor, queue, &ids, limit).await?);
        }
        chosen.extend(messages);
    }
    output.object(&json!({
        "dry_run": args.dry_run,
        "chosen": chosen.iter().map(parked).collect::<Vec<_>>(),
        "put_back": put_back,
    }))?;
    for message in &chosen {
        print_parked(message, kassa.clock.now(), output)?;
    }
    if args.dry_run {
        let count = chosen.len();
        output.line(format_args!(
            "{count} would be put back; nothing was done (--dry-run)"
        ))?;
    } else {
        let mark = output.mark(Mark::Ok);
        output.line(format_args!("{mark} {} put back", put_back.len()))?;
    }
    kassa.queue.close().await;
    telemetry.shutdown().await?;
    // A message that was named and is not parked is a finding.
    let found = |id| chosen.iter().any(|message| message.envelope.id == id);
    let missing: Vec<_> = args.ids.iter().filter(|id| !found(**id)).collect();
    for id in &missing {
        output.line(format_args!(
            "{} {id} is not parked",
            output.mark(Mark::Broken)
        ))?;
    }
    Ok(Outcome::of(missing.is_empty()))
}

fn parked(message: &Parked) -> Value {
    json!({
        "queue": message.queue.as_str(),
        "message_id": message.envelope.id,
        "kind": message.envelope.kind,
        "reason": message.reason,
        "retries": message.retries,
        "create_time": time(message.envelope.created_at),
        "park_time": time(message.parked_at),
    })
}

fn print_parked(message: &Parked, now: DateTime<Utc>, output: Output) -> std::io::Result<()> {
    let age = span(now.signed_duration_since(message.parked_at));
    output.line(format_args!(
        "{} {} {} on {}, tried {} times, parked {age} ago",
        output.mark(Mark::Warn),
        message.envelope.id,
        message.envelope.kind,
        message.queue.as_str(),
        message.retries.saturating_add(1),
    ))?;
    output.line(format_args!("    {}", output.dim(&message.reason)))
}

/// Lists what waits in the outbox.
///
/// # Errors
/// What the store says.
pub async fn list_waiting(
    global: &Global,
    choice: &WaitingChoice,
    output: Output,
) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation(global).await?;
    let waiting = operations::list_waiting(&kassa, choice.limit.into()).await?;
    output.object(&shown(&waiting, kassa.clock.now()))?;
    print_waiting(&waiting, kassa.clock.now(), output)?;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Publishes what waits in the outbox.
///
/// # Errors
/// What the broker or the store says.
pub async fn publish_waiting(
    global: &Global,
    args: &WaitingRedrive,
    output: Output,
) -> anyhow::Result<Outcome> {
    let limit = u64::from(args.choice.limit);
    if args.dry_run {
        let (kassa, telemetry) = super::installation(global).await?;
        let waiting = operations::list_waiting(&kassa, limit).await?;
        let now = kassa.clock.now();
        output.object(&json!({ "dry_run": true, "waiting": shown(&waiting, now) }))?;
        print_waiting(&waiting, now, output)?;
        output.line("nothing was done (--dry-run)")?;
        telemetry.shutdown().await?;
        return Ok(Outcome::Done);
    }
    let (kassa, telemetry) = super::installation_with_queue(global).await?;
    let done = operations::publish_waiting(&kassa, &actor()?, limit).await?;
    let now = kassa.clock.now();
    output.object(&json!({
        "dry_run": false,
        "published": done.published,
        "left": shown(&done.left, now),
    }))?;
    let mark = output.mark(Mark::Ok);
    output.line(format_args!("{mark} {} published", done.published))?;
    if done.left.backlog.count > 0 {
        print_waiting(&done.left, now, output)?;
    }
    kassa.queue.close().await;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Who holds a row's shard.
fn holder<'a>(waiting: &'a Waiting, row: &WaitingRow) -> Option<&'a str> {
    let lease = waiting.leases.iter().find(|lease| lease.shard == row.shard);
    lease.map(|lease| lease.owner.as_str())
}

fn shown(waiting: &Waiting, now: DateTime<Utc>) -> Value {
    let row = |row: &WaitingRow| {
        json!({
            "seq": row.seq,
            "id": row.id,
            "app_id": row.app_id,
            "event_kind": row.event_kind,
            "queue": row.queue,
            "transaction_id": row.transaction_id,
            "sequence": row.sequence,
            "create_time": time(row.created_at),
            "age_seconds": now.signed_duration_since(row.created_at).num_seconds(),
            "held_by": holder(waiting, row),
        })
    };
    json!({
        "waiting_count": waiting.backlog.count,
        "oldest_time": waiting.backlog.oldest_created_at.map(time),
        "rows": waiting.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn print_waiting(waiting: &Waiting, now: DateTime<Utc>, output: Output) -> std::io::Result<()> {
    if waiting.rows.is_empty() {
        return output.line(format_args!("{} nothing waits", output.mark(Mark::Ok)));
    }
    for row in &waiting.rows {
        let what = match (&row.event_kind, &row.queue) {
            (Some(kind), _) => format!("{kind} for {}", row.app_id.as_deref().unwrap_or("nobody")),
            (None, Some(queue)) => format!("work for {queue}"),
            (None, None) => "unreadable".to_owned(),
        };
        let age = span(now.signed_duration_since(row.created_at));
        let holder = holder(waiting, row).map_or_else(
            || "held by no worker".to_owned(),
            |owner| format!("held by {owner}"),
        );
        output.line(format_args!(
            "{} {} {what}, payment {}, waits for {age}, {holder}",
            output.mark(Mark::Warn),
            row.id,
            row.transaction_id,
        ))?;
    }
    let (count, listed) = (waiting.backlog.count, waiting.rows.len());
    output.line(format_args!("{count} wait in all, {listed} of them listed"))
}
