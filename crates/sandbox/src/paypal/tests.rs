//! PayPal's half of the protocol, as a merchant's client and endpoint see it.

use rsa::{RsaPublicKey, pkcs8::DecodePublicKey};
use serde_json::{Value, json};
use x509_parser::pem::parse_x509_pem;

use super::notify::message;
use crate::{
    CallFault, CallbackFault, FaultRule, Operation, PaypalCredentials, crypto::is_signed_by,
    testing::Bed,
};

const NUMBER: &str = "T0001";
const ORDERS: &str = "/v2/checkout/orders";

struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// `status issue`.
    fn outcome(&self) -> String {
        let issue = self.body["details"][0]["issue"].as_str();
        format!("{} {}", self.status, issue.unwrap_or_default())
            .trim_end()
            .to_owned()
    }
}

fn paypal(bed: &Bed) -> &PaypalCredentials {
    &bed.sandbox.credentials().paypal
}

async fn ask_token(bed: &Bed, id: &str, secret: &str, grant: &str) -> Answer {
    let url = format!("{}/v1/oauth2/token", paypal(bed).api_base_url);
    let request = bed.http.post(url).basic_auth(id, Some(secret));
    read(
        request
            .body(format!("grant_type={grant}"))
            .send()
            .await
            .unwrap(),
    )
    .await
}

async fn token(bed: &Bed, of: &PaypalCredentials) -> String {
    let answer = ask_token(bed, &of.client_id, &of.client_secret, "client_credentials").await;
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// A merchant's client.
struct Client<'a> {
    bed: &'a Bed,
    token: String,
}

impl<'a> Client<'a> {
    async fn new(bed: &'a Bed) -> Self {
        let token = token(bed, paypal(bed)).await;
        Self { bed, token }
    }

    async fn post(&self, path: &str, id: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", paypal(self.bed).api_base_url);
        let mut request = self
            .bed
            .http
            .post(url)
            .bearer_auth(&self.token)
            .body(body.to_string());
        if !id.is_empty() {
            request = request.header("paypal-request-id", id);
        }
        read(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", paypal(self.bed).api_base_url);
        let request = self.bed.http.get(url).bearer_auth(&self.token);
        read(request.send().await.unwrap()).await
    }

    async fn capture(&self, order: &Value) -> Answer {
        let path = format!("{ORDERS}/{}/capture", order["id"].as_str().unwrap());
        self.post(&path, &format!("cap-{NUMBER}"), &json!({})).await
    }

    async fn show(&self, order: &Value) -> Answer {
        self.get(&format!("{ORDERS}/{}", order["id"].as_str().unwrap()))
            .await
    }
}

async fn read(response: reqwest::Response) -> Answer {
    Answer {
        status: response.status().as_u16(),
        body: serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    }
}

fn order(value: &str, currency: &str) -> Value {
    json!({
        "intent": "CAPTURE",
        "purchase_units": [{
            "amount": {"currency_code": currency, "value": value},
            "custom_id": NUMBER, "invoice_id": NUMBER, "description": "tea",
        }],
        "payment_source": {"paypal": {"experience_context": {
            "return_url": "https://m.example/ok?a=1", "cancel_url": "https://m.example/no",
        }}},
    })
}

async fn bed() -> Bed {
    let bed = Bed::start().await;
    let url = bed.notify_url.clone();
    bed.control.set_endpoint(&paypal(&bed).merchant_id, &url);
    bed
}

/// The events that came in, each with a signature that holds under the certificate.
fn events(bed: &Bed) -> Vec<Value> {
    let (_, pem) = parse_x509_pem(paypal(bed).certificate_pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let key = RsaPublicKey::from_public_key_der(certificate.public_key().raw).unwrap();
    let received = bed.received().into_iter();
    received
        .map(|it| {
            let header = |name: &str| it.header(&format!("paypal-{name}"));
            assert_eq!(header("cert-url"), paypal(bed).certificate_url);
            assert_eq!(header("auth-algo"), "SHA256withRSA");
            let (id, time) = (header("transmission-id"), header("transmission-time"));
            let signed = message(&id, &time, &paypal(bed).webhook_id, it.body.as_bytes());
            assert!(is_signed_by(
                &key,
                signed.as_bytes(),
                &header("transmission-sig")
            ));
            serde_json::from_str(&it.body).unwrap()
        })
        .collect()
}

fn kinds(bed: &Bed) -> Vec<String> {
    let events = events(bed).into_iter();
    events
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .collect()
}

/// An order that is approved and captured: the order, and the path of its capture.
async fn captured(client: &Client<'_>) -> (Value, String) {
    let order = order("10.99", "USD");
    let placed = client.post(ORDERS, "pay-1", &order).await.body;
    client.bed.control.pay(NUMBER).unwrap();
    let shown = client.capture(&placed).await.body;
    let capture = &shown["purchase_units"][0]["payments"]["captures"][0];
    let path = format!("/v2/payments/captures/{}", capture["id"].as_str().unwrap());
    (placed, path)
}

#[tokio::test]
async fn an_order_is_placed_approved_captured_and_told() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let placed = client.post(ORDERS, "pay-1", &order("10.99", "USD")).await;
    let status = &placed.body["status"];
    assert_eq!(
        (placed.status, status),
        (201, &json!("PAYER_ACTION_REQUIRED"))
    );
    let placed = placed.body;
    let early = client.capture(&placed).await;
    assert_eq!(early.outcome(), "422 ORDER_NOT_APPROVED");
    let mut links = placed["links"].as_array().unwrap().iter();
    let way = links.find(|link| link["rel"] == "payer-action").unwrap();
    let way = way["href"].as_str().unwrap();
    let page = bed.http.get(way).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("10.99 USD"));

    let approved = bed.http.post(format!("{way}/pay")).send().await.unwrap();
    let back = approved.headers()["location"].to_str().unwrap();
    let id = placed["id"].as_str().unwrap();
    let expected = format!("https://m.example/ok?a=1&token={id}&PayerID=");
    assert!(back.starts_with(&expected), "{back}");
    assert_eq!(client.show(&placed).await.body["status"], "APPROVED");
    assert!(bed.control.books().is_empty(), "approved is not paid");
    let captured = client.capture(&placed).await;
    let status = &captured.body["status"];
    assert_eq!((captured.status, status), (201, &json!("COMPLETED")));
    let again = client.capture(&placed).await;
    assert_eq!((again.status, &again.body), (200, &captured.body));
    let path = format!("{ORDERS}/{id}/capture");
    let other = client.post(&path, "cap-2", &json!({})).await;
    assert_eq!(other.outcome(), "422 ORDER_ALREADY_CAPTURED");
    let capture = &captured.body["purchase_units"][0]["payments"]["captures"][0];
    assert_eq!(capture["custom_id"], NUMBER);
    bed.control.deliver_due().await;
    let expected = ["CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED"];
    assert_eq!(kinds(&bed), expected);
}

#[tokio::test]
async fn a_capture_is_refunded_in_parts_and_never_beyond() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let (placed, path) = captured(&client).await;
    assert_eq!(client.get(&path).await.body["amount"]["value"], "10.99");
    let part = json!({"amount": {"currency_code": "USD", "value": "5.00"}, "custom_id": "R1"});
    let of = format!("{path}/refund");
    let refund = client.post(&of, "rf-R1", &part).await;
    let status = &refund.body["status"];
    assert_eq!((refund.status, status), (201, &json!("COMPLETED")));
    let again = client.post(&of, "rf-R1", &part).await;
    assert_eq!((again.status, &again.body), (200, &refund.body));
    let shown = client.show(&placed).await.body;
    let payments = &shown["purchase_units"][0]["payments"];
    assert_eq!(payments["refunds"], json!([refund.body]));
    assert_eq!(payments["captures"][0]["status"], "PARTIALLY_REFUNDED");
    let id = refund.body["id"].as_str().unwrap();
    let read = client.get(&format!("/v2/payments/refunds/{id}")).await;
    assert_eq!(read.body, refund.body);
    for (id, value, currency, expected) in [
        ("a", "6.00", "USD", "422 REFUND_AMOUNT_EXCEEDED"),
        ("b", "1.00", "EUR", "422 REFUND_CAPTURE_CURRENCY_MISMATCH"),
        ("c", "5.99", "USD", "201"),
        ("d", "0.01", "USD", "422 CAPTURE_FULLY_REFUNDED"),
    ] {
        let body = json!({"amount": {"currency_code": currency, "value": value}});
        assert_eq!(client.post(&of, id, &body).await.outcome(), expected);
    }
    bed.control.deliver_due().await;
    assert_eq!(kinds(&bed)[2..], ["PAYMENT.CAPTURE.REFUNDED"; 2]);
}

#[tokio::test]
async fn the_same_request_id_brings_the_same_order_and_none_for_another_amount() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let first = client.post(ORDERS, "pay-1", &order("10.99", "USD")).await;
    let again = client.post(ORDERS, "pay-1", &order("10.99", "USD")).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body, again.body);
    let other = client.post(ORDERS, "pay-1", &order("11.00", "USD")).await;
    assert_eq!(other.outcome(), "422 DUPLICATE_REQUEST_ID");
    assert_eq!(bed.control.orders().len(), 1);
    let second = client
        .post(ORDERS, "pay-2", &order("10.99", "USD"))
        .await
        .body;
    assert_ne!(
        second["id"], first.body["id"],
        "paypal does not mind our number"
    );
    // But an invoice is paid once.
    bed.control.pay(NUMBER).unwrap();
    bed.control.pay(second["id"].as_str().unwrap()).unwrap();
    assert_eq!(client.capture(&first.body).await.status, 201);
    let path = format!("{ORDERS}/{}/capture", second["id"].as_str().unwrap());
    let twice = client.post(&path, "cap-2", &json!({})).await;
    assert_eq!(twice.outcome(), "422 DUPLICATE_INVOICE_ID");
}

#[tokio::test]
async fn a_wrong_secret_and_a_token_that_is_over_or_of_somebody_else_are_refused() {
    let bed = bed().await;
    let (id, secret) = (&paypal(&bed).client_id, &paypal(&bed).client_secret);
    let wrong = ask_token(&bed, id, "wrong", "client_credentials").await;
    assert_eq!(
        (wrong.status, &wrong.body["error"]),
        (401, &json!("invalid_client"))
    );
    let wrong = ask_token(&bed, id, secret, "password").await;
    assert_eq!(wrong.status, 400);
    let mut client = Client::new(&bed).await;
    let placed = client
        .post(ORDERS, "pay-1", &order("10.99", "USD"))
        .await
        .body;
    let foreign = Client {
        bed: &bed,
        token: token(&bed, &bed.sandbox.credentials().paypal_foreign).await,
    };
    assert_eq!(
        foreign.show(&placed).await.outcome(),
        "404 INVALID_RESOURCE_ID"
    );
    bed.advance(32_400);
    assert_eq!(
        client.show(&placed).await.outcome(),
        "401 AUTHENTICATION_FAILURE"
    );
    client.token = "made-up".to_owned();
    assert_eq!(
        client.show(&placed).await.outcome(),
        "401 AUTHENTICATION_FAILURE"
    );
}

/// Asks for an order with one field changed.
async fn refusal(client: &Client<'_>, pointer: &str, value: Value) -> String {
    let mut body = order("10.99", "USD");
    *body.pointer_mut(pointer).unwrap() = value;
    client.post(ORDERS, "pay-1", &body).await.outcome()
}

#[tokio::test]
async fn missing_long_and_malformed_fields_are_refused_in_paypals_words() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let long = json!("x".repeat(128));
    for (pointer, value, expected) in [
        ("/intent", json!(null), "400 MISSING_REQUIRED_PARAMETER"),
        ("/intent", json!("AUTHORIZE"), "400 INVALID_PARAMETER_VALUE"),
        ("/purchase_units", json!([]), "400 INVALID_ARRAY_LENGTH"),
    ] {
        assert_eq!(
            refusal(&client, pointer, value).await,
            expected,
            "{pointer}"
        );
    }
    for field in ["custom_id", "invoice_id", "description"] {
        let pointer = format!("/purchase_units/0/{field}");
        for (value, expected) in [
            (long.clone(), "400 INVALID_STRING_MAX_LENGTH"),
            (json!(""), "400 INVALID_STRING_MIN_LENGTH"),
            (json!(7), "400 INVALID_PARAMETER_SYNTAX"),
        ] {
            assert_eq!(refusal(&client, &pointer, value).await, expected, "{field}");
        }
    }
    let refused = client.post(ORDERS, "", &order("10.99", "USD")).await;
    assert_eq!(refused.outcome(), "400 PAYPAL_REQUEST_ID_REQUIRED");
    let id = "x".repeat(109);
    let refused = client.post(ORDERS, &id, &order("10.99", "USD")).await;
    assert_eq!(refused.outcome(), "400 INVALID_STRING_MAX_LENGTH");
}

#[tokio::test]
async fn missing_long_and_malformed_fields_of_a_refund_are_refused_in_paypals_words() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let (_, path) = captured(&client).await;
    let of = format!("{path}/refund");
    let whole = json!({
        "amount": {"currency_code": "USD", "value": "5.00"},
        "custom_id": "R1",
        "invoice_id": "R1",
        "note_to_payer": "sorry",
    });
    for (pointer, length) in [
        ("custom_id", 127),
        ("invoice_id", 127),
        ("note_to_payer", 255),
    ] {
        let long = json!("长".repeat(length + 1));
        for (value, expected) in [
            (long, "400 INVALID_STRING_MAX_LENGTH"),
            (json!(""), "400 INVALID_STRING_MIN_LENGTH"),
            (json!(7), "400 INVALID_PARAMETER_SYNTAX"),
        ] {
            let mut body = whole.clone();
            body[pointer] = value;
            assert_eq!(
                client.post(&of, "a", &body).await.outcome(),
                expected,
                "{pointer}"
            );
        }
    }
    for (amount, expected) in [
        (json!({"value": "5.00"}), "400 MISSING_REQUIRED_PARAMETER"),
        (
            json!({"currency_code": "USD"}),
            "400 MISSING_REQUIRED_PARAMETER",
        ),
        (
            json!({"currency_code": "USD", "value": "5.001"}),
            "422 DECIMAL_PRECISION",
        ),
        (
            json!({"currency_code": "USD", "value": "0"}),
            "422 CANNOT_BE_ZERO_OR_NEGATIVE",
        ),
        (
            json!({"currency_code": "KWD", "value": "5.00"}),
            "422 INVALID_CURRENCY_CODE",
        ),
    ] {
        let mut body = whole.clone();
        body["amount"] = amount;
        assert_eq!(
            client.post(&of, "a", &body).await.outcome(),
            expected,
            "{body}"
        );
    }
    let id = "x".repeat(109);
    let refused = client.post(&of, &id, &whole).await;
    assert_eq!(refused.outcome(), "400 INVALID_STRING_MAX_LENGTH");
    assert!(bed.control.refunds().is_empty());

    let mut longest = whole;
    longest["note_to_payer"] = json!("长".repeat(255));
    assert_eq!(client.post(&of, "rf-R1", &longest).await.status, 201);
}

/// UNVERIFIED word, as for orders; that the money does not move twice is what counts.
#[tokio::test]
async fn a_refunds_request_id_is_bound_to_its_amount() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let (_, path) = captured(&client).await;
    let of = format!("{path}/refund");
    let part = |value: &str| json!({"amount": {"currency_code": "USD", "value": value}});
    assert_eq!(client.post(&of, "rf-R1", &part("5.00")).await.status, 201);
    for value in ["5.01", "1.00"] {
        let other = client.post(&of, "rf-R1", &part(value)).await;
        assert_eq!(other.outcome(), "422 DUPLICATE_REQUEST_ID");
    }
    let all = client.post(&of, "rf-R1", &json!({})).await;
    assert_eq!(all.outcome(), "422 DUPLICATE_REQUEST_ID");
    let made = bed.control.refunds();
    assert_eq!((made.len(), made[0].amount_minor), (1, 500));
}

#[tokio::test]
async fn amounts_are_taken_as_paypal_writes_them() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    for (field, value, expected) in [
        ("value", "ten", "400 INVALID_PARAMETER_SYNTAX"),
        ("value", "-1", "400 INVALID_PARAMETER_SYNTAX"),
        ("value", "1.", "400 INVALID_PARAMETER_SYNTAX"),
        ("value", "10.999", "422 DECIMAL_PRECISION"),
        ("value", "0.00", "422 CANNOT_BE_ZERO_OR_NEGATIVE"),
        ("value", "1000000000000000", "422 MAX_VALUE_EXCEEDED"),
        ("currency_code", "KWD", "422 INVALID_CURRENCY_CODE"),
        ("currency_code", "JPY", "422 DECIMALS_NOT_SUPPORTED"),
    ] {
        let pointer = format!("/purchase_units/0/amount/{field}");
        assert_eq!(
            refusal(&client, &pointer, json!(value)).await,
            expected,
            "{value}"
        );
    }
    for (value, currency, minor) in [
        ("500", "JPY", 500),
        ("500", "HUF", 50_000),
        ("1", "USD", 100),
    ] {
        let placed = client
            .post(ORDERS, currency, &order(value, currency))
            .await
            .body;
        let order = bed.control.order(placed["id"].as_str().unwrap()).unwrap();
        assert_eq!(order.total_minor, minor, "{currency}");
    }
}

#[tokio::test]
async fn a_declined_order_is_captured_after_the_payer_agreed_anew() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let placed = client
        .post(ORDERS, "pay-1", &order("10.99", "USD"))
        .await
        .body;
    bed.control.pay(NUMBER).unwrap();
    assert!(bed.control.pay(NUMBER).is_err(), "agreed already");
    bed.control.refuse(NUMBER).unwrap();
    assert_eq!(
        client.capture(&placed).await.outcome(),
        "422 INSTRUMENT_DECLINED"
    );
    bed.control.pay(NUMBER).unwrap();
    assert_eq!(client.capture(&placed).await.status, 201);
    bed.control.dispute(NUMBER).unwrap();
    bed.control.deliver_due().await;
    assert_eq!(kinds(&bed).last().unwrap(), "CUSTOMER.DISPUTE.CREATED");
}

#[tokio::test]
async fn an_order_that_nobody_approves_or_captures_in_time_vanishes() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let placed = client
        .post(ORDERS, "pay-1", &order("10.99", "USD"))
        .await
        .body;
    bed.advance(3 * 3_600 - 1);
    bed.control.pay(NUMBER).unwrap();
    bed.advance(3 * 3_600 - 1);
    assert_eq!(client.show(&placed).await.body["status"], "APPROVED");
    bed.advance(1);
    assert_eq!(
        client.show(&placed).await.outcome(),
        "404 INVALID_RESOURCE_ID"
    );
    assert_eq!(
        client.capture(&placed).await.outcome(),
        "404 INVALID_RESOURCE_ID"
    );
}

#[tokio::test]
async fn faults_meet_calls_and_events_as_they_are_scripted() {
    let bed = bed().await;
    let client = Client::new(&bed).await;
    let fault = CallFault::Refuse {
        code: "INTERNAL_SERVER_ERROR".to_owned(),
    };
    let rule = FaultRule::call_once(NUMBER, Operation::Create, fault);
    bed.control.add_fault(rule).unwrap();
    let refused = client.post(ORDERS, "pay-1", &order("10.99", "USD")).await;
    assert_eq!(refused.outcome(), "500 INTERNAL_SERVER_ERROR");
    let placed = client
        .post(ORDERS, "pay-1", &order("10.99", "USD"))
        .await
        .body;
    for fault in [
        CallbackFault::OtherAmount,
        CallbackFault::OtherAccount,
        CallbackFault::OtherOrder { out_trade_no: None },
    ] {
        bed.control
            .add_fault(FaultRule::callback_once(NUMBER, fault))
            .unwrap();
    }
    bed.control.pay(NUMBER).unwrap();
    bed.control.deliver_due().await;
    let told = &events(&bed)[0]["resource"]["purchase_units"][0];
    assert_eq!(told["amount"]["value"], "11.00");
    let foreign = &bed.sandbox.credentials().paypal_foreign.merchant_id;
    assert_eq!(told["payee"]["merchant_id"], *foreign);
    assert_ne!(told["custom_id"], NUMBER);
    let fault = CallFault::Cut { accepted: true };
    let rule = FaultRule::call_once(NUMBER, Operation::Capture, fault);
    bed.control.add_fault(rule).unwrap();
    let path = format!("{ORDERS}/{}/capture", placed["id"].as_str().unwrap());
    let url = format!("{}{path}", paypal(&bed).api_base_url);
    let cut = bed.http.post(url).bearer_auth(&client.token).body("{}");
    assert!(cut.send().await.is_err());
    assert_eq!(client.show(&placed).await.body["status"], "COMPLETED");
}

#[test]
fn what_is_signed_is_what_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../../testdata/paypal.json")).unwrap();
    let (_, pem) = parse_x509_pem(vectors["leaf_pem"].as_str().unwrap().as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let key = RsaPublicKey::from_public_key_der(certificate.public_key().raw).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let text = |pointer: &str| case.pointer(pointer).unwrap().as_str().unwrap();
        let made = message(
            text("/headers/paypal-transmission-id"),
            text("/headers/paypal-transmission-time"),
            vectors["webhook_id"].as_str().unwrap(),
            text("/body").as_bytes(),
        );
        assert_eq!(made, text("/message_that_was_signed"));
        let signature = text("/headers/paypal-transmission-sig");
        assert!(
            is_signed_by(&key, made.as_bytes(), signature),
            "{}",
            case["name"]
        );
    }
}
