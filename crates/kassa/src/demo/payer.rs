//! The payer: somebody with a browser at the gateway's page.

use std::time::Duration;

use anyhow::{Context, ensure};
use kassa_core::channel::Method;
use proto::v1::prepay_info::Info;
use proto::v1::{BaiduOrder, PrepayInfo};
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};

/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a native code of WeChat Pay says before its token.
const WECHAT_CODE: &str = "weixin://wxpay/bizpayurl?pr=";

/// Whether this payer can pay so: with a browser, with what the sandbox shows of the gateways' apps, and with
/// the codes that it makes in their place.
pub(super) fn can_pay(method: Method) -> bool {
    match method {
        Method::Qr
        | Method::Page
        | Method::Wap
        | Method::App
        | Method::Jsapi
        | Method::BarCode
        | Method::MiniProgram
        | Method::Card => true,
        // A wallet is paid from without a gateway.
        Method::Wallet => false,
    }
}

/// The name of the order that a page is about.
pub(super) fn name_on(page: &str) -> &str {
    let path = page.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// A payer.
#[derive(Debug, Clone)]
pub(super) struct Payer {
    http: Client,
    sandbox: String,
}

impl Payer {
    /// A payer for whom the gateways are the sandbox at `base_url`.
    pub(super) fn try_new(base_url: &str) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(PAGE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .context("making the payer's browser")?;
        Ok(Self {
            http,
            sandbox: base_url.to_owned(),
        })
    }

    /// The browser.
    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// The page at which this payment can be paid. A code holds it or names it; a form or address leads
    /// there; what a client SDK gets is opened by the gateway's own app, which the sandbox shows as a page
    /// too.
    pub(super) async fn page(&self, prepay: Option<&PrepayInfo>) -> anyhow::Result<String> {
        let info = prepay.and_then(|prepay| prepay.info.as_ref());
        let page = match info {
            Some(Info::QrCode(code)) => match code.content.strip_prefix(WECHAT_CODE) {
                Some(token) => self.wechat(token),
                None => code.content.clone(),
            },
            Some(Info::JsapiParameters(parameters)) => {
                let prepay_id = parameters.package.strip_prefix("prepay_id=");
                self.wechat(prepay_id.context("the JSAPI parameters name no prepay id")?)
            }
            Some(Info::AlipayTrade(trade)) => {
                format!("{}/payer/alipay/{}", self.sandbox, trade.trade_no)
            }
            Some(Info::WechatAppParameters(parameters)) => self.wechat(&parameters.prepay_id),
            Some(Info::Redirect(redirect)) => {
                self.follow(&redirect.url, self.http.get(&redirect.url))
                    .await?
            }
            Some(Info::Form(form)) => {
                let fields = form.fields.iter();
                let body = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields.map(|field| (&field.name, &field.value)))
                    .finish();
                let post = self.http.post(&form.action).body(body);
                let post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                self.follow(&form.action, post).await?
            }
            Some(Info::AppParameters(app)) => {
                let order = &app.order_string;
                if order.bytes().all(|byte| byte.is_ascii_digit()) {
                    format!("{}/payer/unionpay/{order}", self.sandbox)
                } else {
                    let cashier = format!("{}/payer/alipay/app?{order}", self.sandbox);
                    self.follow(&cashier, self.http.get(&cashier)).await?
                }
            }
            Some(Info::BaiduOrder(order)) => {
                let cashier = format!("{}/payer/baidu/order?{}", self.sandbox, order_info(order));
                self.follow(&cashier, self.http.get(&cashier)).await?
            }
            Some(Info::ClientSecret(secret)) => {
                let intent = secret.client_secret.split_once("_secret_");
                let (intent, _) = intent.context("the client secret names no intent")?;
                format!("{}/payer/stripe/{intent}", self.sandbox)
            }
            None => anyhow::bail!("there is nothing to pay with"),
        };
        ensure!(
            page.starts_with(&self.sandbox),
            "{page} is not a page of the sandbox"
        );
        Ok(page)
    }

    fn wechat(&self, name: &str) -> String {
        format!("{}/payer/wechat/{name}", self.sandbox)
    }

    /// Where the gateway sends the browser, or where it lets it stay.
    async fn follow(&self, address: &str, request: RequestBuilder) -> anyhow::Result<String> {
        let answer = request.send().await?;
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        match location {
            Some(location) => Ok(location.to_owned()),
            None if answer.status() == StatusCode::OK => Ok(address.to_owned()),
            None => anyhow::bail!("the gateway answered {}", answer.status()),
        }
    }

    /// Opens the page, checks the amount on it, and presses "pay".
    pub(super) async fn pay(&self, page: &str, amount: &str) -> anyhow::Result<()> {
        let shown = self
            .http
            .get(page)
            .header(ACCEPT_LANGUAGE, "en")
            .send()
            .await?;
        ensure!(
            shown.status() == StatusCode::OK,
            "the payer page answered {}",
            shown.status()
        );
        let text = shown.text().await?;
        ensure!(
            text.contains(amount),
            "the payer page does not show {amount}"
        );
        let path = page.split('?').next().unwrap_or_default();
        let paid = self.http.post(format!("{path}/pay")).send().await?;
        let status = paid.status();
        ensure!(
            status == StatusCode::SEE_OTHER,
            "pressing \"pay\" was answered {status}"
        );
        Ok(())
    }
}

/// What a smart program hands to Baidu's cashier, as a query.
fn order_info(order: &BaiduOrder) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("dealId", &order.deal_id)
        .append_pair("appKey", &order.app_key)
        .append_pair("totalAmount", &order.total_amount)
        .append_pair("tpOrderId", &order.tp_order_id)
        .append_pair("dealTitle", &order.deal_title)
        .append_pair("signFieldsRange", &order.sign_fields_range)
        .append_pair("rsaSign", &order.rsa_sign)
        .append_pair("bizInfo", &order.biz_info)
        .append_pair("notifyUrl", &order.notify_url)
        .finish()
}
