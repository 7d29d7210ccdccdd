//! Migrations: up, down and up again; a schema that is not ours is refused.

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
