//! The town: the loop that lets time pass, gives turns, and lets processes die; and the calm at the
//! end, in which nothing fails any more and everything must come to its end.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use runtime::queue::QueueName;
use tokio::task::JoinHandle;

use super::bank::{Later, SharedBank};
use super::business::{Business, End};
use super::process::{Installation, Process, accounts};
use super::purse::Purse;
use super::script::Act;
use super::turns::{Chain, Turns, Waiter};
use super::{Counts, Report, Run, Time, Violation, checks, purse};

/// How many processes there are.
const PROCESSES: usize = 3;
/// One of so many turns is a process's last.
const CRASH_ONE_IN: u64 = 700;
/// How wrong a clock may be, in milliseconds.
const SKEW_MS: i64 = 1_500;
/// The storm is over when nothing happens by itself for so long.
const QUIET: TimeDelta = TimeDelta::hours(1);
/// How long the calm may take.
const CALM_MAX: TimeDelta = TimeDelta::days(30);
/// Rounds after everything seems settled: for what is still looked at late.
const AFTERWARDS: u32 = 4;

/// What a worker does when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Takes a notification.
    Notifications,
    /// Takes a command.
    Commands,
    /// Relays the outbox.
    Relay,
    /// Asks gateways.
    Synchronise,
    /// Seals the audit chain.
    Upkeep,
}

impl Work {
    const ALL: [Self; 5] = [
        Self::Notifications,
        Self::Commands,
        Self::Relay,
        Self::Synchronise,
        Self::Upkeep,
    ];

    /// The usual pause between two times, in milliseconds.
    fn pause_ms(self) -> (i64, i64) {
        match self {
            Self::Notifications => (300, 4_000),
            Self::Commands => (2_000, 20_000),
            Self::Relay => (10_000, 120_000),
            Self::Synchronise => (8_000, 60_000),
            Self::Upkeep => (60_000, 300_000),
        }
    }

    /// How often its pause is doubled at most.
    fn idle_max(self) -> u32 {
        match self {
            Self::Notifications | Self::Commands | Self::Relay | Self::Synchronise => 7,
            Self::Upkeep => 3,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Notifications => "take a notification",
            Self::Commands => "take a command",
            Self::Relay => "relay",
            Self::Synchronise => "synchronise",
            Self::Upkeep => "upkeep",
        }
    }
}

/// Something that happens at its time.
#[derive(Debug)]
pub enum Event {
    /// A payment begins.
    Begin(usize),
    /// Somebody does something about a payment.
    Act(usize, Act),
    /// A payer pays an order.
    Pay {
        /// The request number.
        number: String,
        /// Whether nothing stops the money.
        is_late: bool,
    },
    /// A gateway does something by itself.
    Bank(Later),
    /// A worker's time has come.
    Work(Work),
    /// A process comes back.
    Start(usize),
    /// An account's gateway is away for a while.
    Outage(usize, TimeDelta),
    /// Time jumps.
    Jump(TimeDelta),
}

impl Event {
    /// Whether the calm waits for it.
    fn is_needed(&self) -> bool {
        match self {
            Self::Begin(_) | Self::Act(..) | Self::Pay { .. } | Self::Bank(_) | Self::Start(_) => {
                true
            }
            Self::Work(_) | Self::Outage(..) | Self::Jump(_) => false,
        }
    }
}

/// A chain that has not ended.
#[derive(Debug)]
struct Running {
    chain: Chain,
    about: About,
    task: JoinHandle<End>,
}

/// What a chain was begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An act of a business system; with the number of turns given when it began.
    Act(usize, Act, u64),
    /// A notification's delivery.
    Delivery(usize),
    /// A worker's work.
    Work(Work),
}

/// Everything of one run.
#[derive(Debug)]
pub struct Town {
    pub(super) installation: Installation,
    pub(super) turns: Turns,
    pub(super) bank: SharedBank,
    pub(super) business: Business,
    processes: Vec<Option<Process>>,
    lives: u64,
    agenda: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    running: BTreeMap<u64, Running>,
    planned: BTreeMap<Work, (Time, u64)>,
    idle: BTreeMap<Work, u32>,
    pub(super) violations: Vec<Violation>,
    pub(super) counts: Counts,
    pub(super) run: Run,
    begun: usize,
    is_calm: bool,
}

impl Town {
    /// Founds a town: a database, processes, gateways.
    pub async fn found(run: &Run, turns: Turns) -> Self {
        let now = turns.now();
        let bank = SharedBank::new(run.seed, accounts(run.seed, now));
        let installation =
            Installation::open(run.seed, turns.clone(), bank.clone(), &run.folder).await;
        let mut town = Self {
            installation,
            turns,
            bank,
            business: Business::new(run.seed, run.payments),
            processes: Vec::new(),
            lives: 0,
            agenda: BTreeMap::new(),
            next_event: 0,
            running: BTreeMap::new(),
            planned: BTreeMap::new(),
            idle: BTreeMap::new(),
            violations: Vec::new(),
            counts: Counts::default(),
            run: run.clone(),
            begun: 0,
            is_calm: false,
        };
        for _process in 0..PROCESSES {
            let process = town.new_process().await;
            town.processes.push(Some(process));
        }
        town.fill_wallets().await;
        if run.payments > 0 {
            town.at(now, Event::Begin(0));
        }
        for work in Work::ALL {
            town.plan(work);
        }
        town.plan_trouble();
        town
    }

    /// What users have from the beginning.
    async fn fill_wallets(&self) {
        let kassa = &self.process(0).kassa;
        for (place, app) in self.installation.apps.iter().enumerate() {
            for user in 0..purse::USERS {
                let Purse { balance, points } = purse::filled(self.run.seed, place, user);
                let parts = [Purse { balance, points: 0 }, Purse { balance: 0, points }];
                for (number, part) in parts.into_iter().enumerate() {
                    if part != Purse::default() {
                        let wish = purse::credit(&format!("f{user}-{number}"), user, part);
                        let filled = flows::wallet::credit(kassa, &app.id, wish).await;
                        filled.expect("a wallet takes what is put into it");
                    }
                }
            }
        }
    }

    async fn new_process(&mut self) -> Process {
        self.lives += 1;
        let skew = self.turns.choose(|chance| chance.millis(-SKEW_MS, SKEW_MS));
        self.installation.start(self.lives, skew).await
    }

    fn plan_trouble(&mut self) {
        let now = self.turns.now();
        let length = i64::try_from(self.run.payments).unwrap_or(i64::MAX) * 8_000;
        let accounts = self.bank.lock().accounts.len();
        for account in 0..accounts {
            let (is_due, at, length) = self.turns.choose(|chance| {
                let minutes = chance.weighted(&[(3, 2), (2, 15), (1, 60)]);
                let at = chance.millis(0, length);
                (chance.permille(500), at, TimeDelta::minutes(minutes))
            });
            if is_due {
                self.at(now + at, Event::Outage(account, length));
            }
        }
        for _jump in 0..2 {
            let (at, by) = self
                .turns
                .choose(|chance| (chance.millis(0, length), chance.millis(30_000, 1_200_000)));
            self.at(now + at, Event::Jump(by));
        }
    }

    /// Puts something on the agenda.
    pub(super) fn at(&mut self, at: Time, event: Event) {
        self.next_event += 1;
        self.agenda.insert((at, self.next_event), event);
    }

    pub(super) fn complain(&mut self, payment: Option<usize>, what: String) {
        self.turns.tell(payment, format!("VIOLATION: {what}"));
        self.violations.push(Violation { payment, what });
    }

    /// Plans a worker's next look: the more seldom, the longer there was nothing to do.
    fn plan(&mut self, work: Work) {
        let (low, high) = work.pause_ms();
        let pause = self.turns.choose(|chance| chance.millis(low, high));
        let idle = self
            .idle
            .get(&work)
            .copied()
            .unwrap_or(0)
            .min(work.idle_max());
        let at = self.turns.now() + pause * 2_i32.pow(idle);
        self.at(at, Event::Work(work));
        self.planned.insert(work, (at, self.next_event));
    }

    /// There is something to do: a worker looks soon.
    pub(super) fn wake(&mut self, work: Work) {
        self.idle.insert(work, 0);
        let soon = self.turns.now() + TimeDelta::milliseconds(work.pause_ms().1);
        if let Some(key) = self.planned.get(&work).copied()
            && key.0 > soon
            && self.agenda.remove(&key).is_some()
        {
            self.plan(work);
        }
    }

    /// What a worker found.
    pub(super) fn note(&mut self, work: Work, done: usize) {
        if done == 0 {
            let idle = self.idle.entry(work).or_default();
            *idle = idle.saturating_add(1);
            return;
        }
        self.business.worked += 1;
        self.wake(work);
        match work {
            Work::Notifications | Work::Commands | Work::Synchronise => self.wake(Work::Relay),
            Work::Relay => self.wake(Work::Commands),
            Work::Upkeep => {}
        }
    }

    /// Lives through the storm and the calm, and looks at the books.
    pub async fn live(mut self) -> Report {
        if self.storm().await {
            self.calm().await;
            checks::check(&mut self).await;
        }
        let offences = std::mem::take(&mut self.bank.lock().offences);
        for (payment, what) in offences {
            self.violations.push(Violation { payment, what });
        }
        let story = self.turns.take_story();
        Report {
            seed: self.run.seed,
            payments: self.begun,
            violations: self.violations,
            story,
            counts: self.counts,
        }
    }

    /// Until nobody wants anything more. `false` if the run hangs.
    async fn storm(&mut self) -> bool {
        loop {
            if !self.settle_turn().await {
                return false;
            }
            if self.running.is_empty() && self.is_over() {
                return true;
            }
            self.next().await;
        }
    }

    /// Whether business systems and payers want nothing more, and the gateways nothing soon.
    fn is_over(&self) -> bool {
        let soon = self.turns.now() + QUIET;
        self.agenda.iter().all(|((at, _), event)| match event {
            Event::Bank(_) => *at > soon,
            Event::Begin(_) | Event::Act(..) | Event::Pay { .. } | Event::Start(_) => false,
            Event::Work(_) | Event::Outage(..) | Event::Jump(_) => true,
        })
    }

    /// Waits until no chain runs and deals with those that ended.
    async fn settle_turn(&mut self) -> bool {
        if !self.turns.quiet().await {
            let labels = self.running.values().map(|running| running.chain.label);
            let labels: Vec<_> = labels.collect();
            self.complain(None, format!("a chain runs on and on: one of {labels:?}"));
            return false;
        }
        self.counts.turns += 1;
        let ended: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, running)| running.task.is_finished())
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let Some(running) = self.running.remove(&id) else {
                continue;
            };
            match running.task.await {
                Ok(end) => self.take_end(running.about, end),
                Err(error) => {
                    let what = format!("{} broke: {error}", running.chain.label);
                    self.complain(running.chain.payment, what);
                    self.lose(running.about);
                }
            }
        }
        let now = self.turns.now();
        for (at, later) in self.bank.lock().take_later() {
            self.next_event += 1;
            self.agenda
                .insert((at.max(now), self.next_event), Event::Bank(later));
        }
        for process in self.processes.iter().flatten() {
            process.kassa.clock.set(now + process.skew);
        }
        true
    }

    /// One chain's turn, or the next event, whichever the dice say among what is due.
    async fn next(&mut self) {
        let waiting = self.turns.waiting();
        let soonest = waiting.iter().map(|waiter| waiter.from).min();
        let next_event = self.agenda.keys().next().map(|(at, _)| *at);
        let now = self.turns.now();
        let horizon = soonest.into_iter().chain(next_event).min().unwrap_or(now);
        self.turns.advance(horizon);
        let now = self.turns.now();
        let due: Vec<&Waiter> = waiting.iter().filter(|waiter| waiter.from <= now).collect();
        let event_is_due = next_event.is_some_and(|at| at <= now);
        let choices = due.len() + usize::from(event_is_due);
        let choice = self.turns.choose(|chance| chance.index(choices));
        match due.get(choice).copied().cloned() {
            Some(waiter) => self.give_turn(&waiter).await,
            None => {
                if let Some((_, event)) = self.agenda.pop_first() {
                    self.handle(event).await;
                }
            }
        }
    }

    async fn give_turn(&mut self, waiter: &Waiter) {
        let process = waiter.chain.process;
        let is_last = !self.is_calm && self.turns.choose(|chance| chance.below(CRASH_ONE_IN) == 0);
        if is_last {
            let (id, label, at) = (waiter.chain.id, waiter.chain.label, waiter.at);
            let what = format!("process {process} DIES: c{id} ({label}) was {at}");
            self.turns.tell(None, what);
            self.crash(process).await;
        } else {
            self.sync_clocks();
            self.turns.grant(waiter.chain.id);
        }
    }

    fn sync_clocks(&self) {
        let now = self.turns.now();
        for process in self.processes.iter().flatten() {
            process.kassa.clock.set(now + process.skew);
        }
    }

    /// A process dies: all that it holds in memory is gone, and nobody hears from its chains again.
    async fn crash(&mut self, process: usize) {
        self.counts.crashes += 1;
        self.turns.forget(process);
        self.processes[process] = None;
        let dead: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, running)| running.chain.process == process)
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            if let Some(running) = self.running.remove(&id) {
                running.task.abort();
                let ended = running.task.await;
                assert!(ended.is_err(), "a chain that waits does not end by itself");
                self.lose(running.about);
            }
        }
        let away = self.turns.choose(|chance| chance.millis(100, 45_000));
        self.at(self.turns.now() + away, Event::Start(process));
    }

    async fn handle(&mut self, event: Event) {
        let now = self.turns.now();
        match event {
            Event::Begin(payment) => self.begin_payment(payment),
            Event::Act(payment, act) => self.act(payment, act),
            Event::Pay { number, is_late } => {
                let mut bank = self.bank.lock();
                let payment = bank.payment_of(&number);
                let is_paid = bank.pay(&number, is_late, now);
                drop(bank);
                let short = super::gateway::short(&number);
                let word = if is_paid { "pays" } else { "cannot pay" };
                self.turns
                    .tell(payment, format!("the payer {word} {short}"));
            }
            Event::Bank(Later::Deliver { notice }) => self.deliver(notice),
            Event::Bank(later) => self.bank_moves(later),
            Event::Work(work) => {
                self.begin_work(work);
                if !self.is_calm {
                    self.plan(work);
                }
            }
            Event::Start(process) => {
                let fresh = self.new_process().await;
                self.turns.tell(None, format!("process {process} starts"));
                self.processes[process] = Some(fresh);
            }
            Event::Outage(account, length) => {
                self.turns
                    .tell(None, format!("account {account} is away for {length}"));
                self.bank.lock().accounts[account].down_until = Some(now + length);
            }
            Event::Jump(by) => {
                self.turns.tell(None, format!("time jumps by {by}"));
                self.turns.advance(now + by);
            }
        }
    }

    fn bank_moves(&mut self, later: Later) {
        let now = self.turns.now();
        let mut bank = self.bank.lock();
        match later {
            Later::Place(order) => {
                let (payment, number) = (order.payment, order.number.clone());
                let placed = bank.place(*order, now);
                let short = super::gateway::short(&number);
                let what = format!("{short} arrives late: {placed:?}");
                self.turns.tell(Some(payment), what);
            }
            Later::Refund {
                number,
                refund,
                amount,
            } => {
                let payment = bank.payment_of(&number);
                let was_there = bank.refund(&number, &refund).is_some();
                let made = bank.submit_refund(&number, (&refund, amount, false), now);
                if made.is_ok() && !was_there {
                    // Kassa may have given it up for lost by now, and says so when it succeeds.
                    bank.reasons.insert(("REFUND_AFTER_FAILURE", payment));
                }
                let short = super::gateway::short(&refund);
                let what = format!("refund {short} arrives late: {made:?}");
                self.turns.tell(payment, what);
            }
            Later::Settle { number, refund } => {
                let payment = bank.payment_of(&number);
                bank.settle_refund(&number, &refund, now);
                let state = bank.refund(&number, &refund).map(|(_, made)| made.state);
                let short = super::gateway::short(&refund);
                self.turns
                    .tell(payment, format!("refund {short} is {state:?} now"));
            }
            Later::Deliver { .. } => {}
        }
    }

    fn begin_payment(&mut self, payment: usize) {
        self.begun += 1;
        let now = self.turns.now();
        let script = self.business.script(payment).clone();
        for _twin in 0..script.twins {
            self.act(payment, Act::Create);
        }
        for (after, act) in script.acts {
            self.at(now + after, Event::Act(payment, act));
        }
        let next = payment + 1;
        if next < self.run.payments {
            let after = self.business.script(next).begins_after;
            self.at(now + after, Event::Begin(next));
        }
    }

    /// A process that lives, by its place.
    pub(super) fn some_process(&self) -> Option<usize> {
        let living: Vec<usize> = (0..self.processes.len())
            .filter(|place| self.processes[*place].is_some())
            .collect();
        if living.is_empty() {
            return None;
        }
        Some(living[self.turns.choose(|chance| chance.index(living.len()))])
    }

    pub(super) fn process(&self, place: usize) -> &Process {
        self.processes[place].as_ref().expect("a living process")
    }

    /// Begins a chain in a process.
    pub(super) fn begin(
        &mut self,
        (process, label, payment): (usize, &'static str, Option<usize>),
        about: About,
        work: impl Future<Output = End> + Send + 'static,
    ) {
        let (chain, task) = self.turns.begin((process, label, payment), work);
        let what = format!("c{} in process {process}: {label}", chain.id);
        if !matches!(about, About::Work(_)) {
            self.turns.tell(payment, what);
        }
        let running = Running { chain, about, task };
        self.running.insert(running.chain.id, running);
    }

    fn begin_work(&mut self, work: Work) {
        let Some(place) = self.some_process() else {
            return;
        };
        let process = self.process(place);
        let (worker, kassa) = (process.worker.clone(), process.kassa.clone());
        let chain = async move {
            let done = async {
                let mut steps = worker.steps().await?;
                Ok(match work {
                    Work::Notifications => {
                        usize::from(steps.deliver(QueueName::Notifications).await?)
                    }
                    Work::Commands => usize::from(steps.deliver(QueueName::Commands).await?),
                    Work::Relay => steps.relay().await?,
                    Work::Synchronise => steps.synchronise().await?,
                    Work::Upkeep => kassa
                        .store
                        .seal_audit_batch(500)
                        .await
                        .map_err(flows::Error::from)?,
                })
            };
            End::Worked(Box::pin(done).await)
        };
        self.begin((place, work.label(), None), About::Work(work), chain);
    }

    /// Nothing fails any more. Time passes until everything has come to its end.
    async fn calm(&mut self) {
        self.turns.tell(None, "calm".to_owned());
        self.is_calm = true;
        self.turns.calm();
        self.bank.lock().calm();
        self.agenda.retain(|_, event| event.is_needed());
        let began = self.turns.now();
        let mut step = TimeDelta::seconds(1);
        let mut settled = 0;
        while settled < AFTERWARDS && self.turns.now() - began < CALM_MAX {
            if !self.work_until_idle().await {
                return;
            }
            let is_settled = self.agenda.is_empty() && checks::is_settled(self).await;
            settled = if is_settled { settled + 1 } else { 0 };
            let until = self.turns.now() + step;
            step = (step * 2).min(TimeDelta::hours(12));
            if !self.let_time_pass(until).await {
                return;
            }
        }
        self.work_until_idle().await;
    }

    /// What the gateways do by themselves until then.
    async fn let_time_pass(&mut self, until: Time) -> bool {
        loop {
            if !self.settle_turn().await {
                return false;
            }
            let next_event = self.agenda.keys().next().map(|(at, _)| *at);
            let is_over = next_event.is_none_or(|at| at > until) && self.running.is_empty();
            if is_over {
                self.turns.advance(until);
                self.sync_clocks();
                return true;
            }
            self.next().await;
        }
    }

    /// Lets the workers work until there is nothing to do at this time.
    async fn work_until_idle(&mut self) -> bool {
        let mut idle = 0;
        let works = [
            Work::Relay,
            Work::Notifications,
            Work::Commands,
            Work::Synchronise,
        ];
        while idle < works.len() {
            for work in works {
                let before = self.business.worked;
                self.begin_work(work);
                while !self.running.is_empty() {
                    if !self.settle_turn().await {
                        return false;
                    }
                    if !self.running.is_empty() {
                        self.next().await;
                    }
                }
                idle = if self.business.worked == before {
                    idle + 1
                } else {
                    0
                };
            }
        }
        true
    }

    fn deliver(&mut self, notice: usize) {
        let now = self.turns.now();
        let Some(place) = self.some_process() else {
            self.bank.lock().delivered(notice, false, now);
            return;
        };
        let sent = self.bank.lock().notices[notice].clone();
        let account = self.bank.lock().accounts[sent.account].clone();
        let kassa = self.process(place).kassa.clone();
        let turns = self.turns.clone();
        let what = (place, "callback", sent.payment);
        self.turns
            .tell(sent.payment, format!("notification {} arrives", sent.key));
        let chain = super::business::callback(kassa, turns, account, sent);
        self.begin(what, About::Delivery(notice), chain);
    }
}
