//! Every product of both gateways once, in both modes of their accounts.

use kassa::node::seed::code;
use proto::v1::prepay_info::Info;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus};
use sandbox::{Product, RefundOutcome};
use tests::{TestApp, Wish};

async fn pay_over(code: &str, products: &[(PaymentMethod, Product)], channel: PaymentChannel) {
    let app = TestApp::start().await;
    for (method, product) in products {
        let order = format!("order-{}", method.as_str_name());
        let wish = Wish::new(channel, *method, &order, "12.34").account(code);
        let created = app.created(&wish).await;
        assert!(
            is_way_to_pay(*method, channel, created.prepay.as_ref()),
            "{:?}",
            created.prepay
        );
        let order = app.pay(&created).await;
        assert_eq!(order.product, *product);
        assert_eq!(order.total_minor, 1_234);
        app.settle().await;
        let paid = app.payment(&created.id).await;
        assert_eq!(paid.status(), PaymentStatus::PaidSuccess, "{method:?}");
        assert_eq!(app.events_of(&created.id).await.len(), 2);
    }
    app.finish().await;
}

/// Each method has its own kind of prepay info.
fn is_way_to_pay(method: PaymentMethod, channel: PaymentChannel, prepay: Option<&Info>) -> bool {
    let is_alipay = channel == PaymentChannel::Alipay;
    let is_unionpay = channel == PaymentChannel::Unionpay;
    let is_redirected = matches!(channel, PaymentChannel::Stripe | PaymentChannel::Paypal);
    match method {
        PaymentMethod::Qr => matches!(prepay, Some(Info::QrCode(_))),
        PaymentMethod::Page if is_redirected => matches!(prepay, Some(Info::Redirect(_))),
        PaymentMethod::Page => matches!(prepay, Some(Info::Form(_))),
        PaymentMethod::Wap if is_unionpay => matches!(prepay, Some(Info::Form(_))),
        PaymentMethod::Wap => matches!(prepay, Some(Info::Redirect(_))),
        PaymentMethod::App if is_alipay || is_unionpay => {
            matches!(prepay, Some(Info::AppParameters(_)))
        }
        PaymentMethod::App => matches!(prepay, Some(Info::WechatAppParameters(_))),
        PaymentMethod::Jsapi if is_alipay => matches!(prepay, Some(Info::AlipayTrade(_))),
        PaymentMethod::Jsapi => matches!(prepay, Some(Info::JsapiParameters(_))),
        PaymentMethod::MiniProgram => matches!(prepay, Some(Info::BaiduOrder(_))),
        PaymentMethod::Card => matches!(prepay, Some(Info::ClientSecret(_))),
        PaymentMethod::BarCode | PaymentMethod::Wallet | PaymentMethod::Unspecified => false,
    }
}

const ALIPAY: [(PaymentMethod, Product); 5] = [
    (PaymentMethod::Page, Product::AlipayPage),
    (PaymentMethod::Wap, Product::AlipayWap),
    (PaymentMethod::App, Product::AlipayApp),
    (PaymentMethod::Qr, Product::AlipayQr),
    (PaymentMethod::Jsapi, Product::AlipayJsapi),
];
const WECHAT: [(PaymentMethod, Product); 4] = [
    (PaymentMethod::Qr, Product::WechatNative),
    (PaymentMethod::Jsapi, Product::WechatJsapi),
    (PaymentMethod::App, Product::WechatApp),
    (PaymentMethod::Wap, Product::WechatH5),
];

const BAIDU: [(PaymentMethod, Product); 1] =
    [(PaymentMethod::MiniProgram, Product::BaiduMiniProgram)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wechat_product_is_paid_over_api_v2() {
    pay_over(code::WECHAT_V2, &WECHAT, PaymentChannel::WechatPay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_baidu_product_is_paid() {
    pay_over(code::BAIDU, &BAIDU, PaymentChannel::Baidu).await;
}

/// Whose refund notices are only a reason to ask.
const HINTING: [(&str, PaymentChannel, PaymentMethod); 2] = [
    (
        code::WECHAT_V2,
        PaymentChannel::WechatPay,
        PaymentMethod::Jsapi,
    ),
    (
        code::BAIDU,
        PaymentChannel::Baidu,
        PaymentMethod::MiniProgram,
    ),
];

/// Refund notices that are only a reason to ask: the gateway's answers settle the refunds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_whose_notices_prove_nothing_are_settled_by_the_gateways_answers() {
    let app = TestApp::start().await;
    for (code, channel, method) in HINTING {
        let created = app
            .paid(&Wish::new(channel, method, code, "10.00").account(code))
            .await;
        let mut refunds = Vec::new();
        for part in ["first", "second"] {
            let name = format!("{code}-{part}");
            refunds.push(
                app.refund(&created.id, &name, "5.00")
                    .await
                    .unwrap()
                    .refund_id,
            );
        }
        app.run_until_idle().await;
        for (refund, outcome) in refunds
            .iter()
            .zip([RefundOutcome::Success, RefundOutcome::Closed])
        {
            app.control.settle_refund(refund, outcome).unwrap();
        }
        // Two notices, and no question on schedule: time stands still.
        let told = app.deliver().await;
        assert!(
            told.len() == 2 && told.iter().all(|report| report.acknowledged),
            "{told:?}"
        );
        app.run_until_idle().await;
        let after = app.payment(&created.id).await;
        assert_eq!(after.status(), PaymentStatus::RefundPartial, "{code}");
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    }
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

const STRIPE: [(PaymentMethod, Product); 2] = [
    (PaymentMethod::Page, Product::StripeCheckout),
    (PaymentMethod::Card, Product::StripeIntent),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stripe_product_is_paid() {
    pay_over(code::STRIPE, &STRIPE, PaymentChannel::Stripe).await;
}

const PAYPAL: [(PaymentMethod, Product); 1] = [(PaymentMethod::Page, Product::PaypalOrder)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_paypal_product_is_paid() {
    pay_over(code::PAYPAL, &PAYPAL, PaymentChannel::Paypal).await;
}

const UNIONPAY: [(PaymentMethod, Product); 4] = [
    (PaymentMethod::Qr, Product::UnionpayQr),
    (PaymentMethod::Page, Product::UnionpayPage),
    (PaymentMethod::Wap, Product::UnionpayWap),
    (PaymentMethod::App, Product::UnionpayApp),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_unionpay_product_is_paid() {
    pay_over(code::UNIONPAY, &UNIONPAY, PaymentChannel::Unionpay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_notice_that_is_only_a_hint_asks_the_gateway_nothing_again() {
    let app = TestApp::start().await;
    for (code, channel, method) in HINTING {
        let wish = Wish::new(channel, method, code, "10.00").account(code);
        let created = app.paid(&wish).await;
        let refund = app.refund(&created.id, code, "5.00").await.unwrap();
        app.run_until_idle().await;
        let outcome = RefundOutcome::Success;
        app.control
            .settle_refund(&refund.refund_id, outcome)
            .unwrap();
        app.settle().await;
        let (asked, state) = (app.control.calls().len(), app.state(&created.id).await);
        let notice = app.control.recorded_callbacks().pop().unwrap();
        for _ in 0..2 {
            let told = app.control.replay(notice.index).await.unwrap();
            assert!(told.acknowledged, "{told:?}");
            app.run_until_idle().await;
        }
        assert_eq!(app.control.calls().len(), asked, "{code}");
        assert_eq!(app.state(&created.id).await, state);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alipay_product_is_paid_with_a_public_key_account() {
    pay_over(code::ALIPAY, &ALIPAY, PaymentChannel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alipay_product_is_paid_with_a_certificate_account() {
    pay_over(code::ALIPAY_CERTIFICATE, &ALIPAY, PaymentChannel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wechat_product_is_paid_with_a_platform_certificate_account() {
    pay_over(code::WECHAT, &WECHAT, PaymentChannel::WechatPay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wechat_product_is_paid_with_a_public_key_account() {
    pay_over(code::WECHAT_PUBLIC_KEY, &WECHAT, PaymentChannel::WechatPay).await;
}
