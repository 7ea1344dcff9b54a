//! What a task would be and cost, shown before anything is announced.

use crate::context::{ChainArgs, chain_client, chain_settings};
use crate::files;
use crate::output::{self, at_most_gnt};
use golem_chain::ChainClient;
use golem_market::Standing;
use golem_node::CheckCost;
use golem_node::config::ConfigFile;
use golem_node::folder::Folder;
use golem_node::keystore::PublicWallet;
use golem_protocol::{AppFee, NodeId, Pricing, Wei};
use golem_task::{AppTerms, CopyAddresses, CostEstimate, PPM, TaskPlan, Verification};
use serde_json::{Value, json};
use std::path::Path;

/// Gas of opening a channel, the most that the contracts' own tests allow.
const OPEN_GAS: u64 = 63_500;
/// Channels that a task of this size is likely to open; more providers cost this much each again.
const PROVIDERS_EXPECTED: u64 = 3;

/// Known providers that are shown. Reason: a screen.
const KNOWN_SHOWN_MAX: usize = 5;

/// A plan with everything that it can cost.
pub struct PlanReport<'a> {
    plan: &'a TaskPlan,
    cost: CostEstimate,
    /// What the author asks, or why the task is not run with that author.
    app: Result<AppFee, String>,
    chain: Result<Funds, String>,
    /// What this folder remembers of providers, where a plan asks for it; or why it could not be read.
    known: Result<Vec<Standing>, String>,
}

/// How much of a known provider's work an adaptive plan runs again: the less, the less a result costs.
#[derive(serde::Serialize)]
struct KnownRechecks {
    provider: NodeId,
    /// At the highest price.
    check_ppm: u32,
    rechecks: u64,
    /// At a tenth of it.
    check_ppm_at_tenth: u32,
    rechecks_at_tenth: u64,
}

/// What the account holds, and what ether costs there.
struct Funds {
    chain_id: u64,
    gnt: Wei,
    eth: u128,
    gas_price: u64,
}

impl<'a> PlanReport<'a> {
    /// Reads the account's balance; what cannot be read is said in the report.
    pub async fn new(
        folder: &Folder,
        file: &ConfigFile,
        chain: &ChainArgs,
        plan: &'a TaskPlan,
        module: &Path,
    ) -> anyhow::Result<PlanReport<'a>> {
        let app = app_fee(folder, file, chain, plan, module).await.map_err(|error| output::error_text(&error));
        let cost = cost(plan, app.as_ref().map_or(Wei::ZERO, |app| app.fee))?;
        let chain = funds(folder, file, chain).await.map_err(|error| output::error_text(&error));
        Ok(PlanReport { plan, cost, app, chain, known: Ok(Vec::new()) })
    }

    /// Takes in what the folder remembers of providers, by which an adaptive plan checks each.
    pub fn knowing(self, standings: anyhow::Result<Vec<Standing>>) -> PlanReport<'a> {
        PlanReport { known: standings.map_err(|error| output::error_text(&error)), ..self }
    }

    /// How many results of each known provider an adaptive plan would run again, were it to do all of the task: those
    /// checked least first.
    fn rechecks_of_known(&self) -> Vec<KnownRechecks> {
        let Verification::Adaptive { floor_ppm } = self.plan.verification else { return Vec::new() };
        let known = self.known.as_deref().unwrap_or_default().iter().filter(|standing| !standing.proven_wrong);
        let mut rechecks: Vec<KnownRechecks> = known
            .map(|standing| {
                let at = |value| {
                    let check_ppm = standing.adaptive_ppm(value, floor_ppm);
                    (check_ppm, (u64::from(self.cost.subtasks) * u64::from(check_ppm)).div_ceil(u64::from(PPM)))
                };
                let (check_ppm, rechecks) = at(self.cost.subtask_max);
                let (check_ppm_at_tenth, rechecks_at_tenth) = at(Wei(self.cost.subtask_max.0 / 10));
                let provider = standing.provider;
                KnownRechecks { provider, check_ppm, rechecks, check_ppm_at_tenth, rechecks_at_tenth }
            })
            .collect();
        rechecks.sort_by_key(|known| known.check_ppm);
        rechecks
    }

    fn is_adaptive(&self) -> bool {
        matches!(self.plan.verification, Verification::Adaptive { .. })
    }

    /// What an adaptive plan has run again here, in numbers: a line each.
    fn adaptive_lines(&self) -> Vec<String> {
        if !self.is_adaptive() {
            return Vec::new();
        }
        let subtasks = self.cost.subtasks;
        let mut lines = vec![format!("done by strangers: all {subtasks} are computed again here")];
        if let Err(reason) = &self.known {
            lines.push(format!("of whom this folder knows nothing can be said: {reason}"));
            return lines;
        }
        let known = self.rechecks_of_known();
        if known.is_empty() {
            lines.push("this folder has bought from nobody yet, so at first all are strangers".to_owned());
        }
        let percent = |ppm: u32| f64::from(ppm) / 1e4;
        for known in known.iter().take(KNOWN_SHOWN_MAX) {
            let dear =
                format!("{} of {subtasks} ({:.2} %) at the highest price", known.rechecks, percent(known.check_ppm));
            let tenth = percent(known.check_ppm_at_tenth);
            let cheap = format!("{} ({tenth:.2} %) at a tenth of it", known.rechecks_at_tenth);
            lines.push(format!("done by {}, known here: about {dear}, {cheap}", output::short(&known.provider.0)));
        }
        if known.len() > KNOWN_SHOWN_MAX {
            let more = output::count((known.len() - KNOWN_SHOWN_MAX) as u64, "more known provider");
            lines.push(format!("... and {more}, checked more"));
        }
        lines
    }

    /// The most that leaves the account: never more than the budget.
    fn spent_max(&self) -> Wei {
        self.cost.total_max.min(self.cost.budget)
    }

    /// Why the task cannot be paid as it is, if so.
    pub fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if self.plan.price.max_per_hour == Wei::ZERO {
            obstacles
                .push("the highest price is 0 GNT an hour, and nobody works for nothing: raise --max-price".to_owned());
        }
        if self.cost.affordable() == 0 {
            obstacles.push(format!(
                "the budget of {} does not pay for one subtask at the highest price, {}: raise --budget, or lower --max-price or the timeout",
                self.cost.budget,
                at_most_gnt(self.cost.subtask_max.saturating_add(self.cost.fee))
            ));
        }
        if let Err(reason) = &self.app {
            obstacles.push(reason.clone());
        }
        match &self.chain {
            Err(reason) => obstacles.push(format!("the account was not looked at: {reason}")),
            Ok(funds) => {
                if funds.gnt < self.spent_max() {
                    obstacles.push(format!(
                        "the account holds {} and the task can cost {}: have GNT sent to it, or lower --budget",
                        funds.gnt,
                        at_most_gnt(self.spent_max())
                    ));
                }
                if funds.eth < funds.gas_wei() {
                    obstacles.push(format!(
                        "the account holds {} and opening channels can cost {}: have ether sent to it",
                        output::eth(funds.eth),
                        output::at_most_eth(funds.gas_wei())
                    ));
                }
            }
        }
        obstacles
    }

    /// Whether the account has nothing to open a channel with.
    pub fn cannot_open(&self) -> bool {
        self.chain.as_ref().is_ok_and(|funds| funds.gnt == Wei::ZERO || funds.eth < funds.gas_wei())
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let plan = self.plan;
        json!({
            "name": plan.name,
            "subtasks": plan.subtasks.len(),
            "first_subtasks": plan.subtasks.iter().take(3).map(|subtask| json!({"name": subtask.name, "args": subtask.args})).collect::<Vec<_>>(),
            "input_files": plan.files.len(),
            "input_bytes": plan.files.iter().map(|file| file.size.0).sum::<u64>(),
            "price_max_wei_per_hour": plan.price.max_per_hour,
            "subtask_timeout_s": plan.limits.timeout_s,
            "subtask_value_max_wei": self.cost.subtask_max,
            "pricing": plan.purchase.pricing,
            "min_perf": plan.purchase.min_perf,
            "author": plan.app.map(|app| app.author),
            "fee_wei": self.app.as_ref().ok().map(|app| app.fee),
            "fee_max_wei": plan.app.map(|app| app.fee_max),
            "fees_total_max_wei": self.cost.fees_max(),
            "total_max_wei": self.cost.total_max,
            "budget_wei": self.cost.budget,
            "spent_max_wei": self.spent_max(),
            "affordable_subtasks": self.cost.affordable(),
            "recheck_ppm": plan.verification.recheck_ppm(),
            "rechecks": self.cost.rechecks,
            "rechecks_of_strangers": self.is_adaptive().then_some(self.cost.subtasks),
            "rechecks_of_known": self.is_adaptive().then(|| self.rechecks_of_known()),
            "known_error": self.known.as_ref().err(),
            "verification": verification(plan, &self.cost),
            "copies": self.cost.copies,
            "checks_paid_max": self.cost.checks_paid_max,
            "checks_max_wei": self.cost.checks_max(),
            "known_ppm": plan.extras.known_ppm,
            "hedges_max": self.cost.hedges_max,
            "hedges_max_wei": self.cost.hedges_cost_max(),
            "fuel_max": plan.limits.subtask.fuel_max,
            "memory_max_bytes": plan.limits.subtask.memory_max,
            "output_max_bytes": plan.limits.subtask.output_max,
            "deadline_s": plan.deadline_s,
            "account": self.chain.as_ref().ok().map(|funds| json!({
                "chain_id": funds.chain_id, "gnt_wei": funds.gnt, "eth_wei": funds.eth.to_string(),
                "channels_gas": OPEN_GAS * PROVIDERS_EXPECTED, "channels_cost_wei": funds.gas_wei().to_string(),
            })),
            "obstacles": self.obstacles(),
        })
    }

    /// For people.
    pub fn print(&self) -> anyhow::Result<()> {
        let (plan, cost) = (self.plan, &self.cost);
        let row = |what: &str, text: String| output::line(&format!("{what:<14}{text}"));
        row("task", format!("{}, {}", plan.name, output::count(plan.subtasks.len() as u64, "subtask")))?;
        for subtask in plan.subtasks.iter().take(3) {
            row("", format!("{}: {}", subtask.name, subtask.args.join(" ")))?;
        }
        if plan.subtasks.len() > 3 {
            row("", format!("... and {} more", plan.subtasks.len() - 3))?;
        }
        let bytes: u64 = plan.files.iter().map(|file| file.size.0).sum();
        row("inputs", format!("{}, {} KiB", output::count(plan.files.len() as u64, "file"), bytes.div_ceil(1024)))?;
        let limits = &plan.limits;
        row(
            "each subtask",
            format!(
                "at most {} s, {} of memory, {} of output, {}",
                limits.timeout_s,
                output::size_limit(limits.subtask.memory_max.0),
                output::size_limit(limits.subtask.output_max.0),
                output::fuel(limits.subtask.fuel_max.0)
            ),
        )?;
        row(
            "price",
            format!("up to {} an hour of one slot; providers offer, the best are taken", plan.price.max_per_hour),
        )?;
        let subtask_max = at_most_gnt(cost.subtask_max);
        match plan.purchase.pricing {
            Pricing::Tender => row("", format!("so a subtask costs at most {subtask_max}"))?,
            Pricing::Metered => row(
                "",
                format!("paid is the fuel burnt, at the provider's fuel a second: {subtask_max} for a subtask at most"),
            )?,
        }
        if let (Some(AppTerms { author, fee_max }), Ok(app)) = (plan.app, &self.app) {
            let fees_max = at_most_gnt(cost.fees_max());
            row("author", format!("{author} gets {} for each accepted subtask, {fees_max} at most", app.fee))?;
            row(
                "",
                format!("{fee_max} is the most it may be; what is agreed keeps it, whatever the author asks later"),
            )?;
        }
        for (number, text) in verification(plan, cost).into_iter().chain(self.adaptive_lines()).enumerate() {
            row(if number == 0 { "verification" } else { "" }, text)?;
        }
        let spent_max = at_most_gnt(self.spent_max());
        row("at most", format!("{spent_max} in all; the budget of {} is never passed", cost.budget))?;
        if cost.affordable() < cost.subtasks {
            row(
                "",
                format!("at the highest price the budget pays for {} of {} subtasks", cost.affordable(), cost.subtasks),
            )?;
        }
        if let Ok(funds) = &self.chain {
            row(
                "account",
                format!(
                    "{} and {} on chain {}",
                    output::short_gnt(funds.gnt),
                    output::short_eth(funds.eth),
                    funds.chain_id
                ),
            )?;
            row(
                "gas",
                format!(
                    "up to {OPEN_GAS} for each provider's channel; for {PROVIDERS_EXPECTED}, {} at the present price",
                    output::at_most_eth(funds.gas_wei())
                ),
            )?;
        }
        for obstacle in self.obstacles() {
            row("but", obstacle)?;
        }
        Ok(())
    }
}

impl Funds {
    fn gas_wei(&self) -> u128 {
        u128::from(OPEN_GAS * PROVIDERS_EXPECTED) * u128::from(self.gas_price)
    }
}

/// How results are checked and what that costs at most, in the words of a person: a line each.
pub fn verification(plan: &TaskPlan, cost: &CostEstimate) -> Vec<String> {
    let share = |ppm: u32| f64::from(ppm) / 10_000.0;
    let mut lines = vec![match plan.verification {
        Verification::None => "none, results are taken as they come".to_owned(),
        Verification::Recheck { fraction_ppm } => format!(
            "{} % of results are computed again here, about {} of {}, and more of providers new to this node; it costs \
             this machine's time and no GNT",
            share(fraction_ppm),
            expected(cost.subtasks, fraction_ppm),
            output::count(cost.subtasks, "subtask")
        ),
        Verification::Redundancy { copies, fraction_ppm } => {
            let besides = match fraction_ppm {
                0 => String::new(),
                _ => format!("; {} % are computed again here besides", share(fraction_ppm)),
            };
            let apart = match plan.extras.copy_addresses {
                Some(CopyAddresses::Any) => "key and by where they are paid; they may be at one address",
                None | Some(CopyAddresses::Distinct) => {
                    "key, by where they are paid, and by their address, unless that is this machine's, a private network's \
                     or a relay's"
                }
            };
            format!(
                "each subtask is done by {copies} providers with different owners and paid to each; where they differ, or one \
                 does not come, it is computed here{besides}. Owners are told apart by {apart}"
            )
        }
        Verification::Adaptive { floor_ppm } => format!(
            "as many results of each provider are computed again here as it takes that a wrong one is expected to lose it \
             more than it gains: all of a stranger's, {} % at least of one that has much to lose; it costs this machine's \
             time and no GNT",
            share(floor_ppm)
        ),
    }];
    if plan.extras.known_ppm > 0 {
        lines.push(format!(
            "{} % of what is handed out has a known result, to find whoever lies about it",
            share(plan.extras.known_ppm)
        ));
    }
    if cost.checks_paid_max > 0 {
        lines.push(format!(
            "that is up to {} results more than there are subtasks, {} at most",
            cost.checks_paid_max,
            at_most_gnt(cost.checks_max())
        ));
    }
    if cost.hedges_max > 0 {
        lines.push(format!(
            "of what somebody is late with a second copy may be given to another, {} at most, {} at most",
            cost.hedges_max,
            at_most_gnt(cost.hedges_cost_max())
        ));
    }
    lines
}

/// How many of so many subtasks a share is on average: in tenths where they are few.
fn expected(subtasks: u32, share_ppm: u32) -> String {
    let number = f64::from(subtasks) * f64::from(share_ppm) / f64::from(PPM);
    if number < 9.95 {
        let text = format!("{number:.1}");
        let text = text.strip_suffix(".0").unwrap_or(&text);
        return if text == "0" && number > 0.0 { "0.1".to_owned() } else { text.to_owned() };
    }
    format!("{number:.0}")
}

/// What it did cost to check results, also where that is nothing.
pub fn check_cost_line(checks: &CheckCost) -> String {
    check_cost(checks).unwrap_or_else(|| {
        "Verification: no result was computed again here, and none paid for besides one for each subtask.".to_owned()
    })
}

/// What it did cost to check results; nothing where nothing was checked.
pub fn check_cost(checks: &CheckCost) -> Option<String> {
    let copies = (checks.copies > 0).then(|| {
        let results = output::count(checks.copies, "result");
        format!("{results} paid for besides one for each subtask, {}", output::short_gnt(checks.copies_wei))
    });
    let own = (checks.own_runs > 0).then(|| {
        // Of runs that failed no fuel is told.
        let fuel = match checks.own_run_fuel / 1_000_000 {
            0 => String::new(),
            _ => format!(", {}", output::fuel(checks.own_run_fuel)),
        };
        format!("{} computed again here in {:.1} s{fuel}", checks.own_runs, checks.own_run_ms as f64 / 1000.0)
    });
    let parts: Vec<String> = copies.into_iter().chain(own).collect();
    (!parts.is_empty()).then(|| format!("Verification: {}.", parts.join("; ")))
}

/// What the author of the plan's app asks now, by the registry on its chain.
pub async fn app_fee(
    folder: &Folder,
    file: &ConfigFile,
    chain: &ChainArgs,
    plan: &TaskPlan,
    module: &Path,
) -> anyhow::Result<AppFee> {
    let Some(AppTerms { author, fee_max }) = plan.app else { return Ok(AppFee::NONE) };
    let payer = PublicWallet::read(&folder.keystore())?.address;
    let client = chain_client(&chain_settings(folder, file, chain).await?).await?;
    let digest = files::hash(module)?.0;
    Ok(golem_node::app_fee(&client, author, digest, fee_max, payer).await?)
}

/// What a plan can cost, with this fee for each accepted subtask.
pub fn cost(plan: &TaskPlan, fee: Wei) -> anyhow::Result<CostEstimate> {
    plan.cost().and_then(|cost| cost.with_fee(fee)).ok_or_else(|| {
        anyhow::anyhow!(
            "{} an hour for {} s, {} times, is more than any channel can hold: lower --max-price or the timeout",
            plan.price.max_per_hour,
            plan.limits.timeout_s,
            plan.subtasks.len()
        )
    })
}

async fn funds(folder: &Folder, file: &ConfigFile, chain: &ChainArgs) -> anyhow::Result<Funds> {
    let address = PublicWallet::read(&folder.keystore())?.address;
    let settings = chain_settings(folder, file, chain).await?;
    let client: ChainClient = chain_client(&settings).await?;
    Ok(Funds {
        chain_id: settings.deployment.chain_id,
        gnt: client.gnt_balance(address).await?,
        eth: client.eth_balance(address).await?,
        gas_price: client.rpc().head().await?.base_fee.saturating_mul(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{Address, ContentHash};
    use golem_task::{MapTask, Price};

    fn plan(verification: Verification) -> TaskPlan {
        let gnt = |amount| Wei::from_gnt(amount).unwrap();
        let files = (0..40u8).map(|place| golem_task::ListedFile {
            guest_path: format!("in{place}"),
            content: ContentHash(golem_protocol::B256::repeat_byte(place)),
            size: golem_protocol::ByteCount::from_bytes(1),
        });
        let mut plan = MapTask::new("m", Price { max_per_hour: gnt(1), budget: gnt(9) }).plan(files.collect()).unwrap();
        plan.verification = verification;
        plan
    }

    fn report(plan: &TaskPlan) -> PlanReport<'_> {
        let (cost, chain) = (cost(plan, Wei::ZERO).unwrap(), Err("no chain".to_owned()));
        PlanReport { plan, cost, app: Ok(AppFee::NONE), chain, known: Ok(Vec::new()) }
    }

    fn standing(byte: u8, paid_gnt: u64, proven_wrong: bool) -> Standing {
        Standing {
            provider: NodeId(Address::repeat_byte(byte)),
            chance: golem_market::Ratio::ONE,
            success: golem_market::Ratio::ONE,
            failure: golem_market::Ratio::from_parts(0),
            paid_wei: Wei::from_gnt(paid_gnt).unwrap(),
            proven_wrong,
            programs: Vec::new(),
        }
    }

    #[test]
    fn an_adaptive_plan_says_what_strangers_cost_and_what_those_known_here_do() {
        let plan = plan(Verification::Adaptive { floor_ppm: 50_000 });
        let lines = report(&plan).adaptive_lines();
        assert!(lines[0].contains("all 40") && lines[1].contains("bought from nobody"), "{lines:?}");
        assert_eq!(report(&plan).to_json()["rechecks_of_strangers"], 40);
        let known = vec![standing(1, 1, false), standing(2, 1000, false), standing(3, 1000, true)];
        let report = report(&plan).knowing(Ok(known));
        let json = report.to_json();
        let rows = json["rechecks_of_known"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "who is proven wrong is not counted on: {rows:?}");
        assert_eq!((rows[0]["check_ppm"].as_u64(), rows[0]["rechecks"].as_u64()), (Some(50_000), Some(2)), "the floor");
        let of_second = |key: &str| rows[1][key].as_u64().unwrap();
        assert!(
            of_second("check_ppm") > 50_000 && of_second("check_ppm_at_tenth") < of_second("check_ppm"),
            "{rows:?}"
        );
        let line = &report.adaptive_lines()[1];
        assert!(line.contains("about 2 of 40 (5.00 %) at the highest price, 2 (5.00 %) at a tenth"), "{line}");
    }

    #[test]
    fn an_estimate_is_not_rounded_into_a_number_that_it_is_far_from() {
        assert_eq!(expected(2, 100_000), "0.2");
        assert_eq!(expected(16, 100_000), "1.6");
        assert_eq!(expected(40, 100_000), "4");
        assert_eq!(expected(1, 1_000), "0.1", "never less than something");
        assert_eq!((expected(1000, 100_000).as_str(), expected(5, 0).as_str()), ("100", "0"));
        let lines = verification(
            &plan(Verification::Recheck { fraction_ppm: 5_000 }),
            &cost(&plan(Verification::None), Wei::ZERO).unwrap(),
        );
        assert!(lines[0].contains("about 0.2 of 40 subtasks"), "{lines:?}");
    }

    #[test]
    fn says_what_verification_cost_also_where_that_is_nothing() {
        let nothing = check_cost_line(&CheckCost::default());
        assert!(nothing.starts_with("Verification: no result was computed again"), "{nothing}");
        let failed = CheckCost { own_runs: 9, own_run_ms: 1500, ..CheckCost::default() };
        assert!(check_cost_line(&failed).contains("9 computed again here in 1.5 s"), "{failed:?}");
    }

    #[test]
    fn other_plans_say_nothing_of_it_and_a_folder_that_cannot_be_read_says_so() {
        let other = plan(Verification::Recheck { fraction_ppm: 100_000 });
        assert!(report(&other).adaptive_lines().is_empty());
        assert!(report(&other).to_json()["rechecks_of_strangers"].is_null());
        let adaptive = plan(Verification::Adaptive { floor_ppm: 50_000 });
        let report = report(&adaptive).knowing(Err(anyhow::anyhow!("a node runs")));
        assert!(report.adaptive_lines()[1].contains("a node runs"));
        assert_eq!(report.to_json()["known_error"], "a node runs");
    }
}
