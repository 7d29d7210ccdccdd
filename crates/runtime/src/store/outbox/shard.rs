//! Leases of shards: a shard is relayed by one relay at a time. A relay that dies loses its shards when
//! its leases run out; until then nobody else publishes from them.

use chrono::{DateTime, Utc};
use entities::outbox_shard::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{ExprTrait, Order};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::store::row::to_micros;
use crate::store::{Store, StoreError, Tx, claim_rows};

impl Store {
    /// Renews the shards that `owner` holds, gives back those beyond `want`, and takes free or expired
    /// ones up to `want`. Returns the shards that it holds until `until`, in order.
    pub async fn lease_outbox_shards(
        &self,
        owner: &str,
        want: usize,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<i16>, StoreError> {
        let tx = self.begin().await?;
        let mut held = tx.own_shards(owner).await?;
        let surplus = held.split_off(want.min(held.len()));
        tx.assign_shards(&surplus, None, None).await?;
        let missing = want.saturating_sub(held.len());
        if missing > 0 {
            held.extend(tx.free_shards(missing, now).await?);
        }
        tx.assign_shards(&held, Some(owner), Some(until)).await?;
        tx.commit().await?;
        held.sort_unstable();
        Ok(held)
    }

    /// Gives back every shard that `owner` holds.
    pub async fn release_outbox_shards(&self, owner: &str) -> Result<(), StoreError> {
        let tx = self.begin().await?;
        let held = tx.own_shards(owner).await?;
        tx.assign_shards(&held, None, None).await?;
        tx.commit().await
    }
}

impl Tx {
    async fn own_shards(&self, owner: &str) -> Result<Vec<i16>, StoreError> {
        let query = Entity::find()
            .filter(Column::Owner.eq(owner))
            .order_by(Column::Shard, Order::Asc);
        self.claim_shards(query).await
    }

    async fn free_shards(&self, count: usize, now: DateTime<Utc>) -> Result<Vec<i16>, StoreError> {
        let free = Column::Owner
            .is_null()
            .or(Column::LeasedUntil.lte(to_micros(now)));
        let query = Entity::find()
            .filter(free)
            .order_by(Column::Shard, Order::Asc)
            .limit(u64::try_from(count).unwrap_or(u64::MAX));
        self.claim_shards(query).await
    }

    async fn claim_shards(&self, query: sea_orm::Select<Entity>) -> Result<Vec<i16>, StoreError> {
        let rows = claim_rows(query, self.db().get_database_backend())
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("claim outbox shards", error))?;
        Ok(rows.into_iter().map(|row| row.shard).collect())
    }

    async fn assign_shards(
        &self,
        shards: &[i16],
        owner: Option<&str>,
        until: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        if shards.is_empty() {
            return Ok(());
        }
        let changes = ActiveModel {
            owner: Set(owner.map(ToOwned::to_owned)),
            leased_until: Set(until.map(to_micros)),
            ..ActiveModel::default()
        };
        Entity::update_many()
            .set(changes)
            .filter(Column::Shard.is_in(shards.iter().copied()))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("assign outbox shards", error))?;
        Ok(())
    }
}
