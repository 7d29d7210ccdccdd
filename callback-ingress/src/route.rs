//! The paths that the ingress knows.

use kassa_core::channel::Channel;
use kassa_core::notification::CallbackRoute;

/// A known path. Account codes are compared as they stand: they need no escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/callbacks/{channel}/{account}/{payment|refund}`.
    Callback {
        channel: Channel,
        account: &'a str,
        route: CallbackRoute,
    },
    /// `/return/{channel}/{account}`.
    Return { channel: Channel, account: &'a str },
}

impl<'a> Route<'a> {
    /// The route of a path, if it is known.
    pub(crate) fn find(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let kind = segments.next()?;
        let channel = Channel::from_slug(segments.next()?)?;
        let account = segments.next().filter(|account| !account.is_empty())?;
        let last = segments.next();
        if segments.next().is_some() {
            return None;
        }
        let callback = |route| Self::Callback {
            channel,
            account,
            route,
        };
        match (kind, last) {
            ("callbacks", Some("payment")) => Some(callback(CallbackRoute::Payment)),
            ("callbacks", Some("refund")) => Some(callback(CallbackRoute::Refund)),
            ("return", None) => Some(Self::Return { channel, account }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_paths_are_known() {
        let callback = |route| Route::Callback {
            channel: Channel::WechatPay,
            account: "w-1",
            route,
        };
        for (path, route) in [
            (
                "/callbacks/wechat_pay/w-1/payment",
                callback(CallbackRoute::Payment),
            ),
            (
                "/callbacks/wechat_pay/w-1/refund",
                callback(CallbackRoute::Refund),
            ),
            (
                "/return/alipay/a",
                Route::Return {
                    channel: Channel::Alipay,
                    account: "a",
                },
            ),
        ] {
            assert_eq!(Route::find(path), Some(route), "{path}");
        }
    }

    #[test]
    fn every_other_path_is_unknown() {
        for path in [
            "",
            "/",
            "*",
            "/callbacks",
            "/callbacks/alipay/a",
            "/callbacks/alipay//payment",
            "/callbacks/alipay/a/payment/",
            "/callbacks/alipay/a/Payment",
            "/callbacks/nowhere/a/payment",
            "/callbacks/alipay/a/chargeback",
            "//callbacks/alipay/a/payment",
            "/return/alipay",
            "/return/alipay/",
            "/return/alipay/a/payment",
            "/return/../callbacks/alipay/a",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
