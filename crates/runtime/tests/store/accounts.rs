//! Apps and channel accounts.

use kassa_core::channel::AccountLimits;
use kassa_core::id::ChannelAccountId;
use kassa_core::{Currency, Money};
use runtime::store::StoreError;

use crate::support::{World, cny};

#[tokio::test]
async fn an_app_reads_back_and_its_version_grows_with_every_change() {
    let world = World::new().await;
    let mut app = world.make_app("shop");
    assert_eq!(
        world.store().find_app(&world.app).await.unwrap(),
        Some(app.clone())
    );
    app.is_active = false;
    app.scopes.clear();
    let tx = world.store().begin().await.unwrap();
    tx.upsert_app_in_tx(&app).await.unwrap();
    tx.upsert_app_in_tx(&world.make_app("another"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.version = 2;
    let another = world.make_app("another");
    assert_eq!(world.store().list_apps().await.unwrap(), vec![another, app]);
}

#[tokio::test]
async fn a_channel_account_reads_back_and_changes_grow_the_generation() {
    let world = World::new().await;
    let store = world.store();
    let sealed = world.make_account(world.account, "alipay-main");
    let found = store
        .find_channel_account(world.account)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, sealed);
    let by_code = store
        .find_channel_account_by_code(&sealed.account.code)
        .await
        .unwrap();
    assert_eq!(by_code, Some(found));
    let before = store.channel_accounts_generation().await.unwrap();
    let tx = store.begin().await.unwrap();
    let locked = tx
        .load_channel_account_for_update_in_tx(world.account)
        .await
        .unwrap();
    let stale = locked.clone();
    let mut new = locked.get().clone();
    new.account.limits = AccountLimits {
        amount_min: None,
        amount_max: Some(cny(5)),
    };
    new.credentials_sealed = vec![9];
    let updated = tx
        .update_channel_account_in_tx(locked, new.clone())
        .await
        .unwrap();
    assert_eq!(updated.account.version, 2);
    let refused = tx.update_channel_account_in_tx(stale, new).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    tx.commit().await.unwrap();
    let changed = store.channel_accounts_generation().await.unwrap();
    assert!(changed > before);
    let mut another = world.make_account(ChannelAccountId::new(&world.ids), "wechat-main");
    another.account.version = 0;
    let tx = store.begin().await.unwrap();
    tx.insert_channel_account_in_tx(&another).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.channel_accounts_generation().await.unwrap() > changed);
    assert_eq!(
        store.list_channel_accounts().await.unwrap(),
        vec![updated, another]
    );
}

#[tokio::test]
async fn a_code_is_used_once_and_limits_have_one_currency() {
    let world = World::new().await;
    let tx = world.store().begin().await.unwrap();
    let mut mixed = world.make_account(ChannelAccountId::new(&world.ids), "mixed");
    mixed.account.limits.amount_max = Some(Money::try_new(9, Currency::USD).unwrap());
    let refused = tx.insert_channel_account_in_tx(&mixed).await;
    assert!(
        matches!(refused, Err(StoreError::Unwritable { .. })),
        "{refused:?}"
    );
    let same = world.make_account(ChannelAccountId::new(&world.ids), "alipay-main");
    let refused = tx.insert_channel_account_in_tx(&same).await;
    assert!(
        matches!(refused, Err(StoreError::UniqueViolation { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn sealed_credentials_are_not_printed() {
    let world = World::new().await;
    let mut sealed = world.make_account(world.account, "alipay-main");
    sealed.credentials_sealed = vec![222; 4];
    assert!(!format!("{sealed:?}").contains("222"));
}
