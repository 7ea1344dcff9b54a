//! What the rule of when to claim says, for people.

use crate::context::Context;
use crate::ledger::Ledgers;
use golem_chain::ChainClient;
use golem_node::folder::Folder;
use golem_node::{ClaimSettings, EtherWorth};
use golem_payments::{ClaimPlan, ClaimReason, GasWorth};
use golem_protocol::Wei;

/// What the rule says of the records in a folder on which no node runs.
pub async fn of_records(
    context: &Context,
    folder: &Folder,
    ledgers: &Ledgers,
    client: &ChainClient,
) -> anyhow::Result<ClaimPlan> {
    let mut claim = ClaimSettings::default();
    context.config(folder)?.apply_to_claim(&mut claim)?;
    let gas = match claim.ether {
        EtherWorth::Unknown => GasWorth::Unknown,
        EtherWorth::Gnt(_) => claim.gas_worth(client.gas_price().await?),
    };
    Ok(claim.rule().plan(&ledgers.claimables(client.chain_time().await?), gas))
}

/// An amount to about four digits: a cost of gas has eighteen that say nothing.
pub fn about(amount: Wei) -> String {
    let digits = amount.0.checked_ilog10().unwrap_or(0);
    let unit = 10u128.pow(digits.saturating_sub(3));
    Wei(amount.0 / unit * unit).to_string()
}

/// What it comes to, in words.
pub fn sentence(plan: &ClaimPlan) -> String {
    let claimable = plan.claimable_wei;
    let cost = match plan.gas {
        GasWorth::Unknown => "; what gas costs is not known, since gnt_per_ether is not set".to_owned(),
        GasWorth::PerGas { .. } => {
            format!(
                "; gas for it costs about {}, waiting has cost {} so far",
                about(plan.cost_wei),
                about(plan.waited_wei)
            )
        }
    };
    let says = match plan.reason {
        ClaimReason::Nothing => return "There is nothing to claim.".to_owned(),
        ClaimReason::TooSmall => "It is left until it is worth the gas.".to_owned(),
        ClaimReason::Waiting => {
            format!("It waits until waiting has cost as much as gas, or {} is reached.", plan.threshold_wei)
        }
        ClaimReason::BelowThreshold => format!("It waits until {} is reached.", plan.threshold_wei),
        ClaimReason::Due => "It is claimed now: a payer has asked to close, or does not answer.".to_owned(),
        ClaimReason::Threshold => format!("It is claimed now: {} is reached.", plan.threshold_wei),
        ClaimReason::Waited => "It is claimed now: waiting has cost as much as gas.".to_owned(),
    };
    format!("{claimable} can be claimed{cost}. {says}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_payments::{ClaimRule, Claimable};
    use golem_protocol::{Address, ChainTime};

    #[test]
    fn says_what_it_costs_and_why_it_waits() {
        let rule = ClaimRule { waiting_ppm_per_day: 1_000, threshold: Wei::from_gnt(10).unwrap() };
        let held = Claimable {
            payer: Address::ZERO,
            amount: Wei::from_gnt(3).unwrap(),
            wei_seconds: Wei::from_gnt(3).unwrap().0 * 86_400,
            due: ChainTime(0),
        };
        let gas = GasWorth::of(1_234_567_891, Wei::from_gnt(8_000).unwrap());
        assert_eq!(
            sentence(&rule.plan(&[held], gas)),
            "3 GNT can be claimed; gas for it costs about 0.5125 GNT, waiting has cost 0.003 GNT so far. \
             It waits until waiting has cost as much as gas, or 10 GNT is reached."
        );
        assert_eq!(
            sentence(&rule.plan(&[held], GasWorth::Unknown)),
            "3 GNT can be claimed; what gas costs is not known, since gnt_per_ether is not set. \
             It waits until 10 GNT is reached."
        );
        assert_eq!(sentence(&rule.plan(&[], gas)), "There is nothing to claim.");
    }
}
