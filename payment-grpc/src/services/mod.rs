//! The services, one file each. A method converts, calls one flow, converts back.

mod channel;
mod event;
mod operations;
mod password;
mod payment;
mod refund;
mod wallet;

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Response, Status};

use crate::call::Call;
use crate::convert::Paging;
use crate::shared::Shared;

/// What a unary method answers.
type Answer<T> = Result<Response<T>, Status>;
/// What a streaming method answers with.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All services: they differ in their methods only.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    shared: Shared,
}

impl Services {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// What lists of this caller are read with.
    fn paging<'a>(&'a self, call: &'a Call) -> Paging<'a> {
        Paging {
            app: &call.caller.app.id,
            keyring: &self.shared.kassa.keyring,
        }
    }
}
