//! Creating orders (sheet §5), and what the payer's client needs for them (sheet §9).

use http::Method as Verb;
use kassa_core::channel::Method;
use kassa_core::payment::PrepayInfo;
use url::Url;

use super::super::config::Settings;
use super::super::failure::Operation;
use super::super::sign::invoke;
use super::super::wire::{CreateOrder, Created, H5Info, OrderAmount, Payer, SceneInfo};
use super::{CNY, Client, Exchange, escape, fen, json, read, unexpected};
use crate::error::unsupported;
use crate::{CallError, PlaceOrder, Placed, china_time};

impl Client {
    pub(in crate::wechat_v3) async fn place(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        if order.method == Method::BarCode {
            return self.codepay(settings, order).await;
        }
        let (name, target) = match order.method {
            Method::Qr => ("native", "/v3/pay/transactions/native"),
            Method::Jsapi => ("jsapi", "/v3/pay/transactions/jsapi"),
            Method::Wap => ("h5", "/v3/pay/transactions/h5"),
            Method::App => ("app", "/v3/pay/transactions/app"),
            Method::Page
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => {
                return Err(unsupported("wechat pay takes no orders of this method"));
            }
        };
        let exchange = Exchange {
            name,
            operation: Operation::Place,
            verb: Verb::POST,
            target: target.to_owned(),
            body: json(&create_order(settings, order)?)?,
        };
        let body = self.call(settings, &exchange).await?.map_err(unexpected)?;
        let prepay = self.prepay(settings, order, read(&body)?)?;
        Ok(Placed::open(prepay, None))
    }

    fn prepay(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
        created: Created,
    ) -> Result<PrepayInfo, CallError> {
        let lacks = |name: &str| CallError::Unknown(format!("the answer lacks a {name}"));
        match order.method {
            Method::Qr => {
                let content = created.code_url.ok_or_else(|| lacks("code_url"))?;
                Ok(PrepayInfo::QrCode { content })
            }
            Method::Wap => {
                let url = created.h5_url.ok_or_else(|| lacks("h5_url"))?;
                Ok(PrepayInfo::Redirect {
                    url: with_return(url, order.return_url.as_ref()),
                })
            }
            Method::Jsapi => self.jsapi(
                settings,
                &created.prepay_id.ok_or_else(|| lacks("prepay_id"))?,
            ),
            Method::App => self.app(
                settings,
                created.prepay_id.ok_or_else(|| lacks("prepay_id"))?,
            ),
            Method::Page
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => Err(unsupported("wechat pay takes no orders of this method")),
        }
    }

    fn jsapi(&self, settings: &Settings, prepay_id: &str) -> Result<PrepayInfo, CallError> {
        let stamp = self.stamp();
        let package = format!("prepay_id={prepay_id}");
        let pay_sign = invoke(
            &settings.appid,
            &stamp,
            &package,
            &settings.merchant_private_key,
        )
        .map_err(|error| CallError::Unknown(error.to_string()))?;
        Ok(PrepayInfo::Jsapi {
            app_id: settings.appid.clone(),
            time_stamp: stamp.timestamp,
            nonce_str: stamp.nonce,
            package,
            sign_type: "RSA".to_owned(),
            pay_sign,
        })
    }

    fn app(&self, settings: &Settings, prepay_id: String) -> Result<PrepayInfo, CallError> {
        let stamp = self.stamp();
        let sign = invoke(
            &settings.appid,
            &stamp,
            &prepay_id,
            &settings.merchant_private_key,
        )
        .map_err(|error| CallError::Unknown(error.to_string()))?;
        Ok(PrepayInfo::WechatApp {
            app_id: settings.appid.clone(),
            partner_id: settings.mchid.clone(),
            prepay_id,
            package: "Sign=WXPay".to_owned(),
            nonce_str: stamp.nonce,
            time_stamp: stamp.timestamp,
            sign,
        })
    }
}

/// The body of a create: a function of the order and the account alone.
fn create_order<'a>(
    settings: &'a Settings,
    order: &'a PlaceOrder,
) -> Result<CreateOrder<'a>, CallError> {
    let payer = match (order.method, &order.payer) {
        (Method::Jsapi, Some(payer)) => Some(Payer {
            openid: payer.as_str(),
        }),
        (Method::Jsapi, None) => return Err(unsupported("jsapi needs the payer's openid")),
        (
            Method::Qr
            | Method::Page
            | Method::Wap
            | Method::App
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet,
            _,
        ) => None,
    };
    let scene_info = match (order.method, order.client_ip) {
        (Method::Wap, Some(address)) => Some(SceneInfo {
            payer_client_ip: address.to_string(),
            h5_info: H5Info {
                kind: "Wap",
                app_name: settings.h5_app_name.as_deref(),
                app_url: settings.h5_app_url.as_deref(),
            },
        }),
        (Method::Wap, None) => return Err(unsupported("h5 needs the payer's address")),
        (
            Method::Qr
            | Method::Page
            | Method::Jsapi
            | Method::App
            | Method::BarCode
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet,
            _,
        ) => None,
    };
    Ok(CreateOrder {
        appid: &settings.appid,
        mchid: &settings.mchid,
        description: order.subject.as_str(),
        out_trade_no: &order.request_number,
        time_expire: china_time::rfc3339(order.expires_at),
        notify_url: order.notify_url.as_str(),
        amount: OrderAmount {
            total: fen(order.amount)?,
            currency: CNY,
        },
        payer,
        scene_info,
    })
}

/// H5 takes nothing but the way back, appended.
fn with_return(mut url: String, return_url: Option<&Url>) -> String {
    if let Some(back) = return_url {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str("redirect_url=");
        url.push_str(&escape(back.as_str()));
    }
    url
}
