//! What `golem run` and `golem map` take besides what is run: what may be spent, and how results are checked.

use crate::context::{ChainArgs, NetworkArgs, address, fuel, gnt, memory, output, some_fuel};
use crate::process::StopSignals;
use clap::Args;
use golem_node::TaskTerms;
use golem_protocol::{Address, AppFee, ByteCount, Fuel, Pricing, Wei};
use golem_task::{AppTerms, CopyAddresses, Hedging, KNOWN_PPM_MAX, TaskPlan, Verification};
use std::path::PathBuf;

/// How long offers are gathered where nobody says, in milliseconds. Reason: providers answer within a second.
const OFFER_WINDOW_MS: u64 = 1_500;
/// The longest that offers are gathered. Reason: nothing is done meanwhile, and more digits are a slip.
const OFFER_WINDOW_MS_MAX: u64 = 3_600_000;

/// What may be spent, and how results are checked.
#[derive(Args)]
pub(super) struct TermArgs {
    /// The most that is spent, fees included, in GNT; never passed
    #[arg(long, value_name = "GNT", value_parser = gnt, allow_negative_numbers = true)]
    pub(super) budget: Option<Wei>,
    /// The most for an hour of one slot, in GNT
    #[arg(long, value_name = "GNT", value_parser = gnt, allow_negative_numbers = true)]
    pub(super) max_price: Option<Wei>,
    /// Whose app it is, as AppRegistry has it: its author gets a fee for each accepted subtask
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    author: Option<Address>,
    /// The most for the author, for each accepted subtask, in GNT; without, an app with a fee is not run
    #[arg(long, value_name = "GNT", value_parser = gnt)]
    max_fee: Option<Wei>,
    /// How results are checked: none, recheck:0.1 to compute a tenth of them again here, redundancy:2 to give each subtask
    /// to two providers and compare (redundancy:2+recheck:0.1 for both), or adaptive for as much as each provider's
    /// history makes it take [default: what the app or its manifest says, else recheck:0.1]
    #[arg(long, value_name = "HOW", value_parser = Verification::parse)]
    verify: Option<Verification>,
    /// Give subtasks whose result is known already to providers that cannot tell, as this share of all handed out
    #[arg(long, value_name = "SHARE", value_parser = known_answers)]
    known_answers: Option<u32>,
    /// Where the providers are that do one subtask for comparison: distinct for different addresses on the internet, where
    /// those tell anything, or any [default: what the manifest says, or golem.toml, or distinct]
    #[arg(long, value_name = "WHERE", value_parser = copy_addresses)]
    pub(super) copy_addresses: Option<CopyAddresses>,
    /// Give what somebody is late with to another besides: off, cheap (one subtask in 20 at most), or on
    #[arg(long, value_name = "WHEN", value_parser = hedging)]
    hedge: Option<Hedging>,
    /// How long one subtask may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(golem_protocol::limits::SUBTASK_TIMEOUT_S_MAX)))]
    timeout: Option<u32>,
    /// The most memory of one subtask, such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory_max: Option<u64>,
    /// The most output of one subtask, standard output and error included, such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = output)]
    output_max: Option<u64>,
    /// The most fuel of one subtask, such as 2G for two thousand million: what the sandbox counts, two to five thousand
    /// million a second
    #[arg(long, value_name = "FUEL", value_parser = some_fuel)]
    fuel_max: Option<u64>,
    /// What is paid for: tender, the share of an hour that a subtask may take at most, however long it does; or metered, the
    /// fuel that it burns, at most that [default: what the manifest says, or tender]
    #[arg(long, value_name = "WHAT", value_parser = pricing)]
    pricing: Option<Pricing>,
    /// Take no provider that does less fuel a second, such as 500M [default: what the manifest says, or any]
    #[arg(long, value_name = "FUEL", value_parser = fuel)]
    min_perf: Option<u64>,
    /// How long offers are gathered before the first are taken, in milliseconds [default: 1500]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=OFFER_WINDOW_MS_MAX))]
    offer_window: Option<u64>,
    /// Give the task up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    deadline: Option<u32>,
    /// Show the plan, the prices and the most it can cost; announce and spend nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Run all of it here, in the sandbox, without network, chain or key; costs nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) local: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write down all that the node is told and decides, for `golem replay`; an earlier trace there becomes FILE.old
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "local"])]
    pub(super) trace: Option<PathBuf>,
    /// Stop when standard input ends: for a program that starts this one, and must not leave it behind
    #[arg(long)]
    until_stdin_ends: bool,
    #[command(flatten)]
    pub(super) chain: ChainArgs,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
}

impl TermArgs {
    /// Puts what was given over the plan.
    pub(super) fn apply(&self, plan: &mut TaskPlan) {
        plan.price.budget = self.budget.unwrap_or(plan.price.budget);
        plan.price.max_per_hour = self.max_price.unwrap_or(plan.price.max_per_hour);
        plan.verification = self.verify.unwrap_or(plan.verification);
        plan.extras.known_ppm = self.known_answers.unwrap_or(plan.extras.known_ppm);
        plan.extras.copy_addresses = self.copy_addresses.or(plan.extras.copy_addresses);
        plan.extras.hedging = self.hedge.unwrap_or(plan.extras.hedging);
        plan.purchase.pricing = self.pricing.unwrap_or(plan.purchase.pricing);
        plan.purchase.min_perf = self.min_perf.unwrap_or(plan.purchase.min_perf);
        plan.deadline_s = self.deadline.unwrap_or(plan.deadline_s);
        if let Some(author) = self.author {
            // Whoever names an author itself says what it may cost itself.
            plan.app = Some(AppTerms { author, fee_max: Wei::ZERO });
        }
        if let (Some(app), Some(fee_max)) = (&mut plan.app, self.max_fee) {
            app.fee_max = fee_max;
        }
        for limits in [Some(&mut plan.limits), plan.merge.as_mut().map(|merge| &mut merge.limits)].into_iter().flatten()
        {
            limits.timeout_s = self.timeout.unwrap_or(limits.timeout_s);
            limits.subtask.memory_max = self.memory_max.map_or(limits.subtask.memory_max, ByteCount::from_bytes);
            limits.subtask.output_max = self.output_max.map_or(limits.subtask.output_max, ByteCount::from_bytes);
            limits.subtask.fuel_max = self.fuel_max.map_or(limits.subtask.fuel_max, Fuel::from_units);
        }
    }

    /// The flags that were given and say what cannot change once a task has begun.
    pub(super) fn fixed(&self) -> Vec<&'static str> {
        let given = [
            (self.budget.is_some(), "--budget"),
            (self.max_price.is_some(), "--max-price"),
            (self.author.is_some(), "--author"),
            (self.max_fee.is_some(), "--max-fee"),
            (self.verify.is_some(), "--verify"),
            (self.known_answers.is_some(), "--known-answers"),
            (self.hedge.is_some(), "--hedge"),
            (self.pricing.is_some(), "--pricing"),
            (self.min_perf.is_some(), "--min-perf"),
            (self.offer_window.is_some(), "--offer-window"),
            (self.deadline.is_some(), "--deadline"),
            (self.local, "--local"),
        ];
        given.into_iter().filter_map(|(given, flag)| given.then_some(flag)).collect()
    }

    /// Whether a limit was given, which a merge has too.
    pub(super) fn limits(&self) -> bool {
        self.timeout.is_some() || self.memory_max.is_some() || self.output_max.is_some() || self.fuel_max.is_some()
    }

    /// Those of a command line.
    #[cfg(test)]
    pub(super) fn of(line: &str) -> TermArgs {
        use clap::{CommandFactory, FromArgMatches};
        let matches = crate::Cli::command().try_get_matches_from(line.split(' ')).unwrap();
        TermArgs::from_arg_matches(matches.subcommand().unwrap().1).unwrap()
    }

    /// What ends the run before its time.
    pub(super) fn signals(&self) -> anyhow::Result<StopSignals> {
        let mut signals = StopSignals::new()?;
        if self.until_stdin_ends {
            signals.and_end_of_stdin();
        }
        Ok(signals)
    }

    /// What of it goes into the task's header.
    pub(super) fn terms(&self, app: AppFee) -> TaskTerms {
        TaskTerms { offer_window_ms: self.offer_window.unwrap_or(OFFER_WINDOW_MS), app }
    }
}

fn known_answers(text: &str) -> Result<u32, String> {
    match Verification::parse_fraction(text) {
        Ok(ppm) if ppm <= KNOWN_PPM_MAX => Ok(ppm),
        Ok(_) => Err(format!("`{text}` is more than half of what is handed out; write 0.5 at most")),
        Err(error) => Err(error.to_string()),
    }
}

fn copy_addresses(text: &str) -> Result<CopyAddresses, String> {
    match text {
        "distinct" => Ok(CopyAddresses::Distinct),
        "any" => Ok(CopyAddresses::Any),
        _ => Err(format!("`{text}` is neither distinct nor any")),
    }
}

fn pricing(text: &str) -> Result<Pricing, String> {
    match text {
        "tender" => Ok(Pricing::Tender),
        "metered" => Ok(Pricing::Metered),
        _ => Err(format!("`{text}` is neither tender nor metered")),
    }
}

fn hedging(text: &str) -> Result<Hedging, String> {
    match text {
        "off" => Ok(Hedging::Off),
        "cheap" => Ok(Hedging::Cheap),
        "on" => Ok(Hedging::On),
        _ => Err(format!("`{text}` is none of off, cheap and on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn reads_how_results_are_checked() {
        assert_eq!(known_answers("0.02"), Ok(20_000));
        assert!(known_answers("0.6").is_err() && known_answers("x").is_err());
        assert_eq!(hedging("cheap"), Ok(Hedging::Cheap));
        assert!(hedging("sometimes").is_err());
        assert_eq!(pricing("metered"), Ok(Pricing::Metered));
        assert!(pricing("by the hour").is_err());
        let line = "golem map m.wasm a --verify redundancy:2 --hedge on --budget 1 -o out";
        let matches = crate::Cli::command().try_get_matches_from(line.split(' ')).unwrap();
        let (_, map) = matches.subcommand().unwrap();
        let twice = Verification::Redundancy { copies: 2, fraction_ppm: 0 };
        assert_eq!(map.get_one::<Verification>("verify"), Some(&twice));
    }
}
