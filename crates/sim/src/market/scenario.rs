//! What a run is made of: who takes part, what they want, and what happens to them.
//!
//! Everything here is plain data, read from TOML by whoever runs scenarios; [`Scenario::check`] refuses nonsense. Names of
//! variants are written in snake case, those without parameters as strings: `behaviour = "honest"`,
//! `behaviour = { cheat_benchmark = { factor = 4.0 } }`, `speed = { lognormal = { median = 1.0, sigma = 0.5 } }`.

use super::concent::ConcentRules;
use super::eclipse::Eclipse;
use super::hedge::{Hedge, Stalls};
pub use super::pricing::{ArrivalName, Defence, PricingName};
pub use super::sample::Distribution;
use super::verification::Verification;
pub use super::warmup::{Warmup, WarmupSeries};
use serde::{Deserialize, Serialize};

/// The most providers or requestors of one run. Reason: compact ids, and memory.
pub const AGENTS_MAX: u32 = 4_000_000;
/// The most of a task's subtasks. Reason: a task's book is one allocation.
pub const SUBTASKS_MAX: f64 = 100_000.0;
/// The longest run, in days.
pub const DAYS_MAX: f64 = 3_650.0;

/// One market: who takes part, for how long, and what befalls them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// How long the run is, in days; 28.
    pub days: f64,
    /// What is left out of the metrics at the start, in days; 4. Series show it.
    pub warmup_days: Warmup,
    /// The distance between points of a series, in hours; 6.
    pub step_hours: f64,
    /// The most rows about single agents in the outcome, of each side; 2,000. Metrics are always of all agents. Where
    /// there are more agents than that, every n-th is shown.
    pub agent_rows_max: u32,
    /// The most rows about what happened to subtasks: a sample.
    pub event_rows_max: u32,
    /// How offers and news travel, and what an identity costs.
    pub market: MarketRules,
    /// The providers, in groups; one group of 1,000.
    pub providers: Vec<ProviderGroup>,
    /// The requestors, in groups; one group of 100.
    pub requestors: Vec<RequestorGroup>,
    /// What changes while the run goes on; nothing.
    pub shocks: Vec<Shock>,
    /// In place of a market: ways to find wrong results, compared on the same workers. Nothing else of the scenario
    /// counts then.
    pub verification: Option<Verification>,
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            days: 28.0,
            warmup_days: Warmup::Days(4.0),
            step_hours: 6.0,
            agent_rows_max: 2_000,
            event_rows_max: 1_000,
            market: MarketRules::default(),
            providers: vec![ProviderGroup::default()],
            requestors: vec![RequestorGroup::default()],
            shocks: Vec::new(),
            verification: None,
        }
    }
}

/// How offers and news travel, and what an identity costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketRules {
    /// How work finds its machine; `"tender"`.
    pub mechanism: Mechanism,
    /// How many online providers, drawn at random, hear of a task each time it is broadcast; 64. At least all of them:
    /// everybody hears.
    pub reach: u32,
    /// How long a requestor gathers offers before it hands out work, in seconds; 10.
    pub offer_window_s: f64,
    /// How long an offer stands, in seconds; 600. One that nobody took until then, while its machine was free, stood in
    /// vain.
    pub offer_life_s: f64,
    /// How long a task with open subtasks waits until it is broadcast again, in seconds; 60.
    pub rebroadcast_s: f64,
    /// How many open tasks a provider remembers that it could not take when it heard of them; 8. Those beyond, the oldest,
    /// it hears of again when they are broadcast again.
    pub memory: u32,
    /// How long a message takes one way, in seconds; 0.1.
    pub latency_s: f64,
    /// The share of headers and offers that are lost, 0 to 1; 0. Agreements, reports and payments are repeated until they
    /// arrive, so they only come later.
    pub loss: f64,
    /// What a new identity costs, in hours of work at the median cost of a machine; 0.
    pub identity_cost_hours: f64,
    /// What a requestor knows of providers beside what it saw; `"local"`.
    pub information: Information,
    /// A deposit of each requestor behind its deals, and what is done where they are not kept; none.
    pub concent: Option<ConcentRules>,
}

impl Default for MarketRules {
    fn default() -> MarketRules {
        MarketRules {
            mechanism: Mechanism::Tender,
            reach: 64,
            offer_window_s: 10.0,
            offer_life_s: 600.0,
            rebroadcast_s: 60.0,
            memory: 8,
            latency_s: 0.1,
            loss: 0.0,
            identity_cost_hours: 0.0,
            information: Information::Local,
            concent: None,
        }
    }
}

/// How work finds its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// Headers, offers, choice: what nodes do.
    #[default]
    Tender,
    /// Somebody who knows everything gives each subtask to the idle honest machine that does it at the least cost,
    /// anywhere and at once: the most that any market could reach.
    Oracle,
    /// As the tender, but every provider asks its cost and every requestor picks one of the offers at random: the
    /// least that a market should reach.
    Random,
}

/// What a requestor knows of providers beside what it saw itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Information {
    /// Nothing.
    #[default]
    Local,
    /// Signed outcomes of others: each reaches so many requestors drawn at random.
    Gossip {
        /// How many requestors each outcome reaches.
        fanout: u32,
    },
    /// Proofs of wrong results reach everybody; a requestor runs that one subtask again before it takes an offer of the
    /// accused, at most so many an hour as the market's code allows.
    Proofs,
    /// All requestors share one memory, of which the rules are those of the first group.
    Global,
    /// All add up what they saw of each other by EigenTrust, and choose by that.
    Eigentrust {
        /// How many requestors, the first ones, are trusted from the start.
        pretrusted: u32,
        /// How much their trust counts beside that of others, the paper's `a`, 0 to 1.
        weight: f64,
        /// How often it is worked out, in hours.
        every_hours: f64,
    },
    /// Who does not do honest work is known from the start.
    Oracle,
}

/// Providers that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderGroup {
    /// What reports call them; "providers".
    pub name: String,
    /// How many are there at the start; 1,000.
    pub count: u32,
    /// What they do; `"honest"`.
    pub behaviour: ProviderBehaviour,
    /// How they set prices; `"published"`.
    pub policy: ProviderPolicyName,
    /// Changes to the numbers of the policy.
    pub tuning: ProviderTuning,
    /// Which of the tasks that it heard of while it was busy a provider goes for first; absent: the best paid by the
    /// policy `"golem"`, the newest by the others.
    pub takes_first: Option<TakesFirst>,
    /// Subtasks that take longer than they should; none.
    pub stalls: Option<Stalls>,
    /// How fast one slot is, in reference machines; lognormal, median 1, sigma 0.5.
    pub speed: Distribution,
    /// What a busy slot costs its owner, in GNT an hour; lognormal, median 1, sigma 0.5.
    pub cost_gnt_per_hour: Distribution,
    /// How many subtasks run at once; 1. Rounded to a whole number from 1 to 64.
    pub slots: Distribution,
    /// How many more arrive, a day, in a Poisson process; 0.
    pub arrivals_per_day: f64,
    /// How long one stays, in days; absent: for good.
    pub lifetime_days: Option<Distribution>,
    /// Whether it is measured what this group gains by what it does otherwise than the first group of its side: the run is
    /// played once more with the behaviour, policy and tuning of that one; no.
    pub deviates: bool,
}

impl Default for ProviderGroup {
    fn default() -> ProviderGroup {
        ProviderGroup {
            name: "providers".to_owned(),
            count: 1_000,
            behaviour: ProviderBehaviour::Honest,
            policy: ProviderPolicyName::Published,
            tuning: ProviderTuning::default(),
            takes_first: None,
            stalls: None,
            speed: Distribution::Lognormal { median: 1.0, sigma: 0.5 },
            cost_gnt_per_hour: Distribution::Lognormal { median: 1.0, sigma: 0.5 },
            slots: Distribution::Fixed(1.0),
            arrivals_per_day: 0.0,
            lifetime_days: None,
            deviates: false,
        }
    }
}

impl ProviderGroup {
    /// Which of the tasks that it heard of it goes for first.
    pub fn takes_first(&self) -> TakesFirst {
        self.takes_first.unwrap_or(match self.policy {
            ProviderPolicyName::Golem => TakesFirst::BestPaid,
            ProviderPolicyName::Published | ProviderPolicyName::Posted | ProviderPolicyName::ZeroIntelligence => {
                TakesFirst::Newest
            }
        })
    }
}

/// Which of several open tasks a provider goes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakesFirst {
    /// The one that it heard of last.
    Newest,
    /// The one that it heard of first.
    Oldest,
    /// The one of which an hour of work is expected to bring most, as nodes choose: more by a quarter than a newer one.
    BestPaid,
}

/// How a provider sets its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderPolicyName {
    /// The published formulas, as nodes run them: thirst for work, payment rate, efficiency.
    #[default]
    Published,
    /// Ours, as nodes run them: what the work costs and a margin that is learnt from which offers are taken.
    Golem,
    /// Always the minimal price.
    Posted,
    /// Any price between the minimal one and the header's maximum: a trader without intelligence.
    ZeroIntelligence,
}

/// Changes to the numbers of a provider's policy. What is absent is as the policy has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderTuning {
    /// The minimal price over the cost of an hour; 1.
    pub min_price_over_cost: Option<f64>,
    /// The profit factor at the start; 0.2.
    pub factor_start: Option<f64>,
    /// The least profit factor; 0.01.
    pub factor_min: Option<f64>,
    /// The most profit factor; 5.
    pub factor_max: Option<f64>,
    /// How fast the profit factor falls while idle, per second; 0.00001.
    pub idle_rate: Option<f64>,
    /// How fast it rises while busy, per second; 0.00004.
    pub busy_rate: Option<f64>,
    /// What an offer that was taken does to the profit factor; times 1.0025. Golem only.
    pub margin_taken: Option<f64>,
    /// What an offer that stood in vain does to it; times 0.89. Golem only.
    pub margin_not_taken: Option<f64>,
    /// No offer to who owes more than this many hours of work; 3.
    pub credit_hours: Option<u32>,
    /// No offer to who paid less than this share; 0.1.
    pub payment_rate_min: Option<f64>,
}

/// What a provider does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProviderBehaviour {
    /// What it agreed to.
    #[default]
    Honest,
    /// Takes work and never completes it; costs it nothing.
    Hold,
    /// Claims to be faster than it is.
    CheatBenchmark {
        /// Claimed over true speed.
        factor: f64,
    },
    /// Asks a price of its own, whatever the policy says.
    Undercut {
        /// Price over cost; 0 for nothing at all.
        price_over_cost: f64,
    },
    /// Honest for a while, then takes work without completing it, again and again.
    OnOff {
        /// One round, in hours.
        period_hours: f64,
        /// The share of it that is honest, 0 to 1.
        honest_share: f64,
    },
    /// Honest until so many subtasks are done, then reports wrong results.
    ExitScam {
        /// How many subtasks are done honestly.
        honest_subtasks: u32,
    },
    /// Reports wrong results (or none), at once or once it is trusted, and takes a new identity when it is shunned.
    Whitewash {
        /// Whether it reports wrong results, which cost it no work, or nothing.
        wrong_results: bool,
        /// A new identity after so many subtasks that ended badly.
        bad_subtasks: u32,
        /// How many more it offers under meanwhile, so that none it uses is young; 0.
        #[serde(default)]
        names_ahead: u32,
        /// So many subtasks it does honestly under each name first; 0. Not with names ahead.
        #[serde(default)]
        right_first: u32,
    },
    /// One machine under many names, which answers each header with all of them and takes work for all, but computes
    /// no faster. What it cannot have done in time it does not begin.
    Sybil {
        /// How many names.
        identities: u32,
        /// Whether it takes no more at once, under all names together, than it has slots; no.
        #[serde(default)]
        careful: bool,
    },
    /// Reports wrong results, without computing.
    WrongResults {
        /// Of its subtasks, 0 to 1.
        share: f64,
        /// Whether all of this kind report the same wrong result, so that comparing two of them would show nothing. It
        /// says so in reports only: here results are run again by the requestor, and never compared with each other.
        colluding: bool,
    },
    /// Agrees, and steps back at once when something better is to be had, or by chance.
    AcceptThenCancel {
        /// Of its agreements, 0 to 1.
        share: f64,
    },
    /// Reports a failure for subtasks, at the end of the computation.
    SelectiveFailure {
        /// Of its subtasks, 0 to 1.
        share: f64,
    },
    /// Honest, but all have agreed on a least price.
    Cartel {
        /// The least price over the median cost.
        floor_over_cost: f64,
    },
    /// Does no work, and has a requestor of its own that says it did: heard where others' outcomes are believed.
    WashTrade {
        /// How many sham deals a day.
        per_day: f64,
        /// What others get of it: wrong results, or nothing.
        wrong_results: bool,
    },
    /// Does its work, and reports more usage of metered work than there was, up to the budget.
    InflateUsage {
        /// Reported over true usage.
        factor: f64,
        /// And so many seconds of its machine more with each subtask that it has done; 0.
        #[serde(default)]
        step_s: f64,
    },
    /// Does its work, and reports such a usage of metered work that the budget is just used.
    UndercutBudget {
        /// What it asks, over its cost; absent: what its policy says.
        #[serde(default)]
        price_over_cost: Option<f64>,
        /// The share of the budget that it leaves; 0.
        #[serde(default)]
        epsilon: f64,
    },
}

/// Requestors that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestorGroup {
    /// What reports call them; "requestors".
    pub name: String,
    /// How many; 100.
    pub count: u32,
    /// What they do; `"honest"`.
    pub behaviour: RequestorBehaviour,
    /// How they choose among offers; `"published"`.
    pub policy: RequestorPolicyName,
    /// What is paid for; `"tender"`.
    pub pricing: PricingName,
    /// What is done about false reports of usage, where work is metered; `"recheck"`.
    pub defence: Defence,
    /// Changes to the numbers of the policy.
    pub tuning: RequestorTuning,
    /// The share of all machines' capacity that the work of the whole group would take, 0 to 10; 0.3. The capacity is
    /// that of the provider groups' counts, whatever they do with it. Only one of `load` and `tasks_per_day` may be set.
    pub load: Option<f64>,
    /// Tasks of each requestor a day, in a Poisson process.
    pub tasks_per_day: Option<f64>,
    /// When tasks come; `"poisson"`, at the rate above.
    pub arrival: ArrivalName,
    /// How many subtasks a task has; 10. Rounded to a whole number, at least 1.
    pub subtasks: Distribution,
    /// The work of one subtask, in seconds of the reference machine; 1,800. One number is drawn for each task.
    pub work_s: Distribution,
    /// How much the subtasks of one task differ in work: the standard deviation of the logarithm, 0 to 2; 0. A planner who
    /// knows everything reckons with the mean.
    pub subtask_spread: f64,
    /// What finished work is worth to its requestor, in GNT for an hour of the reference machine; 6. One number is drawn
    /// for each task.
    pub value_gnt_per_hour: Distribution,
    /// The most paid; three times the median cost.
    pub max_price: MaxPrice,
    /// The timeout of a subtask over its true work on the reference machine: the requestor's estimate; 2.
    pub timeout_factor: f64,
    /// The slowest machine whose offer is taken, in reference machines; 0.5, with which a timeout factor of 2 is just
    /// enough. 0: any.
    pub min_perf: f64,
    /// How long a task may take from its first broadcast, over the timeout of one of its subtasks; 20. What is still open
    /// then is lost.
    pub deadline_timeouts: f64,
    /// The share of results that are run again and so seen to be wrong, 0 to 1; 0.1.
    pub check_rate: f64,
    /// To how many machines each subtask is given, 1 to 3: with more than one their results are compared, by the node's
    /// rule; 1.
    pub copies: u32,
    /// Whether what somebody is late with is given to another besides; `"off"`.
    pub hedge: Hedge,
    /// How long after its acceptance a result is paid, in minutes; 1.
    pub payment_delay_min: f64,
    /// An attacker that decides what these requestors hear; none.
    pub eclipse: Option<Eclipse>,
    /// As of a group of providers, and with the maximal price and the links of the first group; no.
    pub deviates: bool,
}

impl Default for RequestorGroup {
    fn default() -> RequestorGroup {
        RequestorGroup {
            name: "requestors".to_owned(),
            count: 100,
            behaviour: RequestorBehaviour::Honest,
            policy: RequestorPolicyName::Published,
            pricing: PricingName::Tender,
            defence: Defence::Recheck,
            copies: 1,
            tuning: RequestorTuning::default(),
            load: None,
            tasks_per_day: None,
            arrival: ArrivalName::Poisson,
            subtasks: Distribution::Fixed(10.0),
            subtask_spread: 0.0,
            work_s: Distribution::Fixed(1_800.0),
            value_gnt_per_hour: Distribution::Fixed(6.0),
            max_price: MaxPrice::OverCost(3.0),
            timeout_factor: 2.0,
            min_perf: 0.5,
            deadline_timeouts: 20.0,
            check_rate: 0.1,
            hedge: Hedge::Off,
            payment_delay_min: 1.0,
            eclipse: None,
            deviates: false,
        }
    }
}

impl RequestorGroup {
    /// The load of this group where it is what sets the number of tasks: 0.3 where nothing is said.
    pub fn load(&self) -> Option<f64> {
        match (self.load, self.tasks_per_day) {
            _ if self.arrival != ArrivalName::Poisson => None,
            (Some(load), _) => Some(load),
            (None, Some(_)) => None,
            (None, None) => Some(0.3),
        }
    }
}

/// The most that a requestor pays for an hour of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxPrice {
    /// Times the median cost of the providers at the start.
    OverCost(f64),
    /// Such that a subtask costs at most this share of its value: share * value / timeout factor.
    OfValue(f64),
    /// GNT an hour.
    Fixed(f64),
}

/// How a requestor chooses among offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestorPolicyName {
    /// The published score, as nodes run it: price against quality.
    #[default]
    Published,
    /// Ours, as nodes run it: the least expected cost, with patience and bounded doubt.
    Golem,
    /// One of the offers, whichever.
    Random,
    /// The offer that came first.
    FirstCome,
    /// The lowest price.
    Cheapest,
    /// The published score, and the winner is paid what it could have asked and still won.
    SecondScore,
}

/// Changes to the numbers of a requestor's policy. What is absent is as the policy has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestorTuning {
    /// Choose by chance with this greed, lambda; absent: the best score first.
    pub greed: Option<f64>,
    /// Refuse who has a quality below this, 0 to 1; 0.
    pub quality_floor: Option<f64>,
    /// How long prices above those paid before are waited out, in timeouts of a subtask; 4. Golem only.
    pub patience: Option<f64>,
    /// How many subtasks' worth of distrust everybody starts with; 5. Published only.
    pub distrust: Option<u32>,
    /// The weight of price against quality; 0.67. Published only.
    pub alpha: Option<f64>,
    /// How much of the past stays with each new subtask of a provider, 0 to 0.99; 0.9.
    pub psi: Option<f64>,
    /// Below this chance of success a provider is always in doubt; 0.6. Golem only, as all that follow.
    pub trust_min: Option<f64>,
    /// From this chance of success on it never is, and between the two where it does worse than newcomers; 0.8.
    pub trust_max: Option<f64>,
    /// How many subtasks' worth of evidence the success of newcomers stands for; 2.
    pub prior_weight: Option<f64>,
    /// How much worse a wrong result is than one that did not come; 50.
    pub rejected_weight: Option<f64>,
    /// The success at which a provider's results are no more run again than is asked for; 3.
    pub probation: Option<f64>,
    /// The share of newcomers that fail, from which on all of a newcomer's first results are run again; 0.05.
    pub newcomers_bad: Option<f64>,
    /// How much a newcomer's first outcome and a price count in what is learnt; 0.05.
    pub learning: Option<f64>,
    /// What the failure of a subtask costs, as a share of the maximal price; 0.1.
    pub failure_cost: Option<f64>,
    /// What a whole timeout of waiting for a result costs, as the same share; 0.02.
    pub time_cost: Option<f64>,
    /// One in so many subtasks may go to providers in doubt; 200.
    pub doubt_one_in: Option<u32>,
}

/// What a requestor does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestorBehaviour {
    /// What it agreed to.
    #[default]
    Honest,
    /// Does not pay for accepted work.
    NonPayer {
        /// Of its subtasks, 0 to 1.
        share: f64,
    },
    /// Pays, but late.
    LatePayer {
        /// How late, in days.
        days: f64,
    },
    /// Rejects right results, uses them and does not pay.
    FalseRejecter {
        /// Of its subtasks, 0 to 1.
        share: f64,
    },
    /// States a longer timeout than the work needs.
    TimeoutInflater {
        /// Stated over what the group's timeout factor says.
        factor: f64,
    },
    /// Keeps its word, and takes a new identity for each so many tasks: as many that just came.
    Newcomer {
        /// How many tasks under one name.
        tasks: u32,
    },
    /// Does not pay, and takes a new identity for each so many tasks.
    SybilNonPayer {
        /// How many tasks under one name.
        tasks: u32,
    },
    /// All of the group buy as one: they look for the least maximal price at which their work is taken.
    Monopsonist {
        /// By which share it is lowered or raised at a time.
        step: f64,
        /// How long each is tried, in hours.
        period_hours: f64,
        /// It is lowered where so many of the subtasks of a period were taken in it, 0 to 1, and raised where fewer were.
        taken_min: f64,
    },
}

/// What changes for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shock {
    /// From when, in days.
    pub from_day: f64,
    /// Until when, in days.
    pub to_day: f64,
    /// What.
    pub change: Change,
}

/// What a shock does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Tasks arrive so many times as often.
    LoadTimes(f64),
    /// This share of the providers, 0 to 1, is off; what they were computing is lost.
    Outage(f64),
    /// Tasks arrive `1 + depth * sin` times as often over each day, depth 0 to 1.
    DayAndNight(f64),
}
