//! Lets our adapter do everything that it can once, over the recorder, so that other software can
//! judge what it sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use gateways::capability::MethodCapability;
use gateways::http::HttpClient;
use gateways::registry::{self, Deps};
use gateways::{AccountConfig, Gateway, PlaceOrder, PlaceRefund, PlacedOrder};
use kassa::spec::account::AccountSpec;
use kassa_core::channel::{GatewayName, Method};
use kassa_core::payment::{AuthCode, BaiduOrder, PrepayInfo};
use kassa_core::text::{PayerId, RefundReason, Subject};
use kassa_core::{Clock, Currency, IdSource, Money};
use sandbox::{Conduct, Control, Gateway as Payers, RefundOutcome};
use serde::Serialize;
use serde_json::{Value, json};

use crate::recorder::{Call, Recorder};

const AMOUNT_MINOR: i64 = 12_34;
const REFUND_MINOR: i64 = 34;
const SUBJECT: &str = "A pot of tea 一壶茶";
const PAYER: &str = "oTest-payer-openid-0000001";
const LIFE: TimeDelta = TimeDelta::minutes(30);

/// What our adapter did in one operation.
#[derive(Debug, Serialize)]
pub(crate) struct Deed {
    account: String,
    product: String,
    operation: &'static str,
    /// Empty where the payer's client brings the request to the gateway.
    calls: Vec<Call>,
    /// What the payer's client was given.
    prepay: Option<Value>,
}

/// One account of ours, before the recorder.
pub(crate) struct Adapter<'a> {
    code: &'a str,
    room: Arc<dyn Gateway>,
    clock: Clock,
    ids: IdSource,
    control: Control,
    recorder: &'a Recorder,
    deeds: Vec<Deed>,
}

impl<'a> Adapter<'a> {
    /// Opens the account with the recorder in the place of the simulator at `sandbox_url`.
    pub(crate) fn open(
        spec: &'a AccountSpec,
        sandbox_url: &str,
        control: Control,
        recorder: &'a Recorder,
    ) -> Self {
        let settings = spec.settings.to_string();
        let settings = settings.replace(sandbox_url, recorder.base_url());
        let config = AccountConfig {
            gateway: spec.gateway,
            settings: serde_json::from_str(&settings).expect("settings"),
            secrets: spec.secrets.clone(),
        };
        let clock = Clock::system();
        let ids = IdSource::system(clock.clone());
        let deps = Deps {
            clock: clock.clone(),
            ids: ids.clone(),
            http: HttpClient::try_new().expect("an HTTP client"),
        };
        Self {
            code: spec.code.as_str(),
            room: registry::open(&config, &deps).expect("the account opens"),
            clock,
            ids,
            control,
            recorder,
            deeds: Vec::new(),
        }
    }

    /// Everything once.
    pub(crate) async fn do_everything(mut self) -> Vec<Deed> {
        let capabilities = self.room.capabilities();
        let mut payable = None;
        for method in capabilities.methods {
            let placed = self.place(method).await;
            if method.method == Method::BarCode {
                self.room.close(&placed).await.expect("the order ends");
                self.note_of(method.product, "cancel", None);
                if self.room.name() == GatewayName::WechatV2 {
                    // Where the client certificate is demanded it goes past the recorder.
                    self.deeds.pop();
                }
            }
            if payable.is_none() && self.control.order(&placed.request_number).is_ok() {
                payable = Some((method, placed));
            }
        }
        let (method, paid) = payable.expect("a method whose order is at the gateway at once");
        let number = &paid.request_number;
        self.control.pay(number).expect("the payer pays");
        let report = self.room.query(&paid).await;
        let report = report.expect("the query is answered");
        self.note("query", None);

        let refund = self.refund_of(&paid, report.gateway_transaction_id);
        let taken = self.room.refund(&refund).await;
        taken.expect("the refund is taken");
        self.note("refund", None);
        let report = self.room.query_refund(&refund).await;
        let report = report.expect("the refund is known");
        self.note("query_refund", None);
        if capabilities.refund_to_merchant {
            let id = report.gateway_refund_id.expect("the gateway's number");
            let abnormal = RefundOutcome::Abnormal;
            self.control
                .settle_refund(&refund.refund_number, abnormal)
                .expect("the refund hangs");
            let sent = self.room.refund_to_merchant(&refund, &id).await;
            sent.expect("the refund goes to the merchant");
            self.note("refund_to_merchant", None);
        }

        let unpaid = self.place(method).await;
        self.deeds.pop();
        self.room.close(&unpaid).await.expect("the order closes");
        self.note("close", None);
        self.deeds
    }

    async fn place(&mut self, method: &MethodCapability) -> PlacedOrder {
        let payer = method
            .needs_payer
            .then(|| PayerId::try_new(PAYER).expect("a payer"));
        let expires_at = self.clock.now().checked_add_signed(LIFE);
        let order = PlaceOrder {
            request_number: self.number(),
            method: method.method,
            amount: self.money(AMOUNT_MINOR),
            subject: Subject::try_new(SUBJECT).expect("a subject"),
            payer,
            auth_code: (method.method == Method::BarCode).then(|| self.code_of_payer()),
            client_ip: Some("203.0.113.7".parse().expect("an address")),
            expires_at: expires_at.expect("a time"),
            notify_url: self.sink(),
            return_url: Some(self.sink()),
        };
        let placed = self.room.place(&order).await.expect("the order is placed");
        if let Some(PrepayInfo::BaiduOrder(order)) = &placed.prepay {
            let presented = self.control.present_baidu(&order_info(order));
            presented.expect("the payer comes to the cashier");
        }
        self.note_of(method.product, "place", placed.prepay);
        PlacedOrder {
            request_number: order.request_number,
            method: order.method,
            amount: order.amount,
            gateway_transaction_id: placed.gateway_transaction_id,
            expires_at: order.expires_at,
            is_wanted: true,
            is_given_out: method.method != Method::BarCode,
        }
    }

    fn refund_of(&self, paid: &PlacedOrder, gateway_transaction_id: Option<String>) -> PlaceRefund {
        PlaceRefund {
            request_number: paid.request_number.clone(),
            method: paid.method,
            gateway_transaction_id,
            refund_number: self.number(),
            amount: self.money(REFUND_MINOR),
            paid: paid.amount,
            reason: Some(RefundReason::try_new("not to my taste 不合口味").expect("a reason")),
            notify_url: self.sink(),
        }
    }

    fn note(&mut self, operation: &'static str, prepay: Option<PrepayInfo>) {
        self.note_of(crate::table::EVERY_PRODUCT, operation, prepay);
    }

    fn note_of(&mut self, product: &str, operation: &'static str, prepay: Option<PrepayInfo>) {
        self.deeds.push(Deed {
            account: self.code.to_owned(),
            product: product.to_owned(),
            operation,
            calls: self.recorder.take(),
            prepay: prepay.map(|prepay| shown(&prepay)),
        });
    }

    /// A code of a payer who has to confirm.
    fn code_of_payer(&self) -> AuthCode {
        let gateway = match self.room.name() {
            GatewayName::Alipay => Payers::Alipay,
            GatewayName::WechatV3 => Payers::WechatV3,
            _ => Payers::WechatV2,
        };
        let code = self.control.show_code(gateway, Conduct::IsAsked);
        AuthCode::try_new(&code.expect("the payer's app shows a code")).expect("a code")
    }

    fn money(&self, minor: i64) -> Money {
        let currencies = self.room.capabilities().currencies;
        let code = currencies.first().expect("a currency");
        let currency: Currency = code.parse().expect("a currency");
        Money::try_new(minor, currency).expect("an amount")
    }

    fn number(&self) -> String {
        self.ids.next().simple().to_string()
    }

    fn sink(&self) -> url::Url {
        let sink = format!("{}/sink", self.recorder.base_url());
        sink.parse().expect("a URL")
    }
}

/// As scripts read it; a client secret of the simulator's is theirs to see.
fn shown(prepay: &PrepayInfo) -> Value {
    if let PrepayInfo::ClientSecret {
        client_secret,
        publishable_key,
    } = prepay
    {
        return json!({
            "kind": "client_secret",
            "client_secret": client_secret.expose(),
            "publishable_key": publishable_key,
        });
    }
    serde_json::to_value(prepay).expect("JSON")
}

/// What a smart program hands to Baidu's cashier.
fn order_info(order: &BaiduOrder) -> BTreeMap<String, String> {
    [
        ("dealId", &order.deal_id),
        ("appKey", &order.app_key),
        ("totalAmount", &order.total_amount),
        ("tpOrderId", &order.tp_order_id),
        ("dealTitle", &order.deal_title),
        ("signFieldsRange", &order.sign_fields_range),
        ("rsaSign", &order.rsa_sign),
        ("bizInfo", &order.biz_info),
        ("notifyUrl", &order.notify_url),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into()
}
