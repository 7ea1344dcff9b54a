//! The experiments of the repository, in the binary.

use super::file::{Experiment, ExperimentError, Options};
use serde::Serialize;

/// An experiment that comes with golem: its id, and its file.
pub type LibraryFile = (&'static str, &'static str);

/// All experiments, by id.
pub const LIBRARY: &[LibraryFile] = &[
    ("S01", include_str!("../../../../scenarios/S01_thirst_balance.toml")),
    ("S02", include_str!("../../../../scenarios/S02_poisson_entry.toml")),
    ("S03", include_str!("../../../../scenarios/S03_lognormal_perf.toml")),
    ("S04", include_str!("../../../../scenarios/S04_task_mix.toml")),
    ("S05", include_str!("../../../../scenarios/S05_merit_order.toml")),
    ("S06", include_str!("../../../../scenarios/S06_supply_demand.toml")),
    ("S07", include_str!("../../../../scenarios/S07_shock.toml")),
    ("S08", include_str!("../../../../scenarios/S08_cheat_bench.toml")),
    ("S09", include_str!("../../../../scenarios/S09_evil_hold.toml")),
    ("S10", include_str!("../../../../scenarios/S10_weed_out.toml")),
    ("S11", include_str!("../../../../scenarios/S11_evil_cheap.toml")),
    ("S12", include_str!("../../../../scenarios/S12_on_off.toml")),
    ("S13", include_str!("../../../../scenarios/S13_deadbeat.toml")),
    ("S14", include_str!("../../../../scenarios/S14_sybil_flood.toml")),
    ("S15", include_str!("../../../../scenarios/S15_whitewash.toml")),
    ("S16", include_str!("../../../../scenarios/S16_local_info.toml")),
    ("S17", include_str!("../../../../scenarios/S17_price_sensitivity.toml")),
    ("S18", include_str!("../../../../scenarios/S18_selection.toml")),
    ("S19", include_str!("../../../../scenarios/S19_distrust.toml")),
    ("S20", include_str!("../../../../scenarios/S20_timeouts.toml")),
    ("S21", include_str!("../../../../scenarios/S21_verification.toml")),
    ("S22", include_str!("../../../../scenarios/S22_own_strategy.toml")),
    ("S23", include_str!("../../../../scenarios/S23_cartel.toml")),
    ("S24", include_str!("../../../../scenarios/S24_cancel_option.toml")),
    ("S25", include_str!("../../../../scenarios/S25_network.toml")),
    ("S26", include_str!("../../../../scenarios/S26_concent.toml")),
    ("S27", include_str!("../../../../scenarios/S27_original.toml")),
    ("S28", include_str!("../../../../scenarios/S28_shared_proofs.toml")),
    ("S29", include_str!("../../../../scenarios/S29_verification_compared.toml")),
    ("S30", include_str!("../../../../scenarios/S30_choice_of_tasks.toml")),
    ("S31", include_str!("../../../../scenarios/S31_metered_tender.toml")),
    ("S32", include_str!("../../../../scenarios/S32_stragglers.toml")),
    ("S33", include_str!("../../../../scenarios/S33_commitment.toml")),
    ("S34", include_str!("../../../../scenarios/S34_eclipse.toml")),
    ("S35", include_str!("../../../../scenarios/S35_monopsonist.toml")),
    ("S36", include_str!("../../../../scenarios/S36_policies.toml")),
    ("U01", include_str!("../../../../scenarios/U01_usage_market.toml")),
];

/// What there is to list.
///
/// Errors: a file that cannot be read, which a test keeps from being.
pub fn library() -> Result<Vec<Listed>, ExperimentError> {
    let read = LIBRARY.iter().map(|(id, text)| {
        let experiment = Experiment::read(text, &Options::default())?;
        Ok(Listed {
            id,
            varied: experiment.axes.iter().map(|axis| axis.name.clone()).collect(),
            cells: experiment.cells.len(),
            expectations: experiment.expects.len(),
            title: experiment.title,
            claim: experiment.claim.trim().to_owned(),
        })
    });
    read.collect()
}

/// An experiment in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// What the command line calls it.
    pub id: &'static str,
    /// What it is about.
    pub title: String,
    /// What the published text says.
    pub claim: String,
    /// What is varied.
    pub varied: Vec<String>,
    /// How many cells it has.
    pub cells: usize,
    /// How many expectations are checked.
    pub expectations: usize,
}

/// The file of an experiment that comes with golem.
pub fn listed(id: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| known.eq_ignore_ascii_case(id)).map(|(_, text)| *text)
}
