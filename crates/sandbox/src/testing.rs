//! A sandbox with a settable clock, a merchant's client that signs requests and checks answers, and
//! an inbox that receives callbacks. For the tests of this crate.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{Router, extract::State, routing::any};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use serde_json::{Value, json};

use crate::{
    AlipayCredentials, Control, Delivery, Sandbox, SandboxConfig, WechatCredentials,
    alipay::sign as alipay_sign,
    crypto::{is_signed_by, open, random_text, sign_sha256},
    wechat_v3::sign as wechat_sign,
};

/// 2026-01-01 08:00:00 in China.
pub(crate) const START: i64 = 1_767_225_600;

/// One received callback.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    /// The form fields of an Alipay notice.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).unwrap().to_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct Inbox {
    received: Mutex<Vec<Received>>,
    /// Answers in the order of arrival; afterwards the acknowledgement.
    answers: Mutex<VecDeque<(u16, &'static str)>>,
}

async fn receive(
    State(inbox): State<Arc<Inbox>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    inbox
        .received
        .lock()
        .unwrap()
        .push(Received { headers, body });
    let (status, text) = inbox
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or((200, "success"));
    (StatusCode::from_u16(status).unwrap(), text)
}

/// Everything that a test of the protocols needs.
pub(crate) struct Bed {
    pub(crate) sandbox: Sandbox,
    pub(crate) control: Control,
    pub(crate) http: reqwest::Client,
    pub(crate) notify_url: String,
    clock: Arc<AtomicI64>,
    inbox: Arc<Inbox>,
}

/// The node of an Alipay answer, whether it was signed, and the whole body.
pub(crate) struct AlipayAnswer {
    pub(crate) node: Value,
    pub(crate) is_signed: bool,
    pub(crate) raw: String,
}

impl AlipayAnswer {
    /// `code sub_code`.
    pub(crate) fn outcome(&self) -> String {
        let text = |name: &str| self.node[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("code"), text("sub_code"))
            .trim_end()
            .to_owned()
    }
}

/// Status and body of a WeChat Pay answer, and whether it was signed.
pub(crate) struct WechatAnswer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) serial: Option<String>,
    pub(crate) is_signed: bool,
}

impl WechatAnswer {
    /// `status code`.
    pub(crate) fn outcome(&self) -> String {
        let code = self.body["code"].as_str().unwrap_or_default();
        format!("{} {code}", self.status).trim_end().to_owned()
    }
}

impl Bed {
    pub(crate) async fn start() -> Self {
        Self::start_with(Delivery::Manual).await
    }

    pub(crate) async fn start_with(delivery: Delivery) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let told = Arc::clone(&clock);
        let now = move || DateTime::<Utc>::from_timestamp(told.load(Ordering::SeqCst), 0).unwrap();
        let mut config = SandboxConfig::for_testing(Arc::new(now)).unwrap();
        config.delivery = delivery;
        config.retry_time_scale = 1_000_000;
        let sandbox = Sandbox::start(config).await.unwrap();
        let inbox = Arc::new(Inbox::default());
        let router = Router::new()
            .fallback(any(receive))
            .with_state(Arc::clone(&inbox));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let notify_url = format!("http://{}/callbacks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            control: sandbox.control(),
            sandbox,
            http,
            notify_url,
            clock,
            inbox,
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Lets everything else run until the condition holds; fails after ten seconds.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), wait)
            .await
            .unwrap();
    }

    /// What the inbox answers next.
    pub(crate) fn answer_with(&self, answers: &[(u16, &'static str)]) {
        self.inbox.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inbox.received.lock().unwrap().clone()
    }

    pub(crate) fn alipay(&self) -> &AlipayCredentials {
        &self.sandbox.credentials().alipay
    }

    pub(crate) fn wechat(&self) -> &WechatCredentials {
        &self.sandbox.credentials().wechat
    }

    /// Unsigned parameters of an Alipay request.
    pub(crate) fn alipay_params(&self, method: &str, biz: &Value) -> BTreeMap<String, String> {
        let at = DateTime::<Utc>::from_timestamp(self.now() + 8 * 3600, 0).unwrap();
        let mut params: BTreeMap<String, String> = [
            ("app_id", self.alipay().app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("version", "1.0"),
            ("biz_content", &biz.to_string()),
            ("timestamp", &at.format("%Y-%m-%d %H:%M:%S").to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if !method.contains("query") && !method.contains("refund") && !method.contains("close") {
            params.insert("notify_url".to_owned(), self.notify_url.clone());
        }
        params
    }

    /// Posts signed parameters as the sheet says and checks the answer's signature.
    pub(crate) async fn alipay_send(&self, params: &BTreeMap<String, String>) -> AlipayAnswer {
        let mut query = params.clone();
        let biz = query.remove("biz_content").unwrap_or_default();
        let url = format!(
            "{}?{}",
            self.alipay().gateway_url,
            alipay_sign::encode(&query)
        );
        let body = alipay_sign::encode(&[("biz_content".to_owned(), biz)].into());
        let request = self.http.post(url).body(body);
        let content_type = "application/x-www-form-urlencoded;charset=utf-8";
        let answer = request
            .header("content-type", content_type)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "alipay always answers 200");
        let raw = answer.text().await.unwrap();
        parse_alipay(raw, &self.alipay().alipay_public_key_pem)
    }

    pub(crate) async fn alipay_call(&self, method: &str, biz: Value) -> AlipayAnswer {
        let mut params = self.alipay_params(method, &biz);
        sign_alipay(&mut params, self.alipay());
        self.alipay_send(&params).await
    }

    /// Places an Alipay code order and lets the payer reach the cashier.
    pub(crate) async fn alipay_order(&self, number: &str, yuan: &str) {
        let answer = self
            .alipay_call("alipay.trade.precreate", alipay_biz(number, yuan))
            .await;
        assert_eq!(answer.outcome(), "10000");
        let page = answer.node["qr_code"].as_str().unwrap();
        assert_eq!(self.http.get(page).send().await.unwrap().status(), 200);
    }

    /// Sends a signed WeChat Pay request and checks the answer's signature.
    pub(crate) async fn wechat_call(&self, method: &str, path: &str, body: &Value) -> WechatAnswer {
        let merchant = self.wechat().clone();
        self.wechat_call_as(&merchant, (method, path, body)).await
    }

    pub(crate) async fn wechat_call_as(
        &self,
        merchant: &WechatCredentials,
        (method, path, body): (&str, &str, &Value),
    ) -> WechatAnswer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = wechat_headers(merchant, self.now(), (method, path, &text));
        self.wechat_send(merchant, (method, path, text), headers)
            .await
    }

    pub(crate) async fn wechat_send(
        &self,
        merchant: &WechatCredentials,
        (method, path, body): (&str, &str, String),
        headers: Vec<(&'static str, String)>,
    ) -> WechatAnswer {
        let url = format!("{}{path}", merchant.api_base_url);
        let mut request = self.http.request(method.parse().unwrap(), url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let raw = answer.bytes().await.unwrap();
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let serial = header("Wechatpay-Serial");
        let is_signed = serial.as_ref().is_some_and(|serial| {
            let message = wechat_sign::response_bytes(
                &header("Wechatpay-Timestamp").unwrap(),
                &header("Wechatpay-Nonce").unwrap(),
                &raw,
            );
            let key = platform_key(merchant, serial);
            is_signed_by(&key, &message, &header("Wechatpay-Signature").unwrap())
        });
        let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
        WechatAnswer {
            status,
            body,
            serial,
            is_signed,
        }
    }

    /// Body of a WeChat Pay order.
    pub(crate) fn wechat_biz(&self, number: &str, fen: i64) -> Value {
        json!({
            "appid": self.wechat().appid,
            "mchid": self.wechat().mchid,
            "description": "测试商品",
            "out_trade_no": number,
            "notify_url": self.notify_url,
            "amount": {"total": fen, "currency": "CNY"},
        })
    }

    /// Places a native order and answers its token.
    pub(crate) async fn wechat_order(&self, number: &str, fen: i64) -> String {
        let body = self.wechat_biz(number, fen);
        let answer = self
            .wechat_call("POST", "/v3/pay/transactions/native", &body)
            .await;
        assert_eq!(answer.outcome(), "200");
        let code_url = answer.body["code_url"].as_str().unwrap();
        code_url
            .strip_prefix("weixin://wxpay/bizpayurl?pr=")
            .unwrap()
            .to_owned()
    }

    /// Body of a WeChat Pay refund.
    pub(crate) fn wechat_refund(&self, order: &str, number: &str, fen: (i64, i64)) -> Value {
        json!({
            "out_trade_no": order,
            "out_refund_no": number,
            "notify_url": self.notify_url,
            "amount": {"refund": fen.0, "total": fen.1, "currency": "CNY"},
        })
    }

    /// Checks the signature of a received WeChat Pay callback and decrypts it.
    pub(crate) fn wechat_plaintext(&self, received: &Received) -> Option<Value> {
        let message = wechat_sign::response_bytes(
            &received.header("wechatpay-timestamp"),
            &received.header("wechatpay-nonce"),
            received.body.as_bytes(),
        );
        let key = platform_key(self.wechat(), &received.header("wechatpay-serial"));
        if !is_signed_by(&key, &message, &received.header("wechatpay-signature")) {
            return None;
        }
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let part = |name: &str| body["resource"][name].as_str().unwrap().to_owned();
        let plain = open(
            &self.wechat().apiv3_key,
            &part("nonce"),
            &part("associated_data"),
            &part("ciphertext"),
        )?;
        serde_json::from_slice(&plain).ok()
    }

    /// Whether Alipay signed this received callback.
    pub(crate) fn is_alipay_signed(&self, received: &Received) -> bool {
        let form = received.form();
        let key = public_key(&self.alipay().alipay_public_key_pem);
        is_signed_by(
            &key,
            alipay_sign::notice_string(&form).as_bytes(),
            &form["sign"],
        )
    }
}

/// `biz_content` of an Alipay code order.
pub(crate) fn alipay_biz(number: &str, yuan: &str) -> Value {
    json!({
        "out_trade_no": number,
        "total_amount": yuan,
        "subject": "测试商品",
        "product_code": "QR_CODE_OFFLINE",
    })
}

pub(crate) fn sign_alipay(params: &mut BTreeMap<String, String>, app: &AlipayCredentials) {
    let key = private_key(&app.app_private_key_pem);
    let text = alipay_sign::request_string(params);
    params.insert(
        "sign".to_owned(),
        sign_sha256(&key, text.as_bytes()).unwrap(),
    );
}

fn parse_alipay(raw: String, public_key_pem: &str) -> AlipayAnswer {
    let members: BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(&raw).unwrap();
    let (_, node) = members
        .iter()
        .find(|(name, _)| name.ends_with("_response"))
        .expect("an answer has a node");
    let is_signed = members.get("sign").is_some_and(|sign| {
        let sign: String = serde_json::from_str(sign.get()).unwrap();
        is_signed_by(&public_key(public_key_pem), node.get().as_bytes(), &sign)
    });
    AlipayAnswer {
        node: serde_json::from_str(node.get()).unwrap(),
        is_signed,
        raw,
    }
}

/// All headers of a correct WeChat Pay request.
pub(crate) fn wechat_headers(
    merchant: &WechatCredentials,
    now: i64,
    (method, path, body): (&str, &str, &str),
) -> Vec<(&'static str, String)> {
    let (timestamp, nonce) = (now.to_string(), random_text(32));
    let message = wechat_sign::request_bytes(method, path, (&timestamp, &nonce), body.as_bytes());
    let key = private_key(&merchant.merchant_private_key_pem);
    let signature = sign_sha256(&key, &message).unwrap();
    let authorization = format!(
        "{} mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
         timestamp=\"{timestamp}\",serial_no=\"{}\"",
        wechat_sign::SCHEME,
        merchant.mchid,
        merchant.merchant_serial_no,
    );
    vec![
        ("Authorization", authorization),
        ("Accept", "application/json".to_owned()),
        ("User-Agent", "test".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ]
}

/// The public key that a serial number names, from the merchant's own credentials.
fn platform_key(merchant: &WechatCredentials, serial: &str) -> RsaPublicKey {
    if let Some(key) = merchant
        .public_key
        .as_ref()
        .filter(|key| key.public_key_id == serial)
    {
        return public_key(&key.public_key_pem);
    }
    let (_, pem) = merchant
        .platform_certificates
        .iter()
        .find(|(known, _)| known == serial)
        .unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    RsaPublicKey::from_public_key_der(certificate.public_key().raw).unwrap()
}

pub(crate) fn public_key(pem: &str) -> RsaPublicKey {
    RsaPublicKey::from_public_key_pem(pem).unwrap()
}

pub(crate) fn private_key(pem: &str) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_pem(pem).unwrap()
}
