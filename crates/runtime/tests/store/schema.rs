//! Migrations: up, down and up again; a schema that is not ours is refused.

use kassa_core::anomaly::AnomalyKind;
use kassa_core::channel::{Channel, GatewayName, Method};
use runtime::store::StoreError;
use runtime::store::testing::TestDatabase;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// Everything that the migrations made, by kind and name.
async fn objects(db: &TestDatabase) -> Vec<String> {
    let sql = match db.store.backend() {
        DbBackend::Postgres => {
            "SELECT name FROM ( \
             SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type AS name \
             FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT 'constraint ' || conname FROM pg_constraint \
             WHERE connamespace = 'public'::regnamespace AND contype <> 'n' \
             UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'function ' || proname FROM pg_proc \
             WHERE pronamespace = 'public'::regnamespace) all_objects \
             WHERE name NOT LIKE '%seaql_migrations%' ORDER BY name"
        }
        _ => {
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') AS name FROM sqlite_master \
             WHERE tbl_name <> 'seaql_migrations' AND name <> 'sqlite_sequence' ORDER BY 1"
        }
    };
    let statement = Statement::from_string(db.store.backend(), sql);
    let rows = db
        .store
        .migration_connection()
        .query_all_raw(statement)
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get("", "name").unwrap())
        .collect()
}

#[tokio::test]
async fn the_schema_goes_up_down_and_up_again() {
    let db = TestDatabase::create_empty().await;
    let connection = db.store.migration_connection();
    let missing = db.store.check_schema().await;
    assert!(matches!(missing, Err(StoreError::Schema(_))), "{missing:?}");
    migrations::up(connection).await.unwrap();
    db.store.check_schema().await.unwrap();
    let first = objects(&db).await;
    assert!(
        first
            .iter()
            .any(|name| name.contains("uq_payment_transactions_request"))
    );
    let states = migrations::status(connection).await.unwrap();
    assert!(
        states
            .iter()
            .all(|state| state.is_applied && state.is_known)
    );
    let steps = u32::try_from(states.len()).unwrap();
    migrations::down(connection, 1).await.unwrap();
    let behind = db.store.check_schema().await.unwrap_err().to_string();
    let newest = states.last().map(|state| state.name.clone()).unwrap();
    assert!(behind.contains(&format!("lacks {newest}")), "{behind}");
    migrations::down(connection, steps - 1).await.unwrap();
    assert_eq!(objects(&db).await, Vec::<String>::new());
    migrations::up(connection).await.unwrap();
    db.store.check_schema().await.unwrap();
    assert_eq!(objects(&db).await, first);
}

/// What a CHECK constraint says.
async fn constraint(db: &TestDatabase, table: &str, name: &str) -> String {
    let backend = db.store.backend();
    let sql = match backend {
        DbBackend::Postgres => format!(
            "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = '{name}'"
        ),
        // No name of those asked for begins another one.
        _ => format!(
            "SELECT substr(sql, instr(sql, 'CONSTRAINT {name}')) AS text FROM sqlite_schema \
             WHERE name = '{table}'"
        ),
    };
    let row = db
        .store
        .migration_connection()
        .query_one_raw(Statement::from_string(backend, sql))
        .await
        .unwrap()
        .unwrap();
    let text: String = row.try_get("", "text").unwrap();
    let rest = text.trim_start_matches("CONSTRAINT");
    rest.split("CONSTRAINT").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_tables_take_every_code_of_the_program() {
    let db = TestDatabase::create().await;
    let channels: Vec<_> = Channel::ALL.iter().map(|code| code.as_str()).collect();
    let methods: Vec<_> = Method::ALL.iter().map(|code| code.as_str()).collect();
    let gateways: Vec<_> = GatewayName::ALL.iter().map(|code| code.as_str()).collect();
    let anomalies: Vec<_> = AnomalyKind::ALL.iter().map(|code| code.as_str()).collect();
    for (table, column, codes) in [
        ("payment_transactions", "channel", &channels),
        ("payment_transactions", "method", &methods),
        ("payment_legs", "channel", &channels),
        ("payment_legs", "method", &methods),
        ("payment_attempts", "method", &methods),
        ("channel_accounts", "gateway", &gateways),
        ("notifications", "gateway", &gateways),
        ("anomalies", "kind", &anomalies),
    ] {
        let check = constraint(&db, table, &format!("ck_{table}_{column}")).await;
        for code in codes {
            assert!(check.contains(&format!("'{code}'")), "{code} in {check}");
        }
    }
    // Rewritten tables are still read and checked by their new text.
    let refused = "INSERT INTO anomalies (id, kind, dedupe_key, channel_account_id, evidence, \
         created_at) VALUES ('a', 'NO_SUCH_KIND', 'k', 'c', '{}', '2026-01-01T00:00:00Z')";
    let error = db.execute(refused).await.unwrap_err();
    assert!(error.contains("ck_anomalies_kind"), "{error}");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let db = TestDatabase::create().await;
    db.store.check_schema().await.unwrap();
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_newer', 1)";
    assert_eq!(db.execute(newer).await, Ok(1));
    let refused = db.store.check_schema().await.unwrap_err().to_string();
    assert!(
        refused.contains("newer than this program, with m9999_newer"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_second_store_sees_what_the_first_committed() {
    let db = TestDatabase::create().await;
    let other = db.reopen().await;
    other.check_schema().await.unwrap();
    assert_eq!(other.backend(), db.store.backend());
    assert!(db.url().contains("kassa"));
}
