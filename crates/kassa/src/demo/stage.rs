//! What the story plays on: a node, a caller, its events, a payer.

use std::time::Duration;

use anyhow::{Context, ensure};
use kassa_core::text::AppId;
use runtime::config::Config;
use sandbox::{Control, Keys, SandboxConfig};

use super::books::{self, Paid};
use super::client::Client;
use super::events::Events;
use super::payer::Payer;
use super::timeline::{Seen, Sight, Step, Timeline};
use crate::node::{Node, NodeOptions, Seed, seed};
use crate::spec::account::AccountSpec;
use crate::token::{self, AppCodeKey, AppSigningKey, TokenRequest};

/// How long the caller's token holds.
const TOKEN_TTL: Duration = Duration::from_mins(15);

/// How long making the keys may take: large primes are found by luck, and on a slow machine by much.
const KEYS_TIMEOUT: Duration = Duration::from_mins(3);

/// Everything that a story needs.
#[derive(Debug)]
pub(super) struct Stage {
    node: Node,
    pub(super) client: Client,
    pub(super) events: Events,
    pub(super) payer: Payer,
    pub(super) control: Control,
    /// Opens the one-time codes that the app is told.
    pub(super) code_key: AppCodeKey,
    /// Stands at the end of the accounts' codes.
    suffix: String,
    /// The payments that were made.
    pub(super) paid: Vec<Paid>,
}

impl Stage {
    /// Starts every role, connects as a caller, opens the event source.
    pub(super) async fn open(
        timeline: &mut Timeline,
        config: Config,
        run: &str,
    ) -> anyhow::Result<Self> {
        let app = AppId::try_new(format!("demo-{run}"))?;
        let (key, code_key) = (AppSigningKey::generate()?, AppCodeKey::generate()?);
        let expected = "RSA keys of the gateways and their merchants";
        let mut announced = opening("keys", "the sandbox makes its keys", expected);
        announced.timeout = Some(KEYS_TIMEOUT);
        let made = async {
            let keys = tokio::task::spawn_blocking(Keys::generate).await??;
            Ok(Seen::new(
                keys,
                "RSA 2048 for the gateways and their merchants",
            ))
        };
        let keys = timeline.watch(announced, &Sight::default(), made).await?;
        let suffix = format!("-{run}");
        let mut options = NodeOptions::new(config.clone());
        options.sandbox = Some(SandboxConfig::new(keys));
        options.seed = Some(Seed {
            app: app.clone(),
            key: key.clone(),
            code_key: Some(code_key.public()?),
            suffix: suffix.clone(),
        });
        let expected = "schema, queue, sandbox, ingress, gRPC server and worker in one process";
        let start = opening("start", "every role starts", expected);
        let node = timeline
            .watch(start, &Sight::default(), start_node(options))
            .await?;

        let request = TokenRequest {
            app: app.clone(),
            audience: config.auth.audience.clone(),
            scopes: token::all_scopes(),
            ttl: TOKEN_TTL,
        };
        let token = token::mint(&key, &request, node.kassa().clock.now())?;
        let expected = "an open connection and an open event source";
        let connect = opening("connect", "a caller connects with a token", expected);
        let connected = connect_caller(&node, &config, token.expose(), &app);
        let (client, events) = timeline
            .watch(connect, &Sight::default(), connected)
            .await?;
        let sandbox = node.sandbox().context("the node has no sandbox")?;
        let (payer, control) = (Payer::try_new(sandbox.base_url())?, sandbox.control());
        Ok(Self {
            node,
            client,
            events,
            payer,
            control,
            code_key,
            suffix,
            paid: Vec::new(),
        })
    }

    /// The accounts that were planted.
    ///
    /// # Errors
    /// If there is no sandbox.
    pub(super) fn accounts(&self) -> anyhow::Result<Vec<AccountSpec>> {
        let sandbox = self.node.sandbox().context("the node has no sandbox")?;
        Ok(seed::accounts(sandbox.credentials(), &self.suffix)?)
    }

    /// The node, to look behind the API.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Our books prove themselves and agree with the gateways'.
    pub(super) async fn check_books(&self, timeline: &mut Timeline) -> anyhow::Result<()> {
        let expected = "transfers that sum to zero, balances that are the sums of their entries";
        let verify = step("books", "our books prove themselves", expected);
        timeline
            .watch(verify, &Sight::default(), books::verify(&self.node))
            .await?;
        let expected = "the same sums paid and refunded in the gateways' books as in ours";
        let compare = step("gateways", "the gateways' books agree with ours", expected);
        let compared = books::compare(&self.node, &self.control, &self.paid);
        timeline.watch(compare, &Sight::default(), compared).await
    }

    /// The request number of a payment's order.
    pub(super) async fn number(&self, id: &str) -> anyhow::Result<String> {
        let payment = self.node.kassa().store.find_payment(id.parse()?).await?;
        let attempt = payment.and_then(|payment| payment.current_attempt_id);
        Ok(attempt.context("a payment without an order")?.to_string())
    }

    /// Drains every role; nothing may be left unfinished.
    pub(super) async fn close(self, timeline: &mut Timeline) -> anyhow::Result<()> {
        let Self {
            node,
            client,
            events,
            ..
        } = self;
        drop((client, events));
        let drain = step("drain", "every role drains", "every task ends by itself");
        let drained = async {
            let report = Box::pin(node.drain_and_remove_queues()).await?;
            ensure!(
                report.is_clean(),
                "tasks that did not end by themselves: {report:?}"
            );
            Ok(Seen::new((), "nothing was cut off"))
        };
        Box::pin(timeline.watch(drain, &Sight::default(), drained)).await
    }
}

/// A step of the beginning.
fn opening(name: &'static str, title: &'static str, expected: &str) -> Step {
    Step {
        chapter: "Start".to_owned(),
        ..step(name, title, expected)
    }
}

/// A step of the end.
fn step(name: &'static str, title: &'static str, expected: &str) -> Step {
    Step {
        name,
        title,
        channel: None,
        chapter: "Together".to_owned(),
        expected: expected.to_owned(),
        timeout: None,
    }
}

async fn start_node(options: NodeOptions) -> anyhow::Result<Seen<Node>> {
    let node = Box::pin(Node::start(options)).await?;
    let ready = node.lifecycle().ready().report().await;
    ensure!(ready.ready, "not ready: {:?}", ready.checks);
    let addresses = node.addresses();
    let detail = format!("gRPC {}, callbacks {}", addresses.grpc, addresses.ingress);
    Ok(Seen::new(node, detail))
}

async fn connect_caller(
    node: &Node,
    config: &Config,
    token: &str,
    app: &AppId,
) -> anyhow::Result<Seen<(Client, Events)>> {
    let url = format!("http://{}", node.addresses().grpc);
    let client = Client::connect(url, token).await?;
    let broker = config.queue.amqp_url.as_ref().zip(node.events_exchange());
    let (events, source) = match broker {
        Some((url, exchange)) => {
            let events = Events::broker(url.secret(), exchange, app.as_str()).await?;
            (
                events,
                format!("a queue of its own, bound to {exchange} with {app}.#"),
            )
        }
        None => (
            Events::stream(&client).await?,
            "EventService.StreamEvents".to_owned(),
        ),
    };
    Ok(Seen::new(
        (client, events),
        format!("app {app}; events from {source}"),
    ))
}
