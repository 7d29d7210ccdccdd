//! Creating orders (sheet §5), and what the payer's client needs for them (sheet §6).

use kassa_core::channel::Method;
use kassa_core::payment::PrepayInfo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use url::Url;

use super::super::config::Settings;
use super::super::failure::Operation;
use super::super::sign::sign;
use super::super::wire::{Message, field};
use super::{Client, Exchange, cut, fen, unexpected};
use crate::crypto::nonce;
use crate::error::{reason, unsupported};
use crate::{CallError, PlaceOrder, Placed, china_time};

/// The longest `body`, in bytes; the sheet does not say what its 128 counts.
const BODY_BYTES_MAX: usize = 128;
/// The field must be sent; where the caller does not know the payer's address, this one stands for
/// the machine that places the order.
const CLIENT_IP_UNKNOWN: &str = "127.0.0.1";

impl Client {
    pub(in crate::wechat_v2) async fn place(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        if order.method == Method::BarCode {
            return self.micropay(settings, order).await;
        }
        let trade_type = trade_type(order.method)?;
        let exchange = Exchange {
            operation: Operation::Place,
            path: "/pay/unifiedorder",
            message: unified_order(settings, order, trade_type)?,
        };
        let answer = self.call(settings, exchange).await?.map_err(unexpected)?;
        if answer.get("trade_type") != Some(trade_type) {
            return Err(super::another());
        }
        Ok(Placed::open(self.prepay(settings, order, &answer)?, None))
    }

    fn prepay(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
        answer: &Message,
    ) -> Result<PrepayInfo, CallError> {
        let required = |name: &str| {
            answer
                .get(name)
                .map(str::to_owned)
                .ok_or_else(|| CallError::Unknown(format!("the answer lacks a {name}")))
        };
        match order.method {
            Method::Qr => Ok(PrepayInfo::QrCode {
                content: required("code_url")?,
            }),
            Method::Wap => Ok(PrepayInfo::Redirect {
                url: with_return(required("mweb_url")?, order.return_url.as_ref()),
            }),
            Method::Jsapi => self.jsapi(settings, &required("prepay_id")?),
            Method::App => self.app(settings, required("prepay_id")?),
            Method::Page
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => Err(not_taken()),
        }
    }

    fn jsapi(&self, settings: &Settings, prepay_id: &str) -> Result<PrepayInfo, CallError> {
        let time_stamp = self.clock.now().timestamp().to_string();
        let nonce_str = nonce(&self.ids);
        let package = format!("prepay_id={prepay_id}");
        let sign_type = settings.sign_type.as_str();
        let pay_sign = invoke(
            settings,
            &[
                ("appId", &settings.appid),
                ("timeStamp", &time_stamp),
                ("nonceStr", &nonce_str),
                ("package", &package),
                ("signType", sign_type),
            ],
        )?;
        Ok(PrepayInfo::Jsapi {
            app_id: settings.appid.clone(),
            time_stamp,
            nonce_str,
            package,
            sign_type: sign_type.to_owned(),
            pay_sign,
        })
    }

    fn app(&self, settings: &Settings, prepay_id: String) -> Result<PrepayInfo, CallError> {
        const PACKAGE: &str = "Sign=WXPay";
        let time_stamp = self.clock.now().timestamp().to_string();
        let nonce_str = nonce(&self.ids);
        let sign = invoke(
            settings,
            &[
                ("appid", &settings.appid),
                ("partnerid", &settings.mch_id),
                ("prepayid", &prepay_id),
                ("package", PACKAGE),
                ("noncestr", &nonce_str),
                ("timestamp", &time_stamp),
            ],
        )?;
        Ok(PrepayInfo::WechatApp {
            app_id: settings.appid.clone(),
            partner_id: settings.mch_id.clone(),
            prepay_id,
            package: PACKAGE.to_owned(),
            nonce_str,
            time_stamp,
            sign,
        })
    }
}

fn trade_type(method: Method) -> Result<&'static str, CallError> {
    match method {
        Method::Qr => Ok("NATIVE"),
        Method::Jsapi => Ok("JSAPI"),
        Method::Wap => Ok("MWEB"),
        Method::App => Ok("APP"),
        Method::Page | Method::BarCode | Method::MiniProgram | Method::Card | Method::Wallet => {
            Err(not_taken())
        }
    }
}

fn not_taken() -> CallError {
    unsupported("wechat pay takes no orders of this method")
}

/// The signature of what a client needs to call up WeChat (sheet §6).
fn invoke(settings: &Settings, fields: &[(&str, &str)]) -> Result<String, CallError> {
    let mut message = Message::default();
    for (name, value) in fields {
        message.set(name, *value);
    }
    let key = settings.api_keys.first();
    let key = key.ok_or_else(|| CallError::Unknown("no api key".to_owned()))?;
    Ok(sign(settings.sign_type, &message, key))
}

/// What every order says.
pub(super) fn common(order: &PlaceOrder) -> Result<Message, CallError> {
    let mut message = Message::default();
    message.set("body", cut(order.subject.as_str(), BODY_BYTES_MAX));
    message.set(field::OUT_TRADE_NO, order.request_number.as_str());
    message.set(field::FEE_TYPE, "CNY");
    message.set(field::TOTAL_FEE, fen(order.amount)?);
    let address = order.client_ip.map(|address| address.to_string());
    message.set(
        "spbill_create_ip",
        address.unwrap_or_else(|| CLIENT_IP_UNKNOWN.to_owned()),
    );
    Ok(message)
}

/// A function of the order and the account alone, but for the nonce and the signature over it.
fn unified_order(
    settings: &Settings,
    order: &PlaceOrder,
    trade_type: &str,
) -> Result<Message, CallError> {
    let mut message = common(order)?;
    message.set("time_expire", china_time::compact(order.expires_at));
    message.set("notify_url", order.notify_url.as_str());
    message.set("trade_type", trade_type);
    match (order.method, &order.payer) {
        (Method::Qr, _) => message.set("product_id", order.request_number.as_str()),
        (Method::Jsapi, Some(payer)) => message.set("openid", payer.as_str()),
        (Method::Jsapi, None) => return Err(unsupported("jsapi needs the payer's openid")),
        (Method::Wap, _) if order.client_ip.is_none() => {
            return Err(unsupported("h5 needs the payer's address"));
        }
        (Method::Wap, _) => message.set("scene_info", scene_info(settings)?),
        (Method::App, _) => {}
        (
            Method::Page | Method::BarCode | Method::MiniProgram | Method::Card | Method::Wallet,
            _,
        ) => {
            return Err(not_taken());
        }
    }
    Ok(message)
}

fn scene_info(settings: &Settings) -> Result<String, CallError> {
    let site = settings.h5.as_ref().ok_or_else(|| {
        CallError::Misconfigured(reason(
            "UNSUPPORTED",
            "h5 needs the account's h5_app_name and h5_app_url",
        ))
    })?;
    let scene = json!({
        "h5_info": {"type": "Wap", "wap_url": site.app_url, "wap_name": site.app_name},
    });
    Ok(scene.to_string())
}

/// H5 takes nothing but the way back, appended.
fn with_return(mut url: String, return_url: Option<&Url>) -> String {
    if let Some(back) = return_url {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str("redirect_url=");
        url.extend(utf8_percent_encode(back.as_str(), NON_ALPHANUMERIC));
    }
    url
}
