//! `golem provide`: rents out this machine until it is told to stop.

use crate::Answer;
use crate::apps::Source;
use crate::bundled::with_names;
use crate::context::{self, ChainArgs, Context, NetworkArgs, chain_settings, gnt};
use crate::files;
use crate::output::{self, count, short, short_gnt};
use crate::process::{Stop, StopSignals};
use crate::progress::word;
use anyhow::{Context as _, bail};
use clap::Args;
use golem_deal::ProviderEvent;
use golem_node::config::{ConfigFile, bytes_per_second};
use golem_node::{
    ClaimOnExit, Hours, NodeNotice, ProviderConfig, ProviderHandle, ProviderNode, ProviderNotice, ProviderStatus,
    Watched,
};
use golem_protocol::limits::SLOTS_MAX;
use golem_protocol::{Address, B256, ByteCount, ContentHash, RefusalReason, Wei};
use golem_sandbox::Isolation;
use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a line says how things stand.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);
/// The price where none is set: what a slow core costs in electricity, and a little.
const MIN_PRICE: Wei = Wei(100_000_000_000_000_000);

/// What is rented out, and for how much.
#[derive(Args)]
pub struct ProvideArgs {
    /// The least for an hour of one slot at work, in GNT [default: 0.1]
    #[arg(long, value_name = "GNT", value_parser = gnt, allow_negative_numbers = true)]
    min_price: Option<Wei>,
    /// Subtasks at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(SLOTS_MAX)))]
    slots: Option<u16>,
    /// The share of a processor that each slot takes, in percent [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    cpu_percent: Option<u8>,
    /// The most memory of one subtask, such as 512MiB [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = context::memory_given)]
    memory_max: Option<u64>,
    /// The most memory of all subtasks at once; as many run as fit [default: enough for every slot]
    #[arg(long, value_name = "SIZE", value_parser = context::mib)]
    memory_total: Option<u64>,
    /// Run this program and no other: a shipped app's name, a digest, or a file; may be repeated
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,
    /// Rent the machine out then only, such as "22:00-06:00" or "mon-fri 20:00-07:00"; may be repeated [default: always]
    #[arg(long, value_name = "HOURS")]
    hours: Vec<String>,
    /// Rest while other programs here use this share of all processors or more, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    yield_percent: Option<u8>,
    /// The most that is fetched, in Mbit/s [default: as fast as the link]
    #[arg(long, value_name = "MBIT")]
    download_mbit: Option<NonZeroU32>,
    /// The most that is served, in Mbit/s [default: as fast as the link]
    #[arg(long, value_name = "MBIT")]
    upload_mbit: Option<NonZeroU32>,
    /// The most output of one subtask [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = context::output)]
    output_max: Option<u64>,
    /// Claim everything as soon as this much can be claimed, in GNT [default: 10]
    #[arg(long, value_name = "GNT", value_parser = gnt)]
    claim_threshold: Option<Wei>,
    /// Claim what can be claimed when stopping
    #[arg(long)]
    claim_on_exit: bool,
    /// Be paid to this address, for instance a cold wallet, instead of this node's own
    #[arg(long, value_name = "ADDRESS", value_parser = context::address)]
    payee: Option<Address>,
    /// Write down all that the node is told and decides, for `golem replay`; an earlier trace there becomes FILE.old
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Stop when standard input ends: for a program that starts this one, and must not leave it behind
    #[arg(long)]
    until_stdin_ends: bool,
    /// Print what happens as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Runs a provider until it is told to stop.
pub async fn run(context: &Context, args: ProvideArgs) -> anyhow::Result<Answer> {
    let folder = context.folder_or_new()?;
    let file = context.config(&folder)?;
    // All that needs no key first: nobody types a password in vain.
    let owned = args.read(&file)?;
    let chain = chain_settings(&folder, &file, &args.chain).await?;
    let keys = context.keys(&folder, &chain).await?;
    let mut config = ProviderConfig::new(folder, keys, chain, MIN_PRICE);
    config.slots = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64) as u16);
    config.isolation = Isolation::this_program();
    file.apply_to_provider(&mut config)?;
    args.apply(owned, &mut config);
    let mut signals = StopSignals::new()?;
    if args.until_stdin_ends {
        signals.and_end_of_stdin();
    }
    note!("Measuring this machine and connecting to chain {}.", config.chain.deployment.chain_id);
    let mut screen = Screen { json: args.json, refusals: Refusals::default() };
    let handle = tokio::select! {
        started = ProviderNode::start(config) => started.context("the provider did not start")?,
        _ = signals.next() => bail!("stopped before the provider was ready"),
    };
    screen.started(&handle).await?;
    let outcome = watch(&handle, &mut screen, &mut signals).await;
    let stopped = match outcome {
        Ok(Stop::Drain) => {
            note!("Stopping: what runs may end. Ctrl-C once more stops at once; nothing that is signed is lost.");
            tokio::select! {
                stopped = handle.shutdown() => stopped,
                _ = signals.next() => bail!("stopped at once; what ran is lost, what is signed is saved"),
            }
        }
        Ok(Stop::ByItself(reason)) => {
            let stopped = handle.shutdown().await;
            if let Some(reason) = reason {
                bail!("the provider stopped: {reason}");
            }
            stopped
        }
        Err(error) => {
            // Nobody reads what we print, but the node must still end in order.
            let _ = handle.shutdown().await;
            return Err(error);
        }
    };
    stopped.context("the provider has stopped")?;
    note!("Stopped.");
    Ok(Answer::Yes)
}

/// What has to be read or looked up of the flags.
struct Owned {
    programs: Vec<ContentHash>,
    hours: Hours,
}

impl ProvideArgs {
    /// Reads what is not plain, and holds the rest against each other.
    fn read(&self, file: &ConfigFile) -> anyhow::Result<Owned> {
        if self.min_price == Some(Wei::ZERO) {
            bail!("the minimal price is 0 GNT an hour: set --min-price to more, such as 0.1");
        }
        let set = |flag: Option<u64>, mib: Option<u64>| flag.or(mib.map(|mib| mib << 20));
        let total = set(self.memory_total, file.provider.memory_total_mib);
        let one = set(self.memory_max, file.provider.memory_max_mib).unwrap_or(golem_node::MEMORY_MAX.0);
        if let Some(total) = total.filter(|total| *total < one) {
            bail!(
                "the memory of all subtasks at once, {total} bytes (--memory-total, or memory_total_mib in golem.toml), is less than \
                 the {one} bytes of one (--memory-max, memory_max_mib): raise it, or lower that"
            );
        }
        let of = |programs: &[String], said: &'static str| -> anyhow::Result<Vec<ContentHash>> {
            programs.iter().map(|program| program_digest(program).context(said)).collect()
        };
        let programs = match &file.provider.programs {
            Some(programs) if self.only.is_empty() => of(programs, "provider.programs in golem.toml")?,
            _ => of(&self.only, "--only")?,
        };
        Ok(Owned { programs, hours: Hours::parse(&self.hours)? })
    }

    fn apply(&self, owned: Owned, config: &mut ProviderConfig) {
        config.min_price = self.min_price.unwrap_or(config.min_price);
        config.slots = self.slots.unwrap_or(config.slots);
        config.cpu_percent = self.cpu_percent.unwrap_or(config.cpu_percent);
        config.memory_max = self.memory_max.map_or(config.memory_max, ByteCount::from_bytes);
        config.output_max = self.output_max.map_or(config.output_max, ByteCount::from_bytes);
        config.claim.threshold = self.claim_threshold.unwrap_or(config.claim.threshold);
        if self.claim_on_exit {
            config.claim.on_exit = ClaimOnExit::Claim;
        }
        config.payee = self.payee.unwrap_or(config.payee);
        config.trace = self.trace.clone().or(config.trace.take());
        self.network.apply(&mut config.network, &mut config.api);
        config.memory_total = self.memory_total.map(ByteCount::from_bytes).or(config.memory_total);
        config.programs = owned.programs;
        if !self.hours.is_empty() {
            config.owner.hours = owned.hours;
        }
        config.owner.yield_percent = self.yield_percent.or(config.owner.yield_percent);
        let bandwidth = &mut config.network.bandwidth;
        bandwidth.download = self.download_mbit.map(bytes_per_second).or(bandwidth.download);
        bandwidth.upload = self.upload_mbit.map(bytes_per_second).or(bandwidth.upload);
    }
}

/// A program as people name it: by its digest, as a file, or as an app that ships with golem.
fn program_digest(program: &str) -> anyhow::Result<ContentHash> {
    if let Ok(digest) = program.parse::<B256>() {
        return Ok(ContentHash(digest));
    }
    if Path::new(program).extension().is_some_and(|extension| extension == "wasm") {
        return Ok(files::hash(Path::new(program))?.0);
    }
    Source::open(program, &[])?.module_digest()
}

async fn watch(handle: &ProviderHandle, screen: &mut Screen, signals: &mut StopSignals) -> anyhow::Result<Stop> {
    let mut events = handle.events();
    let mut summary = tokio::time::interval(SUMMARY_EVERY);
    summary.tick().await;
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(Stop::Drain),
            ended = handle.stopped() => return Ok(Stop::ByItself(ended.reason)),
            event = events.next() => match event {
                Some(Watched::Event(event)) => screen.event(event.at_ms, &event.event)?,
                Some(Watched::Missed(missed)) => note!("{missed} events were too fast to show; `golem status` has the sums."),
                None => return Ok(Stop::ByItself(handle.stopped().await.reason)),
            },
            _ = summary.tick() => screen.summary(&handle.status().await?)?,
        }
    }
}

/// Where a provider's owner reads what it does.
struct Screen {
    json: bool,
    refusals: Refusals,
}

/// Who refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Refuser {
    Us,
    Peer,
}

/// How often each kind of refusal came. Each is said at first and then at each power of ten: whoever is near can make any
/// number of them.
#[derive(Default)]
struct Refusals(HashMap<(Refuser, Discriminant<RefusalReason>), u64>);

impl Refusals {
    /// What to say of one more, if anything. What it says in detail may be a stranger's words.
    fn text(&mut self, refuser: Refuser, peer: &Address, reason: &RefusalReason) -> Option<String> {
        let times = self.0.entry((refuser, discriminant(reason))).or_default();
        *times += 1;
        let is_power = times.checked_ilog10().is_some_and(|power| 10u64.pow(power) == *times);
        let (peer, reason) = (short(peer), output::one_line(&reason.to_string()));
        let text = match refuser {
            Refuser::Us => format!("refused {peer}: {reason}"),
            Refuser::Peer => format!("{peer} refused: {reason}"),
        };
        let so_far = if *times > 1 { format!(" ({times} like it so far)") } else { String::new() };
        is_power.then(|| text + &so_far)
    }
}

impl Screen {
    async fn started(&self, handle: &ProviderHandle) -> anyhow::Result<()> {
        let status = handle.status().await?;
        if self.json {
            return self.json_line(serde_json::json!({ "kind": "started", "status": status, "api": handle.api() }));
        }
        output::line(&format!(
            "Provider {} offers {}. An hour of work costs at least {}; of an hour that is sold and used in part, less is asked.",
            status.node,
            count(status.slots, "slot"),
            status.min_price_wei
        ))?;
        output::line(&format!(
            "Each does {} million fuel a second. Paid to {}.",
            status.performance / 1_000_000,
            status.payee
        ))?;
        output::line(&format!("Limits: {}.", with_names(&status.limits.join("; "))))?;
        output::line(&format!("Isolation of requestors' programs: {}.", status.isolation))?;
        for address in &status.network.addresses {
            output::line(&format!("Listening on {address}"))?;
        }
        if let Some(api) = handle.api() {
            output::line(&format!(
                "A page shows how it goes: http://{api}/ (its token is in {})",
                "api.json in the data folder"
            ))?;
        }
        output::line("Waiting for work. Ctrl-C stops.")
    }

    fn json_line(&self, value: serde_json::Value) -> anyhow::Result<()> {
        output::line(&value.to_string())
    }

    fn event(&mut self, at_ms: u64, event: &ProviderNotice) -> anyhow::Result<()> {
        if self.json {
            let mut value = event.to_json();
            value["at_ms"] = at_ms.into();
            return self.json_line(value);
        }
        match event_text(&mut self.refusals, event) {
            Some(text) => output::line(&format!("{}  {text}", clock(at_ms))),
            None => Ok(()),
        }
    }

    fn summary(&self, status: &ProviderStatus) -> anyhow::Result<()> {
        if self.json {
            return self.json_line(serde_json::json!({ "kind": "status", "status": status }));
        }
        let (totals, counters) = (&status.totals, &status.counters);
        note!(
            "          {} peers, {} of {} slots busy, {} subtasks done, {} earned, {} to claim",
            status.network.peers,
            status.slots_busy,
            status.slots,
            counters.completed,
            short_gnt(totals.earned_wei),
            short_gnt(totals.claimable_wei)
        );
        Ok(())
    }
}

/// The time of day, UTC.
fn clock(at_ms: u64) -> String {
    let second = at_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// What an owner wants to read of an event; `None` for what only a log wants.
fn event_text(refusals: &mut Refusals, event: &ProviderNotice) -> Option<String> {
    Some(match event {
        ProviderNotice::Deal(event) => return deal_text(refusals, event),
        ProviderNotice::ComputeStarted { .. } => return None,
        ProviderNotice::Claimed { transaction, paid, payers } => {
            format!("claimed {paid} from {} in transaction {transaction}", count(*payers, "payer"))
        }
        ProviderNotice::ClaimFailed { detail } => format!("a claim did not go through and is tried again: {detail}"),
        ProviderNotice::Lost { payer, lost, claimed } => format!(
            "LOST {lost}: the channel of {payer} ended before that was claimed ({claimed} was); \
             be back at the chain within the close delay"
        ),
        ProviderNotice::Node(notice) => node_text(notice),
    })
}

/// What both roles' owners want to read of a notice about the node.
pub fn node_text(notice: &NodeNotice) -> String {
    match notice {
        NodeNotice::ChainLost { detail } => format!("the chain does not answer, nothing new is agreed: {detail}"),
        NodeNotice::ChainFound => "the chain answers again".to_owned(),
        NodeNotice::DiskFull { detail } => format!("the disk is full, no new work is taken: {detail}"),
        NodeNotice::DiskFreed => "the disk has room again".to_owned(),
        NodeNotice::Resting { reason } => format!("resting, {reason}: what waits is given back, what runs may end"),
        NodeNotice::Rested => "work is taken again".to_owned(),
        NodeNotice::TraceEnded { detail } => format!("the trace ends here, the node goes on: {detail}"),
        NodeNotice::Stopping { reason } => format!("stopping: {reason}"),
    }
}

fn deal_text(refusals: &mut Refusals, event: &ProviderEvent) -> Option<String> {
    Some(match event {
        ProviderEvent::Offered { requestor, price, .. } => {
            format!("offered {} an hour to {}", short_gnt(*price), short(&requestor.0))
        }
        ProviderEvent::Refused { requestor, reason, .. } => {
            return refusals.text(Refuser::Us, &requestor.0, reason);
        }
        ProviderEvent::RefusedByPeer { requestor, reason, .. } => {
            return refusals.text(Refuser::Peer, &requestor.0, reason);
        }
        ProviderEvent::Agreed { requestor, subtasks, value, .. } => {
            format!("agreed {} with {}, worth {}", count(*subtasks, "subtask"), short(&requestor.0), short_gnt(*value))
        }
        ProviderEvent::Computed { index, completed: true, .. } => format!("computed subtask {index}"),
        ProviderEvent::Computed { index, completed: false, .. } => format!("subtask {index} failed here"),
        ProviderEvent::Rejected { index, decision, .. } => format!("subtask {index} is not paid: {}", word(*decision)),
        ProviderEvent::Paid { requestor, amount, cumulative } => format!(
            "paid {} by {}, {} in this channel so far",
            short_gnt(*amount),
            short(&requestor.0),
            short_gnt(*cumulative)
        ),
        ProviderEvent::Unpaid { requestor, detail } => {
            format!("{} did not pay: {}", short(&requestor.0), output::one_line(detail))
        }
        ProviderEvent::FeePaid { author, amount, .. } => {
            format!("{} came in for the author {}: kept until it is asked for", short_gnt(*amount), short(author))
        }
        ProviderEvent::FeeUnpaid { requestor, author, owed } => format!(
            "{} owes {} to the author {} for work done here: its work waits",
            short(&requestor.0),
            short_gnt(*owed),
            short(author)
        ),
        ProviderEvent::CreditExceeded { requestor, owed, credit } => format!(
            "{} owes {}, more than the {} lent: its work waits",
            short(&requestor.0),
            short_gnt(*owed),
            short_gnt(*credit)
        ),
        ProviderEvent::Uncovered { payer, detail, .. } => {
            format!("work that {} is to pay waits: {}", short(payer), output::one_line(detail))
        }
        // What was lost by it, if anything, is another notice: only the chain knows.
        ProviderEvent::Ended { .. } => return None,
        ProviderEvent::DepositUndone { payer, claimable, .. } => format!(
            "the chain took back the deposit in the channel of {}; {} of it was to be claimed and waits for it to come again",
            short(payer),
            short_gnt(*claimable)
        ),
        ProviderEvent::ClaimUndone { payer, amount } => {
            format!("the chain took back a claim of {} from {}: it is made again", short_gnt(*amount), short(payer))
        }
        ProviderEvent::LeftAlone { module, detail, for_ms } => format!(
            "no offers for the program {module} for {}, it cannot be run here: {}",
            output::span(*for_ms / 1_000),
            output::tame(detail)
        ),
        ProviderEvent::Abandoned { owed, .. } => {
            format!("gave up a deal nobody answers for; {} stay unpaid", short_gnt(*owed))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_each_kind_of_refusal_now_and_then_in_one_tame_line() {
        let mut refusals = Refusals::default();
        let peers = [1, 2, 3].map(Address::repeat_byte);
        let mut refused = |n: usize, reason: &RefusalReason| refusals.text(Refuser::Peer, &peers[n % 3], reason);
        let wild = RefusalReason::Malformed(format!("\u{1b}[2Jgone\n{}", "x".repeat(5000)));
        let said = refused(0, &wild).unwrap();
        assert!(said.starts_with("0x010101..0101 refused: ") && said.contains("gone"), "{said}");
        assert!(!said.chars().any(char::is_control) && said.len() < 250, "{said}");
        let others: Vec<String> = (1..100).filter_map(|n| refused(n, &wild)).collect();
        assert_eq!(others.len(), 2, "{others:?}");
        assert!(others[0].contains("(10 like it so far)") && others[1].contains("(100 like it so far)"), "{others:?}");
        assert!(refused(0, &RefusalReason::Busy).is_some(), "another kind is news");
        assert!(refusals.text(Refuser::Us, &peers[0], &RefusalReason::Busy).is_some());
    }

    #[test]
    fn shows_the_time_of_day() {
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(86_399_999), "23:59:59");
    }
}
