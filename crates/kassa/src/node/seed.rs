//! What a first start plants: the demo app and the sandbox's accounts, through the same flows as an
//! operator's files.

use std::collections::BTreeMap;

use flows::Kassa;
use flows::app::NewApp;
use flows::channel::Limits;
use kassa_core::Secret;
use kassa_core::app::Policies;
use kassa_core::channel::GatewayName;
use kassa_core::notification::CallbackRoute;
use kassa_core::text::{AccountCode, InvalidText};
use sandbox::{
    AlipayCredentials, BaiduCredentials, Credentials, PaypalCredentials, Sandbox,
    StripeCredentials, UnionpayCredentials, WechatCredentials, WechatV2Credentials,
};
use serde_json::{Value, json};

use super::error::{BoxError, NodeError};
use super::options::Seed;
use crate::spec;
use crate::spec::account::AccountSpec;
use crate::token;

/// Who the audit log says it was.
const ACTOR: &str = "kassa up";
/// What errors call the entries.
const WHAT: &str = "the sandbox's credentials";

/// Where the till of the sandbox's WeChat Pay merchants stands, which takes bar codes.
const TILL_STORE: &str = "Sandbox1";

/// Codes of the sandbox's accounts, before a suffix.
pub mod code {
    /// Alipay, public-key mode.
    pub const ALIPAY: &str = "alipay-sandbox";
    /// Alipay, certificate mode.
    pub const ALIPAY_CERTIFICATE: &str = "alipay-cert-sandbox";
    /// WeChat Pay, platform-certificate mode.
    pub const WECHAT: &str = "wechat-sandbox";
    /// WeChat Pay, public-key mode.
    pub const WECHAT_PUBLIC_KEY: &str = "wechat-pubkey-sandbox";
    /// WeChat Pay, API v2.
    pub const WECHAT_V2: &str = "wechat-v2-sandbox";
    /// Baidu's cashier.
    pub const BAIDU: &str = "baidu-sandbox";
    /// UnionPay.
    pub const UNIONPAY: &str = "unionpay-sandbox";
    /// Stripe.
    pub const STRIPE: &str = "stripe-sandbox";
    /// PayPal.
    pub const PAYPAL: &str = "paypal-sandbox";
    /// All of them.
    pub const ALL: [&str; 9] = [
        ALIPAY,
        ALIPAY_CERTIFICATE,
        WECHAT,
        WECHAT_PUBLIC_KEY,
        WECHAT_V2,
        BAIDU,
        UNIONPAY,
        STRIPE,
        PAYPAL,
    ];
}

/// Makes the app and the accounts, or brings the accounts up to where the sandbox listens now. An app
/// that is there and knows the key keeps what an operator made of it.
///
/// # Errors
/// [`NodeError::Seed`], [`NodeError::Store`].
pub async fn plant(kassa: &Kassa, credentials: &Credentials, seed: &Seed) -> Result<(), NodeError> {
    let mut accounts = accounts(credentials, &seed.suffix).map_err(failed)?;
    let codes: Vec<AccountCode> = accounts
        .iter()
        .map(|account| account.code.clone())
        .collect();
    for account in &mut accounts {
        if let Some(found) = kassa
            .store
            .find_channel_account_by_code(&account.code)
            .await?
        {
            account.is_active = found.account.is_active;
        }
    }
    spec::account::apply(kassa, ACTOR, accounts, WHAT)
        .await
        .map_err(failed)?;

    let found = kassa.store.find_app(&seed.app).await?;
    let is_known = found.is_some_and(|app| app.keys.iter().any(|key| key == seed.key.public()));
    if is_known {
        return Ok(());
    }
    let mut policies = Policies::default();
    let password = &mut policies.payment_config.password;
    password.code_key.clone_from(&seed.code_key);
    let app = NewApp {
        policies,
        id: seed.app.clone(),
        display_name: "Demo".to_owned(),
        scopes: token::all_scopes(),
        keys: vec![seed.key.public().clone()],
        channel_accounts: codes,
        is_active: true,
    };
    spec::app::apply(kassa, ACTOR, vec![app], WHAT)
        .await
        .map_err(failed)?;
    Ok(())
}

fn failed(error: impl Into<BoxError>) -> NodeError {
    NodeError::Seed(error.into())
}

/// The accounts that the sandbox's credentials make.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn accounts(credentials: &Credentials, suffix: &str) -> Result<Vec<AccountSpec>, InvalidText> {
    let Credentials {
        alipay,
        alipay_certificate_mode,
        wechat,
        wechat_public_key_mode,
        wechat_v2,
        baidu,
        unionpay,
        stripe,
        paypal,
        ..
    } = credentials;
    Ok(vec![
        alipay_account(alipay, code::ALIPAY, suffix)?,
        alipay_account(alipay_certificate_mode, code::ALIPAY_CERTIFICATE, suffix)?,
        wechat_account(wechat, code::WECHAT, suffix)?,
        wechat_account(wechat_public_key_mode, code::WECHAT_PUBLIC_KEY, suffix)?,
        wechat_v2_account(wechat_v2, code::WECHAT_V2, suffix)?,
        baidu_account(baidu, code::BAIDU, suffix)?,
        unionpay_account(unionpay, code::UNIONPAY, suffix)?,
        stripe_account(stripe, code::STRIPE, suffix)?,
        paypal_account(paypal, code::PAYPAL, suffix)?,
    ])
}

/// An account of what Alipay's console gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn alipay_account(
    from: &AlipayCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let mut settings = json!({
        "gateway_url": from.gateway_url,
        "app_id": from.app_id,
        "seller_id": from.seller_id,
        "mode": "public_key",
        "alipay_public_keys": [from.alipay_public_key_pem],
    });
    if let Some(files) = &from.certificates {
        settings = json!({
            "gateway_url": from.gateway_url,
            "app_id": from.app_id,
            "seller_id": from.seller_id,
            "mode": "certificate",
            "app_cert": files.app_cert_pem,
            "alipay_certs": [files.alipay_cert_pem],
            "alipay_root_cert": files.alipay_root_cert_pem,
        });
    }
    let secrets = [("app_private_key", &from.app_private_key_pem)];
    account(GatewayName::Alipay, (code, suffix), settings, &secrets)
}

/// An account of what WeChat Pay's console gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn wechat_account(
    from: &WechatCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let certificates: Vec<Value> = from
        .platform_certificates
        .iter()
        .map(|(serial, pem)| json!({ "serial": serial, "pem": pem }))
        .collect();
    let public_keys: Vec<Value> = from
        .public_key
        .iter()
        .map(|key| json!({ "id": key.public_key_id, "pem": key.public_key_pem }))
        .collect();
    let settings = json!({
        "api_base_url": from.api_base_url,
        "mchid": from.mchid,
        "appid": from.appid,
        "merchant_serial_no": from.merchant_serial_no,
        "platform_certificates": certificates,
        "public_keys": public_keys,
        "store_out_id": TILL_STORE,
    });
    let secrets = [
        ("merchant_private_key", &from.merchant_private_key_pem),
        ("apiv3_key", &from.apiv3_key),
    ];
    account(GatewayName::WechatV3, (code, suffix), settings, &secrets)
}

/// An account of what WeChat Pay's console gives for API v2.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn wechat_v2_account(
    from: &WechatV2Credentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let settings = json!({
        "api_base_url": from.api_base_url,
        "mtls_base_url": from.mtls_base_url,
        "mtls_root_certificate": from.mtls_root_certificate_pem,
        "mch_id": from.mch_id,
        "appid": from.appid,
        "client_certificate": from.client_certificate_pem,
        "h5_app_name": "Sandbox",
        "h5_app_url": "https://shop.example.com",
    });
    let secrets = [
        ("api_key", &from.api_key),
        ("client_private_key", &from.client_private_key_pem),
    ];
    account(GatewayName::WechatV2, (code, suffix), settings, &secrets)
}

/// An account of what the console of Baidu's cashier gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn baidu_account(
    from: &BaiduCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let settings = json!({
        "api_base_url": from.api_base_url,
        "deal_id": from.deal_id,
        "app_key": from.app_key,
        "client_id": from.client_id,
        "platform_public_keys": [from.platform_public_key_pem],
    });
    let secrets = [
        ("client_secret", &from.client_secret),
        ("merchant_private_key", &from.merchant_private_key_pem),
    ];
    account(GatewayName::Baidu, (code, suffix), settings, &secrets)
}

/// An account of what UnionPay gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn unionpay_account(
    from: &UnionpayCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let settings = json!({
        "gateway_url": from.gateway_url,
        "mer_id": from.mer_id,
        "environment": "test",
        "sign_cert": from.sign_cert_pem,
        "middle_certs": [from.middle_cert_pem],
        "root_certs": [from.root_cert_pem],
    });
    let secrets = [("sign_private_key", &from.sign_private_key_pem)];
    account(GatewayName::Unionpay, (code, suffix), settings, &secrets)
}

/// An account of what Stripe's dashboard gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn stripe_account(
    from: &StripeCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let settings = json!({
        "api_base_url": from.api_base_url,
        "mode": "test",
        "publishable_key": from.publishable_key,
    });
    let secrets = [
        ("secret_key", &from.secret_key),
        ("signing_secret", &from.webhook_secret),
    ];
    account(GatewayName::Stripe, (code, suffix), settings, &secrets)
}

/// An account of what PayPal's developer site gives.
///
/// # Errors
/// [`InvalidText`] if the suffix does not fit a code.
pub fn paypal_account(
    from: &PaypalCredentials,
    code: &str,
    suffix: &str,
) -> Result<AccountSpec, InvalidText> {
    let settings = json!({
        "api_base_url": from.api_base_url,
        "environment": "sandbox",
        "merchant_id": from.merchant_id,
        "client_id": from.client_id,
        "webhook_id": from.webhook_id,
        "certificates": [{ "url": from.certificate_url, "pem": from.certificate_pem }],
        "intermediate_certs": [from.root_certificate_pem],
        "root_certs": [from.root_certificate_pem],
        "brand_name": "Sandbox",
    });
    let secrets = [("client_secret", &from.client_secret)];
    account(GatewayName::Paypal, (code, suffix), settings, &secrets)
}

/// Registers the endpoints of the gateways that post to one address per account, and where Baidu asks about
/// refunds that a payer began.
///
/// # Errors
/// [`NodeError::Seed`], [`NodeError::Store`].
pub async fn register_endpoints(
    kassa: &Kassa,
    sandbox: &Sandbox,
    suffix: &str,
) -> Result<(), NodeError> {
    let credentials = sandbox.credentials();
    let (payment, refund) = (CallbackRoute::Payment, CallbackRoute::Refund);
    for (code, account, route) in [
        (code::STRIPE, &credentials.stripe.account, payment),
        (code::PAYPAL, &credentials.paypal.merchant_id, payment),
        (code::BAIDU, &credentials.baidu.deal_id, refund),
    ] {
        let code = AccountCode::try_new(format!("{code}{suffix}")).map_err(failed)?;
        if let Some(found) = kassa.store.find_channel_account_by_code(&code).await? {
            let url = kassa.callback_url(&found.account, route).map_err(failed)?;
            sandbox.control().set_endpoint(account, url.as_str());
        }
    }
    Ok(())
}

fn account(
    gateway: GatewayName,
    (code, suffix): (&str, &str),
    settings: Value,
    secrets: &[(&str, &String)],
) -> Result<AccountSpec, InvalidText> {
    let secrets: BTreeMap<_, _> = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new((*value).clone())))
        .collect();
    Ok(AccountSpec {
        code: AccountCode::try_new(format!("{code}{suffix}"))?,
        display_name: format!("Sandbox: {code}"),
        gateway,
        settings,
        secrets,
        limits: Limits::default(),
        is_active: true,
    })
}
