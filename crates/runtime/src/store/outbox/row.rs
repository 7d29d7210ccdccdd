//! Between rows of `outbox` and events and commands.

use std::collections::BTreeMap;

use entities::outbox::{ActiveModel, Model};
use sea_orm::ActiveValue::{NotSet, Set};

use super::{Destination, EventRow, NewCommand, NewEvent, OutboxRow, shard_of};
use crate::store::StoreError;
use crate::store::row::{RowReader, to_json, to_micros};

const TABLE: &str = "outbox";
pub(super) const EVENT: &str = "EVENT";
pub(super) const COMMAND: &str = "COMMAND";

pub(super) fn write_event(event: &NewEvent) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        seq: NotSet,
        id: Set(event.id.to_string()),
        destination: Set(EVENT.to_owned()),
        queue: Set(None),
        shard: Set(shard_of(event.aggregate)),
        app_id: Set(Some(event.app_id.to_string())),
        aggregate_id: Set(event.aggregate.to_string()),
        aggregate_sequence: Set(Some(event.sequence)),
        event_kind: Set(Some(event.kind.to_string())),
        event_type: Set(Some(event.kind.event_type())),
        routing_key: Set(Some(event.routing_key.clone())),
        payload: Set(to_json(TABLE, "payload", &event.payload)?),
        trace: Set(to_json(TABLE, "trace", &event.trace)?),
        created_at: Set(to_micros(event.created_at)),
        published_at: Set(None),
        position: Set(None),
    })
}

pub(super) fn write_command(command: &NewCommand) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        seq: NotSet,
        id: Set(command.id.to_string()),
        destination: Set(COMMAND.to_owned()),
        queue: Set(Some(command.queue.to_owned())),
        shard: Set(shard_of(command.aggregate)),
        app_id: Set(None),
        aggregate_id: Set(command.aggregate.to_string()),
        aggregate_sequence: Set(None),
        event_kind: Set(None),
        event_type: Set(None),
        routing_key: Set(None),
        payload: Set(to_json(TABLE, "payload", &command.envelope)?),
        trace: Set(to_json(TABLE, "trace", &BTreeMap::<String, String>::new())?),
        created_at: Set(to_micros(command.created_at)),
        published_at: Set(None),
        position: Set(None),
    })
}

pub(super) fn read_waiting(row: Model) -> Result<OutboxRow, StoreError> {
    let seq = row.seq.to_string();
    let reader = RowReader::new(TABLE, &seq);
    let needed = |column, value: Option<String>| value.ok_or_else(|| reader.unreadable(column));
    let payload = reader.json("payload", &row.payload)?;
    let trace = reader.json("trace", &row.trace)?;
    let destination = match row.destination.as_str() {
        EVENT => Destination::Event {
            id: reader.parse("id", &row.id)?,
            app_id: reader.text("app_id", &needed("app_id", row.app_id)?)?,
            event_type: needed("event_type", row.event_type)?,
            routing_key: needed("routing_key", row.routing_key)?,
        },
        COMMAND => Destination::Command {
            id: reader.parse("id", &row.id)?,
            queue: needed("queue", row.queue)?,
        },
        _ => return Err(reader.unreadable("destination")),
    };
    Ok(OutboxRow {
        seq: row.seq,
        destination,
        payload,
        trace,
        created_at: row.created_at,
    })
}

pub(super) fn read_event(row: Model) -> Result<EventRow, StoreError> {
    let seq = row.seq.to_string();
    let reader = RowReader::new(TABLE, &seq);
    let needed = |column, value: Option<String>| value.ok_or_else(|| reader.unreadable(column));
    Ok(EventRow {
        position: row.position.ok_or_else(|| reader.unreadable("position"))?,
        id: reader.parse("id", &row.id)?,
        app_id: reader.text("app_id", &needed("app_id", row.app_id)?)?,
        aggregate: reader.parse("aggregate_id", &row.aggregate_id)?,
        sequence: row
            .aggregate_sequence
            .ok_or_else(|| reader.unreadable("aggregate_sequence"))?,
        kind: reader.parse("event_kind", &needed("event_kind", row.event_kind)?)?,
        event_type: needed("event_type", row.event_type)?,
        routing_key: needed("routing_key", row.routing_key)?,
        payload: reader.json("payload", &row.payload)?,
        trace: reader.json("trace", &row.trace)?,
        created_at: row.created_at,
    })
}
