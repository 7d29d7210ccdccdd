//! Whether the database has the schema that this program was built for.

use super::{Store, StoreError};

impl Store {
    /// Checks that exactly the migrations of this program were applied.
    ///
    /// # Errors
    /// [`StoreError::Schema`] if some are missing, or the database has some that this program does not
    /// know.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let states = migrations::status(self.migration_connection())
            .await
            .map_err(|error| StoreError::query("check the schema", error))?;
        let names = |wanted: fn(&migrations::MigrationState) -> bool| -> Vec<&str> {
            states
                .iter()
                .filter(|state| wanted(state))
                .map(|state| state.name.as_str())
                .collect()
        };
        let missing = names(|state| !state.is_applied);
        let unknown = names(|state| !state.is_known);
        if !unknown.is_empty() {
            let list = unknown.join(", ");
            return Err(StoreError::Schema(format!(
                "it is newer than this program, with {list}"
            )));
        }
        if !missing.is_empty() {
            let list = missing.join(", ");
            return Err(StoreError::Schema(format!(
                "it lacks {list}; run `kassa migrate up`"
            )));
        }
        Ok(())
    }
}
