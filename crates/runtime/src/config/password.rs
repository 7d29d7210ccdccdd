//! `[password]`: how payment passwords are hashed. What an app demands of them is in its policies.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// The least memory, and the default: OWASP's Password Storage Cheat Sheet, "Argon2id".
pub const MEMORY_KIB_DEFAULT: u32 = 19 * 1024;
/// What `memory_kib` may be: up to 1 GiB.
pub const MEMORY_KIB: RangeInclusive<u32> = MEMORY_KIB_DEFAULT..=1024 * 1024;
/// The fewest passes, and the default, by the same source.
pub const ITERATIONS_DEFAULT: u32 = 2;
/// What `iterations` may be.
pub const ITERATIONS: RangeInclusive<u32> = ITERATIONS_DEFAULT..=64;
/// What `parallelism` may be.
pub const PARALLELISM: RangeInclusive<u32> = 1..=16;
/// Hashes at a time unless configured otherwise.
pub const CONCURRENCY_DEFAULT: u16 = 4;
/// What `concurrency` may be.
pub const CONCURRENCY: RangeInclusive<u16> = 1..=64;

/// How payment passwords are hashed: Argon2id. A password that was hashed otherwise is hashed anew when
/// it is next right.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordConfig {
    /// Memory of one hash: 19456 to 1048576 KiB.
    #[schemars(range(min = *MEMORY_KIB.start(), max = *MEMORY_KIB.end()))]
    pub memory_kib: u32,
    /// Passes over the memory: 2 to 64.
    #[schemars(range(min = *ITERATIONS.start(), max = *ITERATIONS.end()))]
    pub iterations: u32,
    /// Lanes of the memory: 1 to 16.
    #[schemars(range(min = *PARALLELISM.start(), max = *PARALLELISM.end()))]
    pub parallelism: u32,
    /// Hashes that a process computes at a time, each with its memory: 1 to 64. Others wait.
    #[schemars(range(min = *CONCURRENCY.start(), max = *CONCURRENCY.end()))]
    pub concurrency: u16,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            memory_kib: MEMORY_KIB_DEFAULT,
            iterations: ITERATIONS_DEFAULT,
            parallelism: *PARALLELISM.start(),
            concurrency: CONCURRENCY_DEFAULT,
        }
    }
}

impl PasswordConfig {
    /// The default: tests hash as production does.
    pub fn for_testing() -> Self {
        Self::default()
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.range("memory_kib", self.memory_kib, &MEMORY_KIB);
        check.range("iterations", self.iterations, &ITERATIONS);
        check.range("parallelism", self.parallelism, &PARALLELISM);
        check.range("concurrency", self.concurrency, &CONCURRENCY);
    }
}
