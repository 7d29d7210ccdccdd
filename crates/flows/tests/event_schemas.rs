//! Generates the JSON schema of every event out of the API's descriptors into `docs/events/` and
//! compares: a change of an event is a change of those files. `KASSA_UPDATE=1` rewrites them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kassa_core::event::EventKind;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use proto::v1;
use serde_json::{Map, Value, json};

/// The API's messages and enums by full name.
struct Descriptors {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
}

impl Descriptors {
    fn load() -> Self {
        let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut found = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
        };
        for file in set.file {
            let package = format!(".{}", file.package());
            for message in file.message_type {
                found
                    .messages
                    .insert(format!("{package}.{}", message.name()), message);
            }
            for one in file.enum_type {
                found.enums.insert(format!("{package}.{}", one.name()), one);
            }
        }
        found
    }

    /// The schema of a message in the API's JSON: scalars are always written, messages when set.
    fn message(&self, name: &str) -> Value {
        let message = &self.messages[name];
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &message.field {
            properties.insert(field.name().to_owned(), self.field(field));
            if field.r#type() != Type::Message || field.label() == Label::Repeated {
                required.push(field.name().to_owned());
            }
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn field(&self, field: &FieldDescriptorProto) -> Value {
        match field.r#type() {
            Type::String => json!({ "type": "string" }),
            Type::Bool => json!({ "type": "boolean" }),
            Type::Int32 => json!({ "type": "integer" }),
            Type::Int64 => json!({ "type": "string", "pattern": "^-?[0-9]+$" }),
            Type::Enum => {
                let words: Vec<_> = self.enums[field.type_name()]
                    .value
                    .iter()
                    .map(prost_types::EnumValueDescriptorProto::name)
                    .collect();
                json!({ "enum": words })
            }
            Type::Message if field.type_name() == ".google.protobuf.Timestamp" => {
                json!({ "type": "string", "format": "date-time" })
            }
            Type::Message
                if field.label() == Label::Repeated
                    && self.messages.contains_key(field.type_name()) =>
            {
                json!({ "type": "array", "items": self.message(field.type_name()) })
            }
            // A map's entry is no message of its own. The only maps, metadata and evidence, are of texts.
            Type::Message if field.label() == Label::Repeated => {
                json!({ "type": "object", "additionalProperties": { "type": "string" } })
            }
            Type::Message => self.message(field.type_name()),
            other => panic!("events have no field of type {other:?} yet"),
        }
    }
}

fn resource_of(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::PaymentPending
        | EventKind::PaymentRetried
        | EventKind::PaymentSucceeded
        | EventKind::PaymentFailed
        | EventKind::PaymentClosed
        | EventKind::PaymentRefunded => ("transaction", ".payment.v1.PaymentTransaction"),
        EventKind::RefundCreated
        | EventKind::RefundProcessing
        | EventKind::RefundSucceeded
        | EventKind::RefundFailed => ("refund", ".payment.v1.RefundTransaction"),
        EventKind::WalletCredited
        | EventKind::WalletDebited
        | EventKind::WalletPointsExpired
        | EventKind::WalletFrozen
        | EventKind::WalletUnfrozen => ("wallet", ".payment.v1.Wallet"),
        EventKind::PasswordCodeRequested => ("password_code", ".payment.v1.PasswordCode"),
        EventKind::PasswordSet
        | EventKind::PasswordChanged
        | EventKind::PasswordReset
        | EventKind::PasswordLocked => ("payment_password", ".payment.v1.PaymentPasswordStatus"),
        EventKind::AnomalyOpened | EventKind::AnomalyResolved => ("anomaly", ".payment.v1.Anomaly"),
    }
}

fn schema(descriptors: &Descriptors, kind: EventKind) -> Value {
    let (key, message) = resource_of(kind);
    // An anomaly may be about no payment of ours.
    let subject = match key {
        "anomaly" => "^(transactions|anomalies)/[0-9a-f]{32}$",
        "wallet" => "^wallets/[0-9a-f]{32}$",
        "password_code" | "payment_password" => "^payment-passwords/[0-9a-f]{32}$",
        _ => "^transactions/[0-9a-f]{32}$",
    };
    let mut data = Map::new();
    data.insert(key.to_owned(), descriptors.message(message));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.event_type(),
        "type": "object",
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype",
            "sequence", "data",
        ],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
            "source": { "type": "string", "format": "uri-reference" },
            "type": { "const": kind.event_type() },
            "subject": { "type": "string", "pattern": subject },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "sequence": { "type": "string", "pattern": "^[0-9]{20}$" },
            "traceparent": { "type": "string" },
            "data": { "type": "object", "required": [key], "properties": data },
        },
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events")
}

#[test]
fn the_committed_event_schemas_are_those_of_the_api() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites the files"
    )]
    let update = std::env::var("KASSA_UPDATE").is_ok();
    let descriptors = Descriptors::load();
    for kind in EventKind::ALL.iter().copied() {
        let mut text = serde_json::to_string_pretty(&schema(&descriptors, kind)).unwrap();
        text.push('\n');
        let path = folder().join(format!("{}.json", kind.event_type()));
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not up to date: KASSA_UPDATE=1",
            path.display()
        );
    }
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(
        files,
        EventKind::ALL.len(),
        "docs/events holds a schema of no event"
    );
}

/// What the API writes for an empty and for a full resource has the schema's required keys and no
/// others than its properties.
#[test]
fn the_schemas_describe_what_the_api_writes() {
    let descriptors = Descriptors::load();
    let money = || {
        Some(v1::Money {
            amount: "1.00".into(),
            currency_code: "CNY".into(),
        })
    };
    let time = || {
        Some(pbjson_types::Timestamp {
            seconds: 1,
            nanos: 2,
        })
    };
    let full = v1::PaymentTransaction {
        amount_requested: money(),
        amount_paid: money(),
        amount_refunded: money(),
        amount_refundable: money(),
        failure: Some(v1::Failure::default()),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        expire_time: time(),
        create_time: time(),
        update_time: time(),
        paid_time: time(),
        close_time: time(),
        ..v1::PaymentTransaction::default()
    };
    let schema = descriptors.message(".payment.v1.PaymentTransaction");
    for (message, is_full) in [(full, true), (v1::PaymentTransaction::default(), false)] {
        let written = serde_json::to_value(message).unwrap();
        let written = written.as_object().unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for key in schema["required"].as_array().unwrap() {
            assert!(
                written.contains_key(key.as_str().unwrap()),
                "{key} is missing"
            );
        }
        for (key, value) in written {
            let expected = &properties[key];
            let found = match value {
                Value::String(_) => "string",
                Value::Object(_) => "object",
                Value::Array(_) => "array",
                other => panic!("{key} is written as {other}"),
            };
            assert!(
                expected["type"] == found || expected.get("enum").is_some(),
                "{key}"
            );
        }
        assert_eq!(is_full, written.len() == properties.len());
    }
}
