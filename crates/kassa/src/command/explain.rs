//! `kassa explain`.

use flows::Kassa;
use flows::operations::{self, PaymentName};
use kassa_core::ErrorKind;
use kassa_core::id::TransactionId;
use kassa_core::payment::PaymentTransaction;
use kassa_core::text::{AppId, BusinessOrderId};
use serde_json::json;

use crate::cli::{Explain, Global};
use crate::exit::{BadInput, Outcome};
use crate::explain::{self, Look};
use crate::output::Output;

/// Tells the life of a payment.
///
/// # Errors
/// [`BadInput`] for what cannot be an id; that there is no such payment; what the store says.
pub async fn run(global: &Global, args: &Explain, output: Output) -> anyhow::Result<Outcome> {
    let names = names(args)?;
    let (kassa, telemetry) = super::installation(global).await?;
    let found = find(&kassa, &names).await?;
    let shown = if args.all { found.len() } else { 1 };
    if found.len() > 1 {
        list(&found, args, output)?;
    }
    let columns = console::Term::stdout()
        .size_checked()
        .map(|(_, columns)| columns);
    let look = Look::new(output.colour, columns, kassa.clock.now());
    let mut stories = Vec::with_capacity(shown);
    for payment in found.iter().take(shown) {
        let story = operations::explain(&kassa, payment.id).await?;
        output.line(explain::to_text(&story, &look))?;
        stories.push(explain::to_json(&story));
    }
    let others: Vec<_> = found.iter().skip(shown).map(explain::brief).collect();
    output.object(&json!({ "payments": stories, "others": others }))?;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// What the argument may stand for: what looks like our id may be an order's all the same.
fn names(args: &Explain) -> Result<Vec<PaymentName>, BadInput> {
    let app = args
        .app
        .as_ref()
        .map(|app| AppId::try_new(app.as_str()))
        .transpose()
        .map_err(|error| BadInput::one("--app", error))?;
    let mut names = Vec::with_capacity(2);
    if app.is_none()
        && let Ok(id) = args.id.parse::<TransactionId>()
    {
        names.push(PaymentName::Transaction(id));
    }
    let order = BusinessOrderId::try_new(args.id.as_str())
        .map_err(|error| BadInput::one("the id", error))?;
    names.push(PaymentName::BusinessOrder { order, app });
    Ok(names)
}

async fn find(
    kassa: &Kassa,
    names: &[PaymentName],
) -> Result<Vec<PaymentTransaction>, flows::Error> {
    let mut missing = None;
    for name in names {
        match operations::find_payments(kassa, name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => missing = Some(error),
            found => return found,
        }
    }
    Err(missing.unwrap_or_else(|| flows::Error::NotFound {
        resource: "payment",
        name: String::new(),
    }))
}

fn list(found: &[PaymentTransaction], args: &Explain, output: Output) -> std::io::Result<()> {
    let told = if args.all {
        "each is explained below"
    } else {
        "the newest is explained below; --all explains each"
    };
    let count = found.len();
    output.line(format_args!("{} has {count} payments; {told}", args.id))?;
    for payment in found {
        let made = payment.created_at.format("%Y-%m-%d %H:%M:%S UTC");
        let (id, app, amount, status) = (
            payment.id,
            &payment.app_id,
            payment.amount_requested,
            payment.status,
        );
        output.line(format_args!("  {id}  {made}  {app}  {amount}  {status}"))?;
    }
    output.line("")
}
