use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::Secret;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::payment::AuthCode;
use kassa_core::text::AppId;
use pbjson_types::{Duration, Timestamp};
use proto::v1;
use proto::v1::create_payment_request::Payer;
use runtime::keyring::{KeyId, Keyring};

use super::*;
use crate::error::Error;

fn keyring() -> Keyring {
    let id = KeyId::try_new("k1").unwrap();
    Keyring::try_new(id.clone(), BTreeMap::from([(id, Secret::new(vec![7; 32]))])).unwrap()
}

fn app(name: &str) -> AppId {
    AppId::try_new(name).unwrap()
}

fn good() -> v1::CreatePaymentRequest {
    v1::CreatePaymentRequest {
        request_id: "7b0c8bd2-6f0e-4a39-9b3a-0c6f5b0f7a11".to_owned(),
        business_order_id: "order-1".to_owned(),
        payment_channel: v1::PaymentChannel::Alipay.into(),
        payment_method: v1::PaymentMethod::Qr.into(),
        amount: Some(v1::Money {
            amount: "10.00".to_owned(),
            currency_code: "CNY".to_owned(),
        }),
        subject: "咖啡".to_owned(),
        ..v1::CreatePaymentRequest::default()
    }
}

fn found<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Flow(flows::Error::InvalidInput(violations))) => violations
            .iter()
            .map(|v| format!("{}: {}", v.field, v.description))
            .collect(),
        other => panic!("expected bad fields, got {other:?}"),
    }
}

/// What is wrong with a good request after `change`.
fn wrong(change: impl FnOnce(&mut v1::CreatePaymentRequest)) -> Vec<String> {
    let mut request = good();
    change(&mut request);
    found(payment::create(&request))
}

#[test]
fn a_good_request_is_read_whole_with_the_default_expiry() {
    let read = payment::create(&good()).unwrap();
    assert_eq!(read.amount.amount_minor(), 1000);
    assert_eq!(read.time_to_expiry, TimeDelta::minutes(30));
    assert_eq!(read.payer, None);
}

#[test]
fn every_bad_field_is_named_at_once() {
    let request = v1::CreatePaymentRequest {
        request_id: "r".repeat(37),
        business_order_id: "a b".to_owned(),
        business_order_type: "goods".to_owned(),
        user_id: "u\n".to_owned(),
        payment_channel: 99,
        payment_method: -1,
        amount: Some(v1::Money {
            amount: "1e3".to_owned(),
            currency_code: "XXX".to_owned(),
        }),
        subject: "x".repeat(128),
        payer: Some(Payer::Openid(String::new())),
        client_ip: "1.2.3".to_owned(),
        return_url: "javascript:alert(1)".to_owned(),
        time_to_expiry: Some(Duration {
            seconds: -1,
            nanos: 0,
        }),
        metadata: (0..21)
            .map(|n| (format!("{n:041}"), String::new()))
            .collect(),
        channel_account: "Main".to_owned(),
        ..Default::default()
    };
    insta::assert_snapshot!(found(payment::create(&request)).join("\n"));
}

#[test]
fn an_empty_request_names_everything_that_is_required() {
    let empty = v1::CreatePaymentRequest::default();
    insta::assert_snapshot!(found(payment::create(&empty)).join("\n"));
}

#[test]
fn a_retry_that_names_only_the_payment_leaves_everything_as_it_was() {
    let request = v1::RetryPaymentRequest {
        transaction_id: "0190b6b2c7e87b5ba5d1c6a3f2e4d001".to_owned(),
        request_id: "again".to_owned(),
        ..v1::RetryPaymentRequest::default()
    };
    let read = payment::retry(&request).unwrap();
    assert_eq!(read.transaction_id.to_string(), request.transaction_id);
    assert_eq!((read.channel, read.method), (None, None));
    assert_eq!((read.payer, read.client_ip), (None, None));
    assert_eq!((read.channel_account, read.time_to_expiry), (None, None));
}

#[test]
fn every_bad_field_of_a_retry_is_named_at_once() {
    use v1::retry_payment_request::Payer;
    let request = v1::RetryPaymentRequest {
        transaction_id: "T1".to_owned(),
        request_id: "r".repeat(37),
        payment_channel: 99,
        payment_method: -1,
        channel_account: "Main".to_owned(),
        payer: Some(Payer::BuyerId(String::new())),
        client_ip: "1.2.3".to_owned(),
        time_to_expiry: Some(Duration {
            seconds: 1,
            nanos: -1,
        }),
    };
    let wrong = found(payment::retry(&request));
    let fields: Vec<_> = wrong.iter().filter_map(|it| it.split(':').next()).collect();
    assert_eq!(
        fields,
        [
            "transaction_id",
            "request_id",
            "payment_channel",
            "payment_method",
            "channel_account",
            "buyer_id",
            "client_ip",
            "time_to_expiry",
        ]
    );
    let empty = found(payment::retry(&v1::RetryPaymentRequest::default()));
    assert_eq!(
        empty,
        ["transaction_id: is required", "request_id: is required"]
    );
}

#[test]
fn amounts_that_are_not_plain_positive_decimals_of_the_currency_are_refused() {
    for (amount, code) in [
        ("10.005", "CNY"),
        ("1e3", "CNY"),
        ("-1", "CNY"),
        ("+1", "CNY"),
        ("", "CNY"),
        ("NaN", "CNY"),
        ("１", "CNY"),
        ("1,00", "CNY"),
        (" 1", "CNY"),
        ("01", "CNY"),
        (".5", "CNY"),
        ("5.", "CNY"),
        ("0", "CNY"),
        ("0.00", "CNY"),
        ("92233720368547758.08", "CNY"),
        ("99999999999999999999999999999999", "CNY"),
    ] {
        let money = v1::Money {
            amount: amount.to_owned(),
            currency_code: code.to_owned(),
        };
        let wrong = wrong(|request| request.amount = Some(money));
        assert!(
            wrong.len() == 1 && wrong[0].starts_with("amount.amount: "),
            "{amount}: {wrong:?}"
        );
    }
}

#[test]
fn a_bad_currency_and_a_bad_amount_are_both_named() {
    let money = v1::Money {
        amount: "1e3".to_owned(),
        currency_code: "cny".to_owned(),
    };
    let wrong = wrong(|request| request.amount = Some(money));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    let fine = v1::Money {
        amount: "1.00".to_owned(),
        currency_code: "cny".to_owned(),
    };
    let wrong = self::wrong(|request| request.amount = Some(fine));
    assert_eq!(
        wrong,
        ["amount.currency_code: is not an ISO 4217 currency code"]
    );
}

#[test]
fn the_payer_is_the_one_that_belongs_to_the_channel() {
    let openid = wrong(|request| request.payer = Some(Payer::Openid("o-1".to_owned())));
    assert!(
        openid.len() == 1 && openid[0].starts_with("openid: "),
        "{openid:?}"
    );
    let missing = wrong(|request| {
        request.payment_channel = v1::PaymentChannel::WechatPay.into();
        request.payment_method = v1::PaymentMethod::Jsapi.into();
    });
    assert!(
        missing.len() == 1 && missing[0].starts_with("openid: "),
        "{missing:?}"
    );
    let inside_alipay = v1::PaymentMethod::Jsapi.into();
    let missing = wrong(|request| request.payment_method = inside_alipay);
    assert_eq!(missing, ["buyer_id: is required for JSAPI"]);
    let mut request = good();
    request.payment_method = inside_alipay;
    request.payer = Some(Payer::BuyerId("2088102146225135".to_owned()));
    let read = payment::create(&request).unwrap();
    let payer = read.payer.map(|payer| payer.to_string());
    assert_eq!(payer.as_deref(), Some("2088102146225135"));
}

const CODE: &str = "280123456789012345";

/// What is wrong with a bar code request for Alipay after `change`.
fn wrong_at_counter(change: impl FnOnce(&mut v1::CreatePaymentRequest)) -> Vec<String> {
    wrong(|request| {
        request.payment_method = v1::PaymentMethod::BarCode.into();
        request.payer = Some(Payer::AuthCode(CODE.to_owned()));
        change(request);
    })
}

#[test]
fn a_payer_at_the_counter_shows_a_code_of_the_channel_and_has_a_minute() {
    let mut request = good();
    request.payment_method = v1::PaymentMethod::BarCode.into();
    request.payer = Some(Payer::AuthCode(CODE.to_owned()));
    let read = payment::create(&request).unwrap();
    assert_eq!(read.auth_code.as_ref().map(AuthCode::expose), Some(CODE));
    assert_eq!(read.payer, None);
    assert_eq!(read.time_to_expiry, TimeDelta::seconds(60));
    assert!(!format!("{read:?}").contains(CODE));
    request.time_to_expiry = Some(Duration {
        seconds: 90,
        nanos: 0,
    });
    let read = payment::create(&request).unwrap();
    assert_eq!(read.time_to_expiry, TimeDelta::seconds(90));
}

#[test]
fn a_code_that_is_none_or_of_another_channel_is_named_and_not_repeated() {
    let given = |code: &str| Some(Payer::AuthCode(code.to_owned()));
    for (code, wechat) in [
        ("", false),
        ("28012345678901", false),
        ("28012345678901234x", false),
        ("２８０１２３４５６７８９０１２３４５", false),
        ("fp0123456789012345678901234567890123", false),
        ("2801234567890123456789012", false),
        ("130123456789012345", false),
        (CODE, true),
        ("1301234567890123456", true),
    ] {
        let found = wrong_at_counter(|request| {
            request.payer = given(code);
            if wechat {
                request.payment_channel = v1::PaymentChannel::WechatPay.into();
            }
        });
        assert!(
            found.len() == 1 && found[0].starts_with("auth_code: "),
            "{code}: {found:?}"
        );
        assert!(code.is_empty() || !found[0].contains(code), "{found:?}");
    }
    for payer in [None, Some(Payer::BuyerId("2088".to_owned()))] {
        let found = wrong_at_counter(|request| request.payer = payer);
        assert_eq!(found, ["auth_code: is required for BAR_CODE"]);
    }
    let found = wrong(|request| request.payer = given(CODE));
    assert_eq!(found, ["auth_code: belongs to BAR_CODE; QR takes none"]);
    let found = wrong_at_counter(|request| {
        request.payment_channel = v1::PaymentChannel::Stripe.into();
        if let Some(amount) = &mut request.amount {
            "USD".clone_into(&mut amount.currency_code);
        }
    });
    assert_eq!(
        found,
        ["payment_method: BAR_CODE is not a method of STRIPE"]
    );
}

#[test]
fn a_retry_takes_a_code_and_judges_its_form() {
    use v1::retry_payment_request::Payer;
    let retry = |code: &str| v1::RetryPaymentRequest {
        transaction_id: "0190b6b2c7e87b5ba5d1c6a3f2e4d001".to_owned(),
        request_id: "again".to_owned(),
        payer: Some(Payer::AuthCode(code.to_owned())),
        ..v1::RetryPaymentRequest::default()
    };
    let read = payment::retry(&retry(CODE)).unwrap();
    assert_eq!(read.auth_code.as_ref().map(AuthCode::expose), Some(CODE));
    assert_eq!((read.payer, read.time_to_expiry), (None, None));
    let found = found(payment::retry(&retry("28-12")));
    assert_eq!(found, ["auth_code: must have 16 to 24 digits"]);
}

#[test]
fn return_addresses_are_absolute_http_without_credentials() {
    for url in [
        "/paid",
        "ftp://shop.example/paid",
        "https://user@shop.example/",
        "https://u:p@shop.example/",
        "https://",
        "https://shop.example/a b",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        let wrong = wrong(|request| request.return_url = url.to_owned());
        assert!(
            wrong.len() == 1 && wrong[0].starts_with("return_url: "),
            "{url}: {wrong:?}"
        );
    }
    let long = format!("https://shop.example/{}", "a".repeat(1024));
    assert_eq!(wrong(|request| request.return_url = long).len(), 1);
    let mut request = good();
    request.return_url = "https://shop.example/paid?order=1#top".to_owned();
    assert!(payment::create(&request).is_ok());
}

#[test]
fn durations_are_checked_for_form_and_for_length() {
    for (seconds, nanos) in [
        (-1, 0),
        (0, -1),
        (59, 999_999_999),
        (604_800, 1),
        (i64::MAX, 0),
    ] {
        let given = Duration { seconds, nanos };
        let wrong = wrong(|request| request.time_to_expiry = Some(given));
        assert!(
            wrong.len() == 1 && wrong[0].starts_with("time_to_expiry: "),
            "{seconds} {nanos}: {wrong:?}"
        );
    }
    let mut request = good();
    request.time_to_expiry = Some(Duration {
        seconds: 60,
        nanos: 0,
    });
    assert_eq!(
        payment::create(&request).unwrap().time_to_expiry,
        TimeDelta::minutes(1)
    );
}

#[test]
fn notes_are_limited_in_number_and_length() {
    let note = |key: &str, value: String| {
        wrong(|request| {
            request.metadata.insert(key.to_owned(), value);
        })
    };
    assert_eq!(note("", String::new()).len(), 1);
    assert_eq!(note(&"k".repeat(41), String::new()).len(), 1);
    assert!(note("k", "v".repeat(501))[0].starts_with("metadata[\"k\"]: "));
    let mut request = good();
    request.metadata = (0..20)
        .map(|n| (format!("{n:040}"), "值".repeat(500)))
        .collect();
    assert_eq!(payment::create(&request).unwrap().metadata.len(), 20);
}

#[test]
fn an_unset_key_names_both_alternatives() {
    let payment = found(payment::key(&v1::GetPaymentRequest::default()));
    assert_eq!(
        payment,
        ["key: transaction_id or business_order_id is required"]
    );
    let refund = found(refund::key(&v1::GetRefundRequest::default()));
    assert_eq!(refund, ["key: refund_id or business_refund_id is required"]);
}

#[test]
fn ids_that_are_not_ours_in_form_are_refused() {
    for id in [
        "",
        "1",
        "0192F0C1A2B37C4D8E5F60718293A4B5",
        "0192f0c1-a2b3-7c4d-8e5f-60718293a4b5",
    ] {
        assert_eq!(found(payment::transaction_id(id)).len(), 1, "{id}");
    }
}

#[test]
fn page_sizes_are_defaulted_cut_and_never_negative() {
    let (keyring, app) = (keyring(), app("shop"));
    let paging = Paging {
        app: &app,
        keyring: &keyring,
    };
    let limit = |page_size| {
        let request = v1::ListPaymentsRequest {
            page_size,
            ..Default::default()
        };
        payment::list(&request, paging).map(|list| list.page.limit)
    };
    assert_eq!(limit(0).unwrap(), 50);
    assert_eq!(limit(7).unwrap(), 7);
    assert_eq!(limit(i32::MAX).unwrap(), 200);
    assert_eq!(found(limit(-1)), ["page_size: must not be negative"]);
}

#[test]
fn lists_name_bad_conditions_together() {
    let (keyring, app) = (keyring(), app("shop"));
    let paging = Paging {
        app: &app,
        keyring: &keyring,
    };
    let request = v1::ListPaymentsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        status: 99,
        payment_channel: 99,
        business_order_id: "a b".to_owned(),
        user_id: "a b".to_owned(),
        created_from: Some(Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
        created_to: Some(Timestamp {
            seconds: 0,
            nanos: -1,
        }),
    };
    insta::assert_snapshot!(found(payment::list(&request, paging)).join("\n"));
}

#[test]
fn a_page_token_opens_only_unaltered_for_its_own_app_list_and_conditions() {
    let keyring = keyring();
    let (shop, other) = (app("shop"), app("other"));
    let next: (DateTime<Utc>, String) = (
        DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
        "id-1".to_owned(),
    );
    let binding = |list, app| Binding::new(list, app, ["3", "order-1"]);
    let token = page_token::seal(&keyring, &binding("payments", &shop), Some(&next)).unwrap();
    let open = |binding: &Binding<'_>, token: &str| page_token::open(&keyring, binding, token);

    assert_eq!(open(&binding("payments", &shop), &token), Some(next));
    assert_eq!(open(&binding("payments", &other), &token), None);
    assert_eq!(open(&binding("refunds", &shop), &token), None);
    assert_eq!(
        open(&Binding::new("payments", &shop, ["4", "order-1"]), &token),
        None
    );
    assert_eq!(
        open(&Binding::new("payments", &shop, ["3\norder-1"]), &token),
        None
    );
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        assert_eq!(
            open(&binding("payments", &shop), &altered),
            None,
            "{position}"
        );
    }
    assert_eq!(open(&binding("payments", &shop), &"A".repeat(5000)), None);
}

#[test]
fn the_end_of_a_list_has_no_token() {
    let (keyring, app) = (keyring(), app("shop"));
    let binding = Binding::new("payments", &app, []);
    assert_eq!(page_token::seal(&keyring, &binding, None).unwrap(), "");
}

#[test]
fn event_types_that_do_not_exist_and_negative_cursors_are_refused() {
    let request = v1::ListEventsRequest {
        after_cursor: -1,
        page_size: -1,
        types: vec![
            "kassa.payment.succeeded.v1".to_owned(),
            "payment.paid".to_owned(),
        ],
    };
    let wrong = found(event::list(&request));
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(
        wrong.iter().any(|text| text.starts_with("types[1]: ")),
        "{wrong:?}"
    );
}

#[test]
fn secrets_of_settings_go_in_and_never_come_out() {
    let given = v1::AlipaySettings {
        app_id: "2021000000000000".to_owned(),
        seller_id: "2088000000000000".to_owned(),
        app_private_key: "hunter2".to_owned(),
        alipay_public_keys: vec!["key".to_owned()],
        op_app_id: "2021000000000001".to_owned(),
        ..Default::default()
    };
    let settings = Some(v1::channel_settings::Settings::Alipay(given.clone()));
    let request = v1::CreateChannelAccountRequest {
        code: "main".to_owned(),
        display_name: "Main".to_owned(),
        settings: Some(v1::ChannelSettings { settings }),
        ..Default::default()
    };
    let new = channel::create(&request).unwrap();
    assert_eq!(new.secrets["app_private_key"].expose(), "hunter2");
    assert!(!new.settings.to_string().contains("hunter2"));
    assert_eq!(new.settings["mode"], "public_key");
    let shown = channel_settings::write(new.gateway, &new.settings);
    let expected = v1::AlipaySettings {
        app_private_key: String::new(),
        gateway_url: "https://openapi.alipay.com/gateway.do".to_owned(),
        ..given
    };
    assert_eq!(
        shown.settings,
        Some(v1::channel_settings::Settings::Alipay(expected))
    );
}

#[test]
fn a_refund_of_nothing_is_refused() {
    let request = v1::CreateRefundRequest {
        transaction_id: "0192f0c1a2b37c4d8e5f60718293a4b5".to_owned(),
        business_refund_id: "r-1".to_owned(),
        amount: Some(v1::Money {
            amount: "0.00".to_owned(),
            currency_code: "CNY".to_owned(),
        }),
        reason: "r".repeat(81),
        ..Default::default()
    };
    let wrong = found(refund::create(&request));
    assert_eq!(
        wrong,
        [
            "amount.amount: must be more than zero",
            "reason: must have at most 80 characters"
        ]
    );
}

#[test]
fn an_anomaly_is_resolved_by_an_action_that_can_be_asked_for_and_with_a_reason() {
    let request = v1::ResolveAnomalyRequest {
        anomaly_id: "1".to_owned(),
        action: v1::ResolutionAction::Settled.into(),
        reason: String::new(),
    };
    let wrong = found(anomaly::resolve(&request));
    assert_eq!(
        wrong,
        [
            "anomaly_id: not an id: expected 32 lowercase hexadecimal characters",
            "action: cannot be asked for",
            "reason: is required"
        ]
    );
    let wrong = found(anomaly::resolve(&v1::ResolveAnomalyRequest::default()));
    assert_eq!(
        wrong,
        [
            "anomaly_id: is required",
            "action: is required",
            "reason: is required"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_list_of_anomalies_is_said_at_once() {
    let (keyring, app) = (keyring(), app("shop"));
    let paging = Paging {
        app: &app,
        keyring: &keyring,
    };
    let request = v1::ListAnomaliesRequest {
        page_size: -1,
        status: 77,
        kind: 77,
        transaction_id: "1".to_owned(),
        app_id: "Shop".to_owned(),
        ..Default::default()
    };
    let wrong = found(anomaly::list(&request, paging));
    assert_eq!(wrong.len(), 5, "{wrong:?}");
}

#[test]
fn every_kind_of_anomaly_can_be_asked_for() {
    let (keyring, app) = (keyring(), app("shop"));
    let paging = Paging {
        app: &app,
        keyring: &keyring,
    };
    for kind in AnomalyKind::ALL {
        let request = v1::ListAnomaliesRequest {
            kind: flows::resource::anomaly_kind(*kind).into(),
            ..Default::default()
        };
        let wanted = anomaly::list(&request, paging).unwrap();
        assert_eq!(wanted.filter.kind, Some(*kind));
    }
}
