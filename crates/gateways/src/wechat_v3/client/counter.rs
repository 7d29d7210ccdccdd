//! At the counter (sheet §5): a payment with the code that the payer shows, and its reversal.

use http::Method as Verb;
use kassa_core::channel::Method;
use kassa_core::notification::ReportedPayment;

use super::super::config::Settings;
use super::super::failure::{Operation, Verdict};
use super::super::translate;
use super::super::wire::{
    CodePay, CodePayer, CounterScene, OrderAmount, ReverseOrder, StoreInfo, Transaction,
};
use super::{CNY, Client, Exchange, escape, fen, is_about, json, read, unexpected, unreadable};
use crate::error::unsupported;
use crate::{CallError, Closed, PlaceOrder, Placed, PlacedOrder};

impl Client {
    /// A success is the payment itself. No notice follows, and no time is set: the order ends by its reversal.
    pub(super) async fn codepay(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        let exchange = Exchange {
            name: "codepay",
            operation: Operation::CodePay,
            verb: Verb::POST,
            target: "/v3/pay/transactions/codepay".to_owned(),
            body: json(&code_pay(settings, order)?)?,
        };
        let body = match self.call(settings, &exchange).await? {
            Ok(body) => body,
            Err(Verdict::Waiting) => return Ok(Placed::waiting(None)),
            Err(refused) => return Err(unexpected(refused)),
        };
        let transaction: Transaction = read(&body)?;
        is_about(transaction.mchid.as_deref(), &settings.mchid)?;
        is_about(transaction.out_trade_no.as_deref(), &order.request_number)?;
        let report = translate::queried(&transaction, Method::BarCode).map_err(unreadable)?;
        match report.state {
            ReportedPayment::Paid { .. } => Ok(Placed::ended(report)),
            // A payment that failed is reversed like one that nobody confirms.
            ReportedPayment::Unpaid => Ok(Placed::waiting(None)),
            ReportedPayment::Closed
            | ReportedPayment::Reversed { .. }
            | ReportedPayment::NotFound
            | ReportedPayment::Failed(_) => Err(CallError::Unknown(
                "a new order that has ended already".to_owned(),
            )),
        }
    }

    /// Ends an order that somebody may be paying just now. If it was paid, WeChat gives the money back without
    /// saying so: a query tells.
    pub(super) async fn reverse(
        &self,
        settings: &Settings,
        order: &PlacedOrder,
    ) -> Result<Closed, CallError> {
        let number = escape(&order.request_number);
        let exchange = Exchange {
            name: "reverse",
            operation: Operation::Reverse,
            verb: Verb::POST,
            target: format!("/v3/pay/transactions/out-trade-no/{number}/reverse"),
            body: json(&ReverseOrder {
                appid: &settings.appid,
                mchid: &settings.mchid,
            })?,
        };
        let body = match self.call(settings, &exchange).await? {
            Ok(body) => body,
            Err(Verdict::NotFound) => return Ok(Closed::Closed),
            Err(Verdict::NotClosable) => return Ok(Closed::NotClosable),
            Err(refused) => return Err(unexpected(refused)),
        };
        let named: Transaction = read(&body)?;
        is_about(named.mchid.as_deref(), &settings.mchid)?;
        is_about(named.out_trade_no.as_deref(), &order.request_number)?;
        Ok(match self.query(settings, order).await?.state {
            ReportedPayment::Closed | ReportedPayment::NotFound => Closed::Closed,
            ReportedPayment::Paid { .. }
            | ReportedPayment::Reversed { .. }
            | ReportedPayment::Unpaid
            | ReportedPayment::Failed(_) => Closed::NotClosable,
        })
    }
}

/// The body of a payment with a code.
fn code_pay<'a>(settings: &'a Settings, order: &'a PlaceOrder) -> Result<CodePay<'a>, CallError> {
    let code = order.auth_code.as_ref();
    let code = code.ok_or_else(|| unsupported("a bar code order needs the payer's code"))?;
    let till = settings.till.as_ref().ok_or_else(|| {
        unsupported("bar codes need the account's store_id or store_out_id, which are not set")
    })?;
    // At a counter the caller's address is the till's.
    let address = order.client_ip.map(|address| address.to_string());
    Ok(CodePay {
        appid: &settings.appid,
        mchid: &settings.mchid,
        description: order.subject.as_str(),
        out_trade_no: &order.request_number,
        payer: CodePayer {
            auth_code: code.expose(),
        },
        amount: OrderAmount {
            total: fen(order.amount)?,
            currency: CNY,
        },
        scene_info: CounterScene {
            device_id: till.device_id.as_deref(),
            device_ip: address.or_else(|| till.device_ip.clone()),
            store_info: StoreInfo {
                id: till.store_id.as_deref(),
                out_id: till.store_out_id.as_deref(),
            },
        },
    })
}
