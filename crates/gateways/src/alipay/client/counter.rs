//! At the counter (sheet §6 and §7): a payment with the code that the payer shows, and its cancelling.

use super::super::config::Settings;
use super::super::failure::{CODE_SUCCESS, Operation, Verdict};
use super::super::sign::Request;
use super::super::wire::{PayTrade, Trade};
use super::{Client, json, subject, unexpected, yuan};
use crate::error::{reason, unsupported};
use crate::{CallError, Closed, PlaceOrder, Placed, PlacedOrder, china_time};

const PRODUCT_FACE_TO_FACE: &str = "FACE_TO_FACE_PAYMENT";
/// How often a cancelling that Alipay wants to have again is sent under one word of ours.
const CANCELS_MAX: u32 = 3;

impl Client {
    /// Nobody is told "paid" for an answer of this call: also a success has to be asked about (sheet §6).
    pub(super) async fn pay(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        const METHOD: &str = "alipay.trade.pay";
        let code = order.auth_code.as_ref();
        let code = code.ok_or_else(|| unsupported("a bar code order needs the payer's code"))?;
        let content = PayTrade {
            out_trade_no: &order.request_number,
            total_amount: yuan(order.amount)?,
            subject: subject(order.subject.as_str()),
            scene: "bar_code",
            auth_code: code.expose(),
            product_code: PRODUCT_FACE_TO_FACE,
            time_expire: china_time::plain(order.expires_at),
        };
        let request = Request {
            method: METHOD,
            biz_content: json(&content)?,
            notify_url: Some(&order.notify_url),
            return_url: None,
        };
        let signed = self.sign(settings, request)?;
        let answer = self.call(settings, METHOD, Operation::Pay, &signed).await?;
        let answer = answer.map_err(unexpected)?;
        let is_told_paid = answer.code == CODE_SUCCESS;
        // Who has to wait for the payer may be told nothing but that.
        let is_about_it = match answer.out_trade_no.as_deref() {
            Some(number) => number == order.request_number,
            None => !is_told_paid,
        };
        if !is_about_it {
            return Err(CallError::Unknown(
                "the answer is about another order".to_owned(),
            ));
        }
        Ok(Placed {
            is_to_be_asked: is_told_paid,
            ..Placed::waiting(answer.trade_no)
        })
    }

    /// Ends an order that somebody may be paying just now. If it was paid, Alipay gives the money back, and a
    /// query tells (sheet §7).
    pub(super) async fn cancel(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        const METHOD: &str = "alipay.trade.cancel";
        let content = Trade {
            out_trade_no: &order.request_number,
        };
        for _ in 0..CANCELS_MAX {
            let signed = self.sign_content(settings, METHOD, &content)?;
            let answer = match self
                .call(settings, METHOD, Operation::Cancel, &signed)
                .await?
            {
                Ok(answer) => answer,
                Err(Verdict::Closed) => return Ok(Closed::Closed),
                Err(Verdict::NotFound) => return Ok(absent(order)),
                Err(Verdict::NotClosable) => return Ok(Closed::NotClosable),
                Err(Verdict::Failed(error)) => return Err(error),
            };
            if answer.retry_flag.as_deref() == Some("Y") {
                continue;
            }
            return Ok(match answer.action.as_deref() {
                Some("close") => Closed::Closed,
                None | Some("") => absent(order),
                // `refund`, or a word that is not listed.
                Some(_) => Closed::NotClosable,
            });
        }
        Err(CallError::Later(reason(
            "RETRY_FLAG",
            "alipay wants the cancelling again",
        )))
    }
}

/// Without an action nothing was there to be cancelled, or it failed: what Alipay never gave a number cannot be
/// paid any more.
fn absent(order: &PlacedOrder) -> Closed {
    match order.gateway_transaction_id {
        None => Closed::Closed,
        Some(_) => Closed::NotClosable,
    }
}
