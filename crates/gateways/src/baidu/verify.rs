//! What comes in: callbacks about payments, about the end of refunds, and the question whether a refund
//! may be made (sheet §4 to §6). All are forms that Baidu signed.

use std::collections::BTreeMap;

use serde_json::json;

use super::config::{RefundAudit, Settings};
use super::sign::string_to_sign;
use super::wire::field;
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::form::Form;
use crate::{RawCallback, Verified, VerifyError};

/// How long a notification's identity may be; genuine ones stay below 64.
const KEY_LENGTH_MAX: usize = 128;

/// What a callback is about: its signed fields tell, not the address that it was posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Payment,
    RefundAudit,
    RefundResult,
}

impl Kind {
    /// Payments have a status, refunds that ended a refund status; a refund without one is a question.
    pub(super) fn of(form: &Form) -> Option<Self> {
        let is_refund = form.get(field::REFUND_BATCH_ID).is_some();
        let has_status = form.get(field::STATUS).is_some();
        match (is_refund, has_status, form.get(field::REFUND_STATUS)) {
            (false, true, None) => Some(Self::Payment),
            (true, false, None) => Some(Self::RefundAudit),
            (true, false, Some(_)) => Some(Self::RefundResult),
            (_, _, _) => None,
        }
    }
}

/// Checks the signature over all fields that were received. Whether empty ones are signed, the
/// documents say both ways (sheet §2): both readings are built from what was received, so trying
/// them accepts nothing that Baidu did not sign.
fn signed(settings: &Settings, form: &Form) -> Result<(), VerifyError> {
    let signature = form
        .get(field::RSA_SIGN)
        .ok_or(VerifyError::Malformed(field::RSA_SIGN))?;
    let has_empty = form.fields().values().any(Vec::is_empty);
    for drop_empty in [false, true].into_iter().filter(|drop| has_empty || !drop) {
        let fields = form.fields().iter();
        let fields = fields.map(|(name, value)| (name.as_slice(), value.as_slice()));
        let message = string_to_sign(fields, drop_empty);
        let mut keys = settings.platform_keys.iter();
        if keys.any(|key| key.verify_sha1(&message, signature)) {
            return Ok(());
        }
    }
    Err(VerifyError::BadSignature)
}

/// Verifies a callback.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
) -> Result<Verified, VerifyError> {
    let form = Form::parse(callback.body)?;
    signed(settings, &form)?;
    let kind = Kind::of(&form).ok_or(VerifyError::Malformed(field::STATUS))?;
    let required = |name| form.get(name).ok_or(VerifyError::Malformed(name));
    let key = match kind {
        Kind::Payment => format!(
            "pay:{}:{}",
            required(field::ORDER_ID)?,
            required(field::STATUS)?
        ),
        Kind::RefundAudit => format!("audit:{}", required(field::REFUND_BATCH_ID)?),
        Kind::RefundResult => format!(
            "refund:{}:{}",
            required(field::REFUND_BATCH_ID)?,
            required(field::REFUND_STATUS)?
        ),
    };
    if key.len() > KEY_LENGTH_MAX {
        return Err(VerifyError::Malformed("identity"));
    }
    Ok(Verified {
        key,
        kind: word(kind, &form),
        headers: BTreeMap::new(),
    })
}

/// What a callback is about, for people.
pub(super) fn word(kind: Kind, form: &Form) -> String {
    let value = |name| form.get(name).unwrap_or("unnamed");
    match kind {
        Kind::Payment => format!("pay status {}", value(field::STATUS)),
        Kind::RefundAudit => "refund audit".to_owned(),
        Kind::RefundResult => format!("refund status {}", value(field::REFUND_STATUS)),
    }
}

/// The replies of sheet §4. Every callback is answered 200 and JSON: by an older text whatever is not
/// JSON gives the payer's money back. `errno` other than 0 asks for a repeat.
///
/// `isErrorOrder`, which has Baidu refund a payment by itself, is never sent: what does not fit is
/// told to people here, and given back by a refund of ours.
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    let body = match outcome {
        Outcome::Accepted => r#"{"errno":0,"msg":"success","data":{"isConsumed":2}}"#,
        Outcome::Refused | Outcome::NotKept => r#"{"errno":100,"msg":"fail"}"#,
    };
    Acknowledgement {
        status: 200,
        content_type: Some("application/json"),
        body,
    }
}

/// What an accepted callback about a refund is answered (sheet §5 and §6). Refunds of ours are
/// submitted without the question; one that Baidu or the payer began is for people to decide, unless
/// the account says otherwise.
pub(super) fn reply_body(settings: &Settings, callback: &RawCallback<'_>) -> Option<String> {
    let form = Form::parse(callback.body).ok()?;
    let data = match Kind::of(&form)? {
        Kind::Payment => return None,
        Kind::RefundResult => json!({}),
        Kind::RefundAudit => {
            let (status, money) = match decision(settings, &form) {
                Decision::Approved(money) => (1, money),
                Decision::Undecided(money) => (3, money.unwrap_or_default()),
            };
            json!({"auditStatus": status, "calculateRes": {"refundPayMoney": money}})
        }
    };
    Some(json!({"errno": 0, "msg": "success", "data": data}).to_string())
}

/// What a question is answered; amounts are fen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approved(i64),
    /// With the amount that was asked for, if one was.
    Undecided(Option<i64>),
}

/// Decides by the account's settings. The oldest text has no amount (sheet §5); then nothing can be approved.
pub(super) fn decision(settings: &Settings, form: &Form) -> Decision {
    let asked = form.get(field::APPLY_REFUND_MONEY).and_then(fen);
    match (settings.refund_audit, asked) {
        (RefundAudit::Approve, Some(money)) => Decision::Approved(money),
        (RefundAudit::Approve | RefundAudit::Undecided, money) => Decision::Undecided(money),
    }
}

/// Digits and nothing else: `parse` alone would take a sign.
pub(super) fn fen(text: &str) -> Option<i64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}
