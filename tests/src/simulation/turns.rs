//! Turns: the simulated tasks ("chains") run one at a time. A chain that reaches a pass (between two
//! durable steps, on the wire, while it rests) gives its turn back and waits; the town's loop decides
//! who is next, when, and who never gets a turn again because its process died.
//!
//! No pass lies inside a database transaction: whoever holds SQLite's writer must not wait for others.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::Time;
use super::chance::Chance;
use super::story::Story;

tokio::task_local! {
    static CHAIN: Chain;
}

/// One simulated task in one simulated process.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its number; in the order in which chains began.
    pub id: u64,
    /// The process that it runs in.
    pub process: usize,
    /// What it does.
    pub label: &'static str,
    /// The payment that it is about, if it is about one.
    pub payment: Option<usize>,
    /// When it began.
    pub begun_at: Time,
}

/// How long a chain may take to its next step.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Between two steps in a process: at once, mostly; sometimes a process stands still.
    Step,
    /// A message on the way to or from a gateway.
    Wire,
    /// A rest that the code asked for.
    Rest(Duration),
}

#[derive(Debug)]
struct Waiting {
    chain: Chain,
    at: &'static str,
    from: Time,
    go: oneshot::Sender<()>,
}

#[derive(Debug)]
struct State {
    now: Time,
    chance: Chance,
    waiting: Vec<Waiting>,
    active: Option<u64>,
    next_id: u64,
    is_calm: bool,
    story: Story,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    quiet: Notify,
    steps: AtomicU64,
    is_hung: AtomicBool,
}

/// Who runs when. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Inner>);

/// Who waits for its turn, without the means to give it.
#[derive(Debug, Clone)]
pub struct Waiter {
    /// The chain.
    pub chain: Chain,
    /// Where it waits.
    pub at: &'static str,
    /// From when on it may go.
    pub from: Time,
}

impl Turns {
    /// Nobody waits, at `now`.
    pub fn new(seed: u64, now: Time) -> Self {
        let state = State {
            now,
            chance: Chance::stream(seed, u64::MAX),
            waiting: Vec::new(),
            active: None,
            next_id: 0,
            is_calm: false,
            story: Story::default(),
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            quiet: Notify::new(),
            steps: AtomicU64::new(0),
            is_hung: AtomicBool::new(false),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time in the world outside; the processes' clocks may differ from it.
    pub fn now(&self) -> Time {
        self.state().now
    }

    /// Lets time pass until `to`.
    pub fn advance(&self, to: Time) {
        let mut state = self.state();
        state.now = state.now.max(to);
    }

    /// From here on nothing is slow.
    pub fn calm(&self) {
        self.state().is_calm = true;
    }

    /// Random choices about time and order.
    pub fn choose<T>(&self, choice: impl FnOnce(&mut Chance) -> T) -> T {
        choice(&mut self.state().chance)
    }

    /// Adds a line to the story.
    pub fn tell(&self, payment: Option<usize>, text: String) {
        let mut state = self.state();
        let now = state.now;
        state.story.tell(now, payment, text);
    }

    /// Hands the story over.
    pub fn take_story(&self) -> Story {
        std::mem::take(&mut self.state().story)
    }

    /// The chain that is running, if this is called by one.
    pub fn current() -> Option<Chain> {
        CHAIN.try_with(Clone::clone).ok()
    }

    /// Gives the turn back and waits for the next. Returns at once outside of chains. Never returns in
    /// a process that died.
    pub async fn pass(&self, at: &'static str, pace: Pace) {
        let Some(chain) = Self::current() else { return };
        let (go, may_go) = oneshot::channel();
        {
            let mut state = self.state();
            let from = state.now + pace_of(&mut state, pace);
            assert_eq!(state.active, Some(chain.id), "only the active chain passes");
            state.active = None;
            state.waiting.push(Waiting {
                chain,
                at,
                from,
                go,
            });
        }
        self.0.quiet.notify_one();
        if may_go.await.is_err() {
            pending::<()>().await;
        }
    }

    /// Begins a chain; it waits for its first turn.
    pub fn begin<F>(
        &self,
        (process, label, payment): (usize, &'static str, Option<usize>),
        work: F,
    ) -> (Chain, JoinHandle<F::Output>)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (go, may_go) = oneshot::channel();
        let chain = {
            let mut state = self.state();
            let chain = Chain {
                id: state.next_id,
                process,
                label,
                payment,
                begun_at: state.now,
            };
            state.next_id += 1;
            let from = state.now;
            state.waiting.push(Waiting {
                chain: chain.clone(),
                at: "begins",
                from,
                go,
            });
            chain
        };
        let end = End {
            turns: self.clone(),
            id: chain.id,
        };
        let task = CHAIN.scope(chain.clone(), async move {
            let end = end;
            if may_go.await.is_err() {
                pending::<()>().await;
            }
            let output = work.await;
            drop(end);
            output
        });
        (chain, tokio::spawn(task))
    }

    /// Who waits.
    pub fn waiting(&self) -> Vec<Waiter> {
        let state = self.state();
        let waiting = state.waiting.iter().map(|waiting| Waiter {
            chain: waiting.chain.clone(),
            at: waiting.at,
            from: waiting.from,
        });
        waiting.collect()
    }

    /// Gives this chain the turn.
    pub fn grant(&self, id: u64) {
        let mut state = self.state();
        assert_eq!(state.active, None, "one at a time");
        let place = state
            .waiting
            .iter()
            .position(|waiting| waiting.chain.id == id);
        let waiting = state.waiting.remove(place.expect("a chain that waits"));
        state.now = state.now.max(waiting.from);
        state.active = Some(id);
        assert!(waiting.go.send(()).is_ok(), "a waiting chain is alive");
    }

    /// Forgets who waits in a process that died; its chains are ended by whoever holds them.
    pub fn forget(&self, process: usize) {
        self.state()
            .waiting
            .retain(|waiting| waiting.chain.process != process);
    }

    /// Returns when no chain runs. `false` if one runs on and on without a step.
    pub async fn quiet(&self) -> bool {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
        while self.state().active.is_some() {
            if self.0.is_hung.load(Ordering::Relaxed) {
                return false;
            }
            self.0.quiet.notified().await;
        }
        true
    }

    /// How many turns there were; for the watchdog.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// Says that the active chain does not come back. Called from the watchdog's thread.
    pub fn give_up(&self) {
        self.0.is_hung.store(true, Ordering::Relaxed);
        self.0.quiet.notify_one();
    }
}

/// The end of a chain, however it ends.
struct End {
    turns: Turns,
    id: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if state.active == Some(self.id) {
            state.active = None;
            drop(state);
            self.turns.0.quiet.notify_one();
        }
    }
}

fn pace_of(state: &mut State, pace: Pace) -> TimeDelta {
    let chance = &mut state.chance;
    let rest = |rest: Duration| TimeDelta::from_std(rest).unwrap_or_default();
    if state.is_calm {
        return match pace {
            Pace::Step | Pace::Wire => TimeDelta::zero(),
            Pace::Rest(wanted) => rest(wanted),
        };
    }
    match pace {
        Pace::Step => match chance.below(1_000) {
            0..900 => TimeDelta::zero(),
            900..975 => chance.millis(0, 200),
            975..997 => chance.millis(200, 5_000),
            _ => chance.millis(5_000, 90_000),
        },
        Pace::Wire => match chance.below(1_000) {
            0..700 => chance.millis(5, 300),
            700..960 => chance.millis(300, 3_000),
            _ => chance.millis(3_000, 12_000),
        },
        Pace::Rest(wanted) => rest(wanted) * i32::try_from(chance.between(1, 12)).unwrap_or(1),
    }
}
