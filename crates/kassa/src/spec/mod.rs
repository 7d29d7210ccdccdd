//! `accounts.toml` and `apps.toml`: how channel accounts and apps are to be. Read, compared with what
//! is there, and brought about through the same flows as over the API. Doing it again changes
//! nothing.

pub mod account;
pub mod app;
mod file;

use serde::Serialize;

/// What is to be done, or was done, about one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Create,
    /// It was otherwise.
    Update,
    /// It is as it is to be.
    Unchanged,
}

/// One entry of the file and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The code of the account, or the id of the app.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// The fields that differ. Of secrets the names only.
    pub fields: Vec<String>,
}

impl Change {
    fn create(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            action: Action::Create,
            fields: Vec::new(),
        }
    }

    fn of(name: &str, fields: Vec<String>) -> Self {
        let action = if fields.is_empty() {
            Action::Unchanged
        } else {
            Action::Update
        };
        Self {
            name: name.to_owned(),
            action,
            fields,
        }
    }
}
