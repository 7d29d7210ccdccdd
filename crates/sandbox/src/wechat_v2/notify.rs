//! WeChat Pay v2's callbacks: signed XML about payments, sealed and unsigned XML about refunds
//! (`wechat_v2` sheet §7 and §8).

use super::{
    handle::{payment, plain_time, refund_status, sign_type_of},
    sign, xml,
    xml::Fields,
};
use crate::{
    accounts::Accounts,
    crypto::{random_digits, random_text},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    state::{Order, Refund, RefundStatus},
};

/// Seconds between the 16 postings, about 24 hours in all.
pub(crate) const RETRY_SCHEDULE_S: [u64; 15] = [
    15, 15, 30, 180, 600, 1_200, 1_800, 1_800, 1_800, 3_600, 10_800, 10_800, 10_800, 21_600, 21_600,
];

/// A callback before its signature, or before it is sealed.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    mch_id: String,
    /// `None` for the sealed kind.
    sign_type: Option<String>,
    fields: Fields,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// `return_code` SUCCESS in XML.
pub(crate) fn is_acknowledged(status: Option<u16>, body: &str) -> bool {
    let told = xml::read(body, "xml");
    let is_success =
        told.is_some_and(|fields| fields.get("return_code").is_some_and(|it| it == "SUCCESS"));
    status == Some(200) && is_success
}

/// The order was paid.
pub(crate) fn paid(order: &Order) -> Told {
    let notice = Notice {
        mch_id: order.account.clone(),
        sign_type: Some(sign_type_of(order).to_owned()),
        fields: payment(order),
    };
    (
        "PAYMENT.SUCCESS".to_owned(),
        order.notify_url.clone(),
        delivery::Notice::WechatV2(notice),
    )
}

/// A refund ended.
pub(crate) fn settled(order: &Order, refund: &Refund) -> Told {
    let status = refund_status(refund.status);
    let mut fields = Fields::new();
    let mut set = |name: &str, value: String| fields.insert(name.to_owned(), value);
    set("transaction_id", order.gateway_trade_no.clone());
    set("out_trade_no", order.out_trade_no.clone());
    set("refund_id", refund.refund_id.clone());
    set("out_refund_no", refund.out_refund_no.clone());
    set("total_fee", order.total_minor.to_string());
    set("refund_fee", refund.amount_minor.to_string());
    set("settlement_refund_fee", refund.amount_minor.to_string());
    set("refund_status", status.to_owned());
    set("refund_recv_accout", "支付用户零钱".to_owned());
    set("refund_account", "REFUND_SOURCE_UNSETTLED_FUNDS".to_owned());
    let source = if refund.is_from_console {
        "VENDOR_PLATFORM"
    } else {
        "API"
    };
    set("refund_request_source", source.to_owned());
    if let (RefundStatus::Success, Some(at)) = (refund.status, refund.settled_at) {
        set("success_time", plain_time(at));
    }
    let notice = Notice {
        mch_id: order.account.clone(),
        sign_type: None,
        fields,
    };
    (
        format!("REFUND.{status}"),
        refund.notify_url.clone(),
        delivery::Notice::WechatV2(notice),
    )
}

/// The request of one posting.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let merchant = accounts.wechat_v2_merchant(&notice.mch_id)?;
    let is_corrupt = faults.contains(&CallbackFault::CorruptSignature);
    let key = if is_corrupt {
        ""
    } else {
        merchant.api_key.as_str()
    };
    let mut inner = notice.fields.clone();
    let mut named = merchant;
    for fault in faults {
        match fault {
            CallbackFault::OtherAmount => other_amount(&mut inner),
            CallbackFault::OtherAccount => {
                named = accounts.other_wechat_v2_merchant(&notice.mch_id)?;
            }
            CallbackFault::OtherOrder { out_trade_no } => {
                let other = out_trade_no.clone();
                let other = other.unwrap_or_else(|| format!("X{}", random_digits(31)));
                inner.insert("out_trade_no".to_owned(), other);
            }
            CallbackFault::CorruptSignature
            | CallbackFault::SignatureProbe
            | CallbackFault::Delay { .. }
            | CallbackFault::Duplicate { .. }
            | CallbackFault::Reorder
            | CallbackFault::Drop => {}
        }
    }
    let mut outer = Fields::from([
        ("return_code".to_owned(), "SUCCESS".to_owned()),
        ("appid".to_owned(), named.appid.clone()),
        ("mch_id".to_owned(), named.mch_id.clone()),
        ("nonce_str".to_owned(), random_text(32)),
    ]);
    if let Some(sign_type) = &notice.sign_type {
        outer.extend(inner);
        outer.insert("result_code".to_owned(), "SUCCESS".to_owned());
        if sign_type != sign::MD5 {
            outer.insert("sign_type".to_owned(), sign_type.clone());
        }
        let signature = sign::sign(sign_type, &outer, key)?;
        outer.insert("sign".to_owned(), signature);
    } else {
        let sealed = sign::seal(&xml::write(&inner, "root"), key)?;
        outer.insert("req_info".to_owned(), sealed);
    }
    Some(Posting {
        headers: base_headers("text/xml", "Mozilla/4.0"),
        body: xml::write(&outer, "xml"),
    })
}

fn other_amount(fields: &mut Fields) {
    for name in [
        "total_fee",
        "cash_fee",
        "refund_fee",
        "settlement_refund_fee",
    ] {
        let fen = fields.get(name).and_then(|text| text.parse::<i64>().ok());
        if let Some(fen) = fen {
            fields.insert(name.to_owned(), fen.saturating_add(1).to_string());
        }
    }
}
