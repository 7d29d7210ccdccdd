//! Queues on the broker for the tests of one process. Making and deleting an installation's fourteen quorum queues
//! takes longer than most tests: a test that has ended well leaves them, empty, to the next one.

use std::sync::{Mutex, PoisonError};

use kassa_core::{Clock, IdSource};

static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The prefix of queues that nobody uses, which may not be there yet.
pub(crate) fn take() -> String {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    free.unwrap_or_else(|| {
        let unique = IdSource::system(Clock::system()).next();
        format!("it-{}.", unique.simple())
    })
}

/// Gives back queues that are empty and that nobody consumes from.
pub(crate) fn give_back(prefix: String) {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.push(prefix);
}
