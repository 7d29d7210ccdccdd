//! The payer pages: both languages, escaping, and what the buttons do.

use serde_json::json;

use super::{escape, text::Language};
use crate::{
    OrderState,
    testing::{Bed, alipay_biz},
};

async fn page(bed: &Bed, path: &str, accept_language: &str) -> String {
    let request = bed.http.get(format!("{}{path}", bed.sandbox.base_url()));
    let answer = request
        .header("accept-language", accept_language)
        .send()
        .await
        .unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'"));
    answer.text().await.unwrap()
}

#[test]
fn the_first_language_that_there_is_is_taken() {
    assert_eq!(
        Language::accepted(Some("fr, en-GB;q=0.8, zh;q=0.5")),
        Language::English
    );
    assert_eq!(Language::accepted(Some("zh-CN,en")), Language::Chinese);
    assert_eq!(Language::accepted(Some("fr")), Language::Chinese);
    assert_eq!(Language::accepted(None), Language::Chinese);
}

#[tokio::test]
async fn the_page_speaks_chinese_and_english() {
    let bed = Bed::start().await;
    bed.alipay_order("T1", "12.30").await;
    let chinese = page(&bed, "/payer/alipay/T1", "zh-CN").await;
    for expected in [
        "确认付款",
        "拒绝付款",
        "离开",
        "测试商品",
        "¥12.30",
        "沙箱商户",
        "<svg",
    ] {
        assert!(chinese.contains(expected), "{expected}");
    }
    let english = page(&bed, "/payer/alipay/T1", "en").await;
    for expected in [">Pay<", ">Refuse<", ">Leave<", "¥12.30", "lang=\"en\""] {
        assert!(english.contains(expected), "{expected}");
    }
    assert_eq!(page(&bed, "/payer/alipay/T1?lang=en", "zh").await, english);
    assert!(page(&bed, "/?lang=en", "zh").await.contains("All orders"));
    assert!(
        page(&bed, "/payer/alipay/T2", "en")
            .await
            .contains("no such order")
    );
}

#[tokio::test]
async fn what_a_merchant_writes_is_escaped() {
    let bed = Bed::start().await;
    let mut body = bed.wechat_biz("T00001", 1);
    let hostile = "<script>alert('1')</script>\" onload=\"x";
    body["description"] = json!(hostile);
    let answer = bed
        .wechat_call("POST", "/v3/pay/transactions/native", &body)
        .await;
    assert_eq!(answer.outcome(), "200");
    let path = "/payer/wechat/T00001?redirect_url=javascript%3Aalert(1)&lang=%22%3E%3Cb%3E";
    let shown = page(&bed, path, "en").await;
    assert!(!shown.contains("<script") && !shown.contains("javascript:"));
    assert!(!shown.contains("\"><b>"));
    assert!(shown.contains(&escape(hostile)));
    let list = page(&bed, "/", "en").await;
    assert!(!list.contains("<script") && list.contains(&escape(hostile)));
}

#[tokio::test]
async fn the_buttons_pay_refuse_and_leave() {
    let bed = Bed::start().await;
    let mut biz = alipay_biz("T1", "1.00");
    biz["timeout_express"] = json!("10m");
    bed.alipay_call("alipay.trade.precreate", biz).await;
    let address = format!("{}/payer/alipay/T1", bed.sandbox.base_url());
    let press = |action: &str| bed.http.post(format!("{address}/{action}?lang=en")).send();
    let refused = press("refuse").await.unwrap();
    assert_eq!(refused.headers()["location"], "/payer/alipay/T1?lang=en");
    assert_eq!(bed.control.order("T1").unwrap().refused_count, 1);
    assert!(
        page(&bed, "/payer/alipay/T1", "en")
            .await
            .contains("refused")
    );
    assert_eq!(press("leave").await.unwrap().status(), 303);
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Open);
    assert_eq!(press("pay").await.unwrap().status(), 303);
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Paid);
    let paid = page(&bed, "/payer/alipay/T1", "en").await;
    assert!(paid.contains(">Paid<") && !paid.contains(">Pay<"));
    // Pressing again pays nothing again.
    assert_eq!(press("pay").await.unwrap().status(), 303);
    assert_eq!(bed.control.pending_callbacks(), 1);
    assert_eq!(press("dance").await.unwrap().status(), 404);
}

#[tokio::test]
async fn an_expired_order_cannot_be_paid() {
    let bed = Bed::start().await;
    let mut biz = alipay_biz("T1", "1.00");
    biz["timeout_express"] = json!("10m");
    bed.alipay_call("alipay.trade.precreate", biz).await;
    bed.advance(600);
    let shown = page(&bed, "/payer/alipay/T1", "en").await;
    assert!(shown.contains("closed") && !shown.contains(">Pay<"));
    assert!(bed.control.pay("T1").is_err());
    assert_eq!(bed.control.pending_callbacks(), 0);
}
