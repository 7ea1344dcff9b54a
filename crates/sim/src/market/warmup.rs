//! How much at the start of a run is left out of its metrics: so many days, or what MSER-5 says of one of its series.
//!
//! Metrics are added up as things happen, so a cut that the run itself tells of is not known in time: such a run is played
//! twice with the same seed, the first time to find the cut. The second is the same run, and measures from there.

use super::scenario::Scenario;
use super::world::World;
use crate::experiment::stats::mser5;
use serde::{Deserialize, Serialize};

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Warmup {
    /// So many days.
    Days(f64),
    /// Until a series has settled, of each run by itself.
    Mser5 {
        /// Which.
        mser5: WarmupSeries,
    },
}

/// A series over all agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmupSeries {
    /// What an hour of work costs.
    Price,
    /// The share of slots that compute.
    Utilisation,
    /// What work is worth over what it costs.
    Surplus,
    /// Subtasks that wait.
    OpenSubtasks,
}

impl WarmupSeries {
    fn name(self) -> &'static str {
        match self {
            WarmupSeries::Price => "price",
            WarmupSeries::Utilisation => "utilisation",
            WarmupSeries::Surplus => "surplus",
            WarmupSeries::OpenSubtasks => "open_subtasks",
        }
    }
}

impl Warmup {
    /// How long it is; nothing where the run has to tell.
    pub(super) fn days(self) -> f64 {
        match self {
            Warmup::Days(days) => days,
            Warmup::Mser5 { .. } => 0.0,
        }
    }
}

/// The scenario with a warm-up in days, which depends on the seed where the run has to tell. Half of a run is the most, and
/// what is taken of one that is too short to tell.
pub(super) fn settled(scenario: &Scenario, seed: u64) -> Scenario {
    let mut settled = scenario.clone();
    let Warmup::Mser5 { mser5: of } = scenario.warmup_days else { return settled };
    (settled.agent_rows_max, settled.event_rows_max) = (1, 0);
    let outcome = World::new(&settled, seed).play(&|_| {});
    let series = outcome.series.iter().find(|series| series.group == "all" && series.name == of.name());
    let points = series.map_or(&[][..], |series| &series.points);
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let cut = mser5(&values).and_then(|cut| match cut.checked_sub(1) {
        None => Some(0.0),
        Some(last) => points.get(last).map(|(hour, _)| hour / 24.0),
    });
    Scenario { warmup_days: Warmup::Days(cut.unwrap_or(scenario.days / 2.0)), ..scenario.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Mechanism, baseline_scenario, run};

    fn scenario(warmup: &str) -> Scenario {
        let text = format!(
            "days = 10.0\nwarmup_days = {warmup}\n[[providers]]\ncount = 40\n[[requestors]]\ncount = 6\nload = 0.4\n"
        );
        let scenario: Scenario = toml::from_str(&text).unwrap();
        scenario.check().unwrap();
        scenario
    }

    #[test]
    fn measures_from_where_the_first_pass_settled() {
        let by_series = scenario("{ mser5 = \"price\" }");
        let outcome = run(&by_series, 3, &|_| {});
        let days = outcome.metrics["warmup_days"];
        assert!(days > 0.0 && days <= 5.0, "{days}");
        let by_days = run(&scenario(&format!("{days:?}")), 3, &|_| {});
        assert_eq!(outcome.metrics, by_days.metrics, "it is the same run, with the same baselines");
        assert_ne!(run(&scenario("0.0"), 3, &|_| {}).metrics["price_gnt"], by_days.metrics["price_gnt"]);
    }

    #[test]
    fn takes_half_of_a_run_that_cannot_tell() {
        let short = Scenario { days: 0.5, ..scenario("{ mser5 = \"surplus\" }") };
        assert_eq!(settled(&short, 1).warmup_days, Warmup::Days(0.25));
    }

    #[test]
    fn refuses_another_series() {
        for wrong in ["\"mser5\"", "{ mser5 = \"weather\" }", "10.0", "-1.0"] {
            let text = format!("days = 10.0\nwarmup_days = {wrong}\n");
            let read: Result<Scenario, _> = toml::from_str(&text);
            assert!(read.is_err() || read.is_ok_and(|scenario| scenario.check().is_err()), "{wrong}");
        }
        let baseline = baseline_scenario(&scenario("{ mser5 = \"price\" }"), Mechanism::Oracle);
        assert_eq!(baseline.warmup_days.days(), 0.0);
    }
}
