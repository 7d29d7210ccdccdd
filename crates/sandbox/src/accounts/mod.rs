//! The merchants that are registered with the simulated gateways, as the gateways know them.

mod credentials;
mod stripe;

use rsa::{RsaPrivateKey, RsaPublicKey};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    error::KeysError,
    keys::{Keys, serial_decimal, serial_number_sn},
    paypal::account::Platform,
    wechat_v3::mode::WechatMode,
};

pub(crate) use credentials::credentials;
pub use credentials::{
    AlipayCertificates, AlipayCredentials, BaiduCredentials, Credentials, UnionpayCredentials,
    WechatCredentials, WechatPublicKey, WechatV2Credentials,
};
pub use stripe::StripeCredentials;
pub(crate) use stripe::StripeMerchant;
use stripe::{STRIPE_ACCOUNTS, stripe_credentials};

/// Where WeChat Pay's public key id comes from (`wechat_v3` sheet §1).
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000022024101100000000000001";

/// One merchant as WeChat Pay's API v2 knows it.
pub(crate) struct WechatV2Merchant {
    pub(crate) mch_id: String,
    pub(crate) appid: String,
    pub(crate) api_key: String,
    /// The certificate that its secure calls show.
    pub(crate) certificate_der: Vec<u8>,
}

/// One merchant as Baidu knows it.
pub(crate) struct BaiduMerchant {
    pub(crate) deal_id: String,
    pub(crate) app_key: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) public_key: RsaPublicKey,
}

/// One app as Alipay knows it.
pub(crate) struct AlipayApp {
    pub(crate) app_id: String,
    pub(crate) seller_id: String,
    /// The app public key that the merchant uploaded.
    pub(crate) public_key: RsaPublicKey,
    /// `app_cert_sn` and `alipay_root_cert_sn` that requests must carry, in certificate mode.
    pub(crate) certificate_sns: Option<CertificateSns>,
}

/// Serial numbers of an app in certificate mode.
pub(crate) struct CertificateSns {
    pub(crate) app: String,
    pub(crate) alipay: String,
    pub(crate) root: String,
}

/// One merchant as WeChat Pay knows it.
pub(crate) struct WechatMerchant {
    pub(crate) mchid: String,
    pub(crate) appid: String,
    pub(crate) public_key: RsaPublicKey,
    pub(crate) serial_no: String,
    pub(crate) apiv3_key: String,
    /// At the start; [`Modes`](crate::wechat_v3::mode::Modes) says what became of it.
    pub(crate) mode: WechatMode,
}

/// A key that WeChat Pay signs with.
pub(crate) struct WechatPlatformKey {
    /// The value of `Wechatpay-Serial`.
    pub(crate) serial: String,
    pub(crate) private: RsaPrivateKey,
    /// Absent for the key of public-key mode.
    pub(crate) certificate_pem: Option<String>,
}

/// One merchant as UnionPay knows it.
pub(crate) struct UnionpayMerchant {
    pub(crate) mer_id: String,
    /// Serial number of its certificate, in decimal.
    pub(crate) cert_id: String,
    pub(crate) public_key: RsaPublicKey,
}

/// What UnionPay signs with; the certificate goes along with each message.
pub(crate) struct UnionpayPlatform {
    pub(crate) private: RsaPrivateKey,
    pub(crate) certificate_pem: String,
}

/// All registered merchants and the gateways' own keys.
pub(crate) struct Accounts {
    pub(crate) alipay: Vec<AlipayApp>,
    pub(crate) alipay_platform: RsaPrivateKey,
    pub(crate) wechat: Vec<WechatMerchant>,
    /// The first signs where nobody asks for another.
    pub(crate) wechat_certificates: Vec<WechatPlatformKey>,
    pub(crate) wechat_public_key: WechatPlatformKey,
    pub(crate) wechat_v2: Vec<WechatV2Merchant>,
    pub(crate) baidu: Vec<BaiduMerchant>,
    pub(crate) baidu_platform: RsaPrivateKey,
    pub(crate) unionpay: UnionpayPlatform,
    pub(crate) unionpay_merchants: Vec<UnionpayMerchant>,
    pub(crate) stripe: Vec<StripeMerchant>,
    pub(crate) paypal: Platform,
}

/// Number, PID and key of each Alipay app; the second is in certificate mode.
const ALIPAY_APPS: [(&str, &str, &str); 3] = [
    ("2021000000000001", "2088101106499364", "alipay_app"),
    (
        "2021000000000002",
        "2088101106499372",
        "alipay_app_certificate_mode",
    ),
    ("2021000000000003", "2088101106499380", "alipay_app_foreign"),
];

/// Number, appid and key of each WeChat Pay merchant; the second is in public-key mode.
const WECHAT_MERCHANTS: [(&str, &str, &str); 3] = [
    ("1900000001", "wx8888888888888881", "wechat_merchant"),
    (
        "1900000002",
        "wx8888888888888882",
        "wechat_merchant_public_key_mode",
    ),
    (
        "1900000003",
        "wx8888888888888883",
        "wechat_merchant_foreign",
    ),
];

/// Number, appid and key of each merchant at API v2.
const WECHAT_V2_MERCHANTS: [(&str, &str, &str); 2] = [
    ("1900000011", "wx8888888888888891", "wechat_merchant"),
    (
        "1900000012",
        "wx8888888888888892",
        "wechat_merchant_foreign",
    ),
];

/// Settlement agreement, payment appKey and key of each merchant at Baidu.
const BAIDU_MERCHANTS: [(&str, &str, &str); 2] = [
    ("470193086", "MMSANDBOX1", "wechat_merchant"),
    ("470193087", "MMSANDBOX2", "wechat_merchant_foreign"),
];
/// The key that Baidu signs with.
const BAIDU_PLATFORM: &str = "wechat_public_key";
/// What the smart programs are called.
const BAIDU_CLIENT: &str = "sandbox-program";

/// Number and key of each UnionPay merchant; the certificate has the key's name.
const UNIONPAY_MERCHANTS: [(&str, &str); 2] = [
    ("777290058110048", "unionpay_merchant"),
    ("777290058110049", "unionpay_merchant_foreign"),
];

/// Index of the certificate-mode app and of the public-key-mode merchant.
const OTHER_MODE: usize = 1;

fn wechat_v2_merchants(keys: &Keys) -> Result<Vec<WechatV2Merchant>, KeysError> {
    let merchant = |(mch_id, appid, key): (&str, &str, &str)| {
        let certificate = client_certificate(keys, mch_id, key)?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_unreadable| KeysError::Certificate(mch_id.to_owned()))?;
        Ok(WechatV2Merchant {
            mch_id: mch_id.to_owned(),
            appid: appid.to_owned(),
            api_key: keys.pair(key)?.secret("api v2"),
            certificate_der: certificate.to_vec(),
        })
    };
    WECHAT_V2_MERCHANTS.into_iter().map(merchant).collect()
}

fn baidu_merchants(keys: &Keys) -> Result<Vec<BaiduMerchant>, KeysError> {
    let merchant = |(deal_id, app_key, key): (&str, &str, &str)| {
        let pair = keys.pair(key)?;
        Ok(BaiduMerchant {
            deal_id: deal_id.to_owned(),
            app_key: app_key.to_owned(),
            client_id: format!("{BAIDU_CLIENT}-{deal_id}"),
            client_secret: pair.secret("baidu"),
            public_key: pair.public,
        })
    };
    BAIDU_MERCHANTS.into_iter().map(merchant).collect()
}

fn unionpay_merchants(keys: &Keys) -> Result<Vec<UnionpayMerchant>, KeysError> {
    let merchant = |(mer_id, key): (&str, &str)| {
        let certificate = keys.certificate(key)?;
        Ok(UnionpayMerchant {
            mer_id: mer_id.to_owned(),
            cert_id: serial_decimal(&certificate)
                .ok_or_else(|| KeysError::Certificate(key.to_owned()))?,
            public_key: keys.pair(key)?.public,
        })
    };
    UNIONPAY_MERCHANTS.into_iter().map(merchant).collect()
}

impl Accounts {
    pub(crate) fn try_new(keys: &Keys) -> Result<Self, KeysError> {
        let mut alipay = Vec::new();
        for (index, (app_id, seller_id, key)) in ALIPAY_APPS.into_iter().enumerate() {
            alipay.push(AlipayApp {
                app_id: app_id.to_owned(),
                seller_id: seller_id.to_owned(),
                public_key: keys.pair(key)?.public,
                certificate_sns: if index == OTHER_MODE {
                    Some(sns(keys)?)
                } else {
                    None
                },
            });
        }
        let mut wechat = Vec::new();
        for (index, (mchid, appid, key)) in WECHAT_MERCHANTS.into_iter().enumerate() {
            let pair = keys.pair(key)?;
            wechat.push(WechatMerchant {
                mchid: mchid.to_owned(),
                appid: appid.to_owned(),
                serial_no: pair.serial(),
                apiv3_key: pair.apiv3_key(),
                public_key: pair.public,
                mode: if index == OTHER_MODE {
                    WechatMode::PublicKey
                } else {
                    WechatMode::Certificate
                },
            });
        }
        let mut wechat_certificates = Vec::new();
        for name in ["wechat_platform_1", "wechat_platform_2"] {
            let pair = keys.pair(name)?;
            wechat_certificates.push(WechatPlatformKey {
                serial: pair.serial(),
                private: pair.private,
                certificate_pem: Some(keys.certificate(name)?),
            });
        }
        Ok(Self {
            wechat_v2: wechat_v2_merchants(keys)?,
            baidu: baidu_merchants(keys)?,
            baidu_platform: keys.pair(BAIDU_PLATFORM)?.private,
            unionpay: UnionpayPlatform {
                private: keys.pair("unionpay_sign")?.private,
                certificate_pem: keys.certificate("unionpay_sign")?,
            },
            unionpay_merchants: unionpay_merchants(keys)?,
            alipay,
            alipay_platform: keys.pair("alipay_platform")?.private,
            wechat,
            wechat_certificates,
            wechat_public_key: WechatPlatformKey {
                serial: PUBLIC_KEY_ID.to_owned(),
                private: keys.pair("wechat_public_key")?.private,
                certificate_pem: None,
            },
            stripe: STRIPE_ACCOUNTS
                .into_iter()
                .map(|(account, key)| {
                    let credentials = stripe_credentials(keys, "", (account, key))?;
                    Ok(StripeMerchant {
                        account: credentials.account,
                        secret_key: credentials.secret_key,
                        webhook_secret: credentials.webhook_secret,
                    })
                })
                .collect::<Result<_, KeysError>>()?,
            paypal: Platform::try_new(keys)?,
        })
    }

    pub(crate) fn stripe_merchant(&self, account: &str) -> Option<&StripeMerchant> {
        self.stripe
            .iter()
            .find(|merchant| merchant.account == account)
    }

    pub(crate) fn stripe_merchant_by_key(&self, secret_key: &str) -> Option<&StripeMerchant> {
        let mut merchants = self.stripe.iter();
        merchants.find(|merchant| merchant.secret_key == secret_key)
    }

    pub(crate) fn alipay_app(&self, app_id: &str) -> Option<&AlipayApp> {
        self.alipay.iter().find(|app| app.app_id == app_id)
    }

    /// Any other app than this one.
    pub(crate) fn other_alipay_app(&self, app_id: &str) -> Option<&AlipayApp> {
        self.alipay.iter().rev().find(|app| app.app_id != app_id)
    }

    pub(crate) fn unionpay_merchant(&self, mer_id: &str) -> Option<&UnionpayMerchant> {
        self.unionpay_merchants
            .iter()
            .find(|merchant| merchant.mer_id == mer_id)
    }

    /// Any other merchant than this one.
    pub(crate) fn other_unionpay_merchant(&self, mer_id: &str) -> Option<&UnionpayMerchant> {
        self.unionpay_merchants
            .iter()
            .rev()
            .find(|merchant| merchant.mer_id != mer_id)
    }

    pub(crate) fn wechat_merchant(&self, mchid: &str) -> Option<&WechatMerchant> {
        self.wechat.iter().find(|merchant| merchant.mchid == mchid)
    }

    /// Any other merchant than this one.
    pub(crate) fn other_wechat_merchant(&self, mchid: &str) -> Option<&WechatMerchant> {
        self.wechat
            .iter()
            .rev()
            .find(|merchant| merchant.mchid != mchid)
    }

    pub(crate) fn wechat_v2_merchant(&self, mch_id: &str) -> Option<&WechatV2Merchant> {
        self.wechat_v2.iter().find(|it| it.mch_id == mch_id)
    }

    /// Any other merchant than this one.
    pub(crate) fn other_wechat_v2_merchant(&self, mch_id: &str) -> Option<&WechatV2Merchant> {
        self.wechat_v2.iter().rev().find(|it| it.mch_id != mch_id)
    }

    pub(crate) fn baidu_merchant(&self, deal_id: &str) -> Option<&BaiduMerchant> {
        self.baidu.iter().find(|it| it.deal_id == deal_id)
    }

    /// Any other merchant than this one.
    pub(crate) fn other_baidu_merchant(&self, deal_id: &str) -> Option<&BaiduMerchant> {
        self.baidu.iter().rev().find(|it| it.deal_id != deal_id)
    }
}

fn sns(keys: &Keys) -> Result<CertificateSns, KeysError> {
    let sn = |name: &str| {
        let pem = keys.certificate(name)?;
        serial_number_sn(&pem).ok_or_else(|| KeysError::Certificate(name.to_owned()))
    };
    Ok(CertificateSns {
        app: sn("alipay_app")?,
        alipay: sn("alipay_platform")?,
        root: sn("alipay_root")?,
    })
}

/// The certificate (PEM) that a merchant at API v2 shows.
fn client_certificate(keys: &Keys, mch_id: &str, key: &str) -> Result<String, KeysError> {
    keys.issue(key, mch_id, None)
}
