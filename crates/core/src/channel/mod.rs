//! What payers pay through: channels, methods, the gateways behind them, and our accounts there.

mod account;
mod fee;

use crate::code::codes;

pub use account::{AccountLimits, ChannelAccount};
pub use fee::{FeeRate, FeeRateError, FeeTerms};

codes! {
    /// What the payer pays through, as the caller chooses it.
    Channel as "channel" {
        /// Alipay.
        Alipay = "ALIPAY",
        /// WeChat Pay; the account decides which version of its API.
        WechatPay = "WECHAT_PAY",
        /// Baidu's cashier for smart programs.
        Baidu = "BAIDU",
        /// UnionPay.
        Unionpay = "UNIONPAY",
        /// Stripe.
        Stripe = "STRIPE",
        /// PayPal.
        Paypal = "PAYPAL",
        /// The payer's balance: money in a wallet that Kassa keeps.
        Balance = "BALANCE",
        /// The payer's points in a wallet that Kassa keeps.
        Points = "POINTS",
    }
}

impl Channel {
    /// Whether Kassa itself moves what is paid: no gateway is asked, and no channel account needed.
    pub fn is_internal(self) -> bool {
        match self {
            Self::Balance | Self::Points => true,
            Self::Alipay
            | Self::WechatPay
            | Self::Baidu
            | Self::Unionpay
            | Self::Stripe
            | Self::Paypal => false,
        }
    }

    /// The word in callback URLs: `/callbacks/{slug}/…`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Alipay => "alipay",
            Self::WechatPay => "wechat_pay",
            Self::Baidu => "baidu",
            Self::Unionpay => "unionpay",
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Balance => "balance",
            Self::Points => "points",
        }
    }

    /// The channel of a slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|channel| channel.slug() == slug)
    }
}

codes! {
    /// How the payer pays, within a channel.
    Method as "method" {
        /// The payer scans a code that we show.
        Qr = "QR",
        /// A page of the gateway in a desktop browser.
        Page = "PAGE",
        /// A page of the gateway in a mobile browser (Alipay WAP, WeChat H5).
        Wap = "WAP",
        /// The gateway's app, called by the caller's own app.
        App = "APP",
        /// Inside the gateway's own app: official accounts and mini programs.
        Jsapi = "JSAPI",
        /// The payer shows a code, and the merchant's till scans it.
        BarCode = "BAR_CODE",
        /// Inside the gateway's own app, by order information that its smart program hands over (Baidu).
        MiniProgram = "MINI_PROGRAM",
        /// A card form of the gateway's own code in the caller's client (Stripe).
        Card = "CARD",
        /// Out of the payer's wallet with Kassa: the only method of BALANCE and POINTS.
        Wallet = "WALLET",
    }
}

codes! {
    /// The outside system behind a channel: one adapter room each.
    GatewayName as "gateway" {
        /// Alipay's open platform.
        Alipay = "ALIPAY",
        /// WeChat Pay, API v3.
        WechatV3 = "WECHAT_V3",
        /// WeChat Pay, API v2.
        WechatV2 = "WECHAT_V2",
        /// Baidu's cashier.
        Baidu = "BAIDU",
        /// UnionPay's all-channel platform (ACP).
        Unionpay = "UNIONPAY",
        /// Stripe.
        Stripe = "STRIPE",
        /// PayPal.
        Paypal = "PAYPAL",
    }
}

impl GatewayName {
    /// The channel that this gateway serves.
    pub fn channel(self) -> Channel {
        match self {
            Self::Alipay => Channel::Alipay,
            Self::WechatV3 | Self::WechatV2 => Channel::WechatPay,
            Self::Baidu => Channel::Baidu,
            Self::Unionpay => Channel::Unionpay,
            Self::Stripe => Channel::Stripe,
            Self::Paypal => Channel::Paypal,
        }
    }
}
