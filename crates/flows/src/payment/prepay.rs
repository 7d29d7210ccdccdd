//! What the payer pays with, as it is stored and as it is told: a client secret is sealed on its way to its
//! row and opened on its way to the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kassa_core::Secret;
use kassa_core::id::AttemptId;
use kassa_core::payment::{Attempt, ClientSecret, PrepayInfo};
use runtime::keyring::Place;

use crate::{Error, Kassa};

/// Makes it ready to be written down with its attempt.
pub(super) fn seal(
    kassa: &Kassa,
    attempt: AttemptId,
    prepay: PrepayInfo,
) -> Result<PrepayInfo, Error> {
    change_secret(prepay, |secret| match secret {
        ClientSecret::Open(open) => {
            let row = attempt.to_string();
            let sealed = kassa.keyring.seal(place(&row), open.expose().as_bytes());
            let sealed = sealed.map_err(Error::internal)?;
            Ok(ClientSecret::Sealed(BASE64.encode(sealed.as_bytes())))
        }
        ClientSecret::Sealed(_) => Ok(secret),
    })
}

/// What the caller is told of an attempt.
pub(super) fn told(kassa: &Kassa, attempt: &Attempt) -> Result<Option<PrepayInfo>, Error> {
    let open = |prepay| {
        change_secret(prepay, |secret| match secret {
            ClientSecret::Open(_) => Ok(secret),
            ClientSecret::Sealed(text) => {
                let sealed = BASE64.decode(text).map_err(Error::internal)?;
                let row = attempt.id.to_string();
                let bytes = kassa.keyring.open(place(&row), &sealed);
                let bytes = bytes.map_err(Error::internal)?;
                let text = str::from_utf8(bytes.expose()).map_err(Error::internal)?;
                Ok(ClientSecret::Open(Secret::new(text.to_owned())))
            }
        })
    };
    attempt.prepay.clone().map(open).transpose()
}

fn change_secret(
    prepay: PrepayInfo,
    change: impl FnOnce(ClientSecret) -> Result<ClientSecret, Error>,
) -> Result<PrepayInfo, Error> {
    match prepay {
        PrepayInfo::ClientSecret {
            client_secret,
            publishable_key,
        } => Ok(PrepayInfo::ClientSecret {
            client_secret: change(client_secret)?,
            publishable_key,
        }),
        PrepayInfo::QrCode { .. }
        | PrepayInfo::Redirect { .. }
        | PrepayInfo::Form { .. }
        | PrepayInfo::AppOrder { .. }
        | PrepayInfo::AlipayTrade { .. }
        | PrepayInfo::Jsapi { .. }
        | PrepayInfo::WechatApp { .. }
        | PrepayInfo::BaiduOrder(_) => Ok(prepay),
    }
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "payment_attempts",
        column: "prepay",
        row,
    }
}
