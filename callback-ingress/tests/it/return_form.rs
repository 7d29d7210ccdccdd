//! Payers whose browser comes back with a form in place of a query string: the same page, under the same
//! signature.

use std::time::Duration;

use kassa_core::payment::PaymentStatus;
use runtime::queue::QueueName;

use crate::support::TestIngress;
use crate::support::client::{Answer, Client, request};
use crate::support::payments::{Wanted, insert, signed_return};

const TARGET: &str = "/return/alipay/alipay-main";
const HEADERS: &[(&str, &str)] = &[
    ("accept-language", "en"),
    ("content-type", "application/x-www-form-urlencoded"),
];
const NEUTRAL: &str = "We are confirming your payment";

async fn post(ingress: &TestIngress, target: &str, form: &[u8]) -> Answer {
    let request = request("POST", target, HEADERS, form);
    ingress.send(&request).await.expect("an answer")
}

/// An order in this state, and the form with which its payer comes back.
async fn returning(ingress: &TestIngress, status: PaymentStatus) -> String {
    let wanted = Wanted {
        status,
        ..Wanted::default()
    };
    let payment = insert(ingress, &wanted).await;
    signed_return(&payment.current_attempt_id.expect("an attempt").to_string())
}

#[tokio::test]
async fn a_signed_form_shows_the_order_that_it_names() {
    let ingress = TestIngress::start().await;
    let form = returning(&ingress, PaymentStatus::PaidSuccess).await;
    let answer = post(&ingress, TARGET, form.as_bytes()).await;
    let html = answer.text();
    assert_eq!(answer.status, 200, "{html}");
    for part in ["Payment successful", "88.88 CNY", "Teapot", "shop.example"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(ingress.queue.notifications().is_empty());
}

/// A browser repeats a form only when it is told to: the page asks for itself by its address.
#[tokio::test]
async fn the_page_of_an_open_order_goes_on_by_its_address() {
    let ingress = TestIngress::start().await;
    let form = returning(&ingress, PaymentStatus::PendingPayment).await;
    let html = post(&ingress, TARGET, form.as_bytes()).await.text();
    let (_, rest) = html.split_once("content=\"2;url=").expect("a refresh");
    let relative = rest.split('"').next().unwrap().replace("&#38;", "&");
    let next = ingress.get(&format!("{TARGET}{relative}"), HEADERS).await;
    assert!(next.text().contains("88.88 CNY"), "{}", next.text());
    assert_eq!(
        ingress.queue.confirmed(QueueName::Commands).len(),
        1,
        "the worker is asked once"
    );
    assert!(ingress.queue.notifications().is_empty());
}

#[tokio::test]
async fn an_altered_form_one_of_another_account_and_words_in_the_address_show_nothing() {
    let ingress = TestIngress::start().await;
    let good = returning(&ingress, PaymentStatus::PaidSuccess).await;
    let elsewhere = "/return/alipay/alipay-other";
    let in_address = format!("{TARGET}?{good}");
    for (target, form) in [
        (TARGET, good.replace("88.88", "99.99")),
        (TARGET, format!("{good}&extra=1")),
        (TARGET, String::new()),
        (elsewhere, good.clone()),
        ("/return/wechat_pay/wechat-main", good),
        (&in_address, "a=1".to_owned()),
    ] {
        let answer = post(&ingress, target, form.as_bytes()).await;
        let html = answer.text();
        assert_eq!(answer.status, 200, "{html}");
        assert!(html.contains(NEUTRAL), "{html}");
        assert!(!html.contains("88.88") && !html.contains("shop.example"));
    }
    let answer = post(&ingress, TARGET, b"out_trade_no=\xff").await;
    assert!(answer.text().contains(NEUTRAL), "not a text");
}

#[tokio::test]
async fn a_form_that_is_too_long_or_too_slow_is_not_read() {
    let ingress = TestIngress::with_options(|options| {
        options.read_timeout = Duration::from_millis(150);
    })
    .await;
    for (length, status) in [(6 * 1024, 200), (6 * 1024 + 1, 413)] {
        let answer = post(&ingress, TARGET, &vec![b'a'; length]).await;
        assert_eq!(answer.status, status, "{length}");
    }
    let mut client = Client::connect(ingress.address).await;
    let head = format!("POST {TARGET} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\na=1");
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer().await.expect("an answer").status, 408);
    assert_eq!(client.answer().await, None, "the connection is closed");
}
