//! Refunds: requests in, answers out.

use flows::refund::{CreateRefund, ListRefunds, RefundKey, RefundShare};
use flows::{Page, resource};
use kassa_core::payment::LEGS_MAX;
use kassa_core::refund::{RefundStatus, RefundTransaction};
use kassa_core::text::{BusinessRefundId, RefundReason};
use proto::v1;
use proto::v1::get_refund_request::Key;
use runtime::store::RefundFilter;

use super::fields::Fields;
use super::page_token::{self, Binding};
use super::{Paging, page};
use crate::error::Error;

/// Reads a request to refund.
pub(crate) fn create(request: &v1::CreateRefundRequest) -> Result<CreateRefund, Error> {
    let mut fields = Fields::default();
    let transaction_id = fields.required("transaction_id", &request.transaction_id, str::parse);
    let business_refund_id = fields.required(
        "business_refund_id",
        &request.business_refund_id,
        BusinessRefundId::try_new,
    );
    let amount = fields.money("amount", request.amount.as_ref());
    if amount.is_some_and(kassa_core::Money::is_zero) {
        fields.wrong("amount.amount", "must be more than zero");
    }
    let reason = fields.optional("reason", &request.reason, RefundReason::try_new);
    let legs = legs(&mut fields, &request.legs);
    let complete = || {
        Some(CreateRefund {
            transaction_id: transaction_id?,
            business_refund_id: business_refund_id?,
            amount: amount?,
            reason,
            legs,
            to_balance: request.to_balance,
        })
    };
    fields.finish(complete())
}

fn legs(fields: &mut Fields, legs: &[v1::RefundLegRequest]) -> Vec<RefundShare> {
    if legs.len() > LEGS_MAX {
        fields.wrong("legs", format!("must be {LEGS_MAX} at most"));
    }
    let share = |leg: &v1::RefundLegRequest| {
        let amount = fields.money("legs.amount", leg.amount.as_ref())?;
        Some(RefundShare {
            leg_no: leg.leg_no,
            amount,
        })
    };
    legs.iter().take(LEGS_MAX).filter_map(share).collect()
}

/// Reads which refund is wanted.
pub(crate) fn key(request: &v1::GetRefundRequest) -> Result<RefundKey, Error> {
    let mut fields = Fields::default();
    let key = match &request.key {
        Some(Key::RefundId(id)) => fields
            .required("refund_id", id, str::parse)
            .map(RefundKey::Refund),
        Some(Key::BusinessRefundId(id)) => fields
            .required("business_refund_id", id, BusinessRefundId::try_new)
            .map(RefundKey::BusinessRefund),
        None => {
            fields.wrong("key", "refund_id or business_refund_id is required");
            None
        }
    };
    fields.finish(key)
}

fn status(status: v1::RefundStatus) -> Option<RefundStatus> {
    match status {
        v1::RefundStatus::Unspecified => None,
        v1::RefundStatus::Pending => Some(RefundStatus::Pending),
        v1::RefundStatus::Processing => Some(RefundStatus::Processing),
        v1::RefundStatus::Success => Some(RefundStatus::Success),
        v1::RefundStatus::Failed => Some(RefundStatus::Failed),
    }
}

fn list_conditions(request: &v1::ListRefundsRequest) -> [String; 2] {
    [request.transaction_id.clone(), request.status.to_string()]
}

fn list_binding<'a>(paging: Paging<'a>, conditions: &'a [String; 2]) -> Binding<'a> {
    Binding::new("refunds", paging.app, conditions.iter().map(String::as_str))
}

/// Reads which refunds are wanted.
pub(crate) fn list(
    request: &v1::ListRefundsRequest,
    paging: Paging<'_>,
) -> Result<ListRefunds, Error> {
    let mut fields = Fields::default();
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &binding, token);
    let filter = RefundFilter {
        transaction_id: fields.optional("transaction_id", &request.transaction_id, str::parse),
        status: fields.optional_choice("status", request.status, status),
    };
    fields.finish(Some(ListRefunds { filter, page }))
}

/// One page of refunds as the API shows it.
pub(crate) fn list_response(
    request: &v1::ListRefundsRequest,
    paging: Paging<'_>,
    page: &Page<RefundTransaction>,
) -> Result<v1::ListRefundsResponse, Error> {
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    Ok(v1::ListRefundsResponse {
        refunds: page.items.iter().map(resource::refund).collect(),
        next_page_token: page_token::seal(paging.keyring, &binding, page.next.as_ref())?,
    })
}
