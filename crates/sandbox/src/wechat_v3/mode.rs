//! Which of its keys WeChat Pay signs with for a merchant, and how that changes while the merchant goes over from
//! platform certificates to the public key (`wechat_v3` sheet §1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    accounts::{Accounts, WechatMerchant, WechatPlatformKey},
    shared::Shared,
};

/// Where a merchant at API v3 stands between platform certificates and the public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WechatMode {
    /// There is no public key: certificates sign everything.
    Certificate,
    /// The days of the change: both are in use. The key that a request names signs its answer, a certificate
    /// if it names none; callbacks are signed by a certificate and by the public key in turn.
    Switching,
    /// The public key signs everything, and certificates are delivered no more.
    PublicKey,
}

/// The merchants whose mode was changed since the start, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    set: BTreeMap<String, WechatMode>,
    is_public_keys_turn: bool,
}

impl Modes {
    pub(crate) fn set(&mut self, mchid: &str, mode: WechatMode) {
        self.set.insert(mchid.to_owned(), mode);
        self.is_public_keys_turn = false;
    }

    pub(super) fn of(&self, merchant: &WechatMerchant) -> WechatMode {
        let set = self.set.get(&merchant.mchid);
        set.copied().unwrap_or(merchant.mode)
    }

    fn take_turn(&mut self) -> bool {
        let is_public_keys = self.is_public_keys_turn;
        self.is_public_keys_turn = !is_public_keys;
        is_public_keys
    }
}

/// The keys that sign for a merchant in this mode; the first does where nobody asks for another.
fn keys(accounts: &Accounts, mode: WechatMode) -> impl Iterator<Item = &WechatPlatformKey> {
    let (has_certificates, has_public_key) = match mode {
        WechatMode::Certificate => (true, false),
        WechatMode::Switching => (true, true),
        WechatMode::PublicKey => (false, true),
    };
    let certificates = accounts.wechat_certificates.iter();
    let public_key = std::iter::once(&accounts.wechat_public_key);
    certificates
        .filter(move |_| has_certificates)
        .chain(public_key.filter(move |_| has_public_key))
}

/// The key that signs an answer: the one that the request's `Wechatpay-Serial` asks for, if it is in use for the
/// merchant, otherwise that of the mode.
pub(super) fn answering_key<'a>(
    shared: &'a Shared,
    merchant: &WechatMerchant,
    asked: Option<&str>,
) -> Option<&'a WechatPlatformKey> {
    let mode = shared.state().wechat_modes.of(merchant);
    let mut keys = keys(&shared.accounts, mode);
    match asked {
        None => keys.next(),
        Some(serial) => keys.find(|key| key.serial == serial),
    }
}

/// The key that signs the next callback.
pub(super) fn posting_key<'a>(
    shared: &'a Shared,
    merchant: &WechatMerchant,
) -> Option<&'a WechatPlatformKey> {
    let mut state = shared.state();
    let mode = state.wechat_modes.of(merchant);
    let is_public_keys = mode == WechatMode::Switching && state.wechat_modes.take_turn();
    drop(state);
    if is_public_keys {
        Some(&shared.accounts.wechat_public_key)
    } else {
        keys(&shared.accounts, mode).next()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::WechatMode;
    use crate::{
        ControlError,
        testing::{Bed, WechatAnswer, wechat_headers},
    };

    const PATH: &str = "/v3/certificates";

    async fn ask(bed: &Bed, serial: Option<&str>) -> WechatAnswer {
        let path = "/v3/pay/transactions/out-trade-no/T00001?mchid=1900000001";
        let mut headers = wechat_headers(bed.wechat(), bed.now(), ("GET", path, ""));
        headers.extend(serial.map(|serial| ("Wechatpay-Serial", serial.to_owned())));
        // Its signature is checked with whatever key the merchants have.
        let mut merchant = bed.wechat().clone();
        let other = &bed.sandbox.credentials().wechat_public_key_mode;
        merchant.public_key.clone_from(&other.public_key);
        bed.wechat_send(&merchant, ("GET", path, String::new()), headers)
            .await
    }

    async fn posted_serials(bed: &Bed) -> Vec<String> {
        for number in ["T00001", "T00002", "T00003"] {
            bed.control.pay(number).unwrap();
        }
        bed.control.deliver_due().await;
        let received = bed.received();
        received
            .iter()
            .map(|it| it.header("wechatpay-serial"))
            .collect()
    }

    #[tokio::test]
    async fn each_mode_signs_with_its_keys_and_no_other() {
        let certificate = |bed: &Bed| bed.wechat().platform_certificates[0].0.clone();
        for mode in [
            WechatMode::Certificate,
            WechatMode::Switching,
            WechatMode::PublicKey,
        ] {
            let bed = Bed::start().await;
            for number in ["T00001", "T00002", "T00003"] {
                bed.wechat_order(number, 100).await;
            }
            let mchid = bed.wechat().mchid.clone();
            bed.control.set_wechat_mode(&mchid, mode).unwrap();
            let other = &bed.sandbox.credentials().wechat_public_key_mode;
            let public_key = other.public_key.clone().unwrap().public_key_id;
            let certificate = certificate(&bed);
            let (by_certificate, by_public_key) = match mode {
                WechatMode::Certificate => (true, false),
                WechatMode::Switching => (true, true),
                WechatMode::PublicKey => (false, true),
            };
            for (serial, is_in_use) in
                [(&certificate, by_certificate), (&public_key, by_public_key)]
            {
                let answer = ask(&bed, Some(serial)).await;
                let expected = if is_in_use {
                    "200"
                } else {
                    "400 INVALID_REQUEST"
                };
                assert_eq!(answer.outcome(), expected, "{mode:?} {serial}");
                assert_eq!(answer.is_signed, is_in_use);
            }
            let default = if by_certificate {
                &certificate
            } else {
                &public_key
            };
            assert_eq!(ask(&bed, None).await.serial.as_ref(), Some(default));
            let expected = match mode {
                WechatMode::Certificate => [&certificate, &certificate, &certificate],
                WechatMode::Switching => [&certificate, &public_key, &certificate],
                WechatMode::PublicKey => [&public_key, &public_key, &public_key],
            };
            assert_eq!(posted_serials(&bed).await, expected.map(String::as_str));
        }
    }

    #[tokio::test]
    async fn certificates_are_delivered_until_the_public_key_signs_alone() {
        let bed = Bed::start().await;
        let mchid = bed.wechat().mchid.clone();
        for (mode, outcome) in [
            (WechatMode::Switching, "200"),
            (WechatMode::PublicKey, "404 RESOURCE_NOT_EXISTS"),
            (WechatMode::Certificate, "200"),
        ] {
            bed.control.set_wechat_mode(&mchid, mode).unwrap();
            let answer = bed.wechat_call("GET", PATH, &Value::Null).await;
            assert_eq!(answer.outcome(), outcome);
        }
        let nobody = bed.control.set_wechat_mode("1", WechatMode::Switching);
        assert!(matches!(nobody, Err(ControlError::Refused(_))));
    }
}
