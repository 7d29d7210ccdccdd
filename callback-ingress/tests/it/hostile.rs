//! Hostile input: nothing of it is kept, nothing of it is echoed, and the ingress goes on.

use std::time::Duration;

use callback_ingress::IngressOptions;

use crate::support::TestIngress;
use crate::support::client::{Client, request};
use crate::support::vectors::{ALIPAY_PATH, WECHAT_PATH, alipay_paid, wechat_paid};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The hostile input left nothing behind, and a genuine callback is still taken.
async fn assert_unharmed(ingress: &TestIngress) {
    assert!(ingress.queue.notifications().is_empty());
    assert_eq!(ingress.post(&alipay_paid()).await.text(), "success");
    assert_eq!(ingress.queue.notifications().len(), 1);
}

fn impatient(options: &mut IngressOptions) {
    options.read_timeout = Duration::from_millis(150);
}

#[tokio::test]
async fn an_announced_body_above_the_limit_is_refused_unread() {
    let ingress = TestIngress::start().await;
    let head = format!("POST {ALIPAY_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 65537\r\n\r\n");
    let answer = ingress.send(head.as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (413, "fail"));
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_body_that_grows_above_the_limit_is_refused() {
    let ingress = TestIngress::start().await;
    let mut bytes =
        format!("POST {ALIPAY_PATH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    for _ in 0..5 {
        bytes.extend_from_slice(b"4000\r\n");
        bytes.extend(std::iter::repeat_n(b'a', 0x4000));
        bytes.extend_from_slice(b"\r\n");
    }
    let answer = ingress.send(&bytes).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    let ingress = TestIngress::start().await;
    for (length, status) in [(65_536, 400), (65_537, 413)] {
        let body = vec![b'a'; length];
        let answer = ingress
            .send(&request("POST", ALIPAY_PATH, &[FORM], &body))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{length}");
    }
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused_and_the_connection_closed() {
    let ingress = TestIngress::with_options(impatient).await;
    let whole = alipay_paid().request();
    let mut client = Client::connect(ingress.address).await;
    client.send(&whole[..whole.len() - 1]).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (408, "fail"));
    assert_eq!(client.answer().await, None);
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_ends_the_connection() {
    let ingress = TestIngress::with_options(impatient).await;
    for begin in [
        "",
        "POST /callb",
        "POST /callbacks/alipay/a/payment HTTP/1.1\r\nhost: a\r\nx: ",
    ] {
        let mut client = Client::connect(ingress.address).await;
        client.send(begin.as_bytes()).await;
        let answer = client.answer().await;
        assert!(answer.is_none_or(|answer| answer.status == 408), "{begin}");
    }
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_read_time_out() {
    let ingress = TestIngress::with_options(impatient).await;
    let mut client = Client::connect(ingress.address).await;
    client.send(&request("GET", "/elsewhere", &[], b"")).await;
    assert_eq!(client.answer().await.unwrap().status, 404);
    assert_eq!(client.answer().await, None);
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_truncated_body_is_not_kept() {
    let ingress = TestIngress::start().await;
    let whole = wechat_paid().request();
    let mut client = Client::connect(ingress.address).await;
    client.send(&whole[..whole.len() - 10]).await;
    client.finish_sending().await;
    let answer = client.answer().await;
    assert!(answer.is_none_or(|answer| answer.status >= 400));
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let ingress = TestIngress::start().await;
    let many: Vec<(String, String)> = (0..65)
        .map(|n| (format!("x-{n}"), "1".to_owned()))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let large = "a".repeat(17 * 1024);
    for headers in [&many[..], &[("x-large", large.as_str())]] {
        let answer = ingress
            .send(&request("POST", ALIPAY_PATH, headers, b""))
            .await
            .unwrap();
        assert_eq!(answer.status, 431);
        assert!(answer.body.is_empty());
    }
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_end_the_connection_only() {
    let ingress = TestIngress::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /a HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
    ] {
        let mut client = Client::connect(ingress.address).await;
        client.send(bytes).await;
        client.finish_sending().await;
        let answer = client.answer().await;
        assert!(
            answer.is_none_or(|answer| answer.status >= 400),
            "{bytes:?}"
        );
    }
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn a_body_in_another_charset_or_in_none_is_refused_by_its_signature() {
    let ingress = TestIngress::start().await;
    let gbk = [
        b"subject=".as_slice(),
        &[0xb2, 0xe2, 0xca, 0xd4],
        b"&sign_type=RSA2&sign=AAAA",
    ]
    .concat();
    let not_utf8 = [b"sign=".as_slice(), &[0xff, 0xfe, 0xfd], b"&sign_type=RSA2"].concat();
    for body in [
        &gbk[..],
        &not_utf8,
        b"%ff%fe=%fd&sign=%ff&sign_type=RSA2",
        b"\0",
        b"&&&=&=",
        b"",
    ] {
        let answer = ingress
            .send(&request("POST", ALIPAY_PATH, &[FORM], body))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "fail"),
            "{body:?}"
        );
    }
    assert_unharmed(&ingress).await;
}

#[tokio::test]
async fn deeply_nested_json_is_refused_by_its_signature() {
    let ingress = TestIngress::start().await;
    let mut callback = wechat_paid();
    callback.body = [vec![b'['; 30_000], vec![b']'; 30_000]].concat();
    assert_eq!(ingress.post(&callback).await.status, 401);
    let unsigned = request(
        "POST",
        WECHAT_PATH,
        &[("content-type", "application/json")],
        b"{}",
    );
    assert_eq!(ingress.send(&unsigned).await.unwrap().status, 401);
    assert_unharmed(&ingress).await;
}

/// The signature is over the body's bytes: what a header calls them changes nothing.
#[tokio::test]
async fn a_wrong_content_type_neither_helps_nor_hurts() {
    let ingress = TestIngress::start().await;
    let mut form_as_json = alipay_paid();
    *form_as_json.header_mut("content-type") = "application/json".to_owned();
    let mut json_as_form = alipay_paid();
    json_as_form.body = wechat_paid().body;
    assert_eq!(ingress.post(&json_as_form).await.text(), "fail");
    assert!(ingress.queue.notifications().is_empty());
    assert_eq!(ingress.post(&form_as_json).await.text(), "success");
}

#[tokio::test]
async fn a_signed_header_that_comes_twice_does_not_smuggle_another_value() {
    let ingress = TestIngress::start().await;
    for name in [
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-serial",
        "wechatpay-signature",
    ] {
        for position in [0, usize::MAX] {
            let mut callback = wechat_paid();
            let position = position.min(callback.headers.len());
            callback
                .headers
                .insert(position, (name.to_owned(), "1".to_owned()));
            let answer = ingress.post(&callback).await;
            let kept = ingress.queue.notifications();
            // The first value may count, but then it must be the one that was signed and kept.
            if answer.status == 401 {
                assert!(kept.is_empty() || position > 0, "{name}");
            } else {
                assert_ne!(
                    kept.last().unwrap().0.headers.get(name).map(String::as_str),
                    Some("1")
                );
            }
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_each_and_in_order() {
    let ingress = TestIngress::start().await;
    let mut client = Client::connect(ingress.address).await;
    let mut altered = alipay_paid();
    altered.body.push(b'x');
    let requests = [
        alipay_paid().request(),
        altered.request(),
        wechat_paid().request(),
        request("GET", "/elsewhere", &[], b""),
    ];
    client.send(&requests.concat()).await;
    let mut statuses = Vec::new();
    for _ in &requests {
        statuses.push(client.answer().await.unwrap().status);
    }
    assert_eq!(statuses, [200, 400, 204, 404]);
    assert_eq!(ingress.queue.notifications().len(), 2);
}

/// What follows a body that was refused unread must not be taken for a request.
#[tokio::test]
async fn a_request_hidden_in_a_refused_body_is_not_served() {
    let ingress = TestIngress::start().await;
    let hidden = alipay_paid().request();
    let mut bytes = format!(
        "POST {ALIPAY_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        65_537
    )
    .into_bytes();
    bytes.extend_from_slice(&hidden);
    let mut client = Client::connect(ingress.address).await;
    client.send(&bytes).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_eq!(client.answer().await, None);
    assert!(ingress.queue.notifications().is_empty());
}
