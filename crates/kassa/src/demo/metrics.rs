//! Counters, read as Prometheus reads them: over HTTP from the admin listener.

use std::net::SocketAddr;

use anyhow::Context;

/// Callbacks that the ingress answered, by outcome.
const CALLBACKS: &str = "kassa_ingress_callbacks_total";
/// Deliveries from a queue, by how they ended.
const DELIVERIES: &str = "kassa_queue_deliveries_total";

/// What the counters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    /// Callbacks that were answered, in whatever way.
    pub(super) answered: u64,
    /// Callbacks that were acknowledged.
    pub(super) accepted: u64,
    /// Notifications that the worker dealt with for good.
    pub(super) done: u64,
}

impl std::fmt::Display for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            answered,
            accepted,
            done,
        } = self;
        write!(
            f,
            "{answered} callbacks answered, {accepted} acknowledged, {done} dealt with"
        )
    }
}

/// Reads the counters.
pub(super) async fn read(http: &reqwest::Client, admin: SocketAddr) -> anyhow::Result<Counters> {
    let url = format!("http://{admin}/metrics");
    let answer = http.get(url).send().await.context("reading the metrics")?;
    let text = answer.error_for_status()?.text().await?;
    Ok(Counters {
        answered: sum(&text, CALLBACKS, &[]),
        accepted: sum(&text, CALLBACKS, &["outcome=\"accepted\""]),
        done: sum(
            &text,
            DELIVERIES,
            &["queue=\"kassa.notifications\"", "end=\"done\""],
        ),
    })
}

/// The sum of a counter over all series that have these labels.
fn sum(text: &str, name: &str, labels: &[&str]) -> u64 {
    let of_series = |line: &str| -> Option<u64> {
        let series = line.strip_prefix(name)?;
        let (found, value) = match series.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}')?,
            None => ("", series),
        };
        let has_all = labels
            .iter()
            .all(|label| found.split(',').any(|it| it == *label));
        if has_all {
            value.trim().parse().ok()
        } else {
            None
        }
    };
    text.lines().filter_map(of_series).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_the_series_with_its_labels() {
        let text = "# TYPE a_total counter\n\
                    a_total{queue=\"x\",end=\"done\"} 3\n\
                    a_total{queue=\"x\",end=\"retry\"} 4\n\
                    a_total{queue=\"y\",end=\"done\"} 5\n\
                    a_total_other{end=\"done\"} 7\n\
                    b_total 9\n";
        assert_eq!(sum(text, "a_total", &[]), 12);
        assert_eq!(sum(text, "a_total", &["end=\"done\""]), 8);
        assert_eq!(sum(text, "a_total", &["queue=\"x\"", "end=\"done\""]), 3);
        assert_eq!(sum(text, "b_total", &[]), 9);
        assert_eq!(sum(text, "c_total", &[]), 0);
    }
}
