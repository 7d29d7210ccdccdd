//! WeChat Pay v2's protocol through the sandbox's own doors.

use super::{sign, xml, xml::Fields};
use crate::{
    Conduct, Gateway, OrderState, RefundOutcome, RefundStatus, WechatV2Credentials,
    testing::{Bed, Received},
};

fn merchant(bed: &Bed) -> &WechatV2Credentials {
    &bed.sandbox.credentials().wechat_v2
}

/// A signed request with these fields beside the merchant's own.
fn request(bed: &Bed, sign_type: &str, own: &[(&str, &str)]) -> Fields {
    let merchant = merchant(bed);
    let common = [
        ("appid", merchant.appid.as_str()),
        ("mch_id", &merchant.mch_id),
        ("nonce_str", "nonce"),
        ("sign_type", sign_type),
    ];
    let mut fields: Fields = common
        .iter()
        .chain(own)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let signature = sign::sign(sign_type, &fields, &merchant.api_key).unwrap();
    fields.insert("sign".to_owned(), signature);
    fields
}

async fn post(http: &reqwest::Client, url: String, body: String) -> Fields {
    let answer = http.post(url).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "wechat pay always answers 200");
    xml::read(&answer.text().await.unwrap(), "xml").unwrap()
}

/// Sends a request and checks the signature of an answer that has one.
async fn send(bed: &Bed, path: &str, fields: &Fields) -> Fields {
    let url = format!("{}{path}", merchant(bed).api_base_url);
    let answer = post(&bed.http, url, xml::write(fields, "xml")).await;
    if answer["return_code"] == "SUCCESS" {
        let mut told = answer.clone();
        told.insert("sign_type".to_owned(), sign::sign_type(fields).to_owned());
        let signature = sign::sign(sign::sign_type(fields), &answer, &merchant(bed).api_key);
        assert_eq!(answer.get("sign"), signature.as_ref());
    }
    answer
}

fn order<'a>(bed: &'a Bed, number: &'a str, fen: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("body", "测试商品"),
        ("out_trade_no", number),
        ("total_fee", fen),
        ("spbill_create_ip", "127.0.0.1"),
        ("notify_url", &bed.notify_url),
        ("trade_type", "NATIVE"),
        ("product_id", "P1"),
    ]
}

async fn place(bed: &Bed, number: &str, fen: &str) -> Fields {
    let fields = request(bed, sign::HMAC_SHA256, &order(bed, number, fen));
    send(bed, "/pay/unifiedorder", &fields).await
}

async fn ask(bed: &Bed, path: &str, own: &[(&str, &str)]) -> Fields {
    send(bed, path, &request(bed, sign::MD5, own)).await
}

fn outcome(answer: &Fields) -> &str {
    match answer["return_code"].as_str() {
        "SUCCESS" => answer.get("err_code").map_or("SUCCESS", String::as_str),
        other => other,
    }
}

#[test]
fn messages_are_read_flat_and_nothing_else_is_read() {
    let good = "<xml><a><![CDATA[1&2]]></a><b>x&lt;&amp;lt;</b><c/></xml>";
    let read = xml::read(good, "xml").unwrap();
    assert_eq!(
        (read["a"].as_str(), read["b"].as_str(), read["c"].as_str()),
        ("1&2", "x<&lt;", "")
    );
    assert_eq!(xml::read(&xml::write(&read, "xml"), "xml"), Some(read));
    for bad in [
        "",
        "<xml><a>1</a>",
        "<xml><a>1</a><a>2</a></xml>",
        "<xml><a><b>1</b></a></xml>",
        "<xml><a b=\"1\">1</a></xml>",
        "<!DOCTYPE x []><xml></xml>",
        "<xml></xml>more",
    ] {
        assert_eq!(xml::read(bad, "xml"), None, "{bad}");
    }
}

#[test]
fn the_printed_example_gives_both_signatures() {
    let example = "<xml><appid>wxd930ea5d5a258f4f</appid><body>test</body><device_info>1000</device_info>\
        <mch_id>10000100</mch_id><nonce_str>ibuaiVcKdpRxkhJA</nonce_str></xml>";
    let fields = xml::read(example, "xml").unwrap();
    let key = "192006250b4c09247ec02edce69f6a2d";
    for (kind, expected) in [
        (sign::MD5, "9A0A8659F005D6984697E2CA0A9CF3B7"),
        (
            sign::HMAC_SHA256,
            "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
        ),
    ] {
        assert_eq!(sign::sign(kind, &fields, key).as_deref(), Some(expected));
    }
    assert_eq!(sign::sign("SHA1", &fields, key), None);
}

#[tokio::test]
async fn a_wrong_signature_or_altered_amount_is_refused() {
    let bed = Bed::start().await;
    let good = request(&bed, sign::MD5, &order(&bed, "T1", "100"));
    for (name, value) in [
        ("total_fee", "1"),
        ("sign", "0"),
        ("sign_type", "SHA1"),
        ("mch_id", "1"),
    ] {
        let mut altered = good.clone();
        altered.insert(name.to_owned(), value.to_owned());
        let answer = send(&bed, "/pay/unifiedorder", &altered).await;
        assert_eq!(answer["return_code"], "FAIL", "{name}");
        assert!(!answer.contains_key("sign"), "a failure is not signed");
    }
    let url = format!("{}/pay/unifiedorder", merchant(&bed).api_base_url);
    let answer = post(&bed.http, url, "<!DOCTYPE x []><xml></xml>".to_owned()).await;
    assert_eq!(answer["return_code"], "FAIL");
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn missing_overlong_and_malformed_fields_get_the_gateways_own_error() {
    let bed = Bed::start().await;
    let long = "b".repeat(129);
    for (name, value, expected) in [
        ("body", "", "LACK_PARAMS"),
        ("product_id", "", "LACK_PARAMS"),
        ("total_fee", "", "LACK_PARAMS"),
        ("body", long.as_str(), "PARAM_ERROR"),
        ("total_fee", "1.0", "PARAM_ERROR"),
        ("total_fee", "0", "PARAM_ERROR"),
        ("out_trade_no", "has space", "PARAM_ERROR"),
        ("trade_type", "CASH", "PARAM_ERROR"),
        ("trade_type", "JSAPI", "LACK_PARAMS"),
        ("trade_type", "MWEB", "LACK_PARAMS"),
        ("time_expire", "tomorrow", "PARAM_ERROR"),
        ("time_expire", "20250101000000", "PARAM_ERROR"),
        ("notify_url", "http://example.com/x", "PARAM_ERROR"),
        ("notify_url", "https://example.com/x?a=1", "PARAM_ERROR"),
        ("surprise", "1", "PARAM_ERROR"),
        ("appid", "wx0", "APPID_MCHID_NOT_MATCH"),
    ] {
        let mut own = order(&bed, "T1", "100");
        own.retain(|(field, _)| *field != name);
        own.push((name, value));
        let answer = ask(&bed, "/pay/unifiedorder", &own).await;
        assert_eq!(outcome(&answer), expected, "{name} {value}");
    }
    assert!(bed.control.orders().is_empty());
}

#[tokio::test]
async fn a_number_is_bound_to_what_it_was_placed_with() {
    let bed = Bed::start().await;
    assert_eq!(outcome(&place(&bed, "T1", "100").await), "SUCCESS");
    assert_eq!(outcome(&place(&bed, "T1", "100").await), "SUCCESS");
    assert_eq!(
        outcome(&place(&bed, "T1", "101").await),
        "OUT_TRADE_NO_USED"
    );
    bed.control.pay("T1").unwrap();
    assert_eq!(outcome(&place(&bed, "T1", "100").await), "ORDERPAID");
    assert_eq!(bed.control.orders().len(), 1);
}

#[tokio::test]
async fn an_order_is_placed_scanned_paid_queried_and_told() {
    let bed = Bed::start().await;
    let placed = place(&bed, "T1", "100").await;
    let token = placed["code_url"]
        .strip_prefix("weixin://wxpay/bizpayurl?pr=")
        .unwrap();
    let page = format!("{}/payer/wechat/{token}", bed.sandbox.base_url());
    assert_eq!(bed.http.get(page).send().await.unwrap().status(), 200);
    let query = || ask(&bed, "/pay/orderquery", &[("out_trade_no", "T1")]);
    assert_eq!(query().await["trade_state"], "NOTPAY");
    bed.control.pay(token).unwrap();
    let paid = query().await;
    assert_eq!(
        (paid["trade_state"].as_str(), paid["total_fee"].as_str()),
        ("SUCCESS", "100")
    );
    let missing = ask(&bed, "/pay/orderquery", &[("out_trade_no", "T9")]).await;
    assert_eq!(outcome(&missing), "ORDERNOTEXIST");

    bed.answer_with(&[(200, "success")]);
    let reports = bed.control.deliver_due().await;
    assert!(!reports[0].acknowledged, "wechat pay wants xml");
    let notice = xml::read(&bed.received()[0].body, "xml").unwrap();
    assert!(sign::is_signed(&notice, &merchant(&bed).api_key));
    assert_eq!(notice["sign_type"], sign::HMAC_SHA256);
    assert_eq!(
        (
            notice["out_trade_no"].as_str(),
            notice["total_fee"].as_str()
        ),
        ("T1", "100")
    );
    bed.answer_with(&[(
        200,
        "<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>",
    )]);
    assert!(bed.control.deliver_due().await[0].acknowledged);
}

#[tokio::test]
async fn a_close_is_for_open_orders() {
    let bed = Bed::start().await;
    place(&bed, "T1", "100").await;
    place(&bed, "T2", "100").await;
    bed.control.pay("T2").unwrap();
    let close = async |number: &str| {
        let answer = ask(&bed, "/pay/closeorder", &[("out_trade_no", number)]).await;
        outcome(&answer).to_owned()
    };
    assert_eq!(close("T1").await, "SUCCESS");
    assert_eq!(close("T1").await, "ORDERCLOSED");
    assert_eq!(close("T2").await, "ORDERPAID");
    assert_eq!(close("T9").await, "ORDERNOTEXIST");
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Closed);
}

/// A client that shows a merchant's certificate, if it has one.
fn secure(bed: &Bed, has_certificate: bool) -> reqwest::Client {
    let merchant = merchant(bed);
    let root = merchant.mtls_root_certificate_pem.as_bytes();
    let root = reqwest::Certificate::from_pem(root).unwrap();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge([root]);
    if has_certificate {
        let pem = format!(
            "{}\n{}",
            merchant.client_private_key_pem, merchant.client_certificate_pem
        );
        builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

async fn refund(bed: &Bed, order: &str, number: &str, (fee, total): (&str, &str)) -> String {
    let own = [
        ("out_trade_no", order),
        ("out_refund_no", number),
        ("refund_fee", fee),
        ("total_fee", total),
        ("notify_url", &bed.notify_url),
    ];
    let url = format!("{}/secapi/pay/refund", merchant(bed).mtls_base_url);
    let body = xml::write(&request(bed, sign::MD5, &own), "xml");
    let answer = post(&secure(bed, true), url, body).await;
    outcome(&answer).to_owned()
}

#[tokio::test]
async fn refunds_need_the_client_certificate() {
    let bed = Bed::start().await;
    place(&bed, "T1", "100").await;
    bed.control.pay("T1").unwrap();
    let own = [
        ("out_trade_no", "T1"),
        ("out_refund_no", "R1"),
        ("refund_fee", "1"),
        ("total_fee", "100"),
    ];
    let body = xml::write(&request(&bed, sign::MD5, &own), "xml");
    let url = format!("{}/secapi/pay/refund", merchant(&bed).mtls_base_url);
    let without = secure(&bed, false)
        .post(url)
        .body(body.clone())
        .send()
        .await;
    assert!(without.is_err(), "the handshake fails");
    let plain = format!("{}/secapi/pay/refund", merchant(&bed).api_base_url);
    assert_eq!(
        bed.http
            .post(plain)
            .body(body)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert!(bed.control.refunds().is_empty());
    assert_eq!(refund(&bed, "T1", "R1", ("1", "100")).await, "SUCCESS");
}

#[tokio::test]
async fn refund_numbers_are_bound_to_their_amounts_and_are_told_sealed() {
    let bed = Bed::start().await;
    place(&bed, "T1", "100").await;
    assert_eq!(
        refund(&bed, "T1", "R1", ("30", "100")).await,
        "INVALID_REQUEST"
    );
    bed.control.pay("T1").unwrap();
    assert_eq!(refund(&bed, "T1", "R1", ("30", "100")).await, "SUCCESS");
    assert_eq!(refund(&bed, "T1", "R1", ("30", "100")).await, "SUCCESS");
    assert_eq!(
        refund(&bed, "T1", "R1", ("31", "100")).await,
        "REFUND_FEE_MISMATCH"
    );
    assert_eq!(
        refund(&bed, "T1", "R2", ("71", "100")).await,
        "INVALID_REQUEST"
    );
    assert_eq!(
        refund(&bed, "T1", "R2", ("70", "99")).await,
        "REFUND_FEE_MISMATCH"
    );
    assert_eq!(
        refund(&bed, "T9", "R2", ("70", "100")).await,
        "INVALID_TRANSACTIONID"
    );
    let query = |number: &'static str| {
        let bed = &bed;
        async move { ask(bed, "/pay/refundquery", &[("out_refund_no", number)]).await }
    };
    assert_eq!(query("R1").await["refund_status_0"], "PROCESSING");
    assert_eq!(outcome(&query("R9").await), "REFUNDNOTEXIST");
    bed.control
        .settle_refund("R1", RefundOutcome::Abnormal)
        .unwrap();
    assert_eq!(query("R1").await["refund_status_0"], "CHANGE");
    bed.control
        .settle_refund("R1", RefundOutcome::Success)
        .unwrap();
    let told = query("R1").await;
    assert_eq!(
        (
            told["refund_fee_0"].as_str(),
            told["refund_status_0"].as_str()
        ),
        ("30", "SUCCESS")
    );
    bed.control.deliver_due().await;
    let kinds: Vec<String> = bed
        .received()
        .iter()
        .map(|it| notice_kind(&bed, it))
        .collect();
    assert_eq!(
        kinds,
        [
            "payment",
            "sealed for the merchant",
            "sealed for the merchant"
        ]
    );
}

/// What a notice is; a sealed one must be sealed as the merchant would open it.
fn notice_kind(bed: &Bed, received: &Received) -> String {
    let notice = xml::read(&received.body, "xml").unwrap();
    assert_eq!(notice["mch_id"], merchant(bed).mch_id);
    match notice.get("req_info") {
        None => "payment".to_owned(),
        Some(sealed) => {
            // ECB: the same beginning is sealed alike, whatever follows.
            const BEGINNING: &str = "<root><out_refund_no><![CDATA[R1]]></out_refund_no>";
            let expected = sign::seal(BEGINNING, &merchant(bed).api_key).unwrap();
            assert!(sealed.starts_with(expected.split_at(64).0));
            "sealed for the merchant".to_owned()
        }
    }
}

fn at_counter<'a>(number: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("body", "测试商品"),
        ("out_trade_no", number),
        ("total_fee", "100"),
        ("spbill_create_ip", "127.0.0.1"),
        ("auth_code", code),
    ]
}

async fn charge(bed: &Bed, number: &str, code: &str) -> Fields {
    ask(bed, "/pay/micropay", &at_counter(number, code)).await
}

async fn reverse(bed: &Bed, number: &str) -> Fields {
    let url = format!("{}/secapi/pay/reverse", merchant(bed).mtls_base_url);
    let body = xml::write(&request(bed, sign::MD5, &[("out_trade_no", number)]), "xml");
    post(&secure(bed, true), url, body).await
}

async fn stands(bed: &Bed, number: &str) -> Fields {
    ask(bed, "/pay/orderquery", &[("out_trade_no", number)]).await
}

fn show(bed: &Bed, conduct: Conduct) -> String {
    bed.control.show_code(Gateway::WechatV2, conduct).unwrap()
}

#[tokio::test]
async fn a_code_pays_once_and_the_number_is_taken() {
    let bed = Bed::start().await;
    let code = show(&bed, Conduct::Pays);
    let paid = charge(&bed, "T1", &code).await;
    assert_eq!(outcome(&paid), "SUCCESS");
    assert_eq!(
        (paid["total_fee"].as_str(), paid["trade_type"].as_str()),
        ("100", "MICROPAY")
    );
    assert_eq!(stands(&bed, "T1").await["trade_state"], "SUCCESS");
    assert!(
        bed.control.deliver_due().await.is_empty(),
        "no notice follows"
    );
    assert_eq!(outcome(&charge(&bed, "T2", &code).await), "AUTH_CODE_ERROR");
    let fresh = show(&bed, Conduct::Pays);
    assert_eq!(outcome(&charge(&bed, "T1", &fresh).await), "ORDERPAID");
    assert_eq!(
        outcome(&charge(&bed, "T3", "130000000000000000").await),
        "AUTH_CODE_INVALID"
    );
    let poor = show(&bed, Conduct::LacksMoney);
    assert_eq!(outcome(&charge(&bed, "T3", &poor).await), "NOTENOUGH");
    bed.advance(61);
    assert_eq!(outcome(&charge(&bed, "T3", &fresh).await), "AUTHCODEEXPIRE");
    assert_eq!(outcome(&charge(&bed, "T3", "").await), "LACK_PARAMS");
    assert_eq!(
        bed.control.orders().len(),
        1,
        "what is refused makes no order"
    );
}

#[tokio::test]
async fn an_order_that_waits_is_confirmed_or_reversed() {
    let bed = Bed::start().await;
    for number in ["T1", "T2", "T3"] {
        let waiting = charge(&bed, number, &show(&bed, Conduct::IsAsked)).await;
        assert_eq!(outcome(&waiting), "USERPAYING");
        assert_eq!(stands(&bed, number).await["trade_state"], "USERPAYING");
    }
    bed.control.refuse("T3").unwrap();
    assert_eq!(stands(&bed, "T3").await["trade_state"], "PAYERROR");
    bed.control.pay("T1").unwrap();
    for number in ["T1", "T1", "T2", "T3"] {
        let done = reverse(&bed, number).await;
        assert_eq!((outcome(&done), done["recall"].as_str()), ("SUCCESS", "N"));
    }
    let refunds = bed.control.refunds();
    assert_eq!(refunds.len(), 1, "given back once");
    assert_eq!(
        (refunds[0].amount_minor, refunds[0].status),
        (100, RefundStatus::Success)
    );
    let paid = stands(&bed, "T1").await;
    assert_eq!(
        (paid["trade_state"].as_str(), paid["total_fee"].as_str()),
        ("REVOKED", "100")
    );
    let unpaid = stands(&bed, "T2").await;
    assert_eq!(unpaid["trade_state"], "REVOKED");
    assert!(!unpaid.contains_key("total_fee"));
    let again = charge(&bed, "T2", &show(&bed, Conduct::Pays)).await;
    assert_eq!(outcome(&again), "ORDERREVERSED");
    assert!(bed.control.pay("T2").is_err());
    assert_eq!(outcome(&reverse(&bed, "T9").await), "ORDERNOTEXIST");
    place(&bed, "T8", "100").await;
    assert_eq!(outcome(&reverse(&bed, "T8").await), "TRADE_ERROR");
}

#[tokio::test]
async fn a_reversal_needs_the_client_certificate() {
    let bed = Bed::start().await;
    charge(&bed, "T1", &show(&bed, Conduct::IsAsked)).await;
    let plain = format!("{}/secapi/pay/reverse", merchant(&bed).api_base_url);
    let body = xml::write(&request(&bed, sign::MD5, &[("out_trade_no", "T1")]), "xml");
    let answer = bed.http.post(plain).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Open);
}
