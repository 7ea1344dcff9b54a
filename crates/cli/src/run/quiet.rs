//! What is said while nothing of a task goes on: why nobody who answered does it, and what can be done.
//!
//! A task is not ended for that before its deadline: somebody who can do it may come at any time, and a provider that could
//! not compile a program tries it again after a while. Its owner is told, and can end it.

use crate::output::{count, span};
use golem_protocol::RefusalReason;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long nothing goes on until that is said: sooner where nobody has answered at all.
const SAID_AFTER: Duration = Duration::from_secs(60);
const SAID_AFTER_ALONE: Duration = Duration::from_secs(10);
/// The longest between one time and the next, each of which is twice as long as the one before.
const SAID_EVERY_MAX: Duration = Duration::from_secs(15 * 60);

/// Why a provider that answered does nothing of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It would: its offer is not taken, which is said elsewhere.
    Offers,
    /// It refused.
    Refused(RefusalReason),
    /// What it had to do did not come to an end there.
    Failed(String),
}

/// How a task stands while nothing goes on.
pub struct Standing {
    /// Nodes this one is connected to.
    pub peers: usize,
    /// Subtasks that somebody has agreed to do.
    pub agreed: u32,
    /// How long until it is given up, in seconds.
    pub left_s: u64,
}

/// Since when nothing has gone on, and when that is said.
pub struct Quiet {
    since: Duration,
    said_after: Option<Duration>,
}

impl Quiet {
    /// From now on: all times are since the task's beginning.
    pub fn new(now: Duration) -> Quiet {
        Quiet { since: now, said_after: None }
    }

    /// Something has gone on.
    pub fn broken(&mut self, now: Duration) {
        *self = Quiet::new(now);
    }

    /// What to say now, if anything.
    pub fn look<'a>(
        &mut self,
        now: Duration,
        standing: &Standing,
        whys: impl ExactSizeIterator<Item = &'a WhyNot>,
    ) -> Option<String> {
        if standing.agreed > 0 {
            self.broken(now);
            return None;
        }
        let elapsed = now.saturating_sub(self.since);
        let first = if whys.len() == 0 { SAID_AFTER_ALONE } else { SAID_AFTER };
        let due = self.said_after.map_or(first, |said| (said * 2).min(said + SAID_EVERY_MAX));
        if elapsed < due {
            return None;
        }
        self.said_after = Some(elapsed);
        Some(match whys.len() {
            0 => nobody(standing.peers),
            answered => nobody_does_it(elapsed, answered, whys, standing.left_s),
        })
    }
}

fn nobody(peers: usize) -> String {
    let step = match peers {
        0 => "Name a node to start from with --bootstrap, or wait for one on this network.",
        _ => "Providers may ask for more than --max-price, or be busy.",
    };
    format!("no offers yet; {}. {step}", count(peers as u64, "peer"))
}

fn nobody_does_it<'a>(
    elapsed: Duration,
    answered: usize,
    whys: impl Iterator<Item = &'a WhyNot>,
    left_s: u64,
) -> String {
    // Alike but for what they say in detail: the last of each kind is quoted.
    let mut kinds: BTreeMap<&'static str, (u64, String)> = BTreeMap::new();
    for why in whys {
        let (kind, text) = words(why);
        let (times, said) = kinds.entry(kind).or_default();
        (*times, *said) = (*times + 1, text);
    }
    let all = kinds.len() == 1;
    let reasons: Vec<String> = kinds
        .into_iter()
        .map(|(kind, (times, text))| {
            let who = match (all, answered) {
                (true, 1) => "it".to_owned(),
                (true, _) => "all of them".to_owned(),
                (false, _) => times.to_string(),
            };
            format!("{who} {kind}{text}")
        })
        .collect();
    format!(
        "nobody does anything for {}. {} answered so far: {}. Others may come until the task is given up in {}; Ctrl-C \
         ends it now, and what is done is kept",
        span(elapsed.as_secs()),
        count(answered as u64, "provider"),
        reasons.join("; "),
        span(left_s),
    )
}

/// Which kind of reason it is, and what stands behind it: the reason in the provider's words, and what to do.
fn words(why: &WhyNot) -> (&'static str, String) {
    let reason = match why {
        WhyNot::Offers => return ("made an offer that is not taken", String::new()),
        WhyNot::Failed(detail) => return ("could not finish what was agreed", format!(" ({})", one(detail))),
        WhyNot::Refused(reason) => reason,
    };
    match reason {
        RefusalReason::ProgramUnfit { detail, .. } => (
            "cannot run the program",
            format!(
                " ({}). The task itself is not at fault: make the program smaller or its functions shorter, or wait for a \
                 provider with a faster machine or more memory",
                one(detail)
            ),
        ),
        RefusalReason::PriceAboveMax { .. } => ("asked too much", format!(" ({reason}): raise --max-price")),
        RefusalReason::BelowMinPerf { .. } => ("is too slow", format!(" ({reason}): lower --min-perf")),
        RefusalReason::TooLarge { .. } => {
            ("gives too little", format!(" ({reason}): lower --memory-max or --output-max"))
        }
        RefusalReason::OtherProfile { .. } => {
            ("runs another version", ": run the release of golem that it runs".to_owned())
        }
        RefusalReason::ProgramNotAllowed(_) => ("runs only what its owner allows", String::new()),
        RefusalReason::Busy => ("is busy", String::new()),
        other => ("refused", format!(" ({})", one(&other.to_string()))),
    }
}

fn one(text: &str) -> String {
    crate::output::one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{B256, ContentHash, Wei};

    const STANDING: Standing = Standing { peers: 2, agreed: 0, left_s: 3000 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn unfit() -> WhyNot {
        let detail = "compiling it took longer than 60 s\u{1b}[2J".to_owned();
        WhyNot::Refused(RefusalReason::ProgramUnfit { module: ContentHash(B256::ZERO), detail })
    }

    #[test]
    fn says_that_all_who_answered_cannot_run_the_program_and_what_to_do() {
        let mut quiet = Quiet::new(at(5));
        let whys = [unfit(), unfit()];
        assert_eq!(quiet.look(at(64), &STANDING, whys.iter()), None, "it may be a matter of seconds");
        let said = quiet.look(at(65), &STANDING, whys.iter()).unwrap();
        for part in ["60 s", "2 providers", "all of them cannot run", "longer than 60 s", "smaller", "50 min", "Ctrl-C"]
        {
            assert!(said.contains(part), "lacks `{part}`: {said}");
        }
        assert!(!said.contains('\u{1b}'), "a stranger's words move no cursor");
        assert_eq!(quiet.look(at(120), &STANDING, whys.iter()), None, "not again and again");
        assert!(quiet.look(at(125), &STANDING, whys.iter()).is_some());
    }

    #[test]
    fn tells_apart_who_does_nothing_for_which_reason() {
        let dear = WhyNot::Refused(RefusalReason::PriceAboveMax { price: Wei(2), max_price: Wei(1) });
        let whys = [unfit(), dear, WhyNot::Failed("it was lost".into()), WhyNot::Offers];
        let said = Quiet::new(at(0)).look(at(61), &STANDING, whys.iter()).unwrap();
        for part in ["4 providers", "1 cannot run", "1 asked too much", "--max-price", "it was lost", "1 made an offer"]
        {
            assert!(said.contains(part), "lacks `{part}`: {said}");
        }
    }

    #[test]
    fn is_quiet_while_somebody_works_and_for_a_while_after() {
        let mut quiet = Quiet::new(at(0));
        let busy = Standing { agreed: 1, ..STANDING };
        assert_eq!(quiet.look(at(600), &busy, [unfit()].iter()), None);
        assert_eq!(quiet.look(at(630), &STANDING, [unfit()].iter()), None);
        quiet.broken(at(640));
        assert_eq!(quiet.look(at(690), &STANDING, [unfit()].iter()), None);
        assert!(quiet.look(at(700), &STANDING, [unfit()].iter()).is_some());
    }

    #[test]
    fn says_sooner_that_nobody_has_answered() {
        let mut quiet = Quiet::new(at(0));
        let alone = Standing { peers: 0, ..STANDING };
        assert!(quiet.look(at(10), &alone, [].iter()).unwrap().contains("--bootstrap"));
        assert_eq!(quiet.look(at(19), &alone, [].iter()), None);
        assert!(quiet.look(at(20), &STANDING, [].iter()).unwrap().contains("2 peers"));
    }
}
