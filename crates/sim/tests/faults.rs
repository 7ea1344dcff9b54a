//! Thousands of worlds, each as bad as its seed makes it. `GOLEM_SIM_SEEDS` says how many, `GOLEM_SIM_FIRST` from where.

use golem_payments::planted::{Bug, plant};
use golem_sim::faults::{Failure, Report, Scenario, run, run_seeds};

/// How many seeds the check plays. Reason: less than two minutes on two cores.
const SEEDS: u64 = 2_000;

fn setting(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; set it to a whole number")),
        Err(_) => usual,
    }
}

#[test]
fn nothing_is_lost_or_paid_twice_in_any_of_thousands_of_worlds() {
    let (first, count) = (setting("GOLEM_SIM_FIRST", 0), setting("GOLEM_SIM_SEEDS", SEEDS));
    let reports = run_seeds(first, count, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let (crashes, undone, lost) = (sum(|r| r.crashes), sum(|r| r.blocks_undone), sum(|r| r.lost));
    eprintln!(
        "{count} seeds from {first}: {} events, {lost} of {} messages lost, {crashes} crashes, {undone} blocks undone, \
         {} results accepted, {} of them copies, {} wrong, {} decided by an own run, {} stragglers hedged, {} tasks cut off, \
         {} saves found no room, {} disks failed, {} clocks set",
        sum(|r| r.events),
        sum(|r| r.messages),
        sum(|r| r.accepted),
        sum(|r| r.copies),
        sum(|r| r.wrong),
        sum(|r| r.referees),
        sum(|r| r.hedged),
        sum(|r| r.cut_off),
        sum(|r| r.not_saved),
        sum(|r| r.disks_failed),
        sum(|r| r.clocks_set)
    );
    let paid_to_authors: u128 = reports.iter().map(|report| report.fees_wei.0).sum();
    if count >= 100 {
        // Were the worlds harmless, that nothing is lost in them would mean nothing.
        assert!(paid_to_authors > 0, "no author was paid");
        let (copies, wrong, referees) = (sum(|r| r.copies), sum(|r| r.wrong), sum(|r| r.referees));
        assert!(sum(|r| r.proofs) > 0, "nobody told of a wrong result");
        assert!(copies > count && wrong > 0 && referees > 0 && sum(|r| r.hedged) > 0, "results were hardly compared");
        assert!(reports.iter().any(|r| r.never_paid_wei.0 > 0), "where fuel is paid, nobody worked for nothing");
        assert!(sum(|r| r.cut_off) < count / 50, "too many tasks have no end, since their channels were closed");
        let (not_saved, disks_failed) = (sum(|r| r.not_saved), sum(|r| r.disks_failed));
        assert!(not_saved > count && disks_failed > count / 50, "the disks are too good");
        assert!(sum(|r| r.clocks_set) > count, "the clocks are too good");
        assert!(crashes > count / 10 && undone > count / 10 && lost > count, "the worlds are too good");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seed = Scenario::of_seed(11);
    assert_eq!(run(seed.clone()), run(seed));
}

/// How many seeds a planted bug may hide from.
const SEEDS_TO_FIND_MAX: u64 = 200;

/// The first seed in which a planted bug shows, and how.
fn found(bug: Bug) -> Box<Failure> {
    plant(Some(bug));
    let failure = (0..SEEDS_TO_FIND_MAX).find_map(|seed| run(Scenario::of_seed(seed)).err());
    plant(None);
    let failure = failure.unwrap_or_else(|| panic!("{bug:?} hides from {SEEDS_TO_FIND_MAX} seeds"));
    eprintln!("{bug:?}: seed {}, {}", failure.scenario.seed, failure.what);
    failure
}

#[test]
fn finds_a_machine_that_acts_before_saving() {
    assert!(found(Bug::ActsBeforeSaving).to_string().contains("golem sim faults --seed"));
}

#[test]
fn finds_a_payee_that_takes_stale_vouchers() {
    found(Bug::TakesStaleVouchers);
}

#[test]
fn finds_a_machine_that_forgets_its_timers() {
    found(Bug::ForgetsTimers);
}

#[test]
fn finds_a_machine_that_trusts_its_own_clock() {
    found(Bug::TrustsItsOwnClock);
}

#[test]
fn finds_a_node_that_acts_though_it_could_not_save() {
    found(Bug::ActsThoughNotSaved);
}

#[test]
fn finds_a_node_that_follows_its_hosts_clock() {
    found(Bug::FollowsTheWallClock);
}
