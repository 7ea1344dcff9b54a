//! What a seed decides before anything happens: who takes part, and how bad the world is.

use crate::stream::Stream;
use golem_deal::{Checks, Rechecks};
use golem_protocol::{Address, AppFee, Pricing, Wei};

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderNature {
    /// Does what it agreed to.
    Honest,
    /// Reports other bytes than come out, or in every fourth world that nothing came out.
    Cheat,
    /// Agrees and never computes.
    Idle,
}

/// How a requestor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestorNature {
    /// Does what it agreed to.
    Honest,
    /// Takes results and never answers them, so that nobody is paid.
    Deadbeat,
    /// Pays providers, and leaves the app's author out.
    Stingy,
}

/// How bad the world is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages lost, of a thousand.
    pub loss_per_mille: u64,
    /// Messages that come twice, of a thousand.
    pub repeat_per_mille: u64,
    /// The longest a message takes, in milliseconds; anything from 5 is drawn, so messages overtake each other.
    pub delay_max_ms: u64,
    /// How often two sides of the network lose each other for a while, in milliseconds; 0 for never.
    pub partition_every_ms: u64,
    /// Effects after which a node's memory is gone, of ten thousand.
    pub crash_per_myriad: u64,
    /// Blocks that undo the ones before, of a thousand.
    pub reorg_per_mille: u64,
    /// How deep a reorg can be, in blocks.
    pub reorg_depth_max: usize,
    /// Fundings that fail because the chain's RPC does, of a thousand.
    pub fund_failure_per_mille: u64,
    /// How often a payer asks to close a channel in the middle of everything, in milliseconds; 0 for never.
    pub close_every_ms: u64,
    /// How far off a node's clock can be, before or after, in milliseconds; what it is off by is drawn anew with each start.
    pub clock_off_max_ms: u64,
    /// How much too fast or too slow it can be, in millionths.
    pub clock_drift_max_ppm: u64,
    /// How often some host's clock is set back or forward, or set right, or the host sleeps, while its node runs, in
    /// milliseconds; 0 for never.
    pub clock_set_every_ms: u64,
    /// By how much at most, in milliseconds.
    pub clock_set_max_ms: u64,
    /// How far behind the chain's time a node can be, in blocks.
    pub chain_lag_max_blocks: u64,
    /// How often some node's disk is full for a while, in milliseconds; 0 for never.
    pub full_every_ms: u64,
    /// What a full disk has room for all the same, of a thousand saves.
    pub full_fits_per_mille: u64,
    /// Saves that fail so that the node stops, of ten thousand.
    pub disk_failure_per_myriad: u64,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What all of it comes from.
    pub seed: u64,
    /// The requestors, each with a task.
    pub requestors: Vec<RequestorNature>,
    /// The providers.
    pub providers: Vec<ProviderNature>,
    /// Subtasks of each task.
    pub subtasks: u32,
    /// The app's author and its fee.
    pub app: AppFee,
    /// How work is paid.
    pub pricing: Pricing,
    /// The budget of each task.
    pub budget: Wei,
    /// How results are checked, and what is given out more than once.
    pub checks: Checks,
    /// Whether whatever somebody is silent about for a moment is given to another besides, and not only what pays.
    pub hedges_eagerly: bool,
    /// Blocks until the chain is believed.
    pub confirmations: usize,
    /// How bad the world is, until it calms down.
    pub faults: Faults,
    /// When the world calms down and everything must come to an end, in milliseconds.
    pub calm_at_ms: u64,
}

impl Scenario {
    /// The run of a seed: from a calm world to a very bad one.
    pub fn of_seed(seed: u64) -> Scenario {
        let mut draw = Stream::new(seed, super::SCENARIO, 0);
        let bad = draw.between(0, 3);
        let requestors = (0..draw.between(1, 2)).map(|_| match draw.per_mille(60) {
            true => RequestorNature::Deadbeat,
            false => RequestorNature::Honest,
        });
        let mut requestors: Vec<RequestorNature> = requestors.collect();
        let app = app(seed, &mut requestors);
        // The first is honest, so that every task can be done.
        let others = (0..draw.between(0, 2)).map(|_| match draw.between(0, 9) {
            0 | 1 => ProviderNature::Cheat,
            2 => ProviderNature::Idle,
            _ => ProviderNature::Honest,
        });
        let providers: Vec<ProviderNature> = std::iter::once(ProviderNature::Honest).chain(others).collect();
        let cheats = providers.contains(&ProviderNature::Cheat);
        Scenario {
            seed,
            requestors,
            subtasks: draw.between(3, 14) as u32,
            app,
            pricing: if draw.per_mille(500) { Pricing::Tender } else { Pricing::Metered },
            budget: Wei(10_000_000),
            // A wrong result that nobody looks at is paid, by design: where there is a cheat, all are run again or compared,
            // so that what is left in the end can be held to be right.
            checks: checks(seed, cheats, if cheats { 1_000_000 } else { draw.between(0, 500_000) as u32 }),
            hedges_eagerly: Stream::new(seed, super::CHECKS, 1).per_mille(300),
            confirmations: draw.between(1, 3) as usize,
            faults: Faults {
                loss_per_mille: bad * draw.between(0, 60),
                repeat_per_mille: bad * draw.between(0, 60),
                delay_max_ms: draw.between(20, 100 + bad * 900),
                partition_every_ms: if bad > 1 { draw.between(15_000, 60_000) } else { 0 },
                crash_per_myriad: bad * draw.between(0, 50),
                reorg_per_mille: bad * draw.between(0, 40),
                reorg_depth_max: draw.between(1, 4) as usize,
                fund_failure_per_mille: bad * draw.between(0, 60),
                close_every_ms: if bad > 0 && draw.per_mille(300) { draw.between(20_000, 90_000) } else { 0 },
                ..host_faults(seed)
            },
            providers,
            calm_at_ms: draw.between(30_000, 180_000),
        }
    }
}

/// In half of the worlds clocks are wrong by up to minutes or hours, in half they are set while nodes run, and in a third disks
/// have no room or fail.
fn host_faults(seed: u64) -> Faults {
    let mut draw = Stream::new(seed, super::CLOCKS, u32::MAX);
    let mut faults = Faults::default();
    if draw.per_mille(500) {
        faults.clock_off_max_ms = 60_000 * draw.between(1, 10) * draw.between(1, 60);
        faults.clock_drift_max_ppm = draw.between(0, 10_000);
        faults.chain_lag_max_blocks = draw.between(0, 4);
    }
    if draw.per_mille(333) {
        faults.full_every_ms = draw.between(3_000, 60_000);
        faults.full_fits_per_mille = draw.between(0, 600);
        faults.disk_failure_per_myriad = draw.between(0, 60);
    }
    let mut draw = Stream::new(seed, super::JUMPS, u32::MAX);
    if draw.per_mille(500) {
        faults.clock_set_every_ms = draw.between(2_000, 60_000);
        faults.clock_set_max_ms = 60_000 * draw.between(1, 12 * 60);
    }
    faults
}

/// In half of the worlds a share is run again and that is all. In the others providers are compared, or as much is run again
/// as their history makes it take; and seldom known results are mixed in, or stragglers' subtasks given to others.
fn checks(seed: u64, cheats: bool, ppm: u32) -> Checks {
    let mut draw = Stream::new(seed, super::CHECKS, 0);
    let mut checks = Checks::recheck(ppm);
    match draw.between(0, 9) {
        0..=4 => {}
        5 | 6 => (checks.copies, checks.rechecks) = (2, Rechecks::Share { ppm: 0 }),
        7 => (checks.copies, checks.rechecks) = (3, Rechecks::Share { ppm: 0 }),
        8 => (checks.copies, checks.rechecks) = (2, Rechecks::Share { ppm: ppm / 10 }),
        _ => checks.rechecks = Rechecks::Adaptive { floor_ppm: if cheats { 1_000_000 } else { 10_000 } },
    }
    if draw.per_mille(250) {
        checks.known_ppm = draw.between(10_000, 400_000) as u32;
    }
    if draw.per_mille(400) {
        checks.hedges_max = draw.between(1, 6) as u32;
    }
    checks
}

/// Whom the apps of the simulated world are of, where they are of nobody who takes part otherwise.
const AUTHOR: Address = Address::repeat_byte(0xA0);

/// Most apps have an author that asks a fee. Seldom it is paid where the first provider is, and seldom a requestor wants to
/// keep the fee.
fn app(seed: u64, requestors: &mut [RequestorNature]) -> AppFee {
    let mut draw = Stream::new(seed, super::APP, 0);
    if draw.per_mille(400) {
        return AppFee::NONE;
    }
    let fee = Wei(u128::from(draw.between(1, 2_000)));
    if draw.per_mille(150) {
        return AppFee { author: super::host::provider_payee(0), fee };
    }
    for requestor in requestors.iter_mut().filter(|nature| **nature == RequestorNature::Honest) {
        if draw.per_mille(80) {
            *requestor = RequestorNature::Stingy;
        }
    }
    AppFee { author: AUTHOR, fee }
}
