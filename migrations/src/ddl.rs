//! One DDL text for both databases: three type words differ, the rest is common SQL.
//!
//! | word | PostgreSQL | SQLite |
//! | --- | --- | --- |
//! | `{time}` | `timestamp with time zone` | `timestamp_with_timezone_text` |
//! | `{bytes}` | `bytea` | `blob` |
//! | `{sequence}` | an identity column | `integer … AUTOINCREMENT` |
//!
//! SQL rather than a builder, because CHECK constraints, partial indexes and triggers are most of what
//! these files say, and a reader proofs them faster in the language that the database shows them in.

use std::ops::Range;

use sea_orm_migration::prelude::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// Runs statements in order.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let backend = connection.get_database_backend();
    for statement in statements {
        connection
            .execute_unprepared(&in_dialect(statement, backend)?)
            .await?;
    }
    Ok(())
}

/// Drops tables, last first.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    for table in tables.iter().rev() {
        connection
            .execute_unprepared(&format!("DROP TABLE {table}"))
            .await?;
    }
    Ok(())
}

/// Picks the statements of the database in use.
pub(crate) fn of_backend<'a>(
    manager: &SchemaManager<'_>,
    postgres: &'a [&'a str],
    sqlite: &'a [&'a str],
) -> Result<&'a [&'a str], DbErr> {
    match manager.get_connection().get_database_backend() {
        DbBackend::Postgres => Ok(postgres),
        DbBackend::Sqlite => Ok(sqlite),
        other => Err(unsupported(other)),
    }
}

/// Replaces the condition of a CHECK constraint. Refused if a row does not meet the new one.
///
/// SQLite cannot alter a constraint: there the table's text in the schema is rewritten, which its
/// documentation allows for changes that leave the rows as they are.
pub(crate) async fn replace_check(
    manager: &SchemaManager<'_>,
    (table, constraint): (&str, &str),
    condition: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let check = format!("CONSTRAINT {constraint} CHECK ({condition})");
    match connection.get_database_backend() {
        DbBackend::Postgres => {
            let statement =
                format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}, ADD {check}");
            connection.execute_unprepared(&statement).await?;
            Ok(())
        }
        DbBackend::Sqlite => {
            refuse_rows(manager, table, &format!("NOT ({condition})")).await?;
            rewrite_table(manager, table, |text| {
                let name = format!("CONSTRAINT {constraint}");
                let is_whole = |at: &usize| {
                    let after = text.get(at + name.len()..);
                    after.is_some_and(|rest| rest.starts_with(char::is_whitespace))
                };
                let found = text.match_indices(&name).map(|(at, _)| at);
                let start = found.into_iter().find(is_whole)?;
                let open = start + text.get(start..)?.find('(')?;
                let end = closing_parenthesis(text, open)?;
                Some((start..end, check))
            })
            .await
        }
        other => Err(unsupported(other)),
    }
}

/// Lets a column be NULL.
pub(crate) async fn drop_not_null(
    manager: &SchemaManager<'_>,
    table: &str,
    column: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    match connection.get_database_backend() {
        DbBackend::Postgres => {
            let statement = format!("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL");
            connection.execute_unprepared(&statement).await?;
            Ok(())
        }
        DbBackend::Sqlite => {
            rewrite_table(manager, table, |text| {
                let start = text.find(&format!(" {column} "))?;
                let end = start + text.get(start..)?.find([',', '\n'])?;
                let nullable = text.get(start..end)?.replace(" NOT NULL", "");
                Some((start..end, nullable))
            })
            .await
        }
        other => Err(unsupported(other)),
    }
}

/// Forbids NULL in a column. Refused if a row has it.
pub(crate) async fn set_not_null(
    manager: &SchemaManager<'_>,
    table: &str,
    column: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    match connection.get_database_backend() {
        DbBackend::Postgres => {
            let statement = format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL");
            connection.execute_unprepared(&statement).await?;
            Ok(())
        }
        DbBackend::Sqlite => {
            refuse_rows(manager, table, &format!("{column} IS NULL")).await?;
            rewrite_table(manager, table, |text| {
                let start = text.find(&format!(" {column} "))?;
                let end = start + text.get(start..)?.find([',', '\n'])?;
                Some((end..end, " NOT NULL".to_owned()))
            })
            .await
        }
        other => Err(unsupported(other)),
    }
}

async fn refuse_rows(
    manager: &SchemaManager<'_>,
    table: &str,
    condition: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let query = format!("SELECT 1 FROM {table} WHERE {condition} LIMIT 1");
    let statement = Statement::from_string(DbBackend::Sqlite, query);
    match connection.query_one_raw(statement).await? {
        None => Ok(()),
        Some(_) => Err(DbErr::Migration(format!(
            "{table} has rows of which {condition} holds"
        ))),
    }
}

/// Replaces a piece of a table's text in SQLite's schema.
async fn rewrite_table(
    manager: &SchemaManager<'_>,
    table: &str,
    edit: impl FnOnce(&str) -> Option<(Range<usize>, String)>,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let query = |sql: &str| Statement::from_string(DbBackend::Sqlite, sql);
    let missing = || DbErr::Migration(format!("{table} is not as its migrations left it"));
    let find = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?",
        [table.into()],
    );
    let row = connection.query_one_raw(find).await?.ok_or_else(missing)?;
    let mut text: String = row.try_get("", "sql")?;
    let (piece, replacement) = edit(&text).ok_or_else(missing)?;
    text.replace_range(piece, &replacement);
    let version = connection
        .query_one_raw(query("PRAGMA schema_version"))
        .await?
        .ok_or_else(missing)?;
    let version: i64 = version.try_get("", "schema_version")?;
    connection
        .execute_unprepared("PRAGMA writable_schema = ON")
        .await?;
    let write = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?",
        [text.into(), table.into()],
    );
    connection.execute_raw(write).await?;
    // Other connections read the schema again when its version grows; this one at the reset.
    let next = version.saturating_add(1);
    connection
        .execute_unprepared(&format!("PRAGMA schema_version = {next}"))
        .await?;
    connection
        .execute_unprepared("PRAGMA writable_schema = RESET")
        .await?;
    Ok(())
}

/// The end of the parenthesis that opens at `open`.
fn closing_parenthesis(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, letter) in text.get(open..)?.char_indices() {
        match letter {
            '(' => depth = depth.checked_add(1)?,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return open.checked_add(offset)?.checked_add(1);
        }
    }
    None
}

fn in_dialect(statement: &str, backend: DbBackend) -> Result<String, DbErr> {
    let (time, bytes, sequence) = match backend {
        DbBackend::Postgres => (
            "timestamp with time zone",
            "bytea",
            "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        ),
        DbBackend::Sqlite => (
            "timestamp_with_timezone_text",
            "blob",
            "integer NOT NULL PRIMARY KEY AUTOINCREMENT",
        ),
        other => return Err(unsupported(other)),
    };
    Ok(statement
        .replace("{time}", time)
        .replace("{bytes}", bytes)
        .replace("{sequence}", sequence))
}

fn unsupported(backend: DbBackend) -> DbErr {
    DbErr::Migration(format!("no migrations for {backend:?}"))
}
