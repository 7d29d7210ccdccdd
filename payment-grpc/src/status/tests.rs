use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use flows::limits::LimitError;
use flows::password::PasswordError;
use flows::payment::LegError;
use flows::{FieldViolation, Reason};
use kassa_core::anomaly::{AnomalyKind, ResolutionAction};
use kassa_core::app::Scope;
use kassa_core::channel::Channel;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::limits::LimitKind;
use kassa_core::payment::{Failure, PaymentStatus};
use kassa_core::{Currency, Money, Points};
use runtime::store::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt};

use super::*;
use crate::error::{Limit, TokenProblem};

const PAYMENT: &str = "0192f0c1a2b37c4d8e5f60718293a4b5";
const REQUEST: &str = "0192f0c1a2b37c4d8e5f60718293ffff";

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

/// An error of every sort; every reason is among them.
fn samples() -> Vec<(&'static str, Error)> {
    let mut samples: Vec<_> = flow_samples()
        .into_iter()
        .map(|(name, error)| (name, Error::Flow(error)))
        .collect();
    samples.extend(door_samples());
    samples
}

fn flow_samples() -> Vec<(&'static str, flows::Error)> {
    let mut samples = payment_samples();
    samples.extend(payer_samples());
    samples.extend(leg_samples());
    samples.extend(other_samples());
    samples.extend(wallet_samples());
    samples
}

/// What does not fit between the legs of a payment or of its refund.
fn leg_samples() -> Vec<(&'static str, flows::Error)> {
    let points = |minor| Points::try_new(minor).unwrap();
    let dont_add_up = LegError::DontAddUp {
        sum: cny(2_900),
        amount: cny(3_000),
    };
    let two_gateways = LegError::TwoGateways {
        first: Channel::Alipay,
        second: Channel::WechatPay,
    };
    let points_mismatch = LegError::PointsMismatch {
        points: points(10_100),
        value: cny(1_010),
        amount: cny(1_000),
        price: points(10_000),
    };
    let exceeds = LegError::RefundExceeds {
        leg_no: 2,
        refundable: cny(400),
    };
    let to_balance = LegError::RefundToBalance {
        why: "the app's policy does not allow it",
    };
    vec![
        ("legs_dont_add_up", dont_add_up.into()),
        ("two_gateway_legs", two_gateways.into()),
        ("points_mismatch", points_mismatch.into()),
        ("refund_exceeds_leg", exceeds.into()),
        ("refund_to_balance", to_balance.into()),
    ]
}

fn wallet_samples() -> Vec<(&'static str, flows::Error)> {
    use flows::Error as E;
    let user_id = || "u-1".to_owned();
    let available = cny(990).into();
    let short = E::InsufficientFunds {
        user_id: user_id(),
        available,
    };
    vec![
        ("insufficient_funds", short),
        ("wallet_frozen", E::WalletFrozen { user_id: user_id() }),
    ]
}

/// What the app, or a password, does not allow a payer.
fn payer_samples() -> Vec<(&'static str, flows::Error)> {
    let unlock_time = chrono::DateTime::UNIX_EPOCH;
    let wrong = |tries_left, unlock_time| PasswordError::Wrong {
        tries_left,
        unlock_time,
    };
    let points = |minor| Points::try_new(minor).unwrap();
    let exceeded = LimitError::Exceeded {
        limit: LimitKind::BalanceDaily,
        max: Amount::Money(cny(1_000)),
        used: Amount::Money(cny(999)),
        remaining: Amount::Money(cny(1)),
        resets_at: Some(unlock_time),
    };
    let too_many_codes = PasswordError::TooManyCodes {
        retry_after: Duration::from_mins(1),
    };
    let unit_mismatch = flows::Error::UnitMismatch {
        expected: Unit::Currency(Currency::CNY),
        found: Unit::Points,
    };
    vec![
        ("unit_mismatch", unit_mismatch),
        (
            "method_disabled",
            LimitError::MethodDisabled { method: "BALANCE" }.into(),
        ),
        (
            "points_below_minimum",
            LimitError::PointsBelowMinimum { min: points(1_000) }.into(),
        ),
        ("limit_exceeded", exceeded.into()),
        ("password_required", PasswordError::Required.into()),
        ("password_not_set", PasswordError::NotSet.into()),
        ("password_wrong", wrong(4, None).into()),
        ("password_wrong_last", wrong(0, Some(unlock_time)).into()),
        (
            "password_locked",
            PasswordError::Locked { unlock_time }.into(),
        ),
        (
            "code_wrong",
            PasswordError::CodeWrong { tries_left: 4 }.into(),
        ),
        ("code_expired", PasswordError::CodeExpired.into()),
        ("too_many_codes", too_many_codes.into()),
        ("code_key_missing", PasswordError::CodeKeyMissing.into()),
    ]
}

fn id() -> String {
    PAYMENT.to_owned()
}

fn payment_samples() -> Vec<(&'static str, flows::Error)> {
    use flows::Error as E;
    let failure = Failure {
        code: "ACQ.ERROR".to_owned(),
        message: "余额不足".to_owned(),
    };
    let order_paid = E::OrderAlreadyPaid {
        business_order_id: "o-1".to_owned(),
        transaction_id: id(),
    };
    let payment_state = E::PaymentState {
        transaction_id: id(),
        status: PaymentStatus::Closed,
        wanted: "only a paid one can be refunded",
    };
    let refund_limit = E::RefundExceedsRefundable {
        transaction_id: id(),
        refundable: cny(150),
    };
    let limits = E::AmountOutsideLimits {
        min: Some(cny(100)),
        max: Some(cny(50_000)),
    };
    let anomaly_resolved = E::AnomalyResolved {
        anomaly_id: id(),
        resolution: ResolutionAction::Accept,
    };
    let anomaly_action = E::AnomalyAction {
        anomaly_id: id(),
        kind: AnomalyKind::AmountMismatch,
        action: ResolutionAction::Refund,
        why: "only late and duplicate money can be refunded",
    };
    let gateway_refused = E::GatewayRefused {
        channel: Channel::Alipay,
        transaction_id: id(),
        failure,
    };
    vec![
        ("order_paid", order_paid),
        ("payment_state", payment_state),
        ("refund_limit", refund_limit),
        (
            "no_account",
            E::NoChannelAccount {
                channel: Channel::Alipay,
            },
        ),
        ("limits", limits),
        ("anomaly_resolved", anomaly_resolved),
        ("anomaly_action", anomaly_action),
        ("account_unusable", E::AccountUnusable { account: id() }),
        ("gateway_refused", gateway_refused),
        (
            "outcome_unknown",
            E::OutcomeUnknown {
                transaction_id: id(),
            },
        ),
    ]
}

fn other_samples() -> Vec<(&'static str, flows::Error)> {
    use flows::Error as E;
    let violations = vec![
        FieldViolation::new("amount.amount", "has too many decimals: CNY has 2"),
        FieldViolation::new("subject", "is required"),
    ];
    let account = || ("channel_account", "main".to_owned());
    let exists = |(resource, name)| E::AlreadyExists { resource, name };
    let version = |(resource, name)| E::VersionConflict { resource, name };
    vec![
        ("invalid_input", E::InvalidInput(violations)),
        (
            "not_found",
            E::NotFound {
                resource: "payment",
                name: id(),
            },
        ),
        (
            "idempotency",
            E::IdempotencyMismatch {
                field: "request_id",
                key: "r-1".to_owned(),
            },
        ),
        ("exists", exists(account())),
        ("in_flight", E::RequestInFlight),
        ("version", version(account())),
        ("store_away", E::Store(StoreError::Closed)),
        ("broken", E::Internal("the password is hunter2".to_owned())),
    ]
}

fn door_samples() -> Vec<(&'static str, Error)> {
    let rpc = "/payment.v1.RefundService/CreateRefund";
    let limit = Limit::CallsOfApp;
    let retry_after = Duration::from_millis(250);
    vec![
        ("unreadable", Error::Unreadable("it is too large")),
        ("no_token", Error::Unauthenticated(TokenProblem::Missing)),
        ("untrusted", Error::Unauthenticated(TokenProblem::Untrusted)),
        ("expired", Error::Unauthenticated(TokenProblem::Expired)),
        (
            "scope",
            Error::ScopeMissing {
                rpc,
                scope: Scope::RefundsWrite,
            },
        ),
        ("no_such_rpc", Error::NoSuchRpc),
        ("rate", Error::RateLimited { limit, retry_after }),
        ("deadline", Error::DeadlineExceeded),
        ("stopping", Error::Stopping),
        ("broken_door", Error::Broken("a flow panicked")),
    ]
}

/// A status in words, its details in a fixed order.
fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}\n", status.code(), status.message());
    let details = status.check_error_details_vec().unwrap();
    for detail in details {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                let mut metadata: Vec<_> = info.metadata.into_iter().collect();
                metadata.sort();
                writeln!(
                    text,
                    "  ErrorInfo {} {} {metadata:?}",
                    info.domain, info.reason
                )
            }
            ErrorDetail::BadRequest(bad) => bad.field_violations.iter().try_for_each(|violation| {
                writeln!(
                    text,
                    "  BadRequest {}: {}",
                    violation.field, violation.description
                )
            }),
            other => writeln!(text, "  {other:?}"),
        }
        .unwrap();
    }
    text
}

#[test]
fn the_status_of_every_error_is_as_published() {
    let mut text = String::new();
    for (name, error) in samples() {
        write!(text, "{name}\n{}\n", describe(&status(&error, REQUEST))).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_status_has_exactly_one_error_info_of_our_domain_and_agrees_with_its_details() {
    for (name, error) in samples() {
        let status = status(&error, REQUEST);
        let details = status.check_error_details_vec().unwrap();
        let infos: Vec<_> = details
            .iter()
            .filter_map(|detail| match detail {
                ErrorDetail::ErrorInfo(info) => Some(info),
                _ => None,
            })
            .collect();
        assert_eq!(infos.len(), 1, "{name}");
        assert_eq!(infos[0].domain, ERROR_DOMAIN, "{name}");
        assert_eq!(infos[0].reason, error.reason().as_str(), "{name}");
        assert!(complete(&status).is_none(), "{name}");
    }
}

#[test]
fn an_internal_error_tells_the_request_id_and_nothing_of_the_inside() {
    let status = status(
        &Error::Flow(flows::Error::Internal("hunter2".to_owned())),
        REQUEST,
    );
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("hunter2"));
    assert_eq!(
        status.get_details_request_info().unwrap().request_id,
        REQUEST
    );
}

#[test]
fn what_tonic_answers_by_itself_gets_details() {
    let bare = |code| complete(&Status::new(code, "bare")).map(|error| error.reason());
    assert_eq!(bare(Code::Unimplemented), Some(Reason::ScopeMissing));
    assert_eq!(bare(Code::OutOfRange), Some(Reason::InvalidArgument));
    assert_eq!(bare(Code::Internal), Some(Reason::InvalidArgument));
    assert_eq!(bare(Code::Cancelled), Some(Reason::DeadlineExceeded));
    assert_eq!(bare(Code::Unknown), Some(Reason::Internal));
    assert_eq!(bare(Code::Ok), None);
}

#[test]
fn statuses_made_by_other_software_decode() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/google_rpc.json")).unwrap();
    let statuses = vectors["status"].as_array().unwrap();
    assert_eq!(statuses.len(), 6);
    for vector in statuses {
        let name = vector["name"].as_str().unwrap();
        let bytes = hex::decode(vector["status_bytes_hex"].as_str().unwrap()).unwrap();
        let code = i32::try_from(vector["grpc_code"].as_i64().unwrap()).unwrap();
        let message = vector["message"].as_str().unwrap();
        let status = Status::with_details(Code::from_i32(code), message, bytes.into());
        let details = status.check_error_details_vec().unwrap();
        let expected = vector["status_json"]["details"].as_array().unwrap();
        assert_eq!(details.len(), expected.len(), "{name}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            info.reason,
            expected[0]["reason"].as_str().unwrap(),
            "{name}"
        );
        assert_eq!(info.domain, vectors["domain"].as_str().unwrap(), "{name}");
        for (key, value) in expected[0]["metadata"].as_object().into_iter().flatten() {
            assert_eq!(
                info.metadata.get(key).map(String::as_str),
                value.as_str(),
                "{name}"
            );
        }
    }
}

// === docs/errors.md ===

/// The first paragraph of each reason's documentation, in the order of the source.
fn meanings() -> Vec<(String, String)> {
    let source = include_str!("../../../crates/flows/src/reason.rs");
    let body = source
        .split("pub enum Reason {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap();
    let mut meanings = Vec::new();
    let mut meaning = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            meaning.push(text.trim());
        } else if let Some(variant) = line.strip_suffix(',') {
            meanings.push((variant.to_owned(), meaning.join(" ")));
            meaning.clear();
        }
    }
    meanings
}

fn errors_doc() -> String {
    let mut text = String::from(
        "# Errors\n\n\
         <!-- Generated by `KASSA_UPDATE=1 cargo test -p payment-grpc errors_doc`. -->\n\n\
         Every error of the gRPC API is a `google.rpc.Status` with exactly one `ErrorInfo` of domain\n\
         `kassa`. Its `reason` is one of these words; a caller can act on it alone. What is dynamic in\n\
         the message is in `ErrorInfo.metadata` too. `RetryInfo` says when the same request may be sent\n\
         again. Unauthenticated calls say in `metadata.problem` what is wrong with the token.\n\n\
         | reason | code | meaning | metadata | other details |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    let (samples, meanings) = (samples(), meanings());
    assert_eq!(meanings.len(), Reason::ALL.len());
    for (reason, (variant, meaning)) in Reason::ALL.iter().zip(&meanings) {
        assert_eq!(
            format!("{reason:?}"),
            *variant,
            "Reason::ALL is in another order"
        );
        let of_reason = samples
            .iter()
            .filter(|(_, error)| error.reason() == *reason);
        let (mut codes, mut keys, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (_, error) in of_reason {
            let status = status(error, REQUEST);
            codes.push(format!("`{}`", code_name(status.code())));
            keys.extend(error.metadata().keys().map(|key| format!("`{key}`")));
            others.extend(
                other_details(&status)
                    .into_iter()
                    .map(|name| format!("`{name}`")),
            );
        }
        for list in [&mut codes, &mut keys, &mut others] {
            list.sort();
            list.dedup();
        }
        assert!(!codes.is_empty(), "no sample has the reason {reason:?}");
        writeln!(
            text,
            "| `{}` | {} | {meaning} | {} | {} |",
            reason.as_str(),
            codes.join(", "),
            keys.join(", "),
            others.join(", ")
        )
        .unwrap();
    }
    text
}

fn other_details(status: &Status) -> Vec<&'static str> {
    let details = status.check_error_details_vec().unwrap();
    details
        .iter()
        .filter_map(|detail| match detail {
            ErrorDetail::RetryInfo(_) => Some("RetryInfo"),
            ErrorDetail::QuotaFailure(_) => Some("QuotaFailure"),
            ErrorDetail::PreconditionFailure(_) => Some("PreconditionFailure"),
            ErrorDetail::BadRequest(_) => Some("BadRequest"),
            ErrorDetail::RequestInfo(_) => Some("RequestInfo"),
            ErrorDetail::ResourceInfo(_) => Some("ResourceInfo"),
            _ => None,
        })
        .collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the update switch is for developers"
)]
fn errors_doc_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let wanted = errors_doc();
    if std::env::var("KASSA_UPDATE").is_ok() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "run KASSA_UPDATE=1 cargo test -p payment-grpc errors_doc"
    );
}
