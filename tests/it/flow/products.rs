//! Every product of both gateways once, in both modes of their accounts.

use kassa::node::seed::code;
use proto::v1::prepay_info::Info;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus};
use sandbox::Product;
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
    match method {
        PaymentMethod::Qr => matches!(prepay, Some(Info::QrCode(_))),
        PaymentMethod::Page => matches!(prepay, Some(Info::Form(_))),
        PaymentMethod::Wap => matches!(prepay, Some(Info::Redirect(_))),
        PaymentMethod::App if is_alipay => matches!(prepay, Some(Info::AppParameters(_))),
        PaymentMethod::App => matches!(prepay, Some(Info::WechatAppParameters(_))),
        PaymentMethod::Jsapi => matches!(prepay, Some(Info::JsapiParameters(_))),
        PaymentMethod::MiniProgram => matches!(prepay, Some(Info::BaiduOrder(_))),
        PaymentMethod::Wallet | PaymentMethod::Unspecified => false,
    }
}

const ALIPAY: [(PaymentMethod, Product); 4] = [
    (PaymentMethod::Page, Product::AlipayPage),
    (PaymentMethod::Wap, Product::AlipayWap),
    (PaymentMethod::App, Product::AlipayApp),
    (PaymentMethod::Qr, Product::AlipayQr),
];
const WECHAT: [(PaymentMethod, Product); 4] = [
    (PaymentMethod::Qr, Product::WechatNative),
    (PaymentMethod::Jsapi, Product::WechatJsapi),
    (PaymentMethod::App, Product::WechatApp),
    (PaymentMethod::Wap, Product::WechatH5),
];

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
