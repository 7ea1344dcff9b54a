//! Who is there at the start.

use super::outcome::{AgentRow, Side};
use super::scenario::*;
use crate::stream::Stream;

impl ProviderBehaviour {
    /// Its name, as in a scenario file.
    pub fn name(&self) -> &'static str {
        match self {
            ProviderBehaviour::Honest => "honest",
            ProviderBehaviour::Hold => "hold",
            ProviderBehaviour::CheatBenchmark { .. } => "cheat_benchmark",
            ProviderBehaviour::Undercut { .. } => "undercut",
            ProviderBehaviour::OnOff { .. } => "on_off",
            ProviderBehaviour::ExitScam { .. } => "exit_scam",
            ProviderBehaviour::Whitewash { .. } => "whitewash",
            ProviderBehaviour::Sybil { .. } => "sybil",
            ProviderBehaviour::WrongResults { .. } => "wrong_results",
            ProviderBehaviour::AcceptThenCancel { .. } => "accept_then_cancel",
            ProviderBehaviour::SelectiveFailure { .. } => "selective_failure",
            ProviderBehaviour::Cartel { .. } => "cartel",
        }
    }
}

impl RequestorBehaviour {
    /// Its name, as in a scenario file.
    pub fn name(&self) -> &'static str {
        match self {
            RequestorBehaviour::Honest => "honest",
            RequestorBehaviour::NonPayer { .. } => "non_payer",
            RequestorBehaviour::LatePayer { .. } => "late_payer",
            RequestorBehaviour::FalseRejecter { .. } => "false_rejecter",
            RequestorBehaviour::TimeoutInflater { .. } => "timeout_inflater",
            RequestorBehaviour::SybilNonPayer { .. } => "sybil_non_payer",
        }
    }
}

impl ProviderPolicyName {
    /// Its name, as in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            ProviderPolicyName::Brass => "brass",
            ProviderPolicyName::Posted => "posted",
            ProviderPolicyName::ZeroIntelligence => "zero_intelligence",
        }
    }
}

impl RequestorPolicyName {
    /// Its name, as in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            RequestorPolicyName::Brass => "brass",
            RequestorPolicyName::Random => "random",
            RequestorPolicyName::FirstCome => "first_come",
            RequestorPolicyName::Cheapest => "cheapest",
            RequestorPolicyName::SecondScore => "second_score",
        }
    }
}

/// Everybody who is there at the start, who has done nothing yet.
pub(super) fn rows(scenario: &Scenario, seed: u64) -> Vec<AgentRow> {
    let none = AgentRow {
        side: Side::Provider,
        group: 0,
        behaviour: "",
        policy: "",
        speed: 0.0,
        cost_gnt_per_hour: 0.0,
        joined_h: 0.0,
        left_h: scenario.days * 24.0,
        subtasks_done: 0,
        subtasks_failed: 0,
        busy_hours: 0.0,
        earned_gnt: 0.0,
        spent_gnt: 0.0,
        cost_gnt: 0.0,
        profit_gnt: 0.0,
        identities: 1,
    };
    let mut rows = Vec::new();
    for (group, of) in (0u32..).zip(&scenario.providers) {
        for _ in 0..of.count {
            let mut stream = Stream::new(seed, super::MACHINE, rows.len() as u32);
            rows.push(AgentRow {
                group,
                behaviour: of.behaviour.name(),
                policy: of.policy.name(),
                speed: of.speed.draw(&mut stream),
                cost_gnt_per_hour: of.cost_gnt_per_hour.draw(&mut stream),
                ..none
            });
        }
    }
    for (group, of) in (0u32..).zip(&scenario.requestors) {
        let row =
            AgentRow { side: Side::Requestor, group, behaviour: of.behaviour.name(), policy: of.policy.name(), ..none };
        rows.extend(std::iter::repeat_n(row, of.count as usize));
    }
    rows
}
