//! Payers who come back from a gateway's page: what they bring proves who they are and never that anything
//! was paid.

use kassa::node::seed::code;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus};
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use tests::{Created, TestApp, Wish};

/// The form with which UnionPay's page sends the payer's browser on: where to, and its fields.
async fn way_back(app: &TestApp, created: &Created) -> (String, Vec<(String, String)>) {
    let sandbox = app.node().sandbox().unwrap().base_url().to_owned();
    let number = app.number(&created.id).await;
    let leave = format!("{sandbox}/payer/unionpay/{number}/leave");
    let page = app.http.post(leave).send().await.unwrap();
    let page = page.text().await.unwrap();
    let action = attribute(&page, "action");
    let inputs = page.split("<input type=\"hidden\" ").skip(1);
    let fields = inputs.map(|input| (attribute(input, "name"), attribute(input, "value")));
    (action, fields.collect())
}

fn attribute(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("{name}=\"")).unwrap();
    let escaped = rest.split('"').next().unwrap();
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
    ]
    .into_iter()
    .fold(escaped.to_owned(), |text, (word, sign)| {
        text.replace(word, sign)
    })
    .replace("&amp;", "&")
}

async fn come_back(app: &TestApp, url: &str, fields: &[(String, String)]) -> String {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let post = app.http.post(url).body(form).header(ACCEPT_LANGUAGE, "en");
    let post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let shown = post.send().await.unwrap();
    assert_eq!(shown.status(), 200);
    shown.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unionpays_form_shows_the_payment_and_does_not_pay_it() {
    let app = TestApp::start().await;
    let wish = Wish::new(
        PaymentChannel::Unionpay,
        PaymentMethod::Page,
        "tea",
        "12.34",
    );
    let created = app.created(&wish).await;
    app.pay(&created).await;
    let (url, mut fields) = way_back(&app, &created).await;
    let suffix = format!("/return/unionpay/{}", code::UNIONPAY);
    assert!(url.ends_with(&suffix), "{url}");

    let open = come_back(&app, &url, &fields).await;
    assert!(open.contains("12.34 CNY"), "{open}");
    assert!(open.contains("We are confirming your payment"), "{open}");
    let before = app.payment(&created.id).await.status();
    assert_eq!(
        before,
        PaymentStatus::PendingPayment,
        "a return pays nothing"
    );

    app.settle().await;
    let paid = app.payment(&created.id).await.status();
    assert_eq!(paid, PaymentStatus::PaidSuccess);
    let shown = come_back(&app, &url, &fields).await;
    assert!(shown.contains("Payment successful"), "{shown}");

    let amount = fields.iter_mut().find(|(name, _)| name == "txnAmt");
    amount.unwrap().1 = "1".to_owned();
    let altered = come_back(&app, &url, &fields).await;
    assert!(!altered.contains("12.34"), "{altered}");
    app.finish().await;
}
