//! With the embedded queue: what was acknowledged is in the database, whatever happens next.

use std::sync::Arc;

use callback_ingress::{Deps, Ingress, IngressOptions};
use kassa_core::notification::CallbackRoute;
use runtime::config::IngressConfig;
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::queue::{Queue, QueueName};
use tokio_util::sync::CancellationToken;

use crate::support::TestIngress;
use crate::support::client::Client;
use crate::support::queue::read_notification;
use crate::support::vectors::{alipay_paid, wechat_callbacks};

/// An ingress on an embedded queue that holds at most `messages_max`.
struct Embedded {
    base: TestIngress,
    queue: EmbeddedQueue,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Embedded {
    async fn start(messages_max: u64) -> Self {
        let base = TestIngress::start().await;
        let options = EmbeddedOptions {
            messages_max,
            ..EmbeddedOptions::default()
        };
        let store = base.database.store.clone();
        let queue =
            EmbeddedQueue::new(store.clone(), base.clock.clone(), base.ids.clone(), options);
        let deps = Deps {
            checkpoints: runtime::checkpoint::Checkpoints::none(),
            accounts: base.accounts.clone(),
            queue: Arc::new(queue.clone()),
            store,
            clock: base.clock.clone(),
            ids: base.ids.clone(),
        };
        let options = IngressOptions::from(&IngressConfig::for_testing());
        let ingress = Ingress::bind(options, deps).await.unwrap();
        let (address, stop) = (ingress.local_addr(), CancellationToken::new());
        let served = tokio::spawn(ingress.serve(stop.clone()));
        Self {
            base,
            queue,
            address,
            stop,
            served,
        }
    }

    async fn post(&self, request: &[u8]) -> u16 {
        let mut client = Client::connect(self.address).await;
        client.send(request).await;
        client.answer().await.unwrap().status
    }

    async fn stop(self) -> TestIngress {
        self.stop.cancel();
        self.served.await.unwrap();
        self.queue.close().await;
        self.base
    }
}

/// Promise P1: acknowledged, then the process ends, then another one finds it.
#[tokio::test]
async fn an_acknowledged_callback_survives_the_end_of_the_process() {
    let embedded = Embedded::start(100).await;
    let refund = wechat_callbacks()
        .into_iter()
        .find(|callback| callback.name == "refund_closed")
        .unwrap();
    assert_eq!(embedded.post(&alipay_paid().request()).await, 200);
    assert_eq!(embedded.post(&refund.request()).await, 204);
    let base = embedded.stop().await;

    let store = base.database.reopen().await;
    let queue = EmbeddedQueue::new(
        store,
        base.clock.clone(),
        base.ids.clone(),
        EmbeddedOptions::default(),
    );
    let mut consumer = queue.consume(QueueName::Notifications, 8).await.unwrap();
    let mut found = Vec::new();
    while let Some(delivery) = consumer.try_next().await.unwrap() {
        found.push(read_notification(delivery.envelope()));
        delivery.done().await.unwrap();
    }
    let routes: Vec<_> = found.iter().map(|(message, _)| message.route).collect();
    assert_eq!(routes, [CallbackRoute::Payment, CallbackRoute::Refund]);
    assert_eq!(found[0].1, alipay_paid().body);
    assert_eq!(found[1].1, refund.body);
}

#[tokio::test]
async fn a_full_queue_is_answered_with_failure() {
    let embedded = Embedded::start(2).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(embedded.post(&alipay_paid().request()).await);
    }
    assert_eq!(statuses[0], 200);
    assert_eq!(statuses[3], 503, "{statuses:?}");
    let accepted = statuses.iter().filter(|status| **status == 200).count();
    let depth = embedded
        .queue
        .depth(QueueName::Notifications)
        .await
        .unwrap();
    assert_eq!(depth, u64::try_from(accepted).unwrap());
    embedded.stop().await;
}

#[tokio::test]
async fn many_gateways_at_once_are_all_kept() {
    const AT_ONCE: usize = 50;
    let embedded = Arc::new(Embedded::start(1_000).await);
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let embedded = Arc::clone(&embedded);
        posts.spawn(async move { embedded.post(&alipay_paid().request()).await });
    }
    let statuses = posts.join_all().await;
    assert_eq!(statuses, vec![200; AT_ONCE]);
    let depth = embedded
        .queue
        .depth(QueueName::Notifications)
        .await
        .unwrap();
    assert_eq!(depth, u64::try_from(AT_ONCE).unwrap());
}
