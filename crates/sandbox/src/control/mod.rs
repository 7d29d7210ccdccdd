//! The hand behind the scenes: look at the gateways' memory, act as payer or console, script faults,
//! post callbacks. As a Rust handle here, the same over HTTP in [`http`].

pub(crate) mod http;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    alipay, baidu,
    counter::{self, Conduct},
    crypto::random_digits,
    delivery::{self, DeliveryReport, RecordedCallback},
    error::ControlError,
    fault::FaultRule,
    operations::{self, RefundRequest},
    payer,
    shared::Shared,
    state::{AccountBook, CallRecord, Gateway, Order, OrderKey, Refund, RefundOutcome, State},
    wechat_v3::mode::WechatMode,
};

/// Controls a running sandbox. Clones control the same one.
///
/// Orders are named by `out_trade_no`, prepay id, code token or the gateway's own number.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Control")
            .field("base_url", &self.shared.base_url)
            .finish()
    }
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// All orders, by gateway, account and number.
    pub fn orders(&self) -> Vec<Order> {
        self.shared.state().orders().cloned().collect()
    }

    /// One order.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn order(&self, name: &str) -> Result<Order, ControlError> {
        let state = self.shared.state();
        let key = find(&state, name)?;
        state
            .order(&key)
            .cloned()
            .ok_or_else(|| ControlError::OrderNotFound(name.to_owned()))
    }

    /// All refunds.
    pub fn refunds(&self) -> Vec<Refund> {
        self.shared.state().refunds().cloned().collect()
    }

    /// What each merchant took and gave back, by the gateways' own memory.
    pub fn books(&self) -> Vec<AccountBook> {
        self.shared.state().books()
    }

    /// All API calls received, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.shared.state().calls()
    }

    /// A payer at a counter shows a code, which is good for a minute and for one payment. Only Alipay's and
    /// WeChat Pay's are taken here.
    ///
    /// # Errors
    /// The gateway takes no codes.
    pub fn show_code(&self, gateway: Gateway, conduct: Conduct) -> Result<String, ControlError> {
        let now = self.shared.now();
        counter::show(&mut self.shared.state(), gateway, conduct, now)
    }

    /// The payer pays. The callback is put on the list.
    ///
    /// # Errors
    /// There is no such order, or it is not open.
    pub fn pay(&self, name: &str) -> Result<Order, ControlError> {
        let key = self.key(name)?;
        operations::pay(&self.shared, &key)
    }

    /// The payer refuses: the order stays open.
    ///
    /// # Errors
    /// There is no such order, or it is not open.
    pub fn refuse(&self, name: &str) -> Result<Order, ControlError> {
        let key = self.key(name)?;
        operations::refuse(&self.shared, &key)
    }

    /// The payer disputes a paid order at Stripe or PayPal. The event is put on the list.
    ///
    /// # Errors
    /// There is no such order, it is of another gateway, or it is not paid.
    pub fn dispute(&self, name: &str) -> Result<Order, ControlError> {
        let key = self.key(name)?;
        operations::dispute(&self.shared, &key)
    }

    /// The payer asks Baidu for so many fen of a paid order. Baidu asks the merchant whether they may be given
    /// back: the question is put on the list, again until the merchant decides, and what is approved becomes a
    /// refund. Answers Baidu's number of it.
    ///
    /// # Errors
    /// There is no such order, it is not a paid one of Baidu's, less is left of it, or no address is
    /// registered for its `dealId`.
    pub fn ask_refund(&self, name: &str, amount_minor: i64) -> Result<String, ControlError> {
        let key = self.key(name)?;
        baidu::audit::ask(&self.shared, &key, amount_minor)
    }

    /// Registers where the events of a Stripe or PayPal account are posted, and what Baidu tells and asks about
    /// refunds of a `dealId` that the payer began, in place of the one before. Without one they are not posted.
    pub fn set_endpoint(&self, account: &str, url: &str) {
        let mut state = self.shared.state();
        state.endpoints.insert(account.to_owned(), url.to_owned());
    }

    /// A merchant of WeChat Pay's API v3 goes over from platform certificates to the public key, or back.
    ///
    /// # Errors
    /// There is no such merchant.
    pub fn set_wechat_mode(&self, mchid: &str, mode: WechatMode) -> Result<(), ControlError> {
        if self.shared.accounts.wechat_merchant(mchid).is_none() {
            return Err(ControlError::Refused("no such merchant".to_owned()));
        }
        self.shared.state().wechat_modes.set(mchid, mode);
        Ok(())
    }

    /// Closes an open order at the gateway's console.
    ///
    /// # Errors
    /// There is no such order, or it is not open.
    pub fn close(&self, name: &str) -> Result<Order, ControlError> {
        let key = self.key(name)?;
        operations::close(&self.shared, &key)
    }

    /// Address of the order's payer page.
    ///
    /// # Errors
    /// There is no such order.
    pub fn payer_page(&self, name: &str) -> Result<String, ControlError> {
        let order = self.order(name)?;
        let path = payer::path(&order);
        Ok(format!("{}{path}", self.shared.base_url))
    }

    /// Ends a refund that is being processed. The callback is put on the list. Stripe's succeed at once and
    /// may still end as closed: the payer's bank sends the money back.
    ///
    /// # Errors
    /// There is no such refund, or it ended already (Alipay's end at once).
    pub fn settle_refund(
        &self,
        out_refund_no: &str,
        outcome: RefundOutcome,
    ) -> Result<Refund, ControlError> {
        let key = self.shared.state().find_refund_by_number(out_refund_no);
        let key = key.ok_or_else(|| ControlError::RefundNotFound(out_refund_no.to_owned()))?;
        operations::settle(&self.shared, &key, outcome)
    }

    /// Makes a refund that no API call asked for. Alipay tells the order's `notify_url`. WeChat Pay
    /// would send its older XML notice to an address kept at the console; the sandbox posts the v3
    /// notice to `notify_url` when one is given, and none otherwise.
    ///
    /// # Errors
    /// There is no such order, it is not paid, or less than `amount_minor` fen is left.
    pub fn refund_at_console(
        &self,
        name: &str,
        amount_minor: i64,
        notify_url: Option<String>,
    ) -> Result<Refund, ControlError> {
        let key = self.key(name)?;
        let mut state = self.shared.state();
        let of_order = state.order(&key).and_then(|order| order.notify_url.clone());
        let request = RefundRequest {
            out_refund_no: format!("CONSOLE{}", random_digits(20)),
            amount_minor,
            notify_url: match key.gateway {
                Gateway::Alipay => of_order,
                Gateway::WechatV3 | Gateway::WechatV2 | Gateway::Baidu | Gateway::Unionpay => {
                    notify_url
                }
                // Events go to the endpoint.
                Gateway::Stripe | Gateway::Paypal => None,
            },
            is_from_console: true,
            content: match key.gateway {
                Gateway::Stripe | Gateway::Paypal => serde_json::json!({}),
                Gateway::Alipay
                | Gateway::WechatV3
                | Gateway::WechatV2
                | Gateway::Baidu
                | Gateway::Unionpay => serde_json::Value::Null,
            },
        };
        operations::refund(&self.shared, &mut state, &key, request)
    }

    /// Does with an Alipay page, wap or app request what the payer's browser or phone would do:
    /// brings it to the cashier. Takes the URL, its query or the order string, and answers the
    /// order number.
    ///
    /// # Errors
    /// The gateway refuses the request.
    pub async fn present_alipay(&self, request: &str) -> Result<String, ControlError> {
        alipay::present(&self.shared, request).await
    }

    /// Does with order information of Baidu's what the payer's smart program would do: brings it to the
    /// cashier. Takes the fields by name, and answers the order number.
    ///
    /// # Errors
    /// The gateway refuses the order information.
    pub fn present_baidu(
        &self,
        order_info: &BTreeMap<String, String>,
    ) -> Result<String, ControlError> {
        baidu::present(&self.shared, order_info)
    }

    /// Scripts a fault.
    ///
    /// # Errors
    /// Too many rules are in force.
    pub fn add_fault(&self, rule: FaultRule) -> Result<(), ControlError> {
        if self.shared.state().faults.add(rule) {
            Ok(())
        } else {
            Err(ControlError::LimitReached("fault rules"))
        }
    }

    /// The rules in force.
    pub fn faults(&self) -> Vec<FaultRule> {
        self.shared.state().faults.list()
    }

    /// Takes back all rules.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// Lets all hanging calls go on.
    pub fn release_hangs(&self) {
        self.shared
            .hang_release
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Number of callbacks that wait to be posted.
    pub fn pending_callbacks(&self) -> usize {
        self.shared.state().pending.len()
    }

    /// Posts every waiting callback once, whatever its retry time, except those that a delay fault
    /// holds back beyond the sandbox's clock. Those not acknowledged wait again.
    pub async fn deliver_due(&self) -> Vec<DeliveryReport> {
        delivery::deliver_all(&self.shared).await
    }

    /// Every callback posted so far, with its very bytes.
    pub fn recorded_callbacks(&self) -> Vec<RecordedCallback> {
        self.shared.state().callbacks()
    }

    /// Posts a recorded callback once more, byte for byte.
    ///
    /// # Errors
    /// There is none with this index.
    pub async fn replay(&self, index: u64) -> Result<DeliveryReport, ControlError> {
        delivery::replay(&self.shared, index).await
    }

    fn key(&self, name: &str) -> Result<OrderKey, ControlError> {
        find(&self.shared.state(), name)
    }
}

fn find(state: &State, name: &str) -> Result<OrderKey, ControlError> {
    state
        .find_by_number(name)
        .or_else(|| state.find_by_name(name))
        .ok_or_else(|| ControlError::OrderNotFound(name.to_owned()))
}
