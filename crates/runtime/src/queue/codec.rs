//! Envelopes to bytes and back. What cannot be read is wrapped, not dropped: it can then be parked,
//! listed and inspected like everything else.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use kassa_core::id::EnvelopeId;
use uuid::Uuid;

use super::envelope::{ENVELOPE_BYTES_MAX, Envelope, TraceContext};
use super::error::QueueError;

/// The kind of an envelope that wraps a message which is not one of ours. Its payload is an object
/// with the member `body_base64`.
pub const UNREADABLE_KIND: &str = "unreadable.v1";

/// Why an unreadable message is parked.
pub(super) const UNREADABLE_REASON: &str = "the message is not an envelope";

/// A message as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decoded {
    /// One of ours.
    Readable(Envelope),
    /// Something else, wrapped.
    Unreadable(Envelope),
}

impl Decoded {
    pub(super) fn into_envelope(self) -> Envelope {
        match self {
            Self::Readable(envelope) | Self::Unreadable(envelope) => envelope,
        }
    }
}

/// The envelope as JSON.
///
/// # Errors
/// [`QueueError::TooLarge`] above [`ENVELOPE_BYTES_MAX`]; [`QueueError::Encode`].
pub(super) fn encode(envelope: &Envelope) -> Result<Vec<u8>, QueueError> {
    let body = encode_any_size(envelope)?;
    if body.len() > ENVELOPE_BYTES_MAX {
        return Err(QueueError::TooLarge { bytes: body.len() });
    }
    Ok(body)
}

/// The envelope as JSON, however large: what is on a queue already must not get stuck there.
///
/// # Errors
/// [`QueueError::Encode`].
pub(super) fn encode_any_size(envelope: &Envelope) -> Result<Vec<u8>, QueueError> {
    serde_json::to_vec(envelope).map_err(QueueError::Encode)
}

/// Reads a message. An unreadable one gets an id made from its content, so that it keeps it.
pub(super) fn decode(body: &[u8], now: DateTime<Utc>) -> Decoded {
    match serde_json::from_slice(body) {
        Ok(envelope) => Decoded::Readable(envelope),
        Err(_not_ours) => Decoded::Unreadable(Envelope {
            id: id_of(body),
            kind: UNREADABLE_KIND.to_owned(),
            created_at: now,
            trace: TraceContext::default(),
            payload: serde_json::json!({ "body_base64": STANDARD.encode(body) }),
        }),
    }
}

fn id_of(body: &[u8]) -> EnvelopeId {
    let digest = digest::digest(&digest::SHA256, body);
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    EnvelopeId::from_uuid(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(payload: serde_json::Value) -> Envelope {
        Envelope {
            id: id_of(b"1"),
            kind: "notification.v1".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            trace: TraceContext([("traceparent".to_owned(), "00-1-2-01".to_owned())].into()),
            payload,
        }
    }

    #[test]
    fn an_envelope_reads_back_as_it_was_written() {
        let sent = envelope(serde_json::json!({ "body": "é\u{0}" }));
        let body = encode(&sent).unwrap();
        assert_eq!(decode(&body, DateTime::UNIX_EPOCH), Decoded::Readable(sent));
    }

    #[test]
    fn an_envelope_above_the_limit_is_refused() {
        let error = encode(&envelope("x".repeat(ENVELOPE_BYTES_MAX).into())).unwrap_err();
        assert!(matches!(error, QueueError::TooLarge { .. }), "{error:?}");
    }

    #[test]
    fn what_is_no_envelope_is_wrapped_whole_and_keeps_its_id() {
        let read = |body: &[u8]| decode(body, DateTime::UNIX_EPOCH);
        let Decoded::Unreadable(wrapped) = read(b"\xffhello") else {
            panic!("read as ours")
        };
        assert_eq!(wrapped.kind, UNREADABLE_KIND);
        assert_eq!(
            wrapped.payload,
            serde_json::json!({ "body_base64": "/2hlbGxv" })
        );
        assert_eq!(read(b"\xffhello").into_envelope().id, wrapped.id);
        assert_ne!(read(b"hello").into_envelope().id, wrapped.id);
    }
}
