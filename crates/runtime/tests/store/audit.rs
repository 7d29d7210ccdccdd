//! The audit log and its chain.

use chrono::TimeDelta;
use kassa_core::id::AuditId;
use runtime::store::{AuditFault, NewAudit, Page};
use sea_orm::DbBackend;

use crate::support::World;

async fn append(world: &World, count: usize) {
    let tx = world.store().begin().await.unwrap();
    for number in 0..count {
        // Ids of one millisecond have no order among themselves.
        world.clock.advance(TimeDelta::milliseconds(1));
        let audit = NewAudit {
            id: AuditId::new(&world.ids),
            actor: "operator".to_owned(),
            action: "channel_account.disable",
            subject: format!("subject-{number}"),
            detail: serde_json::json!({ "number": number }),
            at: world.clock.now(),
        };
        tx.append_audit_in_tx(&audit).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Takes the database's own guard away, as somebody with all rights could.
async fn unguard(world: &World) {
    let statements: &[&str] = match world.store().backend() {
        DbBackend::Postgres => &["ALTER TABLE audit_records DISABLE TRIGGER USER"],
        _ => &[
            "DROP TRIGGER tr_audit_records_update",
            "DROP TRIGGER tr_audit_records_delete",
        ],
    };
    for sql in statements {
        world.db.execute(sql).await.unwrap();
    }
}

async fn faults(world: &World) -> Vec<(i64, AuditFault)> {
    let report = world.store().verify_audit().await.unwrap();
    report
        .breaks
        .into_iter()
        .map(|it| (it.position, it.fault))
        .collect()
}

#[tokio::test]
async fn records_are_sealed_in_batches_and_the_chain_is_whole() {
    let world = World::new().await;
    append(&world, 5).await;
    assert_eq!(world.store().seal_audit_batch(3).await.unwrap(), 3);
    let report = world.store().verify_audit().await.unwrap();
    assert_eq!(
        (report.sealed, report.unsealed, report.is_whole()),
        (3, 2, true)
    );
    assert_eq!(world.store().seal_audit_batch(100).await.unwrap(), 2);
    assert_eq!(world.store().seal_audit_batch(100).await.unwrap(), 0);
    let report = world.store().verify_audit().await.unwrap();
    assert_eq!(
        (report.sealed, report.unsealed, report.is_whole()),
        (5, 0, true)
    );
    let listed = world.store().list_audit(&Page::default()).await.unwrap();
    assert!(listed.iter().all(|record| record.hash.is_some()));
    assert_eq!(listed[0].detail["number"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_sealers_make_one_chain() {
    let world = World::new().await;
    append(&world, 40).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = world.store().clone();
        tasks.spawn(async move { store.seal_audit_batch(7).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 40);
    let report = world.store().verify_audit().await.unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.sealed, 40);
}

#[tokio::test]
async fn the_database_refuses_to_change_or_delete_records() {
    let world = World::new().await;
    append(&world, 2).await;
    let refuse = async |sql: &str| {
        let refused = world.db.execute(sql).await.unwrap_err();
        assert!(refused.contains("are never"), "{sql}: {refused}");
    };
    refuse("UPDATE audit_records SET subject = 'other'").await;
    refuse("DELETE FROM audit_records").await;
    world.store().seal_audit_batch(10).await.unwrap();
    refuse("UPDATE audit_records SET hash = 'other'").await;
    refuse("UPDATE audit_records SET position = NULL, hash = NULL, previous_hash = NULL").await;
}

#[tokio::test]
async fn an_edited_row_breaks_the_chain() {
    let world = World::new().await;
    append(&world, 3).await;
    world.store().seal_audit_batch(10).await.unwrap();
    unguard(&world).await;
    let sql = "UPDATE audit_records SET subject = 'other' WHERE position = 2";
    assert_eq!(world.db.execute(sql).await, Ok(1));
    assert_eq!(faults(&world).await, [(2, AuditFault::Edited)]);
}

#[tokio::test]
async fn a_deleted_row_breaks_the_chain_in_the_middle_and_at_the_end() {
    let world = World::new().await;
    append(&world, 4).await;
    world.store().seal_audit_batch(10).await.unwrap();
    unguard(&world).await;
    world
        .db
        .execute("DELETE FROM audit_records WHERE position = 2")
        .await
        .unwrap();
    assert_eq!(faults(&world).await, [(3, AuditFault::Gap)]);
    world
        .db
        .execute("DELETE FROM audit_records WHERE position >= 2")
        .await
        .unwrap();
    assert_eq!(faults(&world).await, [(4, AuditFault::HeadMismatch)]);
}
