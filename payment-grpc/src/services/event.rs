//! `payment.v1.EventService`.

use std::collections::VecDeque;

use flows::event::{self, ListEvents};
use futures_util::stream;
use proto::v1;
use proto::v1::event_service_server::EventService;
use runtime::store::EventRow;
use tonic::{Request, Response, Status};

use super::{Answer, Answers, Services};
use crate::call::Call;
use crate::convert::event as convert;
use crate::error::Error;
use crate::follow::Pulse;
use crate::shared::Shared;

/// How many events a stream reads at a time.
const STREAM_BATCH: u64 = 100;

#[tonic::async_trait]
impl EventService for Services {
    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Answer<v1::ListEventsResponse> {
        let (call, request) = Call::split(request)?;
        let done = async {
            let wanted = convert::list(&request)?;
            let events = event::list(&self.shared.kassa, &call.caller.app.id, &wanted).await?;
            Ok(convert::list_response(wanted.after, &events))
        };
        call.answer(done.await)
    }

    type StreamEventsStream = Answers<v1::StreamEventsResponse>;

    async fn stream_events(
        &self,
        request: Request<v1::StreamEventsRequest>,
    ) -> Answer<Self::StreamEventsStream> {
        let (call, request) = Call::split(request)?;
        let begun = || {
            let wanted = convert::stream(&request, STREAM_BATCH)?;
            Ok((wanted, Pulse::new(&self.shared, &call, "StreamEvents")?))
        };
        let (wanted, pulse) = begun().map_err(|error: Error| call.refuse(&error))?;
        let follower = Follower {
            shared: self.shared.clone(),
            call,
            wanted,
            pulse,
            read: VecDeque::new(),
            may_have_more: true,
            ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(
            follower,
            Follower::next,
        ))))
    }
}

/// A stream of events.
struct Follower {
    shared: Shared,
    call: Call,
    wanted: ListEvents,
    pulse: Pulse,
    read: VecDeque<EventRow>,
    may_have_more: bool,
    ended: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<v1::StreamEventsResponse, Status>, Self)> {
        if self.ended {
            return None;
        }
        let answer = match self.event().await {
            Ok(row) => Ok(v1::StreamEventsResponse {
                event: Some(convert::event(&row)),
            }),
            Err(error) => {
                self.ended = true;
                Err(self.call.refuse(&error))
            }
        };
        Some((answer, self))
    }

    async fn event(&mut self) -> Result<EventRow, Error> {
        loop {
            self.pulse.check()?;
            if let Some(row) = self.read.pop_front() {
                self.wanted.after = row.position;
                return Ok(row);
            }
            if !self.may_have_more {
                self.pulse.wait().await?;
            }
            let app = &self.call.caller.app.id;
            self.read = event::list(&self.shared.kassa, app, &self.wanted)
                .await?
                .into();
            self.may_have_more = u64::try_from(self.read.len()) == Ok(self.wanted.limit);
        }
    }
}
