//! Payment passwords: requests in, answers out. Passwords and codes become secrets here.

use flows::password::{ChangePassword, CodeSent, RequestCode, SetPassword};
use flows::resource;
use kassa_core::Secret;
use kassa_core::password::CodePurpose;
use kassa_core::text::UserId;
use proto::v1;

use super::fields::Fields;
use crate::error::Error;

/// The longest text that is looked at as a password or a code, in bytes.
const SECRET_BYTES_MAX: usize = 64;

/// Reads which code is wanted.
pub(crate) fn request_code(request: &v1::RequestPasswordCodeRequest) -> Result<RequestCode, Error> {
    let mut fields = Fields::default();
    let user_id = user(&mut fields, &request.user_id);
    let purpose = fields.choice("purpose", request.purpose, purpose);
    let complete = || {
        Some(RequestCode {
            user_id: user_id?,
            purpose: purpose?,
        })
    };
    fields.finish(complete())
}

/// A code that is on its way.
pub(crate) fn code_sent(sent: &CodeSent) -> v1::RequestPasswordCodeResponse {
    v1::RequestPasswordCodeResponse {
        expire_time: Some(resource::time(sent.expires_at)),
        next_request_time: Some(resource::time(sent.next_at)),
    }
}

/// Reads a request to set or reset a password.
pub(crate) fn set(user_id: &str, password: &str, code: &str) -> Result<SetPassword, Error> {
    let mut fields = Fields::default();
    let user_id = user(&mut fields, user_id);
    let password = secret(&mut fields, "password", password);
    let code = secret(&mut fields, "code", code);
    let complete = || {
        Some(SetPassword {
            user_id: user_id?,
            password: password?,
            code: code?,
        })
    };
    fields.finish(complete())
}

/// Reads a request to change a password.
pub(crate) fn change(request: &v1::ChangePaymentPasswordRequest) -> Result<ChangePassword, Error> {
    let mut fields = Fields::default();
    let user_id = user(&mut fields, &request.user_id);
    let old_password = secret(&mut fields, "old_password", &request.old_password);
    let new_password = secret(&mut fields, "new_password", &request.new_password);
    let complete = || {
        Some(ChangePassword {
            user_id: user_id?,
            old_password: old_password?,
            new_password: new_password?,
        })
    };
    fields.finish(complete())
}

/// Reads whose password is to be judged.
pub(crate) fn verify(
    request: &v1::VerifyPaymentPasswordRequest,
) -> Result<(UserId, Secret), Error> {
    let mut fields = Fields::default();
    let user_id = user(&mut fields, &request.user_id);
    let password = secret(&mut fields, "password", &request.password);
    fields.finish(user_id.zip(password))
}

/// Reads whose password is asked about.
pub(crate) fn status_key(request: &v1::GetPaymentPasswordStatusRequest) -> Result<UserId, Error> {
    let mut fields = Fields::default();
    let user_id = user(&mut fields, &request.user_id);
    fields.finish(user_id)
}

fn user(fields: &mut Fields, user_id: &str) -> Option<UserId> {
    fields.required("user_id", user_id, UserId::try_new)
}

/// A password or a code. What is said about it holds nothing of it.
pub(super) fn secret(fields: &mut Fields, field: &str, text: &str) -> Option<Secret> {
    fields.required(field, text, |text| {
        if text.len() > SECRET_BYTES_MAX {
            return Err(format!("must have at most {SECRET_BYTES_MAX} bytes"));
        }
        Ok(Secret::new(text.to_owned()))
    })
}

fn purpose(purpose: v1::PasswordCodePurpose) -> Option<CodePurpose> {
    match purpose {
        v1::PasswordCodePurpose::Unspecified => None,
        v1::PasswordCodePurpose::Set => Some(CodePurpose::Set),
        v1::PasswordCodePurpose::Reset => Some(CodePurpose::Reset),
    }
}
