//! Channel accounts: requests in, answers out. Secrets go in and never come out.

use chrono::DateTime;
use flows::channel::{ChannelAccountChange, Limits, NewChannelAccount};
use flows::{Kassa, resource};
use kassa_core::channel::{ChannelAccount, FeeRate, FeeTerms};
use kassa_core::notification::CallbackRoute;
use kassa_core::text::AccountCode;
use proto::v1;

use super::channel_settings::{self, Settings};
use super::fields::Fields;
use super::page_token::{self, Binding};
use super::{Paging, page};
use crate::error::Error;

/// Which channel accounts are wanted.
#[derive(Debug)]
pub(crate) struct ListChannelAccounts {
    /// Only those whose code comes after this one.
    pub(crate) after: Option<AccountCode>,
    /// How many at most.
    pub(crate) limit: usize,
}

/// Reads a request to make an account.
pub(crate) fn create(
    request: &v1::CreateChannelAccountRequest,
) -> Result<NewChannelAccount, Error> {
    let mut fields = Fields::default();
    let code = fields.required("code", &request.code, AccountCode::try_new);
    let settings = settings(&mut fields, request.settings.as_ref());
    let amounts = (request.amount_min.as_ref(), request.amount_max.as_ref());
    let fee = (request.fee_rate.as_str(), request.fee_returned);
    let limits = limits(&mut fields, amounts, fee, &request.callback_cidrs);
    let complete = || {
        let settings = settings?;
        Some(NewChannelAccount {
            code: code?,
            display_name: request.display_name.clone(),
            gateway: settings.gateway,
            settings: settings.public,
            secrets: settings.secrets,
            limits,
        })
    };
    fields.finish(complete())
}

/// Reads a request to change an account.
pub(crate) fn update(
    request: &v1::UpdateChannelAccountRequest,
) -> Result<ChannelAccountChange, Error> {
    let mut fields = Fields::default();
    let code = fields.required("code", &request.code, AccountCode::try_new);
    if request.version < 1 {
        fields.wrong("version", "must be the version that the change is based on");
    }
    let settings = settings(&mut fields, request.settings.as_ref());
    let amounts = (request.amount_min.as_ref(), request.amount_max.as_ref());
    let fee = (request.fee_rate.as_str(), request.fee_returned);
    let limits = limits(&mut fields, amounts, fee, &request.callback_cidrs);
    let complete = || {
        let settings = settings?;
        Some(ChannelAccountChange {
            code: code?,
            version: request.version,
            display_name: request.display_name.clone(),
            settings: settings.public,
            secrets: settings.secrets,
            limits,
        })
    };
    fields.finish(complete())
}

fn settings(fields: &mut Fields, given: Option<&v1::ChannelSettings>) -> Option<Settings> {
    let read = given
        .and_then(|given| given.settings.as_ref())
        .map(channel_settings::read);
    if read.is_none() {
        fields.wrong("settings", "the settings of one gateway are required");
    }
    read
}

fn limits(
    fields: &mut Fields,
    (min, max): (Option<&v1::Money>, Option<&v1::Money>),
    (rate, is_returned): (&str, bool),
    cidrs: &[String],
) -> Limits {
    Limits {
        amount_min: fields.optional_money("amount_min", min),
        amount_max: fields.optional_money("amount_max", max),
        fee: FeeTerms {
            rate: fields
                .optional("fee_rate", rate, str::parse::<FeeRate>)
                .unwrap_or_default(),
            is_returned,
        },
        callback_cidrs: cidrs.to_vec(),
    }
}

/// Reads an account's code.
pub(crate) fn code(code: &str) -> Result<AccountCode, Error> {
    let mut fields = Fields::default();
    let code = fields.required("code", code, AccountCode::try_new);
    fields.finish(code)
}

fn list_binding(paging: Paging<'_>) -> Binding<'_> {
    Binding::new("channel_accounts", paging.app, [])
}

/// Reads which accounts are wanted.
pub(crate) fn list(
    request: &v1::ListChannelAccountsRequest,
    paging: Paging<'_>,
) -> Result<ListChannelAccounts, Error> {
    let mut fields = Fields::default();
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &list_binding(paging), token);
    let after = page
        .after
        .and_then(|(_, code)| AccountCode::try_new(code).ok());
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    fields.finish(Some(ListChannelAccounts { after, limit }))
}

/// One page of accounts as the API shows it.
pub(crate) fn list_response(
    kassa: &Kassa,
    paging: Paging<'_>,
    (accounts, more): &(Vec<ChannelAccount>, bool),
) -> Result<v1::ListChannelAccountsResponse, Error> {
    let last = accounts.last().filter(|_| *more);
    let next = last.map(|account| (DateTime::UNIX_EPOCH, account.code.to_string()));
    Ok(v1::ListChannelAccountsResponse {
        channel_accounts: accounts
            .iter()
            .map(|account| self::account(kassa, account))
            .collect::<Result<_, _>>()?,
        next_page_token: page_token::seal(paging.keyring, &list_binding(paging), next.as_ref())?,
    })
}

/// An account as the API shows it.
pub(crate) fn account(
    kassa: &Kassa,
    account: &ChannelAccount,
) -> Result<v1::ChannelAccount, Error> {
    let callback_url =
        |route| -> Result<String, Error> { Ok(kassa.callback_url(account, route)?.to_string()) };
    Ok(v1::ChannelAccount {
        channel_account_id: account.id.to_string(),
        code: account.code.to_string(),
        display_name: account.display_name.clone(),
        gateway: resource::gateway(account.gateway).into(),
        payment_channel: resource::channel(account.channel()).into(),
        settings: Some(channel_settings::write(account.gateway, &account.settings)),
        secret_fingerprints: account.fingerprints.clone().into_iter().collect(),
        amount_min: account.limits.amount_min.map(resource::money),
        amount_max: account.limits.amount_max.map(resource::money),
        callback_cidrs: account.callback_cidrs.clone(),
        is_active: account.is_active,
        version: account.version,
        create_time: Some(resource::time(account.created_at)),
        update_time: Some(resource::time(account.updated_at)),
        callback_url_payment: callback_url(CallbackRoute::Payment)?,
        callback_url_refund: callback_url(CallbackRoute::Refund)?,
        fee_rate: account.fee.rate.to_string(),
        fee_returned: account.fee.is_returned,
    })
}
