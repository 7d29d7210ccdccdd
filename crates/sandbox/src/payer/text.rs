//! The words of the payer pages.

/// A language of the payer pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

/// Everything that a page says.
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) merchant: &'static str,
    pub(super) merchant_name: &'static str,
    pub(super) subject: &'static str,
    pub(super) amount: &'static str,
    pub(super) number: &'static str,
    pub(super) state: &'static str,
    pub(super) pay: &'static str,
    pub(super) refuse: &'static str,
    pub(super) leave: &'static str,
    pub(super) open: &'static str,
    pub(super) paid: &'static str,
    pub(super) closed: &'static str,
    pub(super) refused: &'static str,
    pub(super) missing: &'static str,
    pub(super) orders: &'static str,
    pub(super) note: &'static str,
    pub(super) other_language: &'static str,
}

const CHINESE: Words = Words {
    title: "沙箱收银台",
    merchant: "商户",
    merchant_name: "沙箱商户",
    subject: "商品",
    amount: "金额",
    number: "订单号",
    state: "状态",
    pay: "确认付款",
    refuse: "拒绝付款",
    leave: "离开",
    open: "等待付款",
    paid: "支付成功",
    closed: "订单已关闭",
    refused: "付款被拒绝，可以重新支付",
    missing: "订单不存在",
    orders: "全部订单",
    note: "这是模拟环境，不会产生真实扣款。",
    other_language: "English",
};

const ENGLISH: Words = Words {
    title: "Sandbox cashier",
    merchant: "Merchant",
    merchant_name: "Sandbox merchant",
    subject: "Item",
    amount: "Amount",
    number: "Order number",
    state: "State",
    pay: "Pay",
    refuse: "Refuse",
    leave: "Leave",
    open: "Waiting for payment",
    paid: "Paid",
    closed: "The order is closed",
    refused: "The payment was refused; you may try again",
    missing: "There is no such order",
    orders: "All orders",
    note: "This is a simulation: no money moves.",
    other_language: "中文",
};

impl Language {
    /// By a language tag such as `zh`, `zh-CN` or `en`.
    pub(super) fn find(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', ';', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The first of an `Accept-Language` header that there is, otherwise Chinese.
    pub(super) fn accepted(header: Option<&str>) -> Self {
        header
            .unwrap_or_default()
            .split(',')
            .find_map(Self::find)
            .unwrap_or(Self::Chinese)
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Chinese => "zh",
            Self::English => "en",
        }
    }

    pub(super) fn html_code(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Chinese => Self::English,
            Self::English => Self::Chinese,
        }
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::Chinese => &CHINESE,
            Self::English => &ENGLISH,
        }
    }
}
