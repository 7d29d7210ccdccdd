//! Wallets: requests in, answers out.

use flows::Page;
use flows::wallet::{ListEntries, NewOperation};
use kassa_core::ledger::{Amount, Unit};
use kassa_core::text::{RequestId, UserId, WalletReason};
use proto::v1;
use proto::v1::credit_wallet_request::Amount as CreditAmount;
use proto::v1::debit_wallet_request::Amount as DebitAmount;
use proto::v1::transfer_between_wallets_request::Amount as TransferAmount;

use super::fields::Fields;
use super::page_token::{self, Binding};
use super::{Paging, page};
use crate::error::Error;

/// Money or points as a request has them; both are `None` if neither was sent.
type Sent<'a> = (Option<&'a v1::Money>, Option<&'a v1::Points>);

/// Reads whose wallet is wanted.
pub(crate) fn user_id(id: &str) -> Result<UserId, Error> {
    let mut fields = Fields::default();
    let id = fields.required("user_id", id, UserId::try_new);
    fields.finish(id)
}

/// Reads a request to credit.
pub(crate) fn credit(request: &v1::CreditWalletRequest) -> Result<NewOperation, Error> {
    let mut fields = Fields::default();
    let sent = match &request.amount {
        None => (None, None),
        Some(CreditAmount::Money(money)) => (Some(money), None),
        Some(CreditAmount::Points(points)) => (None, Some(points)),
    };
    let user = ("user_id", request.user_id.as_str());
    let texts = (request.request_id.as_str(), request.reason.as_str());
    let new = operation(&mut fields, user, sent, texts);
    fields.finish(new)
}

/// Reads a request to debit.
pub(crate) fn debit(request: &v1::DebitWalletRequest) -> Result<NewOperation, Error> {
    let mut fields = Fields::default();
    let sent = match &request.amount {
        None => (None, None),
        Some(DebitAmount::Money(money)) => (Some(money), None),
        Some(DebitAmount::Points(points)) => (None, Some(points)),
    };
    let user = ("user_id", request.user_id.as_str());
    let texts = (request.request_id.as_str(), request.reason.as_str());
    let new = operation(&mut fields, user, sent, texts);
    fields.finish(new)
}

/// Reads a request to transfer, and who gets it.
pub(crate) fn transfer(
    request: &v1::TransferBetweenWalletsRequest,
) -> Result<(NewOperation, UserId), Error> {
    let mut fields = Fields::default();
    let sent = match &request.amount {
        None => (None, None),
        Some(TransferAmount::Money(money)) => (Some(money), None),
        Some(TransferAmount::Points(points)) => (None, Some(points)),
    };
    let user = ("from_user_id", request.from_user_id.as_str());
    let texts = (request.request_id.as_str(), request.reason.as_str());
    let new = operation(&mut fields, user, sent, texts);
    let taker = fields.required("to_user_id", &request.to_user_id, UserId::try_new);
    if taker.is_some() && request.from_user_id == request.to_user_id {
        fields.wrong("to_user_id", "must be another user");
    }
    fields.finish(new.zip(taker))
}

fn operation(
    fields: &mut Fields,
    (user_field, user): (&str, &str),
    sent: Sent<'_>,
    (request_id, reason): (&str, &str),
) -> Option<NewOperation> {
    let request_id = fields.required("request_id", request_id, RequestId::try_new);
    let user_id = fields.required(user_field, user, UserId::try_new);
    let reason = fields.required("reason", reason, WalletReason::try_new);
    let amount = amount(fields, sent);
    Some(NewOperation {
        request_id: request_id?,
        user_id: user_id?,
        amount: amount?,
        reason: reason?,
    })
}

fn amount(fields: &mut Fields, sent: Sent<'_>) -> Option<Amount> {
    let (field, amount) = match sent {
        (None, None) => {
            fields.wrong("amount", "money or points are required");
            return None;
        }
        (Some(money), _) => {
            let money = fields.money("money", Some(money));
            ("money.amount", money.map(Amount::Money))
        }
        (None, Some(points)) => {
            let points = fields.points("points", Some(points));
            ("points.amount", points.map(Amount::Points))
        }
    };
    if amount.is_some_and(Amount::is_zero) {
        fields.wrong(field, "must be more than zero");
    }
    amount
}

/// Reads whose wallet is to be frozen or not any more, and why.
pub(crate) fn switch(user: &str, reason: &str) -> Result<(UserId, WalletReason), Error> {
    let mut fields = Fields::default();
    let user = fields.required("user_id", user, UserId::try_new);
    let reason = fields.required("reason", reason, WalletReason::try_new);
    fields.finish(user.zip(reason))
}

fn binding<'a>(request: &'a v1::ListWalletEntriesRequest, paging: Paging<'a>) -> Binding<'a> {
    let conditions = [request.user_id.as_str(), request.unit.as_str()];
    Binding::new("wallet_entries", paging.app, conditions)
}

/// Reads which part of a statement is wanted.
pub(crate) fn list(
    request: &v1::ListWalletEntriesRequest,
    paging: Paging<'_>,
) -> Result<ListEntries, Error> {
    let mut fields = Fields::default();
    let user_id = fields.required("user_id", &request.user_id, UserId::try_new);
    let unit = fields.required("unit", &request.unit, |unit| {
        let unit = unit.parse::<Unit>();
        unit.map_err(|_unknown| "must be an ISO 4217 code or POINTS")
    });
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &binding(request, paging), token);
    let complete = || {
        Some(ListEntries {
            user_id: user_id?,
            unit: unit?,
            page,
        })
    };
    let complete = complete();
    fields.finish(complete)
}

/// One page of a statement as the API shows it.
pub(crate) fn list_response(
    request: &v1::ListWalletEntriesRequest,
    paging: Paging<'_>,
    page: Page<v1::WalletEntry>,
) -> Result<v1::ListWalletEntriesResponse, Error> {
    let binding = binding(request, paging);
    let next_page_token = page_token::seal(paging.keyring, &binding, page.next.as_ref())?;
    Ok(v1::ListWalletEntriesResponse {
        entries: page.items,
        next_page_token,
    })
}
