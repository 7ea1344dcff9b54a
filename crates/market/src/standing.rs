//! What a requestor remembers of providers, as people read it.

use crate::checking;
use crate::{Promises, Ratio, RequestorMarket};
use golem_protocol::{ContentHash, NodeId, Wei};
use serde::{Deserialize, Serialize};

/// The most providers that are shown. Reason: a status is asked for again and again; those dealt with last come first.
pub const STANDINGS_MAX: usize = 256;

/// One provider, as it stands with this requestor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Who.
    pub provider: NodeId,
    /// The chance that its next subtask succeeds, by our rules.
    pub chance: Ratio,
    /// Accepted results, the newest counting most: 10 at most.
    pub success: Ratio,
    /// What was not accepted or did not come, alike.
    pub failure: Ratio,
    /// What it was paid of late, in wei.
    pub paid_wei: Wei,
    /// A result of it was computed again here and is wrong.
    pub proven_wrong: bool,
    /// What it promised and delivered, by program.
    pub programs: Vec<ProgramStanding>,
}

/// What a provider promised of a program, and what was seen.
///
/// Units: fuel per second of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStanding {
    /// Which program.
    pub program: ContentHash,
    /// What was last agreed on.
    pub promised: u64,
    /// What was seen; absent where too little was timed.
    pub delivered: Option<u64>,
    /// How many results were timed.
    pub results: u32,
    /// How many kept a promise that the provider could know.
    pub kept: u32,
    /// How many broke it, by more than half.
    pub broken: u32,
    /// Whether such a promise is refused from now on.
    pub overstated: bool,
}

impl Standing {
    /// Which share of its results of this value is run again by an adaptive plan, in parts per million, as it stands now.
    pub fn adaptive_ppm(&self, value: Wei, floor_ppm: u32) -> u32 {
        checking::check_ppm(value, checking::stake(self.paid_wei, Wei::ZERO), floor_ppm)
    }
}

pub(crate) fn of(market: &RequestorMarket, promises: &Promises) -> Vec<Standing> {
    let mut known: Vec<_> = market.records().collect();
    known.sort_by_key(|(_, record)| std::cmp::Reverse(record.touched));
    known.truncate(STANDINGS_MAX);
    let standing = |(provider, record): (NodeId, crate::ProviderRecord)| Standing {
        provider,
        chance: market.chance(&provider, &record),
        success: record.efficacy.success,
        failure: record.efficacy.weight().minus(record.efficacy.success),
        paid_wei: record.paid,
        proven_wrong: market.proofs().is_proven(&provider),
        programs: promises
            .of(provider)
            .map(|(program, seen)| ProgramStanding {
                program,
                promised: seen.promised,
                delivered: seen.per_second(),
                results: seen.timed,
                kept: seen.kept,
                broken: seen.broken,
                overstated: seen.overstates(),
            })
            .collect(),
    };
    known.into_iter().map(standing).collect()
}
