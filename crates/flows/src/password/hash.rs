//! Hashing with Argon2id: off the async runtime, a few at a time, since each takes its memory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use kassa_core::Secret;
use kassa_core::text::{AppId, UserId};
use runtime::config::PasswordConfig;
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::Error;

/// Bytes of salt: the recommendation of RFC 9106, section 3.1.
pub(super) const SALT_BYTES: usize = 16;
/// Users whose tries are judged side by side; two of them that share a place wait for each other.
const TURNS: usize = 256;

/// Why passwords cannot be hashed as configured.
#[derive(Debug, thiserror::Error)]
#[error("the parameters of password hashing do not fit together: {0}")]
pub struct HasherError(String);

/// Hashes payment passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PasswordHasher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    params: Params,
    permits: Arc<Semaphore>,
    turns: Vec<Mutex<()>>,
}

/// What came of judging a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It is the one that was set.
    pub(super) is_right: bool,
    /// The hash was made with other parameters than are configured now.
    pub(super) is_outdated: bool,
}

impl PasswordHasher {
    /// Hashes with the configured parameters.
    ///
    /// # Errors
    /// [`HasherError`]; a checked configuration has none.
    pub fn try_new(config: &PasswordConfig) -> Result<Self, HasherError> {
        let (memory, passes, lanes) = (config.memory_kib, config.iterations, config.parallelism);
        let params = Params::new(memory, passes, lanes, None)
            .map_err(|error| HasherError(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            params,
            permits: Arc::new(Semaphore::new(usize::from(config.concurrency))),
            turns: std::iter::repeat_with(Mutex::default).take(TURNS).collect(),
        })))
    }

    /// Waits until no other try of this user is being judged in this process: tries that are made at
    /// once would else be counted against each other although all are right.
    pub(super) async fn turn(&self, app: &AppId, user: &UserId) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (app, user).hash(&mut hasher);
        let turns = u64::try_from(self.0.turns.len()).unwrap_or(u64::MAX);
        let place = hasher.finish().checked_rem(turns)?;
        let turn = self.0.turns.get(usize::try_from(place).ok()?)?;
        Some(turn.lock().await)
    }

    /// The hash of a password as a PHC string.
    pub(super) async fn hash(
        &self,
        password: &Secret,
        salt: [u8; SALT_BYTES],
    ) -> Result<Secret, Error> {
        let (argon2, password) = (self.argon2(), password.clone());
        self.work(move || {
            let hash: PasswordHash =
                argon2.hash_password_with_salt(password.expose().as_bytes(), &salt)?;
            Ok(Secret::new(hash.to_string()))
        })
        .await
    }

    /// Judges a password. Where none is set it takes as long and says that it is not right.
    pub(super) async fn judge(
        &self,
        password: &Secret,
        hash: Option<Secret>,
    ) -> Result<Verdict, Error> {
        let Some(hash) = hash else {
            self.hash(password, [0; SALT_BYTES]).await?;
            return Ok(Verdict {
                is_right: false,
                is_outdated: false,
            });
        };
        let (argon2, password) = (self.argon2(), password.clone());
        self.work(move || {
            let hash = PasswordHash::new(hash.expose())?;
            let is_right = match argon2.verify_password(password.expose().as_bytes(), &hash) {
                Ok(()) => true,
                Err(password_hash::Error::PasswordInvalid) => false,
                Err(other) => return Err(other),
            };
            let made_with = Params::try_from(&hash)?;
            let now = argon2.params();
            let figures = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            Ok(Verdict {
                is_right,
                is_outdated: figures(&made_with) != figures(now),
            })
        })
        .await
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.0.params.clone())
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await
            .map_err(|_panicked| Error::internal("hashing a password panicked"))?
            .map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OWASP's Password Storage Cheat Sheet, "Argon2id": 19 MiB, two passes, one lane.
    const OWASP: (u32, u32, u32) = (19 * 1024, 2, 1);

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn hasher(config: &PasswordConfig) -> PasswordHasher {
        PasswordHasher::try_new(config).unwrap()
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_with_no_less_than_owasp_demands() {
        let hasher = hasher(&PasswordConfig::default());
        let hash = hasher.hash(&secret("135790"), [7; SALT_BYTES]).await;
        let hash = hash.unwrap();
        let parsed = PasswordHash::new(hash.expose()).unwrap();
        assert_eq!(parsed.algorithm.as_str(), "argon2id");
        assert_eq!(parsed.version, Some(0x13));
        let params = Params::try_from(&parsed).unwrap();
        assert!(params.m_cost() >= OWASP.0 && params.t_cost() >= OWASP.1);
        assert!(params.p_cost() >= OWASP.2);
        assert_eq!(parsed.salt.unwrap().as_ref(), [7; SALT_BYTES]);
        assert!(!hash.expose().contains("135790"));
    }

    #[tokio::test]
    async fn a_password_is_right_whatever_is_configured_meanwhile_and_then_hashed_anew() {
        let before = hasher(&PasswordConfig::default());
        let more = PasswordConfig {
            iterations: 3,
            ..PasswordConfig::default()
        };
        let after = hasher(&more);
        let hash = before.hash(&secret("135790"), [1; SALT_BYTES]).await;
        let hash = hash.unwrap();
        let right = secret("135790");
        let judged = before.judge(&right, Some(hash.clone())).await.unwrap();
        assert_eq!((judged.is_right, judged.is_outdated), (true, false));
        let judged = after.judge(&right, Some(hash.clone())).await.unwrap();
        assert_eq!((judged.is_right, judged.is_outdated), (true, true));
        let judged = after.judge(&secret("135791"), Some(hash)).await.unwrap();
        assert!(!judged.is_right);
        assert!(!after.judge(&right, None).await.unwrap().is_right);
    }
}
