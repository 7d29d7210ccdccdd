//! The timeline: one line, or one object, per step.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::output::{Mark, Output};

/// How often a spinner turns.
const SPINNER_TICK: Duration = Duration::from_millis(80);
/// How often something that announces itself to nobody is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A step that is about to be watched for.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// A word for programs.
    pub(super) name: &'static str,
    /// What happens, for people.
    pub(super) title: &'static str,
    /// The channel, where it belongs to one.
    pub(super) channel: Option<&'static str>,
    /// The heading that it stands under, for people.
    pub(super) chapter: String,
    /// What is to be seen.
    pub(super) expected: String,
    /// How long it may take, if longer than others.
    pub(super) timeout: Option<Duration>,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRecord {
    /// A word for programs.
    pub step: &'static str,
    /// What happened, for people.
    pub title: &'static str,
    /// The channel, where it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'static str>,
    /// Whether it was seen.
    pub ok: bool,
    /// When it was over, in milliseconds since the start.
    pub at_ms: u128,
    /// How long it took, in milliseconds.
    pub duration_ms: u128,
    /// What was seen; of a failed step also what was expected.
    pub detail: String,
}

/// What was seen so far of a step that is still being watched for.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight(Arc<Mutex<String>>);

impl Sight {
    /// Notes what is to be seen now.
    pub(super) fn saw(&self, what: impl Display) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what.to_string();
    }

    fn last(&self) -> String {
        let last = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if last.is_empty() {
            "nothing".to_owned()
        } else {
            last
        }
    }
}

/// A step that was seen: its result, and what to show of it.
#[derive(Debug)]
pub(super) struct Seen<T> {
    /// The result.
    pub(super) value: T,
    /// What to show.
    pub(super) detail: String,
}

impl<T> Seen<T> {
    /// A result with what to show of it.
    pub(super) fn new(value: T, detail: impl Display) -> Self {
        Self {
            value,
            detail: detail.to_string(),
        }
    }
}

/// A look at something that may not be there yet.
#[derive(Debug)]
pub(super) enum Look<T> {
    /// It is there.
    There(T),
    /// It is not; this is there instead.
    NotYet(String),
}

/// Looks until it is there. The timeline ends it when the step takes too long.
pub(super) async fn until<T>(
    sight: &Sight,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<T> {
    loop {
        match look().await? {
            Look::There(value) => return Ok(value),
            Look::NotYet(seen) => sight.saw(seen),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The story stopped at a step, which was printed.
#[derive(Debug, thiserror::Error)]
#[error("the step {0} was not seen")]
pub(super) struct StepFailed(&'static str);

/// Watches for steps, one after the other, and prints each.
#[derive(Debug)]
pub(super) struct Timeline {
    output: Output,
    started: Instant,
    step_timeout: Duration,
    steps: usize,
    chapter: Option<String>,
}

impl Timeline {
    pub(super) fn new(output: Output, step_timeout: Duration) -> Self {
        Self {
            output,
            started: Instant::now(),
            step_timeout,
            steps: 0,
            chapter: None,
        }
    }

    /// Where it is printed.
    pub(super) fn output(&self) -> Output {
        self.output
    }

    /// Watches for a step; what it comes to is printed.
    ///
    /// # Errors
    /// [`StepFailed`] if it failed or took too long, after that was printed.
    pub(super) async fn watch<T>(
        &mut self,
        step: Step,
        sight: &Sight,
        work: impl Future<Output = anyhow::Result<Seen<T>>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        let spinner = self.spinner(step.title);
        let timeout = step.timeout.unwrap_or(self.step_timeout);
        let ended = tokio::time::timeout(timeout, work).await;
        spinner.finish_and_clear();
        let (value, detail) = match ended {
            Ok(Ok(seen)) => (Some(seen.value), seen.detail),
            Ok(Err(error)) => (None, format!("expected {}; saw {error:#}", step.expected)),
            Err(_elapsed) => {
                let seconds = timeout.as_secs();
                let last = sight.last();
                let text = format!("expected {} within {seconds} s; saw {last}", step.expected);
                (None, text)
            }
        };
        let record = StepRecord {
            step: step.name,
            title: step.title,
            channel: step.channel,
            ok: value.is_some(),
            at_ms: self.started.elapsed().as_millis(),
            duration_ms: began.elapsed().as_millis(),
            detail,
        };
        self.print(&record, &step.chapter)?;
        value.ok_or_else(|| StepFailed(step.name).into())
    }

    fn spinner(&self, title: &'static str) -> ProgressBar {
        if !self.output.interactive {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(title);
        let template = "           {spinner} {msg} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(SPINNER_TICK);
        spinner
    }

    fn print(&mut self, record: &StepRecord, chapter: &str) -> std::io::Result<()> {
        self.steps = self.steps.saturating_add(1);
        self.output.object(record)?;
        if self.chapter.as_deref() != Some(chapter) {
            self.chapter = Some(chapter.to_owned());
            self.output
                .line(format_args!("\n{}", self.output.bold(chapter)))?;
        }
        let mark = self
            .output
            .mark(if record.ok { Mark::Ok } else { Mark::Broken });
        let at = self.output.dim(&format!("{:>9}", seconds(record.at_ms)));
        let took = self.output.dim(&format!("({} ms)", record.duration_ms));
        let detail = &record.detail;
        self.output.line(format_args!(
            "{at}  {mark} {:<34} {detail} {took}",
            record.title
        ))
    }

    /// Says that it is over.
    pub(super) fn end(&self, left_rows: bool) -> std::io::Result<()> {
        let took = seconds(self.started.elapsed().as_millis());
        let text = format!("every one of {} steps was seen, in {took}", self.steps);
        self.output
            .line(format_args!("\n{} {text}", self.output.mark(Mark::Ok)))?;
        if left_rows {
            self.output
                .line("  its rows stay in the database; its queues are gone")?;
        }
        Ok(())
    }
}

fn seconds(millis: u128) -> String {
    let (whole, rest) = (millis.checked_div(1_000), millis.checked_rem(1_000));
    format!(
        "{}.{:03} s",
        whole.unwrap_or_default(),
        rest.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(timeout: Duration) -> Timeline {
        let output = Output {
            json: true,
            colour: false,
            interactive: false,
        };
        Timeline::new(output, timeout)
    }

    fn step() -> Step {
        let expected = "PAID_SUCCESS".to_owned();
        Step {
            name: "paid",
            title: "t",
            channel: None,
            chapter: "c".to_owned(),
            expected,
            timeout: None,
        }
    }

    #[tokio::test]
    async fn a_step_that_is_seen_gives_its_result() {
        let mut timeline = timeline(Duration::from_mins(1));
        let seen = async { Ok(Seen::new(7, "seven")) };
        assert_eq!(
            timeline
                .watch(step(), &Sight::default(), seen)
                .await
                .unwrap(),
            7
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_is_not_seen_in_time_fails_the_story() {
        let mut timeline = timeline(Duration::from_secs(1));
        let sight = Sight::default();
        let watched = sight.clone();
        let never = async move {
            until::<()>(&watched, async || {
                Ok(Look::NotYet("PENDING_PAYMENT".to_owned()))
            })
            .await?;
            Ok(Seen::new((), ""))
        };
        let error = timeline.watch(step(), &sight, never).await.unwrap_err();
        assert!(error.is::<StepFailed>());
        assert_eq!(sight.last(), "PENDING_PAYMENT");
    }

    #[test]
    fn times_are_seconds_with_three_digits() {
        assert_eq!(seconds(0), "0.000 s");
        assert_eq!(seconds(12_034), "12.034 s");
    }
}
