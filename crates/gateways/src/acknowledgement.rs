//! What a gateway is answered.

/// What became of a callback at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Verified, and the broker confirmed a durable copy.
    Accepted,
    /// Refused: the signature does not hold, or it is not ours. The gateway may repeat it.
    Refused,
    /// Verified but not kept (the broker is away): the gateway must repeat it.
    NotKept,
}

/// The exact answer that a gateway expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// HTTP status code.
    pub status: u16,
    /// `Content-Type`, if there is a body.
    pub content_type: Option<&'static str>,
    /// The body, to the byte.
    pub body: &'static str,
}
