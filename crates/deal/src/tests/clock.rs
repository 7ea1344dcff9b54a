//! Machines on hosts whose clock is set while they run.

use super::refusals::{NOW, agreed, proposal, proposed, provide_at, request, side};
use crate::*;
use golem_protocol::*;

const HOUR_MS: u64 = 3_600_000;

/// A host whose node began at `NOW`.
struct Host {
    clock: RunClock,
    shows: HostTime,
}

impl Host {
    fn new() -> Host {
        let shows = HostTime { wall: LocalTime(NOW.local.0), steady_ms: 7 };
        Host { clock: RunClock::start(shows), shows }
    }

    /// The clock on its wall is set to this.
    fn set(&mut self, wall: u64) {
        self.shows.wall = LocalTime(wall);
    }

    /// What its node takes for the time after so long.
    fn after(&mut self, ms: u64) -> Now {
        self.shows.steady_ms += ms;
        self.shows.wall = self.shows.wall.saturating_add(ms);
        Now { local: self.clock.read(self.shows), chain: NOW.chain }
    }
}

fn reports(effects: &[ProviderEffect]) -> usize {
    let is_report =
        |effect: &&ProviderEffect| matches!(effect, ProviderEffect::Send { message: Message::Report(_), .. });
    effects.iter().filter(is_report).count()
}

#[test]
fn what_is_computed_is_reported_and_reported_again_though_the_clock_was_set_back() {
    let (mut host, mut side) = (Host::new(), side(100_000));
    let agreement = side.agreement(2, |_| {});
    side.propose(&agreement);
    assert!(side.compute(&agreement, 0).is_some());
    assert!(side.compute(&agreement, 1).is_none(), "it waits a little");
    host.set(0);
    let mut tick = |host: &mut Host, ms| {
        let now = host.after(ms);
        provide_at(&mut side.provider, &mut side.policy, ProviderInput::Tick, now)
    };
    assert_eq!(reports(&tick(&mut host, 1_000)), 1, "the second is reported");
    assert_eq!(reports(&tick(&mut host, 1_000)), 1, "the first is again");
    host.set(NOW.local.0 + 2_000);
    assert_eq!(reports(&tick(&mut host, 1_000)), 1, "and the second, once the clock is right");
}

#[test]
fn a_proposal_is_sent_again_and_then_taken_back_though_the_clock_was_set_back() {
    let (mut requestor, mut policy, agreement) = proposed();
    let mut host = Host::new();
    host.set(0);
    let effects = request(&mut requestor, &mut policy, RequestorInput::Tick, host.after(3_000));
    assert_eq!(proposal(&effects).map(|again| again.digest()), Some(agreement.digest()));
    assert!(effects.iter().any(|effect| matches!(effect, RequestorEffect::Announce(_))), "{effects:?}");
    let effects = request(&mut requestor, &mut policy, RequestorInput::Tick, host.after(10_000));
    assert!(is_freed(&agreement, &effects), "{effects:?}");
}

fn is_freed(agreement: &Agreement, effects: &[RequestorEffect]) -> bool {
    let theirs: Vec<u32> = agreement.subtasks.iter().map(|subtask| subtask.index).collect();
    effects.iter().any(|effect| {
        matches!(effect, RequestorEffect::Happened(RequestorEvent::Freed { subtasks, .. }) if *subtasks == theirs)
    })
}

#[test]
fn nobody_is_late_by_a_clock_that_was_set_forward_or_by_own_sleep() {
    let sleeps: fn(&mut Host) = |host| {
        host.after(9 * HOUR_MS);
    };
    let is_set: fn(&mut Host) = |host| host.set(9 * HOUR_MS);
    for jump in [sleeps, is_set] {
        let (mut requestor, mut policy, agreement) = agreed();
        let mut host = Host::new();
        jump(&mut host);
        let effects = request(&mut requestor, &mut policy, RequestorInput::Tick, host.after(0));
        assert!(!is_freed(&agreement, &effects), "the provider has a minute, and its grace: {effects:?}");

        let (mut host, mut side) = (Host::new(), side(100_000));
        let agreement = side.agreement(1, |_| {});
        side.propose(&agreement);
        assert!(side.compute(&agreement, 0).is_some());
        jump(&mut host);
        let effects = provide_at(&mut side.provider, &mut side.policy, ProviderInput::Tick, host.after(0));
        let claims = effects.iter().any(|effect| matches!(effect, ProviderEffect::Claim { .. }));
        assert!(!claims, "the requestor has ten minutes to answer: {effects:?}");
    }
}
