//! What a gateway can do, as data: the generated `docs/gateways.md` and the validation of requests
//! both read it.

use kassa_core::channel::Method;
use kassa_core::money::Currency;

/// What one gateway can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent abilities, read by name"
)]
pub struct Capabilities {
    /// The methods that it takes.
    pub methods: &'static [MethodCapability],
    /// ISO 4217 codes of the currencies that it takes.
    pub currencies: &'static [&'static str],
    /// Largest amount of one order, in minor units of its currency; the smallest is 1.
    pub amount_minor_max: i64,
    /// The currencies that the gateway counts in other units than ours: ISO 4217 code and largest amount, in our
    /// minor units.
    pub amount_minor_max_of: &'static [(&'static str, i64)],
    /// Whether it posts callbacks about refunds on a route of their own.
    pub refund_callbacks: bool,
    /// Whether a refund that is submitted again under the same number and content is known to be the same
    /// refund. Where it is not, one whose answer was lost is submitted again only after a long doubt.
    pub is_refund_repeatable: bool,
    /// Whether a refund that hangs can be sent to the merchant's own account.
    pub refund_to_merchant: bool,
    /// Whether the payer's browser comes back with a signed query string.
    pub signed_return: bool,
    /// Shortest time to expiry that it takes, in seconds.
    pub expiry_min_secs: i64,
    /// Longest time to expiry that it takes, in seconds.
    pub expiry_max_secs: i64,
}

/// One method of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodCapability {
    /// The method.
    pub method: Method,
    /// The gateway's name for it, for example `alipay.trade.precreate`.
    pub product: &'static str,
    /// Whether the payer's id at the gateway must be given.
    pub needs_payer: bool,
    /// Whether the payer's address must be given.
    pub needs_client_ip: bool,
    /// Whether a `return_url` means anything.
    pub takes_return_url: bool,
    /// How long the payer can use what the client was given, in seconds; `None` as long as the order.
    pub prepay_valid_secs: Option<i64>,
}

impl Capabilities {
    /// Largest amount of one order in `currency`, in its minor units.
    pub fn amount_max(&self, currency: Currency) -> i64 {
        let of_its_own = self.amount_minor_max_of.iter();
        of_its_own
            .filter(|(code, _)| *code == currency.code())
            .map(|(_, minor)| *minor)
            .next()
            .unwrap_or(self.amount_minor_max)
    }

    /// The capability for `method`, if the gateway has it.
    pub fn method(&self, method: Method) -> Option<&'static MethodCapability> {
        self.methods
            .iter()
            .find(|capability| capability.method == method)
    }
}
