//! What a person sees while a task runs: bars on a terminal, lines elsewhere.

use crate::output::{self, at_most_gnt, count, one_line, short, short_gnt};
use crate::provide::node_text;
use crate::run::failures::named;
use crate::run::quiet::{Quiet, Standing, WhyNot};
use golem_deal::{Near, OwnRunReason, RequestorEvent};
use golem_market::{Dear, Held};
use golem_node::RequestorNotice;
use golem_protocol::{B256, Decision, NodeId, RefusalReason, Wei};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Lines of single providers. Reason: a screen has some twenty.
const PROVIDER_LINES_MAX: usize = 12;

fn copies_wait_text(subtasks: u32, copies: u8, near: Option<&Near>, held: &Held) -> String {
    let waits = if subtasks == 1 { "1 subtask waits".to_owned() } else { format!("{subtasks} subtasks wait") };
    let near = near.map_or(String::new(), |Near { provider, holder, site }| {
        let (provider, holder) = (short(&provider.0), short(&holder.0));
        format!(
            ". {provider} offers and is at the address of {holder}, {site}: both may be one owner's; --copy-addresses any \
             takes them all the same"
        )
    });
    format!(
        "{waits} for a provider that has no copy yet: each is to be done by {copies} with different owners. Where none comes \
         in time, it is computed here{near}{}",
        held_reasons(held).iter().map(|why| format!(". Not taken: {why}")).collect::<String>()
    )
}

/// How a task goes, as its events tell.
pub struct TaskScreen {
    task: B256,
    names: Vec<String>,
    subtasks: u32,
    budget: Wei,
    before: u32,
    done: BTreeSet<u32>,
    providers: BTreeMap<NodeId, Share>,
    spent: Wei,
    said_tenths: u32,
    began: Instant,
    quiet: Quiet,
    look: Look,
}

/// How long an offer waits at most without a word, in seconds.
const WAIT_BRIEF_S: u64 = 5;

/// How many reasons are remembered of each provider. Reason: they may hold anything.
const REASONS_MAX: usize = 100;

/// Why a result was not paid, in words.
pub fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Accepted => "accepted",
        Decision::WrongOutput => "wrong output",
        Decision::WrongFuel => "wrong fuel",
        Decision::OutputMissing => "its output is missing",
        Decision::Late => "too late",
        Decision::FailureNoted => "it failed",
        Decision::NotAgreed => "not agreed",
    }
}

struct Share {
    why_not: WhyNot,
    price: Wei,
    agreed: usize,
    done: u32,
    rejected: u32,
    paid: Wei,
    refusal: String,
    /// How often it was said why something of it was not taken.
    reasons: BTreeMap<String, u32>,
    line: Option<ProgressBar>,
}

impl Default for Share {
    fn default() -> Share {
        Share {
            why_not: WhyNot::Offers,
            price: Wei::ZERO,
            agreed: 0,
            done: 0,
            rejected: 0,
            paid: Wei::ZERO,
            refusal: String::new(),
            reasons: BTreeMap::new(),
            line: None,
        }
    }
}

enum Look {
    Bars { all: MultiProgress, tiles: ProgressBar, money: ProgressBar },
    Lines,
}

impl TaskScreen {
    /// A screen for a task, with the names of its subtasks and the most it may cost.
    pub fn new(task: B256, name: &str, names: Vec<String>, budget: Wei) -> TaskScreen {
        let subtasks = names.len() as u32;
        let look = if output::stderr_is_terminal() { bars(name, subtasks) } else { Look::Lines };
        let screen = TaskScreen {
            task,
            names,
            subtasks,
            budget,
            before: 0,
            done: BTreeSet::new(),
            providers: BTreeMap::new(),
            spent: Wei::ZERO,
            said_tenths: 0,
            began: Instant::now(),
            quiet: Quiet::new(Duration::ZERO),
            look,
        };
        screen.money();
        screen
    }

    /// What was done before this run.
    pub fn done_before(&mut self, done: u32, spent: Wei) {
        (self.before, self.spent) = (done, spent);
        if let Look::Bars { tiles, .. } = &self.look {
            tiles.set_position(u64::from(done));
        }
        if done > 0 {
            self.said_tenths = self.tenths();
            self.say(&format!("{} done already, {} spent", count(done, "subtask"), short_gnt(spent)));
        }
        self.money();
    }

    /// What was paid so far, what was paid before this run included.
    pub fn spent(&self) -> Wei {
        self.spent
    }

    /// Says why nothing goes on, where nothing has for a while.
    pub fn quiet(&mut self, standing: &Standing) {
        let whys = self.providers.values().map(|share| &share.why_not);
        if let Some(text) = self.quiet.look(self.began.elapsed(), standing, whys) {
            self.say(&text);
        }
    }

    /// Why each provider that answered does nothing more of the task, where it said so.
    pub fn refusals(&self) -> Vec<(NodeId, String)> {
        let refused = |(node, share): (&NodeId, &Share)| match &share.why_not {
            WhyNot::Offers => None,
            WhyNot::Refused(reason) => Some((*node, one_line(&reason.to_string()))),
            WhyNot::Failed(detail) => Some((*node, one_line(detail))),
        };
        self.providers.iter().filter_map(refused).collect()
    }

    /// It goes on with this provider.
    fn goes_on(&mut self, provider: NodeId) {
        self.share(provider).why_not = WhyNot::Offers;
        self.quiet.broken(self.began.elapsed());
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.look {
            // A terminal that has gone is no reason to stop a task.
            Look::Bars { all, .. } => drop(all.println(text)),
            Look::Lines => note!("{text}"),
        }
    }

    /// A subtask's number and name.
    fn named(&self, index: u32) -> String {
        named(index, self.names.get(index as usize).map_or("", String::as_str))
    }

    /// Takes in an event. What is of another task of the folder, which may still come to its end, is not shown.
    pub fn event(&mut self, event: &RequestorNotice) {
        if event.task().is_some_and(|task| task != self.task) {
            return;
        }
        match event {
            RequestorNotice::Deal(event) => self.deal(event),
            RequestorNotice::Funded { payee, amount, transaction } => {
                if transaction.is_some() {
                    self.say(&format!("channel to {} funded with {}", short(payee), short_gnt(*amount)));
                }
            }
            RequestorNotice::OffersWait { held, .. } if is_brief(held) => {}
            RequestorNotice::OffersWait { offers, held, .. } => self.say(&held_text(*offers, held)),
            RequestorNotice::CopiesWait { subtasks, copies, near, held, .. } => {
                self.say(&copies_wait_text(*subtasks, *copies, near.as_ref(), held));
            }
            RequestorNotice::ProgramFetched { provider, size, .. } => self.say(&format!(
                "{} fetches the program ({}), and compiles it before its first subtask",
                short(&provider.0),
                output::size(size.0)
            )),
            RequestorNotice::ProofLookedAt { provider, found, .. } => {
                self.say(&format!("somebody told of a wrong result of {}; {found}", short(&provider.0)));
            }
            RequestorNotice::Node(notice) => self.say(&node_text(notice)),
        }
    }

    fn deal(&mut self, event: &RequestorEvent) {
        match event {
            RequestorEvent::Offered { provider, price, performance, .. } => {
                let before = std::mem::replace(&mut self.share(*provider).price, *price);
                self.share(*provider).why_not = WhyNot::Offers;
                if *price < before {
                    self.say(&format!("offer of {}: now {} an hour", short(&provider.0), short_gnt(*price)));
                } else if before == Wei::ZERO {
                    self.say(&format!(
                        "offer of {}: {} an hour, {} million fuel a second",
                        short(&provider.0),
                        short_gnt(*price),
                        performance / 1_000_000
                    ));
                }
            }
            // Others were faster: nothing that anybody need know or do.
            RequestorEvent::Refused { reason: RefusalReason::NothingLeft, .. } => {}
            RequestorEvent::Refused { provider, reason, .. } => {
                if let Some(times) = self.times(*provider, reason.to_string()) {
                    self.say(&format!("offer of {} not taken: {reason}{times}", short(&provider.0)));
                }
            }
            RequestorEvent::RefusedByPeer { provider, reason, .. } => self.refused(*provider, reason),
            RequestorEvent::Agreed { provider, subtasks, .. } => {
                self.share(*provider).agreed += subtasks.len();
                self.goes_on(*provider);
                self.provider_line(*provider);
            }
            RequestorEvent::Accepted { provider, index, paid, fee, .. } => {
                let is_new = self.done.insert(*index);
                self.goes_on(*provider);
                self.spent = self.spent.saturating_add(*paid).saturating_add(*fee);
                let share = self.share(*provider);
                share.done += 1;
                share.paid = share.paid.saturating_add(*paid);
                self.accepted(*provider, is_new);
            }
            RequestorEvent::Rejected { provider, index, decision, detail, .. } => {
                self.share(*provider).rejected += 1;
                self.share(*provider).why_not = WhyNot::Failed(detail.clone());
                let (reason, who, subtask) = (one_line(detail), short(&provider.0), self.named(*index));
                if let Some(times) = self.times(*provider, format!("{decision:?} {reason}")) {
                    self.say(&match decision {
                        Decision::FailureNoted => format!("{subtask} failed at {who}: {reason}{times}"),
                        _ => format!("{subtask} of {who} not accepted, {}: {reason}{times}", word(*decision)),
                    });
                }
                self.provider_line(*provider);
            }
            RequestorEvent::Freed { provider, subtasks, detail, .. } => {
                let freed = count(subtasks.len(), "subtask");
                self.share(*provider).why_not = WhyNot::Failed(detail.clone());
                self.say(&format!("{freed} of {} to be done by others: {}", short(&provider.0), one_line(detail)));
            }
            RequestorEvent::DepositUndone { payee, uncovered, .. } => {
                let next = if *uncovered == Wei::ZERO { "nothing rests on it" } else { "it is put in again" };
                self.say(&format!("the chain took back the deposit in the channel to {}: {next}", short(payee)));
            }
            RequestorEvent::CloseUndone { payee } => self.say(&format!(
                "the chain took back the wish to close the channel to {}: run `golem channel close {payee}` again",
                short(payee)
            )),
            RequestorEvent::FundFailed { payee, detail } => {
                self.say(&format!("the channel to {} could not be funded: {detail}", short(payee)));
            }
            // Told by the node, which knows the prices.
            RequestorEvent::OffersWait { .. } | RequestorEvent::CopiesWait { .. } => {}
            RequestorEvent::BudgetReached { open, .. } => {
                self.say(&format!("the budget of {} is used up with {} open", self.budget, count(*open, "subtask")));
            }
            RequestorEvent::OwnRun { provider, index, reason, .. } => match reason {
                // They are expected, and would fill the screen.
                OwnRunReason::Chosen => {}
                OwnRunReason::Distrusted => self.say(&format!(
                    "{} of {} is computed here: it gave a wrong result before",
                    self.named(*index),
                    short(&provider.0)
                )),
                OwnRunReason::Disputed => self.say(&format!(
                    "{} is computed here: providers reported different results, {} one of them",
                    self.named(*index),
                    short(&provider.0)
                )),
                OwnRunReason::Failing => self.say(&format!(
                    "{} is computed here: {} says that the program fails, and it would be given up",
                    self.named(*index),
                    short(&provider.0)
                )),
                OwnRunReason::Alone => self.say(&format!(
                    "{} of {} is computed here: no other result to compare it with came in time",
                    self.named(*index),
                    short(&provider.0)
                )),
            },
            RequestorEvent::Hedged { index, late, provider, .. } => self.say(&format!(
                "{}, which {} is late with, is given to {} as well; both are paid if right and in time",
                self.named(*index),
                short(&late.0),
                short(&provider.0)
            )),
            RequestorEvent::FoundWrong { provider, index, paid, detail, .. } => {
                let paid =
                    if *paid == Wei::ZERO { String::new() } else { format!(", paid with {},", short_gnt(*paid)) };
                self.say(&format!(
                    "{} of {}{paid} is wrong: {}. It gets nothing more in this task",
                    self.named(*index),
                    short(&provider.0),
                    one_line(detail)
                ));
            }
            // That they cannot be told from others is their use; they are in the log and in the sum at the end.
            RequestorEvent::KnownGiven { .. } => {}
            RequestorEvent::Finished { .. } => {}
        }
    }

    /// A provider is asked again and again: the same answer is said once.
    fn refused(&mut self, provider: NodeId, reason: &RefusalReason) {
        let step = match reason {
            RefusalReason::PriceAboveMax { .. } => "; raise --max-price to have its offer",
            RefusalReason::BelowMinPerf { .. } => "; lower --min-perf to have its offer",
            RefusalReason::OtherProfile { .. } => "; run the release of golem that it runs",
            _ => "",
        };
        self.share(provider).why_not = WhyNot::Refused(reason.clone());
        let said = format!("{} refused: {}{step}", short(&provider.0), output::tame(&reason.to_string()));
        if self.share(provider).refusal != said {
            self.say(&said);
            self.share(provider).refusal = said;
        }
    }

    fn count_done(&self) -> u32 {
        self.before.saturating_add(self.done.len() as u32).min(self.subtasks)
    }

    fn tenths(&self) -> u32 {
        self.count_done().saturating_mul(10) / self.subtasks.max(1)
    }

    /// Whether to say a reason again, and what to add: the first time, and then at each power of ten. A broken machine
    /// gives the same one for all that it gets.
    fn times(&mut self, provider: NodeId, reason: String) -> Option<String> {
        let reasons = &mut self.share(provider).reasons;
        if reasons.len() >= REASONS_MAX && !reasons.contains_key(&reason) {
            reasons.pop_first();
        }
        let times = reasons.entry(reason).or_default();
        *times += 1;
        let is_power = times.checked_ilog10().is_some_and(|power| 10u32.pow(power) == *times);
        is_power.then(|| if *times > 1 { format!(" ({times} times so far)") } else { String::new() })
    }

    fn share(&mut self, provider: NodeId) -> &mut Share {
        self.providers.entry(provider).or_default()
    }

    fn accepted(&mut self, provider: NodeId, is_new: bool) {
        match &self.look {
            Look::Bars { tiles, .. } => {
                tiles.inc(u64::from(is_new));
                self.provider_line(provider);
                self.money();
            }
            Look::Lines => {
                let tenths = self.tenths();
                if tenths > self.said_tenths {
                    self.said_tenths = tenths;
                    self.say(&format!(
                        "{} of {} done, {} spent",
                        self.count_done(),
                        count(self.subtasks, "subtask"),
                        short_gnt(self.spent)
                    ));
                }
            }
        }
    }

    fn provider_line(&mut self, provider: NodeId) {
        let Look::Bars { all, money, .. } = &self.look else { return };
        let lines = self.providers.values().filter(|share| share.line.is_some()).count();
        let Some(share) = self.providers.get_mut(&provider) else { return };
        if share.line.is_none() && lines < PROVIDER_LINES_MAX {
            let line = all.insert_before(money, ProgressBar::new_spinner());
            line.set_style(style("  {msg}"));
            share.line = Some(line);
        }
        if let Some(line) = &share.line {
            let rejected =
                if share.rejected > 0 { format!(", {} not accepted", share.rejected) } else { String::new() };
            line.set_message(format!(
                "{}  {:>16} an hour  {:>5} of {:>5} done{rejected}  {:>16} paid",
                short(&provider.0),
                short_gnt(share.price),
                share.done,
                share.agreed,
                short_gnt(share.paid)
            ));
        }
    }

    fn money(&self) {
        if let Look::Bars { money, .. } = &self.look {
            money.set_message(format!("{} of {} spent", short_gnt(self.spent), at_most_gnt(self.budget)));
        }
    }

    /// Leaves the bars as they are.
    pub fn end(&self) {
        if let Look::Bars { tiles, money, .. } = &self.look {
            self.providers.values().filter_map(|share| share.line.as_ref()).for_each(ProgressBar::abandon);
            tiles.abandon();
            money.abandon();
            // The last line is not ended by the bars.
            note!();
        }
    }
}

/// Why no offer is taken yet: which price is waited for, what is offered, and how long until that is taken.
fn held_text(offers: u32, held: &Held) -> String {
    let mut why = held_reasons(held);
    if why.is_empty() {
        why.push("their providers are out of reach, or got nothing more in this task".to_owned());
    }
    format!("{} so far, and none is taken yet: {}", count(offers, "offer"), why.join("; "))
}

/// Whether it is over sooner than one could read of it.
fn is_brief(held: &Held) -> bool {
    let Held { dear, doubtful, accused } = held;
    *doubtful == 0 && *accused == 0 && dear.as_ref().is_some_and(|dear| dear.taken_in_s <= WAIT_BRIEF_S)
}

/// Which price is waited for and for how long, and who is not trusted yet.
fn held_reasons(held: &Held) -> Vec<String> {
    let Held { dear, doubtful, accused } = held;
    let mut why = Vec::new();
    if let Some(Dear { price, limit, taken_in_s }) = dear {
        why.push(format!(
            "the cheapest that could be had asks {} an hour, and by what was paid before {} is taken now, more the longer \
             this waits: that one in {taken_in_s} s, a cheaper one earlier. With `patience = 0` under [requestor] in \
             golem.toml nothing is waited for",
            short_gnt(*price),
            short_gnt(*limit)
        ));
    }
    if *doubtful > 0 {
        why.push(format!("{} of providers in doubt, which come last", count(*doubtful, "offer")));
    }
    if *accused > 0 {
        why.push(format!("{} of providers said to be wrong, which is looked at first", count(*accused, "offer")));
    }
    why
}

fn bars(name: &str, subtasks: u32) -> Look {
    let all = MultiProgress::new();
    let tiles = all.add(ProgressBar::new(u64::from(subtasks)));
    tiles.set_style(style("{prefix} [{bar:40}] {pos}/{len} subtasks  {elapsed}").progress_chars("=> "));
    tiles.set_prefix(name.to_owned());
    tiles.enable_steady_tick(Duration::from_millis(200));
    let money = all.add(ProgressBar::new_spinner());
    money.set_style(style("  {msg}"));
    Look::Bars { all, tiles, money }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours; one that were wrong would only look plain.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::Address;

    #[test]
    fn shows_nothing_of_another_task_of_the_folder() {
        let (ours, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let provider = NodeId(Address::repeat_byte(3));
        let mut screen = TaskScreen::new(ours, "mine", vec!["a".into()], Wei(9));
        let rejected = |header| {
            let (decision, detail) = (Decision::FailureNoted, "its worker was lost".to_owned());
            RequestorNotice::Deal(RequestorEvent::Rejected { header, provider, index: 0, decision, detail })
        };
        screen.event(&rejected(other));
        assert!(screen.refusals().is_empty() && screen.providers.is_empty());
        screen.event(&rejected(ours));
        assert_eq!(screen.refusals(), [(provider, "its worker was lost".to_owned())]);
        assert_eq!(screen.named(0), "subtask 0 (a)");
    }

    #[test]
    fn says_which_price_holds_back_an_offer_that_a_copy_waits_for() {
        let dear = Dear { price: Wei(3 * 10u128.pow(18)), limit: Wei(10u128.pow(18)), taken_in_s: 9 };
        let held = Held { dear: Some(dear), doubtful: 2, accused: 0 };
        let said = copies_wait_text(4, 2, None, &held);
        for part in
            ["4 subtasks wait", "done by 2", "asks 3 GNT", "in 9 s", "patience = 0", "2 offers of providers in doubt"]
        {
            assert!(said.contains(part), "lacks `{part}`: {said}");
        }
        assert!(!is_brief(&held) && !is_brief(&Held::default()));
        assert!(is_brief(&Held {
            dear: Some(Dear { price: Wei(2), limit: Wei(1), taken_in_s: 1 }),
            ..Held::default()
        }));
        let said = copies_wait_text(1, 2, None, &Held::default());
        assert!(said.ends_with("it is computed here") && !said.contains("Not taken"), "{said}");
    }
}
