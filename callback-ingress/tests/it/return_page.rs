//! The payer's return page: it shows what we know to whoever comes with the gateway's signature, and
//! nothing to anybody else.

use callback_ingress::QUERY_COMMAND_KIND;
use kassa_core::id::AttemptId;
use kassa_core::payment::PaymentStatus;
use runtime::queue::QueueName;

use crate::support::TestIngress;
use crate::support::client::{Answer, request};
use crate::support::payments::{Wanted, insert, signed_return};
use crate::support::queue::Mode;
use crate::support::vectors::{alipay, text};

const ENGLISH: &[(&str, &str)] = &[("accept-language", "en")];
const NEUTRAL: &str = "We are confirming your payment";
const SHOP: &str = "https://shop.example/done?order=7&#38;x=1";

fn target(query: &str) -> String {
    format!("/return/alipay/alipay-main?{query}")
}

/// The page of a payment, in English.
async fn page_of(ingress: &TestIngress, wanted: &Wanted) -> String {
    let payment = insert(ingress, wanted).await;
    let query = signed_return(&payment.current_attempt_id.expect("an attempt").to_string());
    let answer = ingress.get(&target(&query), ENGLISH).await;
    assert_eq!(answer.status, 200);
    answer.text()
}

/// Nothing of an order is on the page, and the browser is sent nowhere.
fn assert_neutral(answer: &Answer) {
    let html = answer.text();
    assert_eq!(answer.status, 200, "{html}");
    assert!(html.contains(NEUTRAL), "{html}");
    for part in [
        "88.88",
        "Teapot",
        "shop.example",
        "<a ",
        "http-equiv",
        "<dl>",
    ] {
        assert!(!html.contains(part), "{part} in {html}");
    }
}

#[tokio::test]
async fn a_paid_order_is_shown_and_the_browser_goes_on_to_the_shop() {
    let ingress = TestIngress::start().await;
    let html = page_of(&ingress, &Wanted::default()).await;
    assert!(html.contains("<h1>Payment successful</h1>"), "{html}");
    assert!(
        html.contains("<dd>88.88 CNY</dd>") && html.contains("<dd>Teapot</dd>"),
        "{html}"
    );
    assert!(
        html.contains(&format!("content=\"3;url={SHOP}\"")),
        "{html}"
    );
    assert!(html.contains(&format!("<a href=\"{SHOP}\"")), "{html}");
    assert!(ingress.queue.confirmed(QueueName::Commands).is_empty());
}

#[tokio::test]
async fn every_state_has_its_words() {
    let ingress = TestIngress::start().await;
    for (status, heading) in [
        (PaymentStatus::PaidSuccess, "Payment successful"),
        (PaymentStatus::RefundPartial, "Payment successful"),
        (PaymentStatus::RefundFull, "Refunded in full"),
        (PaymentStatus::PaidFailed, "Payment not successful"),
        (PaymentStatus::Closed, "Order closed"),
        (PaymentStatus::PendingPayment, NEUTRAL),
        (PaymentStatus::PendingCreate, NEUTRAL),
    ] {
        let html = page_of(
            &ingress,
            &Wanted {
                status,
                ..Wanted::default()
            },
        )
        .await;
        assert!(
            html.contains(&format!("<h1>{heading}</h1>")),
            "{status:?}: {html}"
        );
        let goes_on = html.contains(&format!("content=\"3;url={SHOP}\""));
        assert_eq!(goes_on, !status.is_pending(), "{status:?}");
    }
}

#[tokio::test]
async fn the_page_speaks_the_payers_language() {
    let ingress = TestIngress::start().await;
    let payment = insert(&ingress, &Wanted::default()).await;
    let query = signed_return(&payment.current_attempt_id.expect("an attempt").to_string());
    for (wish, accept, heading, tag) in [
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "支付成功", "zh-CN"),
        ("", "en-US", "Payment successful", "en"),
        ("", "de", "支付成功", "zh-CN"),
        ("&lang=en", "zh-CN", "Payment successful", "en"),
        ("&lang=zh", "en", "支付成功", "zh-CN"),
        ("&lang=xx", "en", "Payment successful", "en"),
    ] {
        let target = target(&format!("{query}{wish}"));
        let answer = ingress.get(&target, &[("accept-language", accept)]).await;
        assert!(answer.text().contains(heading), "{wish} {accept}");
        assert_eq!(
            answer.header("content-language"),
            Some(tag),
            "{wish} {accept}"
        );
        assert!(answer.text().contains("88.88 CNY"), "{wish} {accept}");
    }
}

#[tokio::test]
async fn an_open_order_refreshes_itself_and_asks_for_a_query_once() {
    let ingress = TestIngress::start().await;
    let wanted = Wanted {
        status: PaymentStatus::PendingPayment,
        ..Wanted::default()
    };
    let payment = insert(&ingress, &wanted).await;
    let query = signed_return(&payment.current_attempt_id.expect("an attempt").to_string());
    for refresh in ["", "&refresh=1", "&refresh=2", ""] {
        let html = ingress
            .get(&target(&format!("{query}{refresh}")), ENGLISH)
            .await
            .text();
        assert!(
            html.contains("http-equiv=\"refresh\" content=\"2;url=?"),
            "{html}"
        );
    }
    let commands = ingress.queue.confirmed(QueueName::Commands);
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].kind, QUERY_COMMAND_KIND);
    assert_eq!(
        commands[0].payload,
        serde_json::json!({ "transaction_id": payment.id.to_string() })
    );
    assert!(
        ingress.queue.notifications().is_empty(),
        "it never changes state"
    );
}

/// The address in the refresh leads to the same page: followed as a browser would, it still verifies.
#[tokio::test]
async fn the_refreshed_page_is_the_same_page() {
    let ingress = TestIngress::start().await;
    let wanted = Wanted {
        status: PaymentStatus::PendingPayment,
        ..Wanted::default()
    };
    let payment = insert(&ingress, &wanted).await;
    let mut next = target(&signed_return(
        &payment.current_attempt_id.expect("an attempt").to_string(),
    ));
    for refreshes in 1..=31 {
        let html = ingress.get(&next, ENGLISH).await.text();
        assert!(html.contains("88.88 CNY"), "{html}");
        let Some((_, rest)) = html.split_once("content=\"2;url=") else {
            assert_eq!(refreshes, 31);
            assert!(html.contains("Your payment is not confirmed yet"), "{html}");
            assert!(html.contains(">Check again</a>"), "{html}");
            return;
        };
        let relative = rest.split('"').next().unwrap().replace("&#38;", "&");
        next = format!("/return/alipay/alipay-main{relative}");
    }
    panic!("the page refreshed itself without end");
}

#[tokio::test]
async fn the_page_is_shown_although_the_broker_is_away() {
    let ingress = TestIngress::start().await;
    ingress.queue.set(Mode::Fail);
    let wanted = Wanted {
        status: PaymentStatus::PendingPayment,
        ..Wanted::default()
    };
    assert!(page_of(&ingress, &wanted).await.contains("88.88 CNY"));
}

#[tokio::test]
async fn a_forged_or_altered_query_shows_nothing() {
    let ingress = TestIngress::start().await;
    let payment = insert(&ingress, &Wanted::default()).await;
    let number = payment.current_attempt_id.expect("an attempt").to_string();
    let good = signed_return(&number);
    let other = AttemptId::new(&ingress.ids).to_string();
    let forged = [
        String::new(),
        format!("out_trade_no={number}"),
        format!("out_trade_no={number}&sign_type=RSA2&sign=AAAA"),
        good.replace("88.88", "99.99"),
        good.replace("total_amount", "total_amounT"),
        format!("{good}&extra=1"),
        format!("{good}&out_trade_no={other}"),
        good.replace("sign=", "sign=A"),
        good.replace(&number, &other),
        good.replace("2021000000000001", "2021000000000002"),
    ];
    for query in forged {
        assert_neutral(&ingress.get(&target(&query), ENGLISH).await);
    }
    assert!(
        ingress
            .get(&target(&good), ENGLISH)
            .await
            .text()
            .contains("Teapot"),
        "the original"
    );
}

#[tokio::test]
async fn an_unknown_order_shows_nothing() {
    let ingress = TestIngress::start().await;
    insert(&ingress, &Wanted::default()).await;
    let unknown = AttemptId::new(&ingress.ids).to_string();
    let from_vectors = text(&alipay()["sync_return"]["query_string"]);
    for query in [
        signed_return(&unknown),
        signed_return("not-an-id"),
        from_vectors,
    ] {
        assert_neutral(&ingress.get(&target(&query), ENGLISH).await);
    }
}

/// Promise P9: a valid signature of one account says nothing about an order of another.
#[tokio::test]
async fn an_order_of_another_account_shows_nothing() {
    let ingress = TestIngress::start().await;
    let payment = insert(&ingress, &Wanted::default()).await;
    let query = signed_return(&payment.current_attempt_id.expect("an attempt").to_string());
    let elsewhere = format!("/return/alipay/alipay-other?{query}");
    assert_neutral(&ingress.get(&elsewhere, ENGLISH).await);
    assert_neutral(
        &ingress
            .get(&format!("/return/alipay/nobody?{query}"), ENGLISH)
            .await,
    );
}

#[tokio::test]
async fn a_gateway_that_signs_no_return_gets_the_neutral_page() {
    let ingress = TestIngress::start().await;
    let target = "/return/wechat_pay/wechat-main?out_trade_no=1&redirect=https://evil.example/";
    assert_neutral(&ingress.get(target, ENGLISH).await);
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_shown_and_the_page_tries_again() {
    let ingress = TestIngress::start().await;
    let payment = insert(&ingress, &Wanted::default()).await;
    ingress
        .database
        .store
        .migration_connection()
        .clone()
        .close()
        .await
        .unwrap();
    let query = signed_return(&payment.current_attempt_id.expect("an attempt").to_string());
    let html = ingress.get(&target(&query), ENGLISH).await.text();
    assert!(
        html.contains(NEUTRAL) && html.contains("content=\"2;url=?"),
        "{html}"
    );
    assert!(
        !html.contains("Teapot") && !html.contains("shop.example"),
        "{html}"
    );
}

#[tokio::test]
async fn what_callers_wrote_is_escaped() {
    let ingress = TestIngress::start().await;
    let wanted = Wanted {
        subject: "<script>alert('1')</script>\" & co",
        return_url: Some("https://shop.example/\"><script>alert(1)</script>?a='b"),
        ..Wanted::default()
    };
    let html = page_of(&ingress, &wanted).await;
    assert!(!html.contains("<script"), "{html}");
    assert!(
        html.contains("&#60;script&#62;alert(&#39;1&#39;)"),
        "{html}"
    );
    assert_eq!(html.matches("<a ").count(), 1, "{html}");
}

#[tokio::test]
async fn an_address_that_is_no_web_address_is_not_followed() {
    let ingress = TestIngress::start().await;
    for return_url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a:b@shop.example/",
    ] {
        let wanted = Wanted {
            return_url: Some(return_url),
            ..Wanted::default()
        };
        let html = page_of(&ingress, &wanted).await;
        assert!(html.contains("Payment successful"), "{html}");
        assert!(
            !html.contains("<a ") && !html.contains("http-equiv"),
            "{html}"
        );
    }
}

#[tokio::test]
async fn the_page_may_load_nothing_and_is_not_stored() {
    let ingress = TestIngress::start().await;
    let first = ingress.get(&target("a=1"), ENGLISH).await;
    let policy = first.header("content-security-policy").unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'nonce-"),
        "{policy}"
    );
    for part in [
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    let nonce = policy
        .split("nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert!(first.text().contains(&format!("<style nonce=\"{nonce}\">")));
    let second = ingress.get(&target("a=1"), ENGLISH).await;
    assert_ne!(
        second.header("content-security-policy"),
        Some(policy.as_str())
    );
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let ingress = TestIngress::start().await;
    let mut client = crate::support::client::Client::connect(ingress.address).await;
    client
        .send(&request(
            "HEAD",
            &target("a=1"),
            &[("connection", "close")],
            b"",
        ))
        .await;
    let head = client.rest().await;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}
