//! What each merchant would download from the gateways' consoles.

use std::{collections::BTreeMap, fmt};

use super::stripe::{STRIPE_ACCOUNTS, StripeCredentials, stripe_credentials};
use super::{
    ALIPAY_APPS, BAIDU_CLIENT, BAIDU_MERCHANTS, BAIDU_PLATFORM, OTHER_MODE, PUBLIC_KEY_ID,
    UNIONPAY_MERCHANTS, WECHAT_MERCHANTS, WECHAT_V2_MERCHANTS, client_certificate,
};
use crate::{
    error::KeysError,
    keys::Keys,
    paypal::{self, account::PaypalCredentials},
};

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
    /// A PayPal account.
    pub paypal: PaypalCredentials,
    /// Another merchant's, to cross accounts with.
    pub paypal_foreign: PaypalCredentials,
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

/// The merchants' view of `Accounts`.
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
        paypal: paypal::account::credentials(keys, base_url, 0)?,
        paypal_foreign: paypal::account::credentials(keys, base_url, 1)?,
    })
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
