//! Inside Alipay (sheet §6): a trade for one payer, who pays it in a mini program or in a page that Alipay shows.

use kassa_core::payment::PrepayInfo;
use kassa_core::text::PayerId;

use super::super::config::Settings;
use super::super::failure::Operation;
use super::super::sign::Request;
use super::super::wire::{Buyer, JsapiTrade};
use super::{Client, json, subject, unexpected, yuan};
use crate::error::unsupported;
use crate::{CallError, PlaceOrder, Placed, china_time};

const PRODUCT_JSAPI: &str = "JSAPI_PAY";
/// How an Alipay user id looks; what looks otherwise is taken for an openid. That the two differ so is not
/// verified: the sheet (§6) names `2088` alone.
const USER_ID_START: &str = "2088";
const USER_ID_LENGTH: usize = 16;

impl Client {
    /// The trade exists at once, and has Alipay's number.
    pub(super) async fn create(
        &self,
        settings: &Settings,
        order: &PlaceOrder,
    ) -> Result<Placed, CallError> {
        const METHOD: &str = "alipay.trade.create";
        let payer = order.payer.as_ref();
        let payer = payer.ok_or_else(|| unsupported("jsapi needs the payer's id at alipay"))?;
        let content = JsapiTrade {
            out_trade_no: &order.request_number,
            total_amount: yuan(order.amount)?,
            subject: subject(order.subject.as_str()),
            product_code: PRODUCT_JSAPI,
            op_app_id: &settings.op_app_id,
            buyer: buyer(payer),
            time_expire: china_time::plain(order.expires_at),
        };
        let request = Request {
            method: METHOD,
            biz_content: json(&content)?,
            notify_url: Some(&order.notify_url),
            return_url: None,
        };
        let signed = self.sign(settings, request)?;
        let answer = self
            .call(settings, METHOD, Operation::Place, &signed)
            .await?;
        let answer = answer.map_err(unexpected)?;
        if answer.out_trade_no.as_deref() != Some(order.request_number.as_str()) {
            return Err(CallError::Unknown(
                "the answer is about another order".to_owned(),
            ));
        }
        let trade_no = answer.trade_no.filter(|number| !number.is_empty());
        let trade_no = trade_no.ok_or_else(|| CallError::Unknown("no trade_no".to_owned()))?;
        let prepay = PrepayInfo::AlipayTrade {
            trade_no: trade_no.clone(),
        };
        Ok(Placed::open(prepay, Some(trade_no)))
    }
}

fn buyer(payer: &PayerId) -> Buyer<'_> {
    let id = payer.as_str();
    let is_user_id = id.len() == USER_ID_LENGTH
        && id.starts_with(USER_ID_START)
        && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_user_id {
        Buyer::UserId(id)
    } else {
        Buyer::OpenId(id)
    }
}
