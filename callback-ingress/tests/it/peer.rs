//! Who may send, and how much.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use crate::support::TestIngress;
use crate::support::client::Client;
use crate::support::vectors::{Callback, alipay_paid};

fn forwarded(client: &str) -> Callback {
    let mut callback = alipay_paid();
    callback
        .headers
        .push(("x-forwarded-for".to_owned(), client.to_owned()));
    callback
}

#[tokio::test]
async fn an_address_outside_the_accounts_networks_is_refused_in_the_gateways_words() {
    let ingress = TestIngress::with(
        |_| {},
        |account| account.callback_cidrs = vec!["203.0.113.0/24".to_owned()],
    )
    .await;
    let answer = ingress.post(&alipay_paid()).await;
    assert_eq!((answer.status, answer.text().as_str()), (403, "fail"));
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn an_address_inside_the_accounts_networks_is_taken() {
    let networks = || vec!["203.0.113.0/24".to_owned(), "127.0.0.0/8".to_owned()];
    let ingress = TestIngress::with(|_| {}, |account| account.callback_cidrs = networks()).await;
    assert_eq!(ingress.post(&alipay_paid()).await.text(), "success");
}

#[tokio::test]
async fn a_forwarded_address_counts_only_behind_a_trusted_proxy() {
    for (is_trusted, header, status) in [
        (false, "203.0.113.9", 403),
        (true, "203.0.113.9", 200),
        (true, "198.51.100.1", 403),
        // The client wrote the left part; the proxy saw the right one.
        (true, "203.0.113.9, 198.51.100.1", 403),
        (true, "198.51.100.1, 203.0.113.9", 200),
        (true, "203.0.113.9, nonsense", 403),
    ] {
        let ingress = TestIngress::with(
            |options| {
                if is_trusted {
                    options.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
                }
            },
            |account| account.callback_cidrs = vec!["203.0.113.0/24".to_owned()],
        )
        .await;
        assert_eq!(
            ingress.post(&forwarded(header)).await.status,
            status,
            "{is_trusted} {header}"
        );
    }
}

#[tokio::test]
async fn an_address_that_sends_too_much_is_held_back_alone() {
    let ingress = TestIngress::with_options(|options| {
        options.rate_limit_per_second = NonZeroU32::MIN;
        options.rate_limit_burst = NonZeroU32::new(3).unwrap();
        options.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(ingress.post(&forwarded("198.51.100.1")).await.status);
    }
    assert_eq!(statuses[..3], [200, 200, 200]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let held_back = ingress.post(&forwarded("198.51.100.1")).await;
    if held_back.status == 429 {
        assert_eq!(held_back.header("retry-after"), Some("1"));
        assert!(held_back.body.is_empty());
    }
    assert_eq!(ingress.post(&forwarded("198.51.100.2")).await.status, 200);
}

/// Above the cap a connection waits in the backlog: it is not served while the others are open, and
/// it is served once one of them has gone.
#[tokio::test]
async fn a_connection_above_the_cap_waits_until_another_has_gone() {
    let ingress = TestIngress::with_options(|options| options.connections_max = 1).await;
    let mut first = Client::connect(ingress.address).await;
    first.send(&alipay_paid().request()).await;
    assert_eq!(first.answer().await.unwrap().status, 200);

    let mut second = Client::connect(ingress.address).await;
    second.send(&alipay_paid().request()).await;
    for _ in 0..10 {
        first.send(&alipay_paid().request()).await;
        assert_eq!(first.answer().await.unwrap().status, 200);
        assert!(!second.has_answer(), "served above the cap");
    }
    drop(first);
    assert_eq!(second.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn the_callers_address_is_never_in_an_answer() {
    let ingress = TestIngress::with(
        |_| {},
        |account| account.callback_cidrs = vec!["203.0.113.0/24".to_owned()],
    )
    .await;
    let answer = ingress.post(&alipay_paid()).await;
    assert!(!format!("{answer:?}").contains(&Ipv4Addr::LOCALHOST.to_string()));
}
