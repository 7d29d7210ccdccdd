//! Answers in Alipay's words: a node, signed over exactly the bytes that are sent, and the refusals.

use serde_json::Value;

use super::{check::Method, sign};
use crate::{
    accounts::{Accounts, AlipayApp},
    crypto::{corrupt, sign_sha256},
};

/// Fields of an answer in the order in which they are sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Node(Vec<(&'static str, Value)>);

impl Node {
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Leaves the field out when there is no value.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn code(&self) -> &str {
        let code = self.0.iter().find(|(name, _)| *name == "code");
        code.and_then(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    pub(super) fn json(&self) -> String {
        let fields: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// A refusal by the gateway itself or by the business behind it (alipay sheet §3, §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GatewayError {
    code: &'static str,
    sub_code: String,
    sub_msg: String,
}

impl GatewayError {
    fn new(code: &'static str, sub_code: &str, sub_msg: &str) -> Self {
        Self {
            code,
            sub_code: sub_code.to_owned(),
            sub_msg: sub_msg.to_owned(),
        }
    }

    /// 40001: a public parameter is missing.
    pub(super) fn missing(sub_code: &str) -> Self {
        Self::new("40001", sub_code, "缺少必选参数")
    }

    /// 40002: a public parameter is wrong.
    pub(super) fn invalid(sub_code: &str) -> Self {
        Self::new("40002", sub_code, "非法的参数")
    }

    /// 40003: the app is not set up for this.
    pub(super) fn condition(sub_code: &str) -> Self {
        Self::new("40003", sub_code, "条件异常")
    }

    /// 40004: the business says no.
    pub(super) fn business(sub_code: &str, sub_msg: &str) -> Self {
        Self::new("40004", sub_code, sub_msg)
    }

    /// 40005: too many.
    pub(super) fn limited() -> Self {
        Self::new("40005", "isv.app-call-limited", "应用调用次数超限")
    }

    /// 20000: the outcome is unknown.
    pub(super) fn unavailable() -> Self {
        Self::new("20000", "isp.unknow-error", "系统繁忙")
    }

    /// The refusal that a test asked for.
    pub(super) fn scripted(sub_code: &str) -> Self {
        let is_unknown = sub_code.contains("unknow-error");
        let code = if is_unknown { "20000" } else { "40004" };
        Self::new(code, sub_code, "沙箱脚本")
    }

    /// Refusals of the gateway itself come without a signature (alipay sheet §4).
    fn is_signed(&self) -> bool {
        matches!(self.code, "40004" | "20000")
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} {}", self.code, self.sub_code)
    }

    pub(super) fn node(&self) -> Node {
        let msg = match self.code {
            "40001" => "Missing Required Arguments",
            "40002" => "Invalid Arguments",
            "40003" => "Insufficient Conditions",
            "40005" => "Call Limited",
            "20000" => "Service Currently Unavailable",
            _ => "Business Failed",
        };
        Node::default()
            .with("code", self.code)
            .with("msg", msg)
            .with("sub_code", self.sub_code.as_str())
            .with("sub_msg", self.sub_msg.as_str())
    }
}

/// What a server call is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Success(Node),
    Refused(GatewayError),
}

impl From<GatewayError> for Answer {
    fn from(error: GatewayError) -> Self {
        Self::Refused(error)
    }
}

impl Answer {
    /// Success starts with `code` and `msg`.
    pub(super) fn success() -> Node {
        Node::default().with("code", "10000").with("msg", "Success")
    }

    /// The payer has to enter a password (only `alipay.trade.pay`).
    pub(super) fn waiting() -> Node {
        Node::default()
            .with("code", "10003")
            .with("msg", "order success pay inprocess")
    }

    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Success(node) => node.code().to_owned(),
            Self::Refused(error) => error.outcome(),
        }
    }

    /// The body: node, certificate serial number in certificate mode, signature over the node.
    pub(super) fn body(
        &self,
        accounts: &Accounts,
        app: &AlipayApp,
        method: Method,
        is_corrupt: bool,
    ) -> String {
        let (node, is_signed) = match self {
            Self::Success(node) => (node.json(), true),
            Self::Refused(error) => (error.node().json(), error.is_signed()),
        };
        let name = method.node_name();
        let signature = sign_sha256(&accounts.alipay_platform, node.as_bytes());
        match (is_signed, signature) {
            (true, Some(signature)) => {
                let signature = if is_corrupt {
                    corrupt(&signature)
                } else {
                    signature
                };
                let serial = app
                    .certificate_sns
                    .as_ref()
                    .map_or_else(String::new, |sns| {
                        format!(",\"alipay_cert_sn\":\"{}\"", sns.alipay)
                    });
                format!("{{\"{name}\":{node}{serial},\"sign\":\"{signature}\"}}")
            }
            _ => format!("{{\"{name}\":{node}}}"),
        }
    }
}

/// The signed query string of the browser's return (alipay sheet §9).
pub(crate) fn sync_return(accounts: &Accounts, params: &mut super::Params) -> Option<String> {
    sign::sign_notice(&accounts.alipay_platform, params)?;
    Some(sign::encode(params))
}
