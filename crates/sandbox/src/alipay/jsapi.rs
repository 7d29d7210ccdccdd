//! Orders for one payer inside Alipay (alipay sheet §6): the trade exists as soon as the merchant asks for it.

use std::sync::Arc;

use serde_json::json;

use super::{
    answer::{Answer, GatewayError},
    check::Checked,
    handle::{invalid, order_of, taken},
};
use crate::{operations::expire, shared::Shared, state::Order};

/// Whether a payer's id is that of an Alipay user; else it is an openid.
pub(super) fn is_user_id(payer: &str) -> bool {
    const LENGTH: usize = 16;
    let is_digits = payer.bytes().all(|byte| byte.is_ascii_digit());
    payer.len() == LENGTH && payer.starts_with("2088") && is_digits
}

/// The field in which an answer names the payer of an order.
pub(super) fn buyer_field(order: &Order) -> &'static str {
    if is_user_id(&order.payer) {
        "buyer_user_id"
    } else {
        "buyer_open_id"
    }
}

/// The payer that the request names, by one of the two kinds of id.
fn buyer<'a>(checked: &'a Checked<'_>) -> Result<&'a str, GatewayError> {
    match (checked.text("buyer_id"), checked.text("buyer_open_id")) {
        (Some(id), None) if is_user_id(id) => Ok(id),
        (Some(_), None) => Err(invalid("buyer_id")),
        (None, Some(id)) => Ok(id),
        (Some(_), Some(_)) | (None, None) => Err(invalid("buyer_open_id")),
    }
}

/// Makes the trade. The same request again answers the same trade.
pub(super) fn create(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<Answer, GatewayError> {
    let mut order = order_of(shared, checked)?;
    buyer(checked)?.clone_into(&mut order.payer);
    let op_app_id = checked.text("op_app_id").unwrap_or_default();
    if shared.accounts.alipay_app(op_app_id).is_none() {
        return Err(invalid("op_app_id"));
    }
    order.content = json!([order.content, order.payer, op_app_id]);
    let key = order.key();
    let mut state = shared.state();
    expire(shared, &mut state, &key);
    if let Some(existing) = state.order(&key) {
        return match taken(existing, &order) {
            Some(refusal) => Err(refusal),
            None => Ok(Answer::Success(node(existing))),
        };
    }
    if state.is_full() {
        return Err(GatewayError::limited());
    }
    let node = node(&order);
    state.insert_order(order);
    Ok(Answer::Success(node))
}

fn node(order: &Order) -> super::answer::Node {
    Answer::success()
        .with("out_trade_no", order.out_trade_no.as_str())
        .with("trade_no", order.gateway_trade_no.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        OrderState,
        testing::{Bed, alipay_biz},
    };

    const METHOD: &str = "alipay.trade.create";
    const USER_ID: &str = "2088102146225135";
    const OPEN_ID: &str = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5";

    fn biz(bed: &Bed, number: &str) -> Value {
        let mut biz = alipay_biz(number, "1.00");
        biz["product_code"] = json!("JSAPI_PAY");
        biz["op_app_id"] = json!(bed.alipay().app_id);
        biz["buyer_id"] = json!(USER_ID);
        biz
    }

    #[tokio::test]
    async fn a_trade_exists_at_once_and_is_the_same_when_it_is_asked_for_again() {
        let bed = Bed::start().await;
        let made = bed.alipay_call(METHOD, biz(&bed, "T1")).await;
        assert_eq!((made.outcome().as_str(), made.is_signed), ("10000", true));
        let again = bed.alipay_call(METHOD, biz(&bed, "T1")).await;
        assert_eq!(again.node["trade_no"], made.node["trade_no"]);
        assert_eq!(bed.control.orders().len(), 1);
        let named = json!({"out_trade_no": "T1"});
        let asked = bed.alipay_call("alipay.trade.query", named.clone()).await;
        assert_eq!(asked.node["trade_status"], "WAIT_BUYER_PAY");
        assert_eq!(asked.node["buyer_user_id"], USER_ID);

        let trade_no = made.node["trade_no"].as_str().unwrap();
        let page = format!("{}/payer/alipay/{trade_no}", bed.sandbox.base_url());
        assert_eq!(bed.http.get(&page).send().await.unwrap().status(), 200);
        bed.http.post(format!("{page}/pay")).send().await.unwrap();
        assert_eq!(bed.control.order("T1").unwrap().state, OrderState::Paid);
        bed.control.deliver_due().await;
        assert_eq!(bed.received()[0].form()["buyer_id"], USER_ID);
        let taken = bed.alipay_call(METHOD, biz(&bed, "T1")).await;
        assert_eq!(taken.outcome(), "40004 ACQ.TRADE_HAS_SUCCESS");
    }

    #[tokio::test]
    async fn an_openid_stands_for_the_payer_too_and_the_trade_closes() {
        let bed = Bed::start().await;
        let mut wanted = biz(&bed, "T1");
        wanted.as_object_mut().unwrap().remove("buyer_id");
        wanted["buyer_open_id"] = json!(OPEN_ID);
        assert_eq!(
            bed.alipay_call(METHOD, wanted.clone()).await.outcome(),
            "10000"
        );
        let named = json!({"out_trade_no": "T1"});
        let asked = bed.alipay_call("alipay.trade.query", named.clone()).await;
        assert_eq!(asked.node["buyer_open_id"], OPEN_ID);
        let closed = bed.alipay_call("alipay.trade.close", named).await;
        assert_eq!(closed.outcome(), "10000");
        assert!(bed.control.pay("T1").is_err());
        let taken = bed.alipay_call(METHOD, wanted).await;
        assert_eq!(taken.outcome(), "40004 ACQ.TRADE_HAS_CLOSE");
    }

    #[tokio::test]
    async fn a_request_without_what_a_trade_needs_makes_none() {
        let bed = Bed::start().await;
        for (name, value) in [
            ("buyer_id", None),
            ("buyer_id", Some(json!("1088102146225135"))),
            ("buyer_id", Some(json!(OPEN_ID))),
            ("buyer_open_id", Some(json!(OPEN_ID))),
            ("buyer_open_id", Some(json!(""))),
            ("op_app_id", None),
            ("op_app_id", Some(json!("2021999999999999"))),
            ("product_code", None),
            ("product_code", Some(json!("QUICK_WAP_WAY"))),
            ("total_amount", None),
            ("scene", Some(json!("bar_code"))),
        ] {
            let mut wanted = biz(&bed, "T1");
            match value {
                Some(value) => wanted[name] = value,
                None => drop(wanted.as_object_mut().unwrap().remove(name)),
            }
            let refused = bed.alipay_call(METHOD, wanted.clone()).await;
            assert_eq!(refused.outcome(), "40004 ACQ.INVALID_PARAMETER", "{wanted}");
        }
        assert!(bed.control.orders().is_empty());
    }

    #[tokio::test]
    async fn a_number_is_bound_to_its_amount_and_its_payer() {
        let bed = Bed::start().await;
        let made = bed.alipay_call(METHOD, biz(&bed, "T1")).await;
        assert_eq!(made.outcome(), "10000");
        for (name, value) in [("total_amount", "2.00"), ("buyer_id", "2088102146225136")] {
            let mut other = biz(&bed, "T1");
            other[name] = json!(value);
            let refused = bed.alipay_call(METHOD, other).await;
            assert_eq!(refused.outcome(), "40004 ACQ.CONTEXT_INCONSISTENT");
        }
        assert_eq!(bed.control.order("T1").unwrap().total_minor, 100);
    }
}
