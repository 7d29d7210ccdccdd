//! The merchants that are registered with the simulated gateways, as the gateways know them, and
//! what each merchant would download from the gateway's console.

mod stripe;

use std::{collections::BTreeMap, fmt};

use rsa::{RsaPrivateKey, RsaPublicKey};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    error::KeysError,
    keys::{Keys, serial_decimal, serial_number_sn},
};

pub use stripe::StripeCredentials;
pub(crate) use stripe::StripeMerchant;
use stripe::{STRIPE_ACCOUNTS, stripe_credentials};

/// Where WeChat Pay's public key id comes from (`wechat_v3` sheet §1).
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000022024101100000000000001";

/// What a merchant's developer gets from Alipay's console (alipay sheet §1).
#[derive(Clone)]
pub struct AlipayCredentials {
    /// `http://…/gateway.do` of this sandbox.
    pub gateway_url: String,
    /// The app's id.
    pub app_id: String,
    /// The merchant's PID, 16 digits.
    pub seller_id: String,
    /// PKCS#8 PEM of the app's private key.
    pub app_private_key_pem: String,
    /// SPKI PEM of Alipay's own public key.
    pub alipay_public_key_pem: String,
    /// The certificate files, for an app in certificate mode.
    pub certificates: Option<AlipayCertificates>,
}

/// The three certificate files of an app in certificate mode.
#[derive(Clone, Debug)]
pub struct AlipayCertificates {
    /// `appCertPublicKey_*.crt`.
    pub app_cert_pem: String,
    /// `alipayCertPublicKey_RSA2.crt`.
    pub alipay_cert_pem: String,
    /// `alipayRootCert.crt`.
    pub alipay_root_cert_pem: String,
}

/// What a merchant's developer gets from WeChat Pay's console (`wechat_v3` sheet §1).
#[derive(Clone)]
pub struct WechatCredentials {
    /// Base of `/v3/…`: the root of this sandbox, without a slash at its end.
    pub api_base_url: String,
    /// The merchant's number.
    pub mchid: String,
    /// The app bound to the merchant.
    pub appid: String,
    /// PKCS#8 PEM of the merchant's private key.
    pub merchant_private_key_pem: String,
    /// Serial number of the merchant's certificate.
    pub merchant_serial_no: String,
    /// 32 bytes.
    pub apiv3_key: String,
    /// Serial number and PEM of the platform certificates; empty in public-key mode.
    pub platform_certificates: Vec<(String, String)>,
    /// WeChat Pay's public key, in public-key mode.
    pub public_key: Option<WechatPublicKey>,
}

/// What a merchant's developer gets from WeChat Pay's console for API v2 (`wechat_v2` sheet §1).
#[derive(Clone)]
pub struct WechatV2Credentials {
    /// Base of `/pay/…`: the root of this sandbox, without a slash at its end.
    pub api_base_url: String,
    /// Base of `/secapi/…`, which demands the client certificate.
    pub mtls_base_url: String,
    /// PEM of the authority that certifies `mtls_base_url`.
    pub mtls_root_certificate_pem: String,
    /// The merchant's number.
    pub mch_id: String,
    /// The app bound to the merchant.
    pub appid: String,
    /// 32 letters and digits.
    pub api_key: String,
    /// `apiclient_cert.pem`.
    pub client_certificate_pem: String,
    /// `apiclient_key.pem`.
    pub client_private_key_pem: String,
}

/// What a merchant's developer gets from the console of Baidu's cashier (baidu sheet §1).
#[derive(Clone)]
pub struct BaiduCredentials {
    /// The root of this sandbox, without a slash at its end.
    pub api_base_url: String,
    /// The settlement agreement.
    pub deal_id: String,
    /// The payment appKey.
    pub app_key: String,
    /// The smart program's App Key.
    pub client_id: String,
    /// The smart program's App Secret.
    pub client_secret: String,
    /// PKCS#8 PEM of the merchant's private key.
    pub merchant_private_key_pem: String,
    /// SPKI PEM of Baidu's public key.
    pub platform_public_key_pem: String,
}

/// WeChat Pay's public key and its id.
#[derive(Clone, Debug)]
pub struct WechatPublicKey {
    /// `PUB_KEY_ID_…`, the value of `Wechatpay-Serial`.
    pub public_key_id: String,
    /// SPKI PEM.
    pub public_key_pem: String,
}

/// What a merchant's developer gets from UnionPay (unionpay sheet §1).
#[derive(Clone)]
pub struct UnionpayCredentials {
    /// Base of the calls, with a slash at its end.
    pub gateway_url: String,
    /// The merchant's number.
    pub mer_id: String,
    /// The merchant's certificate.
    pub sign_cert_pem: String,
    /// PKCS#8 PEM of its private key.
    pub sign_private_key_pem: String,
    /// What issued UnionPay's own certificate.
    pub middle_cert_pem: String,
    /// What issued that.
    pub root_cert_pem: String,
}

/// Everything that the merchants would get from the consoles.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// An app in public-key mode.
    pub alipay: AlipayCredentials,
    /// An app of another merchant in certificate mode.
    pub alipay_certificate_mode: AlipayCredentials,
    /// A third merchant's app, to cross accounts with.
    pub alipay_foreign: AlipayCredentials,
    /// A merchant in platform-certificate mode.
    pub wechat: WechatCredentials,
    /// A merchant in public-key mode.
    pub wechat_public_key_mode: WechatCredentials,
    /// A third merchant, in platform-certificate mode, to cross accounts with.
    pub wechat_foreign: WechatCredentials,
    /// A merchant at API v2.
    pub wechat_v2: WechatV2Credentials,
    /// A merchant at Baidu's cashier.
    pub baidu: BaiduCredentials,
    /// A UnionPay merchant.
    pub unionpay: UnionpayCredentials,
    /// Another one, to cross accounts with.
    pub unionpay_foreign: UnionpayCredentials,
    /// A Stripe account.
    pub stripe: StripeCredentials,
    /// Another merchant's, to cross accounts with.
    pub stripe_foreign: StripeCredentials,
}

impl fmt::Debug for AlipayCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AlipayCredentials")
            .field("gateway_url", &self.gateway_url)
            .field("app_id", &self.app_id)
            .field("seller_id", &self.seller_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WechatCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WechatCredentials")
            .field("api_base_url", &self.api_base_url)
            .field("mchid", &self.mchid)
            .field("appid", &self.appid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WechatV2Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WechatV2Credentials")
            .field("mch_id", &self.mch_id)
            .field("appid", &self.appid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnionpayCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnionpayCredentials")
            .field("gateway_url", &self.gateway_url)
            .field("mer_id", &self.mer_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BaiduCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BaiduCredentials")
            .field("deal_id", &self.deal_id)
            .field("app_key", &self.app_key)
            .finish_non_exhaustive()
    }
}

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
    pub(crate) is_public_key_mode: bool,
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
    /// The first signs for merchants in platform-certificate mode.
    pub(crate) wechat_certificates: Vec<WechatPlatformKey>,
    pub(crate) wechat_public_key: WechatPlatformKey,
    pub(crate) wechat_v2: Vec<WechatV2Merchant>,
    pub(crate) baidu: Vec<BaiduMerchant>,
    pub(crate) baidu_platform: RsaPrivateKey,
    pub(crate) unionpay: UnionpayPlatform,
    pub(crate) unionpay_merchants: Vec<UnionpayMerchant>,
    pub(crate) stripe: Vec<StripeMerchant>,
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
                is_public_key_mode: index == OTHER_MODE,
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

    /// The key that signs answers and callbacks to this merchant.
    pub(crate) fn signing_key(&self, merchant: &WechatMerchant) -> Option<&WechatPlatformKey> {
        if merchant.is_public_key_mode {
            Some(&self.wechat_public_key)
        } else {
            self.wechat_certificates.first()
        }
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

/// The merchants' view of [`Accounts`].
pub(crate) fn credentials(
    keys: &Keys,
    base_url: &str,
    secure_url: &str,
) -> Result<Credentials, KeysError> {
    let mut alipay = BTreeMap::new();
    for (index, (app_id, seller_id, key)) in ALIPAY_APPS.into_iter().enumerate() {
        let certificates = AlipayCertificates {
            app_cert_pem: keys.certificate("alipay_app")?,
            alipay_cert_pem: keys.certificate("alipay_platform")?,
            alipay_root_cert_pem: keys.certificate("alipay_root")?,
        };
        let made = AlipayCredentials {
            gateway_url: format!("{base_url}/gateway.do"),
            app_id: app_id.to_owned(),
            seller_id: seller_id.to_owned(),
            app_private_key_pem: keys.pair(key)?.private_pem,
            alipay_public_key_pem: keys.pair("alipay_platform")?.public_pem,
            certificates: (index == OTHER_MODE).then_some(certificates),
        };
        alipay.insert(index, made);
    }
    let mut wechat = BTreeMap::new();
    for (index, (mchid, appid, key)) in WECHAT_MERCHANTS.into_iter().enumerate() {
        wechat.insert(
            index,
            wechat_credentials(keys, base_url, (mchid, appid, key), index)?,
        );
    }
    let missing = || KeysError::Incomplete("accounts".into());
    let mut alipay_at = |index| alipay.remove(&index).ok_or_else(missing);
    let mut wechat_at = |index| wechat.remove(&index).ok_or_else(missing);
    Ok(Credentials {
        alipay: alipay_at(0)?,
        alipay_certificate_mode: alipay_at(1)?,
        alipay_foreign: alipay_at(2)?,
        wechat: wechat_at(0)?,
        wechat_public_key_mode: wechat_at(1)?,
        wechat_foreign: wechat_at(2)?,
        wechat_v2: wechat_v2_credentials(keys, base_url, secure_url)?,
        baidu: baidu_credentials(keys, base_url)?,
        unionpay: unionpay_credentials(keys, base_url, 0)?,
        unionpay_foreign: unionpay_credentials(keys, base_url, 1)?,
        stripe: stripe_credentials(keys, base_url, STRIPE_ACCOUNTS[0])?,
        stripe_foreign: stripe_credentials(keys, base_url, STRIPE_ACCOUNTS[1])?,
    })
}

/// The certificate (PEM) that a merchant at API v2 shows.
fn client_certificate(keys: &Keys, mch_id: &str, key: &str) -> Result<String, KeysError> {
    keys.issue(key, mch_id, None)
}

fn wechat_v2_credentials(
    keys: &Keys,
    base_url: &str,
    secure_url: &str,
) -> Result<WechatV2Credentials, KeysError> {
    let [(mch_id, appid, key), _] = WECHAT_V2_MERCHANTS;
    let pair = keys.pair(key)?;
    Ok(WechatV2Credentials {
        api_base_url: base_url.to_owned(),
        mtls_base_url: secure_url.to_owned(),
        mtls_root_certificate_pem: keys.root_certificate()?,
        mch_id: mch_id.to_owned(),
        appid: appid.to_owned(),
        api_key: pair.secret("api v2"),
        client_certificate_pem: client_certificate(keys, mch_id, key)?,
        client_private_key_pem: pair.private_pem,
    })
}

fn baidu_credentials(keys: &Keys, base_url: &str) -> Result<BaiduCredentials, KeysError> {
    let [(deal_id, app_key, key), _] = BAIDU_MERCHANTS;
    let pair = keys.pair(key)?;
    Ok(BaiduCredentials {
        api_base_url: base_url.to_owned(),
        deal_id: deal_id.to_owned(),
        app_key: app_key.to_owned(),
        client_id: format!("{BAIDU_CLIENT}-{deal_id}"),
        client_secret: pair.secret("baidu"),
        merchant_private_key_pem: pair.private_pem,
        platform_public_key_pem: keys.pair(BAIDU_PLATFORM)?.public_pem,
    })
}

fn unionpay_credentials(
    keys: &Keys,
    base_url: &str,
    index: usize,
) -> Result<UnionpayCredentials, KeysError> {
    let (mer_id, key) = UNIONPAY_MERCHANTS
        .get(index)
        .ok_or_else(|| KeysError::Incomplete("accounts".into()))?;
    Ok(UnionpayCredentials {
        gateway_url: format!("{base_url}/gateway/api/"),
        mer_id: (*mer_id).to_owned(),
        sign_cert_pem: keys.certificate(key)?,
        sign_private_key_pem: keys.pair(key)?.private_pem,
        middle_cert_pem: keys.certificate("unionpay_middle")?,
        root_cert_pem: keys.certificate("unionpay_root")?,
    })
}

fn wechat_credentials(
    keys: &Keys,
    base_url: &str,
    (mchid, appid, key): (&str, &str, &str),
    index: usize,
) -> Result<WechatCredentials, KeysError> {
    let pair = keys.pair(key)?;
    let is_public_key_mode = index == OTHER_MODE;
    let mut platform_certificates = Vec::new();
    for name in ["wechat_platform_1", "wechat_platform_2"] {
        if !is_public_key_mode {
            platform_certificates.push((keys.pair(name)?.serial(), keys.certificate(name)?));
        }
    }
    let public_key = WechatPublicKey {
        public_key_id: PUBLIC_KEY_ID.to_owned(),
        public_key_pem: keys.pair("wechat_public_key")?.public_pem,
    };
    Ok(WechatCredentials {
        api_base_url: base_url.to_owned(),
        mchid: mchid.to_owned(),
        appid: appid.to_owned(),
        merchant_serial_no: pair.serial(),
        apiv3_key: pair.apiv3_key(),
        merchant_private_key_pem: pair.private_pem,
        platform_certificates,
        public_key: is_public_key_mode.then_some(public_key),
    })
}
