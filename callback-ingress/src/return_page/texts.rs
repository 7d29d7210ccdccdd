//! The page's words, in both languages.

use super::language::Language;

/// A heading and the sentence under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
}

/// All words of one language.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) neutral: Message,
    pub(super) later: Message,
    pub(super) paid: Message,
    pub(super) refunded: Message,
    pub(super) failed: Message,
    pub(super) closed: Message,
    pub(super) pending: Message,
    pub(super) still_pending: Message,
    pub(super) amount: &'static str,
    pub(super) subject: &'static str,
    pub(super) back: &'static str,
    pub(super) check_again: &'static str,
}

impl Language {
    /// Its words.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::Chinese => &CHINESE,
            Self::English => &ENGLISH,
        }
    }
}

const CHINESE: Texts = Texts {
    neutral: Message {
        heading: "正在确认支付结果",
        text: "您可以关闭本页面，返回商家页面查看订单。",
    },
    later: Message {
        heading: "正在确认支付结果",
        text: "请稍候，本页面会自动刷新。",
    },
    paid: Message {
        heading: "支付成功",
        text: "我们已收到您的付款。",
    },
    refunded: Message {
        heading: "已全额退款",
        text: "这笔付款已全部退回。",
    },
    failed: Message {
        heading: "支付未成功",
        text: "这笔订单没有支付成功。",
    },
    closed: Message {
        heading: "订单已关闭",
        text: "这笔订单未支付，已经关闭。",
    },
    pending: Message {
        heading: "正在确认支付结果",
        text: "请稍候，本页面会自动刷新。",
    },
    still_pending: Message {
        heading: "支付结果尚未确认",
        text: "如果您已经付款，请勿重复支付，稍后再查看结果。",
    },
    amount: "金额",
    subject: "商品",
    back: "返回商家",
    check_again: "重新查询",
};

const ENGLISH: Texts = Texts {
    neutral: Message {
        heading: "We are confirming your payment",
        text: "You can close this page and look at your order in the shop.",
    },
    later: Message {
        heading: "We are confirming your payment",
        text: "One moment, please: this page refreshes itself.",
    },
    paid: Message {
        heading: "Payment successful",
        text: "We have received your payment.",
    },
    refunded: Message {
        heading: "Refunded in full",
        text: "This payment was given back in full.",
    },
    failed: Message {
        heading: "Payment not successful",
        text: "This order was not paid.",
    },
    closed: Message {
        heading: "Order closed",
        text: "This order was closed without payment.",
    },
    pending: Message {
        heading: "We are confirming your payment",
        text: "One moment, please: this page refreshes itself.",
    },
    still_pending: Message {
        heading: "Your payment is not confirmed yet",
        text: "If you have paid, please do not pay again; look at the result later.",
    },
    amount: "Amount",
    subject: "Item",
    back: "Back to the shop",
    check_again: "Check again",
};
