//! What happened, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::process::Service;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Payments that the caller was told of.
    pub payments: Count,
    /// Payments that payers paid.
    pub paid: Count,
    /// Refunds that the caller was told of.
    pub refunds: Count,
    /// Requests that were repeated because their answer was lost or said so.
    pub repeats: Count,
    /// Callbacks that were acknowledged.
    pub callbacks: Count,
    /// Events that the business system received, repeats included.
    pub events: Count,
    /// Kills at random moments, by service.
    pub kills: [Count; 3],
    /// Deaths at checkpoints, by the checkpoint's name.
    pub deaths: Mutex<BTreeMap<String, u64>>,
    /// Times that the broker was killed and restarted.
    pub broker_restarts: Count,
    /// Times that the database was killed and restarted.
    pub database_restarts: Count,
    /// Lines cut or taken down.
    pub cuts: Count,
    /// Lines slowed or blocked.
    pub delays: Count,
    /// Lines closed on one side.
    pub half_closes: Count,
}

impl Tally {
    /// A service was killed.
    pub fn killed(&self, service: Service) {
        if let Some(count) = self.kills.get(service.index()) {
            count.one();
        }
    }

    /// A service died at a checkpoint.
    pub fn died_at(&self, checkpoint: &str) {
        let mut deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        let count = deaths.entry(checkpoint.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Deaths at checkpoints.
    pub fn deaths(&self) -> BTreeMap<String, u64> {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Kills at random moments and deaths at checkpoints.
    pub fn kills_in_all(&self) -> u64 {
        let random = self.kills.iter().map(Count::get);
        random.chain(self.deaths().into_values()).sum()
    }

    /// Kills at random moments, by service.
    pub fn kills_by_service(&self) -> Vec<(&'static str, u64)> {
        let names = Service::ALL.iter().map(|service| service.as_str());
        names.zip(self.kills.iter().map(Count::get)).collect()
    }

    /// All of it, for programs.
    pub fn json(&self) -> Value {
        json!({
            "payments": self.payments.get(),
            "paid": self.paid.get(),
            "refunds": self.refunds.get(),
            "repeated_requests": self.repeats.get(),
            "callbacks_acknowledged": self.callbacks.get(),
            "events_received": self.events.get(),
            "kills": self.kills_by_service().into_iter().collect::<BTreeMap<_, _>>(),
            "deaths_at_checkpoints": self.deaths(),
            "broker_restarts": self.broker_restarts.get(),
            "database_restarts": self.database_restarts.get(),
            "cuts": self.cuts.get(),
            "delays": self.delays.get(),
            "half_closes": self.half_closes.get(),
        })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kills: Vec<String> = self
            .kills_by_service()
            .into_iter()
            .map(|(service, count)| format!("{service} {count}"))
            .collect();
        write!(
            f,
            "{} payments, {} paid, {} refunds, {} requests repeated, {} callbacks acknowledged, {} events; \
             killed: {}, at checkpoints {}; restarted: broker {}, database {}; lines: {} cut, {} delayed, \
             {} half closed",
            self.payments.get(),
            self.paid.get(),
            self.refunds.get(),
            self.repeats.get(),
            self.callbacks.get(),
            self.events.get(),
            kills.join(", "),
            self.deaths().into_values().sum::<u64>(),
            self.broker_restarts.get(),
            self.database_restarts.get(),
            self.cuts.get(),
            self.delays.get(),
            self.half_closes.get(),
        )
    }
}
