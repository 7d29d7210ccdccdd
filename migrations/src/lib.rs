//! The schema: one list of migrations for both databases.
//!
//! Rules: a migration that was released is never edited; money is `bigint` minor units beside its
//! currency; ids are 32 hex characters; times are UTC; enums are words under a CHECK; JSON is text. Every
//! foreign key, unique, index and CHECK has a name. Each migration runs in one transaction.

mod ddl;
mod m0001_accounts;
mod m0002_queue;
mod m0003_payments;
mod m0004_refunds;
mod m0005_notifications;
mod m0006_outbox;
mod m0007_ledger;
mod m0008_anomalies;
mod m0009_audit;
mod m0010_synchronisation;
mod m0011_codes;
mod m0012_wallets;
mod m0013_passwords;
mod m0014_mixed_payments;
mod m0015_fees;
mod m0016_refund_asked;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, TransactionTrait,
};

/// The shards of the outbox; relays lease them. `m0006_outbox` makes a row for each.
pub const OUTBOX_SHARDS: i16 = m0006_outbox::OUTBOX_SHARDS;

/// The list.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_queue::Migration),
            Box::new(m0003_payments::Migration),
            Box::new(m0004_refunds::Migration),
            Box::new(m0005_notifications::Migration),
            Box::new(m0006_outbox::Migration),
            Box::new(m0007_ledger::Migration),
            Box::new(m0008_anomalies::Migration),
            Box::new(m0009_audit::Migration),
            Box::new(m0010_synchronisation::Migration),
            Box::new(m0011_codes::Migration),
            Box::new(m0012_wallets::Migration),
            Box::new(m0013_passwords::Migration),
            Box::new(m0014_mixed_payments::Migration),
            Box::new(m0015_fees::Migration),
            Box::new(m0016_refund_asked::Migration),
        ]
    }
}

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it was applied.
    pub is_applied: bool,
    /// Whether this program has it: false for one that a newer program applied.
    pub is_known: bool,
}

/// Lets one process migrate at a time on PostgreSQL; any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x6b61_7373_6101;

/// Applies everything that is pending; on PostgreSQL all of it or nothing, and several processes that
/// do it at once take turns.
pub async fn up(connection: &DatabaseConnection) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Migrator::up(connection, None).await;
    }
    let turn = connection.begin().await?;
    // A migration may take as long as its tables need.
    turn.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await?;
    turn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        .await?;
    Migrator::up(&turn, None).await?;
    turn.commit().await
}

/// Takes back the newest `steps` migrations, with their data.
pub async fn down(connection: &DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    Migrator::down(connection, Some(steps)).await
}

/// Every migration of ours in order, then those that only the database knows. Changes nothing.
pub async fn status(connection: &DatabaseConnection) -> Result<Vec<MigrationState>, DbErr> {
    let applied = applied_names(connection).await?;
    let ours: Vec<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let foreign: Vec<MigrationState> = applied
        .iter()
        .filter(|name| !ours.contains(name))
        .map(|name| MigrationState {
            name: name.clone(),
            is_applied: true,
            is_known: false,
        })
        .collect();
    let mut states: Vec<MigrationState> = ours
        .into_iter()
        .map(|name| MigrationState {
            is_applied: applied.contains(&name),
            name,
            is_known: true,
        })
        .collect();
    states.extend(foreign);
    Ok(states)
}

/// The names in the database's own list; none when it has no list yet.
async fn applied_names(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    const TABLE: &str = "seaql_migrations";
    if !SchemaManager::new(connection).has_table(TABLE).await? {
        return Ok(Vec::new());
    }
    let query = Query::select()
        .column(Alias::new("version"))
        .from(Alias::new(TABLE))
        .order_by(Alias::new("version"), Order::Asc)
        .to_owned();
    let rows = connection.query_all(&query).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
