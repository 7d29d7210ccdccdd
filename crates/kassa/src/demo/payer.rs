//! The payer: somebody with a browser at the gateway's page.

use std::time::Duration;

use anyhow::{Context, ensure};
use proto::v1::PrepayInfo;
use proto::v1::prepay_info::Info;
use reqwest::header::ACCEPT_LANGUAGE;
use reqwest::{Client, StatusCode, redirect};

/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);

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

    /// The page at which this payment can be paid. A QR code holds it; what a JSAPI call names is
    /// opened by the gateway's own app, which the sandbox shows as a page too.
    pub(super) fn page(&self, prepay: Option<&PrepayInfo>) -> anyhow::Result<String> {
        let info = prepay.and_then(|prepay| prepay.info.as_ref());
        let page = match info {
            Some(Info::QrCode(code)) => code.content.clone(),
            Some(Info::JsapiParameters(parameters)) => {
                let prepay_id = parameters.package.strip_prefix("prepay_id=");
                let prepay_id = prepay_id.context("the JSAPI parameters name no prepay id")?;
                format!("{}/payer/wechat/{prepay_id}", self.sandbox)
            }
            other => anyhow::bail!("neither a QR code nor JSAPI parameters: {other:?}"),
        };
        ensure!(
            page.starts_with(&self.sandbox),
            "{page} is not a page of the sandbox"
        );
        Ok(page)
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
        let paid = self.http.post(format!("{page}/pay")).send().await?;
        let status = paid.status();
        ensure!(
            status == StatusCode::SEE_OTHER,
            "pressing \"pay\" was answered {status}"
        );
        Ok(())
    }
}
