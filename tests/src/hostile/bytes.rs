//! Every single byte of the genuine callbacks, altered: refused, unless the gateway leaves that byte out of
//! what it signs.
//!
//! | gateway | what is signed | what is left out |
//! | --- | --- | --- |
//! | `ALIPAY`, `BAIDU`, `UNIONPAY` | the names and values of the form | how they are escaped (`%2f` is `%2F`), and fields without a value; every header |
//! | `WECHAT_V3` | the body's bytes, and the headers of the signature | every other header |
//! | `WECHAT_V2` | payments: the names and values of the XML | refunds: everything, they are encrypted and no more; every header |
//! | `STRIPE` | the body's bytes, and the time in the header of the signature | every other header |
//! | `PAYPAL` | a CRC-32 of the body's bytes, which sees each single altered one; the headers of the signature | `PAYPAL-AUTH-VERSION`, and every other header |
//!
//! What is left out may be altered and means the same then. A refund notice of `WECHAT_V2` may mean another
//! thing, but is never believed: it is a reason to ask. What the door does not let in is not enqueued; the
//! tests of `callback-ingress` look at that through its sockets.

use kassa_core::channel::GatewayName;

use super::{Genuine, Posted, Target};

/// Where a byte is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Body(usize),
    /// Which header, and where in its value.
    Header(usize, usize),
}

impl Target {
    /// Alters every byte of every callback, its headers included, once by each mask: a one in it turns a bit
    /// over. Gives back how many altered callbacks were refused.
    ///
    /// # Errors
    /// Which altered byte was let in, and of which callback.
    pub fn run_bytes(&self, masks: &[u8]) -> Result<u64, String> {
        let mut refused: u64 = 0;
        for genuine in &self.genuine {
            self.clock.set(genuine.at);
            self.has_every_signed_header(&genuine.posted)?;
            for place in places(&genuine.posted) {
                for mask in masks {
                    let altered = place.altered(&genuine.posted, *mask);
                    if self.is_let_in(&altered, genuine, place)? {
                        continue;
                    }
                    refused = refused.saturating_add(1);
                }
            }
        }
        Ok(refused)
    }

    /// Whether the door lets it in, where it may.
    fn is_let_in(&self, altered: &Posted, genuine: &Genuine, place: Place) -> Result<bool, String> {
        if altered.header_map().len() < altered.headers.len() {
            // Not a header that HTTP knows: nothing gets as far as the door.
            return Ok(false);
        }
        let Some(verified) = self.verify(altered) else {
            return Ok(false);
        };
        if self.is_left_out(altered, &genuine.posted, place)
            && self.is_harmless(altered, &verified, genuine)
        {
            return Ok(true);
        }
        let kind = &genuine.verified.kind;
        Err(format!("{}: {kind}: {place:?} is let in", self.code))
    }

    /// Whether the gateway does not sign this byte.
    fn is_left_out(&self, altered: &Posted, genuine: &Posted, place: Place) -> bool {
        if let Place::Header(index, _) = place {
            let header = genuine.headers.get(index);
            return !header.is_some_and(|(name, _)| self.is_signed_header(name));
        }
        match self.room.name() {
            GatewayName::Alipay | GatewayName::Baidu | GatewayName::Unionpay => {
                fields(&altered.body) == fields(&genuine.body)
            }
            GatewayName::WechatV2 => self.is_unsigned(genuine),
            GatewayName::WechatV3 | GatewayName::Stripe | GatewayName::Paypal => false,
        }
    }

    fn is_signed_header(&self, name: &str) -> bool {
        let signed = signed_headers(self.room.name());
        signed.iter().any(|it| it.eq_ignore_ascii_case(name))
    }

    /// A header that no callback has would be altered in vain.
    fn has_every_signed_header(&self, posted: &Posted) -> Result<(), String> {
        let is_there = |name: &str| {
            let mut headers = posted.headers.iter();
            headers.any(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        let missing = signed_headers(self.room.name())
            .iter()
            .find(|name| !is_there(name));
        missing.map_or(Ok(()), |name| {
            Err(format!("{}: no {name} was posted", self.code))
        })
    }
}

/// Headers that are signed, are the signature, or say how it was made.
fn signed_headers(gateway: GatewayName) -> &'static [&'static str] {
    match gateway {
        GatewayName::WechatV3 => &[
            "wechatpay-serial",
            "wechatpay-timestamp",
            "wechatpay-nonce",
            "wechatpay-signature",
            "wechatpay-signature-type",
        ],
        GatewayName::Stripe => &["stripe-signature"],
        GatewayName::Paypal => &[
            "paypal-transmission-id",
            "paypal-transmission-time",
            "paypal-transmission-sig",
            "paypal-cert-url",
            "paypal-auth-algo",
        ],
        GatewayName::Alipay
        | GatewayName::WechatV2
        | GatewayName::Baidu
        | GatewayName::Unionpay => &[],
    }
}

/// A form as it is signed: sorted, without what has no value.
fn fields(body: &[u8]) -> Vec<(String, String)> {
    let fields = form_urlencoded::parse(body).into_owned();
    let mut fields: Vec<_> = fields
        .filter(|(_, value)| !value.trim().is_empty())
        .collect();
    fields.sort();
    fields
}

fn places(posted: &Posted) -> Vec<Place> {
    let mut places: Vec<Place> = (0..posted.body.len()).map(Place::Body).collect();
    for (index, (_, value)) in posted.headers.iter().enumerate() {
        places.extend((0..value.len()).map(|at| Place::Header(index, at)));
    }
    places
}

impl Place {
    fn altered(self, genuine: &Posted, mask: u8) -> Posted {
        let mut posted = genuine.clone();
        let byte = match self {
            Self::Body(at) => posted.body.get_mut(at),
            Self::Header(index, at) => {
                let header = posted.headers.get_mut(index);
                header.and_then(|(_, value)| value.get_mut(at))
            }
        };
        if let Some(byte) = byte {
            *byte ^= mask;
        }
        posted
    }
}
