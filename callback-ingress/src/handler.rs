//! The routes, and the checks that come before them.

use std::net::IpAddr;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use crate::rate_limit::{AddressLimiter, QueryLimiter};
use crate::reply::{self, Reply};
use crate::route::Route;
use crate::{Deps, IngressOptions, callback, peer, return_page};

/// Requests that reached no route, or no account. Label `reason`.
pub(crate) const REFUSED: &str = "kassa_ingress_refused_total";

/// Answers requests.
pub(crate) struct Handler {
    pub(crate) options: IngressOptions,
    pub(crate) deps: Deps,
    pub(crate) queries: QueryLimiter,
    addresses: AddressLimiter,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// Who sent it, as far as proxies can be believed.
    pub(crate) client: IpAddr,
    /// Whether a trusted proxy passed it on.
    pub(crate) is_proxied: bool,
}

impl Handler {
    pub(crate) fn new(options: IngressOptions, deps: Deps) -> Self {
        let addresses =
            AddressLimiter::new(options.rate_limit_per_second, options.rate_limit_burst);
        Self {
            options,
            deps,
            queries: QueryLimiter::new(),
            addresses,
        }
    }

    /// Answers one request. Nothing of the request is in the answer, but for the return page's
    /// language.
    pub(crate) async fn handle(&self, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let trusted = &self.options.trusted_proxies;
        let origin = Origin {
            client: peer::client_address(peer, request.headers(), trusted),
            is_proxied: peer::is_trusted(peer, trusted),
        };
        if !self.addresses.allows(origin.client) {
            count_refused("rate_limited");
            return reply::retry_later(StatusCode::TOO_MANY_REQUESTS);
        }
        let path = request.uri().path().to_owned();
        match Route::find(&path) {
            Some(Route::Callback {
                channel,
                account,
                route,
            }) => match *request.method() {
                Method::POST => {
                    callback::handle(self, (channel, account, route), request, origin).await
                }
                _ => wrong_method("POST"),
            },
            Some(Route::Return { channel, account }) => match *request.method() {
                Method::GET | Method::HEAD => {
                    return_page::handle(self, (channel, account), &request).await
                }
                Method::POST => return_page::handle_form(self, (channel, account), request).await,
                _ => wrong_method("GET, HEAD, POST"),
            },
            None => {
                count_refused("unknown_route");
                reply::empty(StatusCode::NOT_FOUND)
            }
        }
    }
}

fn wrong_method(allowed: &'static str) -> Reply {
    count_refused("wrong_method");
    reply::method_not_allowed(allowed)
}

/// Counts a request that reached no account.
pub(crate) fn count_refused(reason: &'static str) {
    metrics::counter!(REFUSED, "reason" => reason).increment(1);
}
