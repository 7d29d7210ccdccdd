//! `kassa app`.

use serde_json::json;

use crate::cli::{File, Global};
use crate::exit::Outcome;
use crate::output::{Mark, Output};
use crate::spec::app;

/// Brings the apps about.
///
/// # Errors
/// [`crate::exit::BadInput`] with everything that is wrong with the file, or what the store says.
pub async fn apply(global: &Global, file: &File, output: Output) -> anyhow::Result<Outcome> {
    let apps = app::load(&file.file)?;
    let (kassa, telemetry) = super::installation(global).await?;
    let what = file.file.display().to_string();
    let changes = if file.dry_run {
        app::plan(&kassa, &apps, &what).await?
    } else {
        app::apply(&kassa, super::ACTOR, apps, &what).await?
    };
    super::print_changes(&changes, file.dry_run, output)?;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Lists the apps.
///
/// # Errors
/// What the store says.
pub async fn list(global: &Global, output: Output) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation(global).await?;
    let apps = flows::app::list(&kassa).await?;
    let mut shown = Vec::with_capacity(apps.len());
    if apps.is_empty() {
        output.line("there is no app; make one with `kassa app apply -f`")?;
    }
    for app in &apps {
        let mut codes = Vec::new();
        for id in &app.channel_accounts {
            let found = kassa.store.find_channel_account(*id).await?;
            codes.push(found.map_or_else(|| id.to_string(), |it| it.account.code.to_string()));
        }
        let scopes: Vec<_> = app.scopes.iter().map(|scope| scope.as_str()).collect();
        let kids: Vec<_> = app.keys.iter().map(|key| key.kid.as_str()).collect();
        let mark = output.mark(if app.is_active {
            Mark::Ok
        } else {
            Mark::Skipped
        });
        let state = if app.is_active { "active" } else { "disabled" };
        let name = output.bold(app.id.as_str());
        output.line(format_args!("{mark} {name}  {state}  {}", app.display_name))?;
        output.line(format_args!("    scopes    {}", scopes.join(" ")))?;
        output.line(format_args!("    accounts  {}", codes.join(" ")))?;
        output.line(format_args!("    keys      {}", kids.join(" ")))?;
        let policies = &app.policies;
        output.line(format_args!(
            "    refunds   late {}, duplicate {}",
            automatic(policies.refund_late_payments),
            automatic(policies.refund_duplicate_payments)
        ))?;
        shown.push(json!({
            "app_id": app.id,
            "display_name": app.display_name,
            "is_active": app.is_active,
            "version": app.version,
            "scopes": scopes,
            "channel_accounts": codes,
            "kids": kids,
            "policies": policies,
        }));
    }
    output.object(&shown)?;
    telemetry.shutdown().await?;
    Ok(Outcome::Done)
}

/// Who gives unexpected money back.
fn automatic(is_automatic: bool) -> &'static str {
    if is_automatic {
        "by itself"
    } else {
        "by people"
    }
}
