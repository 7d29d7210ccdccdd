//! WeChat Pay API v2 for direct merchants (`wechat_v2` sheet): XML under `/pay/`, and refunds and
//! reversals under `/secapi/` on the listener that demands a client certificate.

mod check;
mod counter;
mod handle;
pub(crate) mod notify;
pub(crate) mod sign;
pub(crate) mod xml;

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Extension, Path, State},
    response::Response,
};
use http::{HeaderValue, header::CONTENT_TYPE};

use crate::{
    accounts::WechatV2Merchant,
    crypto::random_text,
    fault::{self, CallFault, Operation},
    server::ClientCertificate,
    shared::{Call, Shared},
    state::Gateway,
};
use xml::Fields;

/// A call by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    UnifiedOrder,
    Micropay,
    OrderQuery,
    CloseOrder,
    Reverse,
    Refund,
    RefundQuery,
}

impl Route {
    fn operation(self) -> Operation {
        match self {
            Self::UnifiedOrder | Self::Micropay => Operation::Create,
            Self::OrderQuery => Operation::Query,
            Self::CloseOrder | Self::Reverse => Operation::Close,
            Self::Refund => Operation::Refund,
            Self::RefundQuery => Operation::RefundQuery,
        }
    }
}

/// A refusal of the business: `err_code` and `err_code_des`.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    code: String,
    text: &'static str,
}

impl Refusal {
    pub(super) fn new(code: &str, text: &'static str) -> Self {
        Self {
            code: code.to_owned(),
            text,
        }
    }
}

/// `POST /pay/{call}`.
pub(crate) async fn pay(
    State(shared): State<Arc<Shared>>,
    Path(call): Path<String>,
    body: Bytes,
) -> Response {
    let route = match call.as_str() {
        "unifiedorder" => Route::UnifiedOrder,
        "micropay" => Route::Micropay,
        "orderquery" => Route::OrderQuery,
        "closeorder" => Route::CloseOrder,
        "refundquery" => Route::RefundQuery,
        _ => return failure(&shared, "请求的接口不存在"),
    };
    api(&shared, route, &body, None).await
}

/// `POST /secapi/pay/{call}`, which only the listener with client certificates has.
pub(crate) async fn secure(
    State(shared): State<Arc<Shared>>,
    Path(call): Path<String>,
    Extension(certificate): Extension<ClientCertificate>,
    body: Bytes,
) -> Response {
    let route = match call.as_str() {
        "refund" => Route::Refund,
        "reverse" => Route::Reverse,
        _ => return failure(&shared, "请求的接口不存在"),
    };
    api(&shared, route, &body, Some(&certificate)).await
}

async fn api(
    shared: &Arc<Shared>,
    route: Route,
    body: &Bytes,
    certificate: Option<&ClientCertificate>,
) -> Response {
    let fields = std::str::from_utf8(body).ok();
    let Some(fields) = fields.and_then(|text| xml::read(text, "xml")) else {
        return failure(shared, "XML格式错误");
    };
    let merchant = match check::authorize(shared, &fields, certificate) {
        Ok(merchant) => merchant,
        Err(text) => return failure(shared, text),
    };
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let call = Call {
        gateway: Gateway::WechatV2,
        account: merchant.mch_id.clone(),
        operation: route.operation(),
        out_trade_no: handle::order_number(shared, merchant, &fields),
        out_refund_no: field("out_refund_no"),
    };
    let fault = shared.take_call_fault(&call);
    fault::before_operation(shared, fault.as_ref()).await;
    let asked = handle::Asked {
        merchant,
        fields: &fields,
    };
    let done = match &fault {
        Some(CallFault::Refuse { code }) => Err(Refusal::new(code, "沙箱脚本")),
        fault if !fault::is_operation_done(fault.as_ref()) => {
            Err(Refusal::new("SYSTEMERROR", "系统错误"))
        }
        _ => check::fields(route, &fields).and_then(|()| handle::perform(shared, route, &asked)),
    };
    let outcome = done.as_ref().err().map_or("SUCCESS", |it| it.code.as_str());
    shared.record_call(&call, outcome, fault.clone());
    if let Some(instead) = fault::after_operation(shared, fault.as_ref()).await {
        return instead;
    }
    let is_corrupt = fault == Some(CallFault::BadSignature);
    answer(merchant, sign::sign_type(&fields), done, is_corrupt)
}

/// `return_code` FAIL: not signed, and without a code (`wechat_v2` sheet §4).
fn failure(shared: &Shared, text: &str) -> Response {
    let call = Call {
        gateway: Gateway::WechatV2,
        account: String::new(),
        operation: Operation::Unknown,
        out_trade_no: String::new(),
        out_refund_no: String::new(),
    };
    shared.record_call(&call, &format!("FAIL {text}"), None);
    let fields = [("return_code", "FAIL"), ("return_msg", text)];
    respond(
        &fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    )
}

fn answer(
    merchant: &WechatV2Merchant,
    sign_type: &str,
    done: Result<Fields, Refusal>,
    is_corrupt: bool,
) -> Response {
    let mut fields = match done {
        Ok(mut fields) => {
            fields.insert("result_code".to_owned(), "SUCCESS".to_owned());
            fields
        }
        Err(refusal) => Fields::from([
            ("result_code".to_owned(), "FAIL".to_owned()),
            ("err_code".to_owned(), refusal.code),
            ("err_code_des".to_owned(), refusal.text.to_owned()),
        ]),
    };
    for (name, value) in [
        ("return_code", "SUCCESS"),
        ("return_msg", "OK"),
        ("appid", merchant.appid.as_str()),
        ("mch_id", merchant.mch_id.as_str()),
        ("nonce_str", &random_text(16)),
    ] {
        fields.insert(name.to_owned(), value.to_owned());
    }
    let key = if is_corrupt {
        ""
    } else {
        merchant.api_key.as_str()
    };
    let signature = sign::sign(sign_type, &fields, key).unwrap_or_default();
    fields.insert("sign".to_owned(), signature);
    respond(&fields)
}

/// 200 whatever happened.
fn respond(fields: &Fields) -> Response {
    let mut response = Response::new(Body::from(xml::write(fields, "xml")));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests;
