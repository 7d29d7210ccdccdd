//! Seams: the places before and after a transaction, where nothing of the database is held. In
//! production nothing happens there; a simulation lets others have their turn, or a process die.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// What a hook does at a seam.
type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;
type Hook = Arc<dyn Fn(Seam) -> Passing + Send + Sync>;

/// A place beside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// A transaction is about to begin.
    Begin,
    /// A transaction was committed; nobody knows it yet.
    Committed,
}

/// What happens at seams. Cheap to clone.
#[derive(Clone, Default)]
pub struct Seams(Option<Hook>);

impl fmt::Debug for Seams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "hooked" } else { "none" })
    }
}

impl Seams {
    /// `hook` is called at every seam, and what it gives is waited for.
    pub fn hooked(hook: Hook) -> Self {
        Self(Some(hook))
    }

    pub(super) async fn pass(&self, seam: Seam) {
        if let Some(hook) = &self.0 {
            hook(seam).await;
        }
    }
}
