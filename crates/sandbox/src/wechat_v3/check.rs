//! Checks of a request before its business: headers, time, merchant, signature, body (`wechat_v3`
//! sheet §2, §4). The time is checked before the signature.

use axum::body::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{Route, answer::Refusal, fields, header, mode, sign};
use crate::{
    accounts::{WechatMerchant, WechatPlatformKey},
    crypto::is_signed_by,
    schema,
    shared::Shared,
};

/// A request's timestamp may be off by this many seconds.
const SKEW_S: u64 = 300;
/// Characters of `nonce_str`.
const NONCE_MAX: usize = 32;

/// The parts of a request that the merchant signs, as they came.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Path and query with their percent encoding.
    pub(super) path: &'a str,
    pub(super) body: &'a Bytes,
}

/// Finds the merchant that signed the request.
pub(super) fn authorize<'a>(
    shared: &'a Shared,
    headers: &HeaderMap,
    signed: &Signed<'_>,
) -> Result<&'a WechatMerchant, Refusal> {
    let accepts = header(headers, "accept").is_some_and(|accept| {
        ["application/json", "*/*"]
            .iter()
            .any(|kind| accept.contains(kind))
    });
    if !accepts {
        return Err(Refusal::new(
            400,
            "INVALID_REQUEST",
            "Http头缺少Accept或Accept不正确",
        ));
    }
    if header(headers, "user-agent").is_none() {
        return Err(Refusal::new(400, "INVALID_REQUEST", "Http头缺少User-Agent"));
    }
    let sign_error = |message: &str| Refusal::new(401, "SIGN_ERROR", message);
    let authorization = header(headers, "authorization")
        .and_then(sign::Authorization::parse)
        .ok_or_else(|| sign_error("Http头Authorization值格式错误"))?;
    let merchant = shared
        .accounts
        .wechat_merchant(&authorization.mchid)
        .ok_or_else(|| Refusal::new(400, "MCH_NOT_EXISTS", "商户号不存在"))?;
    let is_recent = authorization
        .timestamp
        .parse::<i64>()
        .is_ok_and(|at| shared.now().timestamp().abs_diff(at) <= SKEW_S);
    if !is_recent {
        return Err(sign_error(
            "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟",
        ));
    }
    let nonce = &authorization.nonce;
    if nonce.len() > NONCE_MAX || !nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(sign_error("Http头Authorization中的nonce_str格式错误"));
    }
    if authorization.serial_no != merchant.serial_no {
        return Err(sign_error("商户证书序列号有误"));
    }
    let at = (authorization.timestamp.as_str(), nonce.as_str());
    let message = sign::request_bytes(signed.method, signed.path, at, signed.body);
    if !is_signed_by(&merchant.public_key, &message, &authorization.signature) {
        return Err(sign_error("签名错误"));
    }
    if header(headers, "wechatpay-serial").is_some()
        && answering_key(shared, merchant, headers).is_none()
    {
        return Err(Refusal::new(400, "INVALID_REQUEST", "Wechatpay-Serial有误"));
    }
    Ok(merchant)
}

/// The key that the answer is signed with.
pub(super) fn answering_key<'a>(
    shared: &'a Shared,
    merchant: &WechatMerchant,
    headers: &HeaderMap,
) -> Option<&'a WechatPlatformKey> {
    mode::answering_key(shared, merchant, header(headers, "wechatpay-serial"))
}

/// The body as an object that fits the route's table; empty for `GET`.
pub(super) fn body(
    route: &Route,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<Map<String, Value>, Refusal> {
    let Some(table) = fields::of(route) else {
        return Ok(Map::new());
    };
    let is_json = header(headers, "content-type")
        .is_some_and(|value| value.to_lowercase().starts_with("application/json"));
    if !is_json {
        return Err(Refusal::new(
            400,
            "PARAM_ERROR",
            "Content-Type必须为application/json",
        ));
    }
    let object: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|_source| Refusal::new(400, "PARAM_ERROR", "请求体不是合法的JSON"))?;
    match schema::violation(table, &object) {
        Some(violation) => Err(Refusal::field(&violation)),
        None => Ok(object),
    }
}
