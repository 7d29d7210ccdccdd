//! `kassa channel`.

use flows::{Kassa, channel};
use kassa_core::channel::ChannelAccount;
use kassa_core::notification::CallbackRoute;
use serde_json::{Value, json};

use crate::cli::{File, Global};
use crate::exit::Outcome;
use crate::output::{Mark, Output};
use crate::spec::account;

/// Accounts that are listed; far more than an installation has.
const LISTED_MAX: usize = 1_000;

/// Brings the accounts about.
///
/// # Errors
/// [`crate::exit::BadInput`] with everything that is wrong with the file, or what the store says.
pub async fn apply(global: &Global, file: &File, output: Output) -> anyhow::Result<Outcome> {
    let specs = account::load(&file.file)?;
    let (kassa, telemetry) = super::installation(global).await?;
    let what = file.file.display().to_string();
    let changes = if file.dry_run {
        account::plan(&kassa, &specs, &what).await?
    } else {
        account::apply(&kassa, super::ACTOR, specs, &what).await?
    };
    super::print_changes(&changes, file.dry_run, output)?;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Lists the accounts.
///
/// # Errors
/// What the store says.
pub async fn list(global: &Global, output: Output) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation(global).await?;
    let (accounts, _more) = channel::list(&kassa, None, LISTED_MAX).await?;
    let shown = accounts
        .iter()
        .map(|it| show(&kassa, it))
        .collect::<Result<Vec<_>, _>>()?;
    output.object(&shown)?;
    if accounts.is_empty() {
        output.line("there is no channel account; make one with `kassa channel apply -f`")?;
    }
    for account in &accounts {
        let mark = output.mark(if account.is_active {
            Mark::Ok
        } else {
            Mark::Skipped
        });
        let state = if account.is_active {
            "active"
        } else {
            "disabled"
        };
        output.line(format_args!(
            "{mark} {}  {}  {state}, version {}  {}",
            output.bold(account.code.as_str()),
            account.gateway,
            account.version,
            account.display_name,
        ))?;
        for route in [CallbackRoute::Payment, CallbackRoute::Refund] {
            output.line(format_args!("    {}", kassa.callback_url(account, route)?))?;
        }
    }
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

fn show(kassa: &Kassa, account: &ChannelAccount) -> Result<Value, flows::Error> {
    let amount = |money: Option<kassa_core::Money>| {
        money
            .map(|it| json!({ "amount": it.to_decimal_string(), "currency": it.currency().code() }))
    };
    Ok(json!({
        "channel_account_id": account.id.to_string(),
        "code": account.code,
        "display_name": account.display_name,
        "gateway": account.gateway,
        "payment_channel": account.channel(),
        "is_active": account.is_active,
        "version": account.version,
        "amount_min": amount(account.limits.amount_min),
        "amount_max": amount(account.limits.amount_max),
        "fee_rate": account.fee.rate.to_string(),
        "fee_returned": account.fee.is_returned,
        "callback_cidrs": account.callback_cidrs,
        "secret_fingerprints": account.fingerprints,
        "callback_url_payment": kassa.callback_url(account, CallbackRoute::Payment)?.as_str(),
        "callback_url_refund": kassa.callback_url(account, CallbackRoute::Refund)?.as_str(),
    }))
}
