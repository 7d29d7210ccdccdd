//! Starting, TLS, ageing connections, and the drain.

use std::sync::Arc;
use std::time::Duration;

use callback_ingress::options::TlsIdentity;
use callback_ingress::{Ingress, IngressError, IngressOptions};
use runtime::config::IngressConfig;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Client, request};
use crate::support::queue::{FakeQueue, Mode};
use crate::support::vectors::{ALIPAY_PATH, alipay_paid};
use crate::support::{TestIngress, accounts};

#[tokio::test]
async fn a_connection_carries_so_many_requests_and_is_then_closed() {
    let ingress =
        TestIngress::with_options(|options| options.requests_per_connection_max = 2).await;
    let mut client = Client::connect(ingress.address).await;
    for expected in [None, Some("close")] {
        client.send(&alipay_paid().request()).await;
        assert_eq!(
            client.answer().await.unwrap().header("connection"),
            expected
        );
    }
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn an_old_connection_is_closed() {
    let ingress = TestIngress::with_options(|options| {
        options.connection_age_max = Duration::from_millis(50);
        options.read_timeout = Duration::from_mins(1);
    })
    .await;
    let mut client = Client::connect(ingress.address).await;
    client.send(&request("GET", "/elsewhere", &[], b"")).await;
    assert_eq!(client.answer().await.unwrap().status, 404);
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn the_drain_lets_a_request_in_progress_end_and_takes_no_new_connection() {
    let ingress = TestIngress::start().await;
    ingress.queue.set(Mode::Hold);
    let address = ingress.address;
    let mut client = Client::connect(address).await;
    client.send(&alipay_paid().request()).await;
    ingress.queue.arrival().await;
    let queue = Arc::clone(&ingress.queue);
    ingress.stop.cancel();
    // The listener goes at once, while the request is still held.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!ingress.served.is_finished());
    queue.release();
    assert_eq!(client.answer().await.unwrap().text(), "success");
    assert_eq!(client.answer().await, None);
    ingress.stop().await;
}

#[tokio::test]
async fn the_drain_cuts_off_what_does_not_end() {
    let ingress = TestIngress::with_options(|options| {
        options.drain_timeout = Duration::from_millis(50);
        options.publish_timeout = Duration::from_mins(1);
    })
    .await;
    ingress.queue.set(Mode::Hold);
    let mut client = Client::connect(ingress.address).await;
    client.send(&alipay_paid().request()).await;
    ingress.queue.arrival().await;
    ingress.stop().await;
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn callbacks_are_taken_while_the_database_is_away() {
    let ingress = TestIngress::start().await;
    let directory = ingress.accounts.clone();
    ingress
        .database
        .store
        .migration_connection()
        .clone()
        .close()
        .await
        .unwrap();
    assert!(directory.refresh().await.is_err(), "the database is away");
    assert_eq!(ingress.post(&alipay_paid()).await.text(), "success");
}

#[tokio::test]
async fn before_the_accounts_are_loaded_gateways_are_asked_to_come_back() {
    let ingress = TestIngress::start().await;
    let keyring = Arc::new(accounts::keyring());
    let store = &ingress.database.store;
    let unloaded = accounts::unloaded(store, keyring, &ingress.clock, &ingress.ids);
    let deps = callback_ingress::Deps {
        checkpoints: runtime::checkpoint::Checkpoints::none(),
        accounts: unloaded.clone(),
        queue: ingress.queue.clone(),
        store: store.clone(),
        clock: ingress.clock.clone(),
        ids: ingress.ids.clone(),
    };
    let options = IngressOptions::from(&IngressConfig::for_testing());
    let young = Ingress::bind(options, deps).await.unwrap();
    let address = young.local_addr();
    let stop = CancellationToken::new();
    let served = tokio::spawn(young.serve(stop.clone()));
    let post = || async {
        let mut client = Client::connect(address).await;
        client.send(&alipay_paid().request()).await;
        client.answer().await.unwrap()
    };
    let answer = post().await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1"))
    );

    let refresh = tokio::spawn(
        unloaded
            .clone()
            .keep_fresh(Duration::from_millis(1), stop.clone()),
    );
    while !unloaded.is_loaded() {
        tokio::task::yield_now().await;
    }
    assert_eq!(post().await.text(), "success");
    stop.cancel();
    refresh.await.unwrap();
    served.await.unwrap();
}

fn identity(folder: &std::path::Path) -> (TlsIdentity, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let identity = TlsIdentity {
        cert_file: folder.join("cert.pem"),
        key_file: folder.join("key.pem"),
    };
    std::fs::write(&identity.cert_file, made.cert.pem()).unwrap();
    std::fs::write(&identity.key_file, made.signing_key.serialize_pem()).unwrap();
    (identity, made)
}

#[tokio::test]
async fn callbacks_come_over_tls_and_plain_text_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, made) = identity(folder.path());
    let ingress = TestIngress::with_options(|options| options.tls = Some(identity)).await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(ingress.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let mut client = Client::over(stream);
    client.send(&alipay_paid().request()).await;
    assert_eq!(client.answer().await.unwrap().text(), "success");

    let mut plain = Client::connect(ingress.address).await;
    plain.send(&alipay_paid().request()).await;
    assert!(!plain.rest().await.starts_with("HTTP"));
    assert_eq!(ingress.queue.notifications().len(), 1);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, _) = identity(folder.path());
    let ingress = TestIngress::with_options(|options| {
        options.tls = Some(identity);
        options.tls_handshake_timeout = Duration::from_millis(50);
    })
    .await;
    let mut silent = Client::connect(ingress.address).await;
    assert_eq!(silent.answer().await, None);
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_named() {
    let ingress = TestIngress::start().await;
    let bind = |change: Box<dyn FnOnce(&mut IngressOptions)>| {
        let mut options = IngressOptions::from(&IngressConfig::for_testing());
        change(&mut options);
        let deps = callback_ingress::Deps {
            checkpoints: runtime::checkpoint::Checkpoints::none(),
            accounts: ingress.accounts.clone(),
            queue: Arc::new(FakeQueue::default()),
            store: ingress.database.store.clone(),
            clock: ingress.clock.clone(),
            ids: ingress.ids.clone(),
        };
        Ingress::bind(options, deps)
    };
    let taken = ingress.address;
    let error = bind(Box::new(move |options| options.listen = taken))
        .await
        .unwrap_err();
    assert!(
        matches!(error, IngressError::Listen { address, .. } if address == taken),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    let (good, _) = identity(folder.path());
    let missing = TlsIdentity {
        cert_file: folder.path().join("none.pem"),
        ..good.clone()
    };
    let error = bind(Box::new(|options| options.tls = Some(missing)))
        .await
        .unwrap_err();
    assert!(matches!(error, IngressError::TlsFile { .. }), "{error}");
    assert!(error.to_string().contains("none.pem"));

    let elsewhere = tempfile::tempdir().unwrap();
    let (other, _) = identity(elsewhere.path());
    let mixed = TlsIdentity {
        key_file: other.key_file,
        ..good
    };
    let error = bind(Box::new(|options| options.tls = Some(mixed)))
        .await
        .unwrap_err();
    assert!(matches!(error, IngressError::TlsIdentity(_)), "{error}");
}

#[tokio::test]
async fn an_expected_continue_is_answered_before_the_body_is_sent() {
    let ingress = TestIngress::start().await;
    let body = alipay_paid().body;
    let head = format!(
        "POST {ALIPAY_PATH} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut client = Client::connect(ingress.address).await;
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send(&body).await;
    assert_eq!(client.answer().await.unwrap().text(), "success");
}
