//! Simulators of the gateways that speak their real protocols and sign for real.
//!
//! One loopback listener serves Alipay (`/gateway.do`), WeChat Pay API v3 (`/v3/…`) and API v2 (`/pay/…`), Baidu's
//! cashier (`/rest/…`), UnionPay (`/gateway/api/…`), Stripe (`/v1/…`), PayPal (`/v2/…`), a page for the payer of each order (`/payer/…`,
//! list at `/`) and a control API (`/control/…`). Requests are
//! checked as the gateways check them; answers and callbacks carry real signatures. The crate shares
//! no signing code with Kassa's own adapters, so that each judges the other.
//!
//! The facts are those of the gateways' sheets. Not simulated: content encryption, code pay of API v3, bills, Baidu's refund audit,
//! the minimum pause between two refunds, and WeChat Pay's XML notices for console refunds.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sandbox::{Keys, Sandbox, SandboxConfig};
//!
//! let sandbox = Sandbox::start(SandboxConfig::new(Keys::generate()?)).await?;
//! let credentials = sandbox.credentials();
//! // … create an order at credentials.alipay.gateway_url, then let the payer pay:
//! sandbox.control().pay("T20260101000000000001")?;
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod alipay;
mod baidu;
mod config;
mod control;
mod counter;
mod crypto;
mod delivery;
mod error;
mod fault;
mod keys;
mod money;
mod operations;
mod payer;
mod paypal;
mod schema;
mod server;
mod shared;
mod state;
mod stripe;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod unionpay;
mod wechat_v2;
mod wechat_v3;

use std::sync::Arc;

use tokio::net::TcpListener;

pub use accounts::{
    AlipayCertificates, AlipayCredentials, BaiduCredentials, Credentials, StripeCredentials,
    UnionpayCredentials, WechatCredentials, WechatPublicKey, WechatV2Credentials,
};
pub use config::{Delivery, SandboxClock, SandboxConfig, system_clock};
pub use control::Control;
pub use counter::Conduct;
pub use delivery::{DUPLICATES_MAX, DeliveryReport, RecordedCallback};
pub use error::{ControlError, KeysError, SandboxError};
pub use fault::{CallFault, CallbackFault, Fault, FaultRule, FaultScope, Operation};
pub use keys::Keys;
pub use paypal::account::PaypalCredentials;
pub use state::{
    AccountBook, CallRecord, Gateway, Order, OrderState, Product, Refund, RefundOutcome,
    RefundStatus,
};
pub use wechat_v3::mode::WechatMode;

use accounts::Accounts;
use shared::{Parts, Shared};

/// A running sandbox. Dropping it without [`stop`](Self::stop) ends its tasks too.
#[derive(Debug)]
pub struct Sandbox {
    control: Control,
    credentials: Credentials,
    base_url: String,
    running: Running,
}

/// Stops the tasks when it goes away.
struct Running(Arc<Shared>);

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Running")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

impl Sandbox {
    /// Listens and serves in background tasks.
    ///
    /// # Errors
    /// The address is taken or not a loopback address, or the keys are unusable.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let address = config.listen;
        if !address.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(address));
        }
        let failed = |source| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let secure = (address.ip(), 0);
        let secure = TcpListener::bind(secure).await.map_err(failed)?;
        let secure_url = format!("https://{}", secure.local_addr().map_err(failed)?);
        let acceptor = tls::acceptor(&config.keys, address.ip())?;
        let credentials = accounts::credentials(&config.keys, &base_url, &secure_url)?;
        let http = reqwest::Client::builder()
            .timeout(delivery::ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SandboxError::Client)?;
        let shared = Arc::new(Shared::new(Parts {
            accounts: Accounts::try_new(&config.keys)?,
            clock: config.clock,
            base_url: base_url.clone(),
            delivery: config.delivery,
            retry_time_scale: config.retry_time_scale,
            http,
        }));
        shared
            .tasks
            .spawn(server::run(Arc::clone(&shared), listener));
        shared
            .tasks
            .spawn(server::run_secure(Arc::clone(&shared), secure, acceptor));
        shared.tasks.spawn(delivery::run(Arc::clone(&shared)));
        Ok(Self {
            control: Control::new(Arc::clone(&shared)),
            credentials,
            base_url,
            running: Running(shared),
        })
    }

    /// `http://address:port`, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A handle to look at the gateways' memory, act and script faults.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// What the merchants would get from the gateways' consoles.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Stops listening, lets requests and callbacks under way finish, and returns when all is done.
    pub async fn stop(self) {
        let shared = Arc::clone(&self.running.0);
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}
