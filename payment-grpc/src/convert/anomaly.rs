//! Anomalies: requests in, answers out.

use flows::anomaly::{ListAnomalies, ResolveAnomaly, Resolved};
use flows::{Page, resource};
use kassa_core::anomaly::{Anomaly, AnomalyKind, AnomalyStatus, ResolutionAction};
use kassa_core::id::AnomalyId;
use kassa_core::text::{AppId, ResolutionReason};
use proto::v1;
use runtime::store::AnomalyFilter;

use super::fields::Fields;
use super::page_token::{self, Binding};
use super::{Paging, page};
use crate::error::Error;

fn list_conditions(request: &v1::ListAnomaliesRequest) -> [String; 4] {
    [
        request.status.to_string(),
        request.kind.to_string(),
        request.transaction_id.clone(),
        request.app_id.clone(),
    ]
}

fn list_binding<'a>(paging: Paging<'a>, conditions: &'a [String; 4]) -> Binding<'a> {
    Binding::new(
        "anomalies",
        paging.app,
        conditions.iter().map(String::as_str),
    )
}

/// Reads which anomalies are wanted.
pub(crate) fn list(
    request: &v1::ListAnomaliesRequest,
    paging: Paging<'_>,
) -> Result<ListAnomalies, Error> {
    let mut fields = Fields::default();
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &binding, token);
    let filter = AnomalyFilter {
        status: fields.optional_choice("status", request.status, status),
        kind: fields.optional_choice("kind", request.kind, kind),
        transaction_id: fields.optional("transaction_id", &request.transaction_id, str::parse),
        app_id: fields.optional("app_id", &request.app_id, AppId::try_new),
    };
    fields.finish(Some(ListAnomalies { filter, page }))
}

/// One page of anomalies as the API shows it.
pub(crate) fn list_response(
    request: &v1::ListAnomaliesRequest,
    paging: Paging<'_>,
    page: &Page<Anomaly>,
) -> Result<v1::ListAnomaliesResponse, Error> {
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    Ok(v1::ListAnomaliesResponse {
        anomalies: page.items.iter().map(resource::anomaly).collect(),
        next_page_token: page_token::seal(paging.keyring, &binding, page.next.as_ref())?,
    })
}

/// Reads which anomaly is wanted.
pub(crate) fn id(request: &v1::GetAnomalyRequest) -> Result<AnomalyId, Error> {
    let mut fields = Fields::default();
    let id = fields.required("anomaly_id", &request.anomaly_id, str::parse);
    fields.finish(id)
}

/// Reads what is to be done about an anomaly.
pub(crate) fn resolve(request: &v1::ResolveAnomalyRequest) -> Result<ResolveAnomaly, Error> {
    let mut fields = Fields::default();
    let id = fields.required("anomaly_id", &request.anomaly_id, str::parse);
    let action = fields.choice("action", request.action, Some);
    let action = action.and_then(|chosen| {
        let action = action_in(chosen);
        if action.is_none() {
            fields.wrong("action", "cannot be asked for");
        }
        action
    });
    let reason = fields.required("reason", &request.reason, ResolutionReason::try_new);
    let complete = || {
        Some(ResolveAnomaly {
            id: id?,
            action: action?,
            reason: reason?,
        })
    };
    fields.finish(complete())
}

/// What was done about an anomaly.
pub(crate) fn resolve_response(resolved: &Resolved) -> v1::ResolveAnomalyResponse {
    v1::ResolveAnomalyResponse {
        anomaly: Some(resource::anomaly(&resolved.anomaly)),
        refund: resolved.refund.as_ref().map(resource::refund),
    }
}

fn status(status: v1::AnomalyStatus) -> Option<AnomalyStatus> {
    match status {
        v1::AnomalyStatus::Unspecified => None,
        v1::AnomalyStatus::Open => Some(AnomalyStatus::Open),
        v1::AnomalyStatus::Resolved => Some(AnomalyStatus::Resolved),
    }
}

/// Nobody can ask for what happens by itself.
fn action_in(action: v1::ResolutionAction) -> Option<ResolutionAction> {
    match action {
        v1::ResolutionAction::Unspecified | v1::ResolutionAction::Settled => None,
        v1::ResolutionAction::Accept => Some(ResolutionAction::Accept),
        v1::ResolutionAction::Refund => Some(ResolutionAction::Refund),
        v1::ResolutionAction::RefundToMerchant => Some(ResolutionAction::RefundToMerchant),
    }
}

fn kind(kind: v1::AnomalyKind) -> Option<AnomalyKind> {
    AnomalyKind::ALL
        .iter()
        .copied()
        .find(|known| resource::anomaly_kind(*known) == kind)
}
