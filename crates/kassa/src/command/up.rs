//! `kassa up`.

use std::time::Duration;

use anyhow::Context;
use kassa_core::Secret;
use kassa_core::text::AppId;
use runtime::config::Config;
use runtime::lifecycle::Signals;
use runtime::telemetry;
use sandbox::{Keys, SandboxConfig};
use serde_json::json;

use crate::cli::{Global, Up};
use crate::data_dir;
use crate::exit::Outcome;
use crate::node::{Node, NodeOptions, Seed, seed};
use crate::output::Output;
use crate::settings::{self, LocalKey, Logs};
use crate::token::{self, AppCodeKey, AppSigningKey, TokenRequest};

/// The app that a first start makes.
pub const DEMO_APP: &str = "demo";
/// How long the printed token holds, unless tokens must be shorter.
const TOKEN_TTL: Duration = Duration::from_hours(1);

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// What does not start.
pub async fn run(global: &Global, args: &Up, output: Output) -> anyhow::Result<Outcome> {
    let config = settings::load(global, Logs::Configured, LocalKey::Make)?;
    let telemetry = telemetry::init(&config.telemetry, super::SERVICE_NAME)?;
    let signals = Signals::install().context("listening to signals")?;
    data_dir::prepare(&config.data_dir)?;
    let mut options = NodeOptions::new(config);
    let mut key = None;
    if !args.no_sandbox {
        let folder = data_dir::sandbox_folder(&options.config.data_dir);
        data_dir::prepare(&folder)?;
        let keys = tokio::task::spawn_blocking(move || Keys::load_or_generate(&folder)).await??;
        let mut sandbox = SandboxConfig::new(keys);
        sandbox.listen = args.sandbox_listen;
        options.sandbox = Some(sandbox);
        let app = AppId::try_new(DEMO_APP)?;
        let file = data_dir::app_key_file(&options.config.data_dir, &app);
        let made = AppSigningKey::load_or_generate(&file)?;
        let code_key = data_dir::code_key_file(&options.config.data_dir, &app);
        let code_key = AppCodeKey::load_or_generate(&code_key)?;
        options.seed = Some(Seed {
            app,
            key: made.clone(),
            code_key: Some(code_key.public()?),
            suffix: String::new(),
        });
        key = Some(made);
    }
    let node = Node::start(options).await?;
    let token = key.map(|key| demo_token(&key, &node)).transpose()?;
    announce(&node, token.as_ref(), output)?;
    let report = Box::pin(node.run_until(signals)).await?;
    if !report.is_clean() {
        tracing::warn!(?report, "not everything ended by itself");
    }
    output.line("drained")?;
    telemetry.shutdown().await?;
    Ok(Outcome::of(report.panicked.is_empty()))
}

fn demo_token(key: &AppSigningKey, node: &Node) -> anyhow::Result<Secret> {
    let auth = &node.config().auth;
    let request = TokenRequest {
        app: AppId::try_new(DEMO_APP)?,
        audience: auth.audience.clone(),
        scopes: token::all_scopes(),
        ttl: TOKEN_TTL.min(auth.token_ttl_max()),
    };
    Ok(token::mint(key, &request, node.kassa().clock.now())?)
}

fn announce(node: &Node, token: Option<&Secret>, output: Output) -> anyhow::Result<()> {
    let config = node.config();
    let addresses = node.addresses();
    let base = &node.kassa().settings.public_base_url;
    let payer_page = node
        .sandbox()
        .map(|sandbox| format!("{}/", sandbox.base_url()));
    let grpcurl = token.map(|token| grpcurl(node, token));
    output.object(&json!({
        "grpc": addresses.grpc,
        "ingress": addresses.ingress,
        "public_base_url": base.as_str(),
        "admin": addresses.admin,
        "sandbox": payer_page,
        "data_dir": config.data_dir,
        "token": token.map(Secret::expose),
        "grpcurl": grpcurl,
    }))?;
    let line = |name: &str, text: String| output.line(format_args!("  {name:<12}{text}"));
    let title = format!("kassa {} is up", env!("CARGO_PKG_VERSION"));
    output.line(output.bold(&title))?;
    line("gRPC", addresses.grpc.to_string())?;
    line(
        "callbacks",
        format!("{base}callbacks/{{channel}}/{{account}}/{{payment|refund}}"),
    )?;
    line(
        "admin",
        format!("http://{}/healthz /readyz /metrics", addresses.admin),
    )?;
    line("data", config.data_dir.display().to_string())?;
    if let Some(page) = payer_page {
        line(
            "payer pages",
            format!("{page} (the sandbox's orders: pay or refuse them here)"),
        )?;
        line("accounts", seed::code::ALL.join(" "))?;
    }
    if let (Some(token), Some(grpcurl)) = (token, grpcurl) {
        output.line(format_args!(
            "\nA token of app {DEMO_APP}, for an hour at most:"
        ))?;
        output.line(token.expose())?;
        output.line("\nA first payment:")?;
        output.line(grpcurl)?;
    }
    output.line("\nCtrl-C or SIGTERM ends it")?;
    Ok(())
}

/// A line that makes a payment, ready to be pasted.
fn grpcurl(node: &Node, token: &Secret) -> String {
    let config: &Config = node.config();
    let ids = &node.kassa().ids;
    let order = kassa_core::id::TransactionId::new(ids).to_string();
    let body = json!({
        "request_id": order,
        "business_order_id": format!("ORDER-{order}"),
        "payment_channel": "PAYMENT_CHANNEL_ALIPAY",
        "payment_method": "PAYMENT_METHOD_QR",
        "amount": { "amount": "10.00", "currency_code": "CNY" },
        "subject": "A pot of tea",
    });
    let security = if config.grpc.tls.is_enabled() {
        ""
    } else {
        "-plaintext "
    };
    format!(
        "grpcurl {security}-H 'authorization: Bearer {}' -d '{body}' {} \
         payment.v1.PaymentService/CreatePayment",
        token.expose(),
        node.addresses().grpc,
    )
}
