//! At the counter (sheet §5): a payment with the code that the payer shows, and its reversal.

use kassa_core::notification::{PaymentReport, ReportedPayment};

use super::super::config::Settings;
use super::super::failure::{Operation, Verdict};
use super::super::translate;
use super::super::wire::{Message, field};
use super::{Client, Exchange, is_about, place, unexpected, unreadable};
use crate::error::{reason, unsupported};
use crate::{CallError, Closed, PlaceOrder, Placed, PlacedOrder};

/// How often a reversal that WeChat wants to have again is sent under one word of ours.
const REVERSALS_MAX: u32 = 3;

impl Client {
    /// A success is the payment itself. No notice follows, and no time is set: the order ends by its reversal.
    pub(super) async fn micropay(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        let code = order.auth_code.as_ref();
        let code = code.ok_or_else(|| unsupported("a bar code order needs the payer's code"))?;
        let mut message = place::common(order)?;
        message.set("auth_code", code.expose());
        let exchange = Exchange {
            operation: Operation::Micropay,
            path: "/pay/micropay",
            message,
        };
        let answer = match self.call(settings, exchange).await? {
            Ok(answer) => answer,
            Err(Verdict::Waiting) => return Ok(Placed::waiting(None)),
            Err(refused) => return Err(unexpected(refused)),
        };
        is_about(&answer, field::OUT_TRADE_NO, &order.request_number)?;
        let report = translate::paid_at_once(&answer).map_err(unreadable)?;
        Ok(Placed::ended(report))
    }

    /// Ends an order that somebody may be paying just now. If it was paid, WeChat gives the money back without
    /// saying so: a query tells.
    pub(super) async fn reverse(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        for _ in 0..REVERSALS_MAX {
            let exchange = Exchange {
                operation: Operation::Reverse,
                path: "/secapi/pay/reverse",
                message: named(order),
            };
            let answer = match self.call(settings, exchange).await? {
                Ok(answer) => answer,
                Err(Verdict::NotFound) => return Ok(Closed::Closed),
                Err(Verdict::NotClosable) => return Ok(Closed::NotClosable),
                Err(refused) => return Err(unexpected(refused)),
            };
            if answer.get("recall") == Some("Y") {
                continue;
            }
            return Ok(match self.query(settings, order).await?.state {
                ReportedPayment::Closed | ReportedPayment::NotFound => Closed::Closed,
                ReportedPayment::Paid { .. }
                | ReportedPayment::Reversed { .. }
                | ReportedPayment::Unpaid
                | ReportedPayment::Failed(_) => Closed::NotClosable,
            });
        }
        Err(CallError::Later(reason(
            "RECALL",
            "wechat pay wants the reversal again",
        )))
    }

    /// An order with refunds: all of it was given back, or a part, which is nothing new. A reversal may be no
    /// refund to WeChat; the sheet does not say.
    pub(super) async fn refunded_order(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
        queried: &Message,
    ) -> Result<PaymentReport, CallError> {
        let exchange = Exchange {
            operation: Operation::RefundQuery,
            path: "/pay/refundquery",
            message: named(order),
        };
        let is_whole = match self.call(settings, exchange).await? {
            Ok(answer) => {
                is_about(&answer, field::OUT_TRADE_NO, &order.request_number)?;
                let total = translate::refunded_total(&answer).map_err(unreadable)?;
                total == order.amount
            }
            Err(Verdict::NotFound) => true,
            Err(refused) => return Err(unexpected(refused)),
        };
        let report = if is_whole {
            translate::reversed(queried)
        } else {
            translate::queried(queried, order.method)
        };
        report.map_err(unreadable)
    }
}

fn named(order: &PlacedOrder) -> Message {
    let mut message = Message::default();
    message.set(field::OUT_TRADE_NO, order.request_number.as_str());
    message
}
