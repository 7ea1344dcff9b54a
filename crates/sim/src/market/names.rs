//! What behaviours and policies are called.

use super::scenario::*;

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
            ProviderBehaviour::WashTrade { .. } => "wash_trade",
            ProviderBehaviour::InflateUsage { .. } => "inflate_usage",
            ProviderBehaviour::UndercutBudget { .. } => "undercut_budget",
        }
    }

    /// Whether it reports more usage than there was.
    pub(super) fn inflates(&self) -> bool {
        matches!(self, ProviderBehaviour::InflateUsage { .. } | ProviderBehaviour::UndercutBudget { .. })
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
            RequestorBehaviour::Newcomer { .. } => "newcomer",
            RequestorBehaviour::SybilNonPayer { .. } => "sybil_non_payer",
            RequestorBehaviour::Monopsonist { .. } => "monopsonist",
        }
    }

    /// Whether it does what it agreed to, and nothing against the others.
    pub(super) fn is_honest(self) -> bool {
        matches!(self, RequestorBehaviour::Honest | RequestorBehaviour::Newcomer { .. })
    }
}

impl ProviderPolicyName {
    /// Its name, as in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            ProviderPolicyName::Published => "published",
            ProviderPolicyName::Golem => "golem",
            ProviderPolicyName::Posted => "posted",
            ProviderPolicyName::ZeroIntelligence => "zero_intelligence",
        }
    }
}

impl RequestorPolicyName {
    /// Its name, as in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            RequestorPolicyName::Published => "published",
            RequestorPolicyName::Golem => "golem",
            RequestorPolicyName::Random => "random",
            RequestorPolicyName::FirstCome => "first_come",
            RequestorPolicyName::Cheapest => "cheapest",
            RequestorPolicyName::SecondScore => "second_score",
        }
    }
}
