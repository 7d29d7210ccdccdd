//! `kassa ledger verify` and `kassa audit verify`.

use runtime::store::{AuditFault, Difference};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Outcome;
use crate::output::{Mark, Output};

/// Looks through the books.
///
/// # Errors
/// What the store says.
pub async fn ledger(global: &Global, output: Output) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation(global).await?;
    let report = kassa.store.verify_books().await?;
    let differences: Vec<_> = report.differences.iter().map(difference).collect();
    output.object(&json!({
        "ok": report.is_clean(),
        "accounts": report.accounts,
        "transfers": report.transfers,
        "entries": report.entries,
        "holds": report.holds,
        "differences": differences,
    }))?;
    let mark = output.mark(if report.is_clean() {
        Mark::Ok
    } else {
        Mark::Broken
    });
    output.line(format_args!(
        "{mark} {} accounts, {} transfers, {} entries: {}",
        report.accounts,
        report.transfers,
        report.entries,
        if report.is_clean() {
            "the books are in order"
        } else {
            "the books are NOT in order"
        },
    ))?;
    for difference in &differences {
        output.line(format_args!("    {difference}"))?;
    }
    telemetry.shutdown().await?;
    Ok(Outcome::of(report.is_clean()))
}

fn difference(difference: &Difference) -> String {
    match difference {
        Difference::Unbalanced {
            transfer_id,
            unit,
            total,
        } => {
            format!("transfer {transfer_id}: its entries in {unit} sum to {total}")
        }
        Difference::TooFewEntries { transfer_id } => {
            format!("transfer {transfer_id}: fewer than two entries")
        }
        Difference::WrongBalance {
            account_id,
            balance_minor,
            total,
        } => {
            format!("account {account_id}: balance {balance_minor}, entries sum to {total}")
        }
        Difference::WrongHeld {
            account_id,
            held_minor,
            total,
        } => {
            format!("account {account_id}: {held_minor} held, its active holds sum to {total}")
        }
        Difference::WrongLots {
            account_id,
            points_minor,
            total,
        } => {
            format!("account {account_id}: {points_minor} in points, its lots sum to {total}")
        }
        Difference::Overdrawn {
            account_id,
            excess_minor,
        } => {
            format!("account {account_id}: a wallet overdrawn by {excess_minor}")
        }
        Difference::BrokenStatement {
            account_id,
            sequence,
            balance_minor,
            total,
        } => {
            format!(
                "account {account_id}: entry {sequence} shows balance {balance_minor}, the one before makes it {total}"
            )
        }
    }
}

/// Walks along the audit log's chain.
///
/// # Errors
/// What the store says.
pub async fn audit(global: &Global, output: Output) -> anyhow::Result<Outcome> {
    let (kassa, telemetry) = super::installation(global).await?;
    let report = kassa.store.verify_audit().await?;
    let breaks: Vec<_> = report
        .breaks
        .iter()
        .map(|it| {
            let record = it.record.as_deref().unwrap_or("none");
            format!(
                "position {}, record {record}: {}",
                it.position,
                fault(it.fault)
            )
        })
        .collect();
    output.object(&json!({
        "ok": report.is_whole(),
        "sealed": report.sealed,
        "unsealed": report.unsealed,
        "breaks": breaks,
    }))?;
    let mark = output.mark(if report.is_whole() {
        Mark::Ok
    } else {
        Mark::Broken
    });
    output.line(format_args!(
        "{mark} {} records in the chain, {} waiting for the worker to seal them: {}",
        report.sealed,
        report.unsealed,
        if report.is_whole() {
            "the chain is whole"
        } else {
            "the chain is BROKEN"
        },
    ))?;
    for place in &breaks {
        output.line(format_args!("    {place}"))?;
    }
    telemetry.shutdown().await?;
    Ok(Outcome::of(report.is_whole()))
}

fn fault(fault: AuditFault) -> &'static str {
    match fault {
        AuditFault::Gap => "a record is missing before it",
        AuditFault::NotContinued => "it does not continue the record before it",
        AuditFault::Edited => "it says something else than when it was sealed",
        AuditFault::HeadMismatch => "the chain does not end as its head says",
    }
}
