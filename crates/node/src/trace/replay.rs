//! Plays a trace again: the same machines, told the same, given the same. They must want the same done.

use super::decisions::Decisions;
use super::format::{
    BEGINNING, Head, LINE_BYTES_MAX, MarketTold, ProviderTold, Reads, RequestorTold, Role, Step, Sum, TRACE_FORMAT,
    TraceEnd, format_of, parse, provider_effect, requestor_effect,
};
use super::given::Again;
use golem_deal::{Provider, ProviderInput, Record, Requestor, RequestorFact, RequestorPolicy};
use golem_market::{ProviderMarketPolicy, RequestorMarketPolicy};
use golem_protocol::{Address, B256, ChainRef, Now};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// What a replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// Whose trace it is: `provider` or `requestor`.
    pub role: &'static str,
    /// The node.
    pub node: Address,
    /// The version of golem that wrote it.
    pub version: String,
    /// The determinism profile of that golem's sandbox.
    pub profile: B256,
    /// How many records the node started from; 0 is a node without a past.
    pub records: u64,
    /// How many steps came out the same.
    pub steps: u64,
    /// What was decided in them.
    pub decisions: Decisions,
    /// The first step that did not come out the same, if any. Nothing is replayed after it.
    pub difference: Option<Difference>,
    /// How the trace ends, as far as it was read.
    pub end: TraceEnd,
    /// How many bytes of a last line that is cut off were left out.
    pub cut_off_bytes: u64,
}

/// A step that did not come out the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which step, counted from 1.
    pub step: u64,
    /// When it was.
    pub now: Now,
    /// What the machine was told.
    pub told: Value,
    /// What it wanted done in the trace.
    pub recorded: Vec<Value>,
    /// What it wants done now.
    pub replayed: Vec<Value>,
    /// What it asked for and was not given, or the other way round, if anything: a signature, or a draw.
    pub asked: Option<String>,
}

/// Why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read the trace {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not begin like one.
    #[error("{path} is no trace: name a file that `--trace` wrote", path = path.display())]
    NoTrace {
        /// The file.
        path: PathBuf,
    },
    /// Another version's.
    #[error("the trace is in format {got}, and this golem reads {known}: replay it with the version that wrote it")]
    Format {
        /// What it says.
        got: u32,
        /// What is read.
        known: u32,
    },
    /// A line is not as it was written.
    #[error("line {line} of the trace is damaged: {detail}. Take another copy of it")]
    Damaged {
        /// Which, counted from 1.
        line: u64,
        /// What is wrong.
        detail: String,
    },
    /// The machines cannot be made of what it says they were made of.
    #[error("the node of the trace cannot be made again: {source}")]
    Origin {
        /// Why.
        source: Box<crate::error::StartError>,
    },
}

/// Replays a trace up to its end, or to the first step that differs.
pub fn replay(path: &Path) -> Result<Replay, ReplayError> {
    let failed = |source| ReplayError::Read { path: path.to_path_buf(), source };
    let mut lines = Lines::new(BufReader::new(File::open(path).map_err(failed)?));
    let head = head(&mut lines, path)?;
    let mut records = Vec::new();
    while (records.len() as u64) < head.records {
        let line = lines.text().map_err(failed)?;
        let Some(line) = line else { return Err(lines.damaged("the state to start from is not whole")) };
        let Reads::Record(record) = lines.parsed(&line)? else { return Err(lines.damaged("it is no record")) };
        records.push(Record::from(record));
    }
    let again = Again::default();
    let mut machines = Machines::build(&head, &records, &again)?;
    let mut replay = Replay {
        role: machines.role(),
        node: head.identity,
        version: head.version,
        profile: head.profile,
        records: head.records,
        steps: 0,
        decisions: Decisions::default(),
        difference: None,
        end: TraceEnd::Open,
        cut_off_bytes: 0,
    };
    while let Some(line) = lines.text().map_err(failed)? {
        if replay.end != TraceEnd::Open {
            return Err(lines.damaged("it comes after the end"));
        }
        match lines.parsed(&line)? {
            Reads::Step(step) if step.number == replay.steps + 1 => {
                again.lay_out(step.given.clone());
                let played = machines.play(step.told.clone(), step.now, &mut replay.decisions);
                let effects = played.map_err(|error| lines.damaged(&error.to_string()))?;
                replay.difference = differs(*step, effects, again.amiss());
                if replay.difference.is_some() {
                    break;
                }
                replay.steps += 1;
            }
            Reads::End(end) => replay.end = end,
            Reads::Step(_) | Reads::Head(_) | Reads::Record(_) => return Err(lines.damaged("it is not the next step")),
        }
    }
    replay.cut_off_bytes = lines.cut_off.len() as u64;
    Ok(replay)
}

/// The first line, after a look at which version's it is.
fn head(lines: &mut Lines, path: &Path) -> Result<Head, ReplayError> {
    let first = lines.text().map_err(|source| ReplayError::Read { path: path.to_path_buf(), source })?;
    match first.as_deref().map(format_of) {
        Some(Some(TRACE_FORMAT)) => {}
        Some(Some(got)) => return Err(ReplayError::Format { got, known: TRACE_FORMAT }),
        None if lines.cut_off.starts_with(BEGINNING) => {
            return Err(lines.damaged("it has no whole first line, so there is no state to start from"));
        }
        Some(None) | None => return Err(ReplayError::NoTrace { path: path.to_path_buf() }),
    }
    match lines.parsed(&first.unwrap_or_default())? {
        Reads::Head(head) => Ok(*head),
        Reads::Record(_) | Reads::Step(_) | Reads::End(_) => Err(lines.damaged("it is no head")),
    }
}

fn differs(step: Step, replayed: Vec<Value>, asked: Option<String>) -> Option<Difference> {
    let Step { number, now, told, given: _, effects: recorded } = step;
    let is_same = recorded == replayed && asked.is_none();
    (!is_same).then_some(Difference { step: number, now, told, recorded, replayed, asked })
}

/// The lines of a trace, in order.
struct Lines {
    reader: BufReader<File>,
    sum: Sum,
    number: u64,
    /// What there is of a last line that is cut off.
    cut_off: Vec<u8>,
}

impl Lines {
    fn new(reader: BufReader<File>) -> Lines {
        Lines { reader, sum: Sum::default(), number: 0, cut_off: Vec::new() }
    }

    /// The next line that is whole; `None` at the end, or where the last one is cut off.
    fn text(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.number += 1;
        let mut line = Vec::new();
        self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.pop_if(|byte| *byte == b'\n').is_some() {
            return Ok(Some(line));
        }
        if line.len() as u64 == LINE_BYTES_MAX {
            return Err(io::Error::other(format!("line {} has more than {LINE_BYTES_MAX} bytes", self.number)));
        }
        self.cut_off = line;
        Ok(None)
    }

    fn parsed(&mut self, line: &[u8]) -> Result<Reads, ReplayError> {
        let (reads, sum) = parse(line, self.sum).map_err(|detail| self.damaged(&detail))?;
        self.sum = sum;
        Ok(reads)
    }

    fn damaged(&self, detail: &str) -> ReplayError {
        ReplayError::Damaged { line: self.number, detail: detail.to_owned() }
    }
}

/// The machines of a node, without the node.
enum Machines {
    Provider { machine: Box<Provider>, policy: Box<ProviderMarketPolicy>, chain: ChainRef },
    Requestor { machine: Box<Requestor>, policy: Box<RequestorMarketPolicy>, chain: ChainRef },
}

impl Machines {
    fn build(head: &Head, records: &[Record], again: &Again) -> Result<Machines, ReplayError> {
        let keys = again.keys(head.identity, head.payment);
        let failed = |source| ReplayError::Origin { source: Box::new(source) };
        Ok(match &head.role {
            Role::Provider(origin) => {
                let (machine, policy) = origin.build(keys, records).map_err(failed)?;
                let chain = origin.settings.chain;
                Machines::Provider { machine: Box::new(machine), policy: Box::new(policy), chain }
            }
            Role::Requestor(origin) => {
                let (machine, policy) = origin.build(keys, again.lot(), records).map_err(failed)?;
                let chain = origin.settings.chain;
                Machines::Requestor { machine: Box::new(machine), policy: Box::new(policy), chain }
            }
        })
    }

    fn role(&self) -> &'static str {
        match self {
            Machines::Provider { .. } => "provider",
            Machines::Requestor { .. } => "requestor",
        }
    }

    /// Tells the machine or its policy the same again.
    ///
    /// Errors: what it was told cannot be read.
    fn play(&mut self, told: Value, now: Now, decisions: &mut Decisions) -> serde_json::Result<Vec<Value>> {
        match self {
            Machines::Provider { machine, policy, chain } => {
                let input = match serde_json::from_value(told)? {
                    ProviderTold::Header(header) => {
                        let header = header.authenticate(chain).map_err(serde::de::Error::custom)?;
                        ProviderInput::Header(Box::new(header))
                    }
                    ProviderTold::Input(input) => input,
                    ProviderTold::Close(reason) => {
                        policy.close(reason);
                        return Ok(Vec::new());
                    }
                    ProviderTold::Claim(question) => {
                        let plan = question.plan(machine, now.chain);
                        decisions.claims(&plan);
                        return Ok(vec![serde_json::to_value(plan)?]);
                    }
                };
                let effects = machine.apply(policy.as_mut(), input, now);
                effects.iter().for_each(|effect| decisions.provider(effect));
                effects.iter().map(provider_effect).collect()
            }
            Machines::Requestor { machine, policy, chain } => {
                let input = match serde_json::from_value(told)? {
                    RequestorTold::Input(input) => input,
                    RequestorTold::Market(told) => return tell_market(policy, told, now, decisions),
                };
                let effects = machine.apply(policy.as_mut(), input, now);
                effects.iter().for_each(|effect| decisions.requestor(effect, chain));
                effects.iter().map(requestor_effect).collect()
            }
        }
    }
}

fn tell_market(
    policy: &mut RequestorMarketPolicy,
    told: MarketTold,
    now: Now,
    decisions: &mut Decisions,
) -> serde_json::Result<Vec<Value>> {
    match told {
        MarketTold::Watch { header, checks } => policy.watch(header, checks),
        MarketTold::Weigh { header, input_max } => policy.weigh(header, input_max),
        MarketTold::Hear(claim) => {
            let why_not = policy.hear(claim).err().map(|why| why.to_string());
            return why_not.iter().map(serde_json::to_value).collect();
        }
        MarketTold::LooksWanted => {
            let wanted = policy.looks_wanted();
            decisions.looks(&wanted);
            return wanted.iter().map(serde_json::to_value).collect();
        }
        MarketTold::Proven(claim) => policy.note(&RequestorFact::Proven { provider: claim.provider }, now),
        MarketTold::Refuted(claim) => policy.refute(&claim, now),
        MarketTold::GivenUp(claim) => policy.give_up(&claim),
    }
    Ok(Vec::new())
}
