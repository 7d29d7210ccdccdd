//! The border between protobuf and the flows: requests in, resources out. Vendor-free, without IO.
//!
//! A request is read field by field and everything that is wrong with it is said at once.

pub(crate) mod anomaly;
pub(crate) mod channel;
mod channel_settings;
pub(crate) mod event;
pub(crate) mod explain;
mod fields;
mod legs;
pub(crate) mod operations;
mod page_token;
pub(crate) mod password;
pub(crate) mod payment;
pub(crate) mod refund;
#[cfg(test)]
mod tests;
pub(crate) mod wallet;

use flows::PageRequest;
use kassa_core::text::AppId;
use runtime::keyring::Keyring;

use self::fields::Fields;
use self::page_token::Binding;

/// What a list is read with: who asks, and what seals page tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging<'a> {
    /// Whose list it is.
    pub(crate) app: &'a AppId,
    /// Seals page tokens.
    pub(crate) keyring: &'a Keyring,
}

/// Items on a page if the caller does not say.
const PAGE_SIZE_DEFAULT: u64 = 50;
/// Items on a page at most; a larger wish is cut to it.
const PAGE_SIZE_MAX: u64 = 200;

/// Reads `page_size` and `page_token`.
fn page(
    fields: &mut Fields,
    paging: Paging<'_>,
    binding: &Binding<'_>,
    (size, token): (i32, &str),
) -> PageRequest {
    let limit = fields.count("page_size", size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    let after = if token.is_empty() {
        None
    } else {
        let opened = page_token::open(paging.keyring, binding, token);
        if opened.is_none() {
            fields.wrong(
                "page_token",
                "must be a next_page_token of this method, sent with the same conditions",
            );
        }
        opened
    };
    PageRequest { after, limit }
}
