//! Traces of both roles, replayed; and what must be found in one that is not as it was written.

use super::format::{Reads, line, parse};
use super::*;
use crate::folder::Folder;
use crate::note::{RecheckSecret, SecretLot};
use crate::origin::{ProviderOrigin, RequestorOrigin};
use crate::settings::{ChainSettings, ProviderConfig, RequestorConfig};
use golem_chain::Deployment;
use golem_deal::{Checks, PersistId, Provider, ProviderInput, Requestor, RequestorInput, TaskOrder, UnfitProgram};
use golem_market::{Claim, ProviderMarketPolicy, RequestorMarketPolicy};
use golem_protocol::{
    Address, AppFee, B256, ByteCount, ChainTime, ContentHash, Document, Fuel, Header, LocalTime, Message, NodeId,
    Offer, Pricing, RefusalReason, Wei, sign,
};
use tempfile::TempDir;

const NOW: Now = Now { local: LocalTime(1_000), chain: ChainTime(500) };

fn keys(n: u8) -> NodeKeys {
    NodeKeys::from_secrets([n; 32], [n + 1; 32]).unwrap()
}

fn chain() -> ChainSettings {
    let at = Address::repeat_byte(9);
    let deployment = Deployment {
        chain_id: 31337,
        gnt: at,
        faucet: None,
        channels: at,
        concent_deposit: None,
        app_registry: None,
        close_delay_s: 7_200,
        block: 1,
    };
    ChainSettings::new("http://127.0.0.1:1", deployment)
}

fn header(requestor: &NodeKeys, nonce: u64, max_price: Wei) -> Header {
    Header {
        requestor: requestor.node_id(),
        payer: requestor.payment_address(),
        nonce,
        module: ContentHash(B256::repeat_byte(3)),
        module_bytes: ByteCount(1),
        subtasks: 2,
        max_price,
        subtask_timeout_s: 60,
        min_perf: 0,
        pricing: Pricing::Tender,
        fuel_max: Fuel(1_000),
        memory_max: ByteCount(1 << 20),
        output_max: ByteCount(1 << 20),
        recheck_ppm: 0,
        profile: golem_sandbox::profile::digest(),
        deadline: ChainTime(10_000),
        app: AppFee::NONE,
    }
}

/// A provider's machine with a tracer, as its loop has them.
struct Traced {
    machine: Provider,
    policy: ProviderMarketPolicy,
    tracer: Tracer,
    home: TempDir,
}

impl Traced {
    fn start() -> Traced {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(&home.path().join("data")).unwrap();
        let origin = ProviderOrigin::new(&ProviderConfig::new(folder, keys(0x51), chain(), Wei(1_000)), 7_000, NOW);
        let notes = Notebook::new(true);
        let (machine, policy) = origin.build(notes.keys(keys(0x51).signers()), &[]).unwrap();
        let role = Role::Provider(Box::new(origin));
        let path = home.path().join("trace");
        let tracer = Tracer::begin(Some(&path), notes, &keys(0x51), role, &[]).unwrap();
        Traced { machine, policy, tracer, home }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("trace")
    }

    fn step(&mut self, input: ProviderInput) -> (Vec<ProviderEffect>, Option<String>) {
        let told = self.tracer.told(|| ProviderTold::from(&input));
        let effects = self.machine.apply(&mut self.policy, input, NOW);
        let ended = self.tracer.provider(told, NOW, &effects);
        (effects, ended)
    }

    fn hear(&mut self, nonce: u64, max_price: Wei) -> Option<String> {
        self.answer(nonce, max_price).1
    }

    /// What a header brings, and why the trace ended, if it did.
    fn answer(&mut self, nonce: u64, max_price: Wei) -> (Vec<ProviderEffect>, Option<String>) {
        let keys = keys(0x61);
        let signed = sign(header(&keys, nonce, max_price), &chain().chain_ref(), &*keys.signers().identity).unwrap();
        let (effects, ended) = self.step(ProviderInput::Header(Box::new(signed)));
        // Saved at once.
        let saves = effects.iter().filter_map(|effect| match effect {
            ProviderEffect::Persist { id, .. } => Some(*id),
            _ => None,
        });
        let saved: Vec<PersistId> = saves.collect();
        saved.into_iter().for_each(|id| drop(self.step(ProviderInput::Persisted(id))));
        (effects, ended)
    }

    fn close(&mut self, reason: Option<RefusalReason>) {
        let told = self.tracer.told(|| ProviderTold::Close(reason.clone()));
        self.policy.close(reason);
        assert_eq!(self.tracer.provider(told, NOW, &[]), None);
    }

    /// Two offers, a header that is too cheap, and one that comes while nothing is offered.
    fn played() -> Traced {
        let mut traced = Traced::start();
        traced.step(ProviderInput::Tick);
        traced.hear(1, Wei(1_000_000));
        traced.hear(2, Wei(10));
        traced.close(Some(RefusalReason::Full("the disk".to_owned())));
        traced.hear(3, Wei(1_000_000));
        traced.close(None);
        traced.hear(4, Wei(1_000_000));
        traced.tracer.end();
        traced
    }
}

#[test]
fn a_providers_trace_gives_the_same_decisions_without_its_key() {
    let traced = Traced::played();
    let replayed = replay(&traced.path()).unwrap();
    assert_eq!((replayed.difference, replayed.end, replayed.cut_off_bytes), (None, TraceEnd::Stopped, 0));
    assert_eq!((replayed.role, replayed.node), ("provider", keys(0x51).node_id().0));
    assert_eq!(replayed.decisions.counts, [("offers_made", 2)].into());
    let refusals: Vec<(&str, u64)> =
        replayed.decisions.refusals.iter().map(|(reason, times)| (reason.as_str(), *times)).collect();
    assert_eq!(refusals, [("full", 1), ("price_above_max", 1)]);
    let text = std::fs::read_to_string(traced.path()).unwrap();
    assert!(!text.contains(&"51".repeat(32)) && !text.contains(&"52".repeat(32)), "a key is in it");
}

#[test]
fn a_program_that_was_left_alone_is_left_alone_again() {
    let mut traced = Traced::start();
    traced.hear(1, Wei(1_000_000));
    let module = header(&keys(0x61), 1, Wei(1)).module;
    let unfit = UnfitProgram { module, detail: "it was not done within 60 s".to_owned(), for_ms: 600_000 };
    traced.step(ProviderInput::Unfit(unfit));
    traced.hear(2, Wei(1_000_000));
    traced.tracer.end();
    let replayed = replay(&traced.path()).unwrap();
    assert_eq!(replayed.difference, None);
    assert_eq!(replayed.decisions.counts, [("offers_made", 1), ("programs_left_alone", 1)].into());
    assert_eq!(replayed.decisions.refusals, [("program_unfit".to_owned(), 1)].into());
}

#[test]
fn any_byte_that_is_changed_is_found() {
    let traced = Traced::played();
    let bytes = std::fs::read(traced.path()).unwrap();
    let copy = traced.home.path().join("copy");
    for place in (0..bytes.len()).step_by(23).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        std::fs::write(&copy, &changed).unwrap();
        match replay(&copy) {
            Err(ReplayError::Damaged { .. } | ReplayError::NoTrace { .. } | ReplayError::Format { .. }) => {}
            // Its very last byte is the end of the last line.
            Ok(replayed) => assert!(replayed.cut_off_bytes > 0 && place == bytes.len() - 1, "byte {place}"),
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
}

#[test]
fn a_line_that_is_lost_is_found() {
    let traced = Traced::played();
    let text = std::fs::read_to_string(traced.path()).unwrap();
    let copy = traced.home.path().join("copy");
    for lost in 1..text.lines().count() - 1 {
        let kept = text.lines().enumerate().filter(|(number, _)| *number != lost);
        std::fs::write(&copy, kept.map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
        assert!(matches!(replay(&copy), Err(ReplayError::Damaged { .. })), "line {lost}");
    }
}

#[test]
fn a_last_line_that_is_cut_off_is_left_out_and_named() {
    let traced = Traced::played();
    let bytes = std::fs::read(traced.path()).unwrap();
    let whole = replay(&traced.path()).unwrap();
    // In the middle of the last step, and of the end after it.
    let end = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    let copy = traced.home.path().join("copy");
    for (length, steps) in [(end - 30, whole.steps - 1), (end + 5, whole.steps)] {
        std::fs::write(&copy, &bytes[..length]).unwrap();
        let replayed = replay(&copy).unwrap();
        assert_eq!((replayed.difference, replayed.end, replayed.steps), (None, TraceEnd::Open, steps));
        assert!(replayed.cut_off_bytes > 0);
    }
    std::fs::write(&copy, &bytes[..40]).unwrap();
    assert!(matches!(replay(&copy), Err(ReplayError::Damaged { line: 1, .. })), "no state to start from");
}

/// Writes a trace again with other steps, and sums that fit them.
fn rewritten(from: &Path, to: &Path, mut change: impl FnMut(&mut Step)) {
    let (mut before, mut sum, mut bytes) = (Sum::default(), Sum::default(), Vec::new());
    for text in std::fs::read(from).unwrap().split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
        let (reads, next) = parse(text, before).unwrap();
        before = next;
        let (written, next) = match reads {
            Reads::Head(head) => line(&Writes::Head(&head), sum).unwrap(),
            Reads::Record(record) => line(&Writes::Record(&record), sum).unwrap(),
            Reads::End(end) => line(&Writes::End(end), sum).unwrap(),
            Reads::Step(mut step) => {
                change(&mut step);
                line(&Writes::Step(&step), sum).unwrap()
            }
        };
        sum = next;
        bytes.extend(written);
    }
    std::fs::write(to, bytes).unwrap();
}

#[test]
fn another_effect_another_draw_and_another_time_are_differences_with_their_step() {
    let traced = Traced::played();
    let copy = traced.home.path().join("copy");
    rewritten(&traced.path(), &copy, |_| {});
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(traced.path()).unwrap());

    // The price of the first offer.
    let is_offer = |step: &Step| step.given.len() == 1;
    let mut offers = 0;
    rewritten(&traced.path(), &copy, |step| {
        offers += u64::from(is_offer(step));
        if is_offer(step) && offers == 1 {
            let text = serde_json::to_string(&step.effects).unwrap().replace("\"price\":\"", "\"price\":\"9");
            step.effects = serde_json::from_str(&text).unwrap();
        }
    });
    let replayed = replay(&copy).unwrap();
    let difference = replayed.difference.expect("another price");
    assert_eq!((difference.step, difference.asked.clone()), (replayed.steps + 1, None));
    assert_ne!(difference.recorded, difference.replayed);
    assert!(difference.told.get("header").is_some(), "{difference:?}");

    // Chain time: the offer ends later, so another digest would have to be signed.
    rewritten(&traced.path(), &copy, |step| step.now.chain.0 += u64::from(is_offer(step)));
    let difference = replay(&copy).unwrap().difference.expect("another end of the offer");
    assert!(difference.asked.expect("no such signature was given").contains("the signature of"));

    // A signature that nobody asks for.
    let mut given = Vec::new();
    rewritten(&traced.path(), &copy, |step| {
        given.extend(step.given.iter().cloned());
        step.given.extend(given.first().cloned());
    });
    let difference = replay(&copy).unwrap().difference.expect("it is left over");
    assert!(difference.asked.expect("it is said").contains("did not ask"));
}

#[test]
fn a_trace_that_reaches_its_bound_ends_and_says_so_once() {
    let mut traced = Traced::start();
    traced.tracer.open.as_mut().unwrap().bytes_max = 20_000;
    let said: Vec<String> = (0..40).filter_map(|nonce| traced.hear(nonce, Wei(1_000_000))).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    traced.tracer.end();
    assert!(std::fs::metadata(traced.path()).unwrap().len() <= 20_000);
    let replayed = replay(&traced.path()).unwrap();
    assert_eq!((replayed.difference, replayed.end), (None, TraceEnd::Bound));
    assert!(traced.tracer.notes.take().is_empty(), "nothing is noted any more");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_trace_and_not_the_node() {
    let mut traced = Traced::start();
    traced.tracer.open.as_mut().unwrap().file = File::options().write(true).open("/dev/full").unwrap();
    let said = traced.hear(1, Wei(1_000_000)).expect("it is said");
    assert!(said.contains("No space left"), "{said}");
    let (effects, said) = traced.answer(2, Wei(1_000_000));
    assert_eq!(said, None, "it is said once");
    let offers = |effect: &ProviderEffect| matches!(effect, ProviderEffect::Send { message: Message::Offer(_), .. });
    assert!(effects.iter().any(offers) && traced.machine.check_invariants().is_empty(), "the node goes on");
}

#[test]
fn keeps_an_earlier_trace_beside_it_and_touches_no_other_file() {
    let traced = Traced::played();
    let first = std::fs::read(traced.path()).unwrap();
    let origin = || {
        let folder = Folder::open_or_create(&traced.home.path().join("data")).unwrap();
        let origin = ProviderOrigin::new(&ProviderConfig::new(folder, keys(0x51), chain(), Wei(1)), 1, NOW);
        Role::Provider(Box::new(origin))
    };
    let begin = |path: &Path| Tracer::begin(Some(path), Notebook::new(true), &keys(0x51), origin(), &[]);
    begin(&traced.path()).unwrap();
    assert_eq!(std::fs::read(traced.home.path().join("trace.old")).unwrap(), first);
    let other = traced.home.path().join("golem.toml");
    for contents in ["", "[provider]\n", "{\"head\":{\"golem_tract\":1}} and more than enough"] {
        std::fs::write(&other, contents).unwrap();
        let refused = begin(&other).map(drop).unwrap_err();
        assert!(matches!(refused, StartError::Setting { setting: "trace", .. }), "{refused}");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), contents);
    }
    assert!(begin(&traced.home.path().join("absent/trace")).is_err());
    assert!(matches!(replay(&other), Err(ReplayError::NoTrace { .. })));
    std::fs::write(&other, "{\"head\":{\"golem_trace\":99,\"more\":[]}}\n").unwrap();
    assert!(matches!(replay(&other), Err(ReplayError::Format { got: 99, known: TRACE_FORMAT })));
    assert!(matches!(replay(&traced.home.path().join("absent")), Err(ReplayError::Read { .. })));
}

/// A requestor's machine with a tracer.
struct Asked {
    machine: Requestor,
    policy: RequestorMarketPolicy,
    tracer: Tracer,
    saved: Vec<Record>,
}

impl Asked {
    fn start(path: &Path, records: &[Record]) -> Asked {
        let folder = Folder::open_or_create(&path.with_extension("data")).unwrap();
        let origin = RequestorOrigin::new(&RequestorConfig::new(folder, keys(0x61), chain()), NOW);
        let notes = Notebook::new(true);
        let lot = notes.lot(Box::new(SecretLot(RecheckSecret([0x77; 32]))));
        let (machine, policy) = origin.build(notes.keys(keys(0x61).signers()), lot, records).unwrap();
        let tracer = Tracer::begin(Some(path), notes, &keys(0x61), Role::Requestor(Box::new(origin)), records).unwrap();
        Asked { machine, policy, tracer, saved: Vec::new() }
    }

    fn step(&mut self, input: RequestorInput, now: Now) {
        let told = self.tracer.told(|| RequestorTold::Input(input.clone()));
        let effects = self.machine.apply(&mut self.policy, input, now);
        assert_eq!(self.tracer.requestor(told, now, &effects), None);
        for effect in effects {
            if let RequestorEffect::Persist { id, records } = effect {
                self.saved.extend(records);
                self.step(RequestorInput::Persisted(id), now);
            }
        }
    }

    fn market<T: Serialize>(&mut self, told: MarketTold, answers: &[T]) {
        let told = self.tracer.told(|| RequestorTold::Market(told));
        assert_eq!(self.tracer.policy(told, NOW, answers), None);
    }
}

#[test]
fn a_requestors_trace_gives_the_same_choices_without_its_secret() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("trace");
    let mut asked = Asked::start(&path, &[]);
    let header = header(&keys(0x61), 1, Wei(1_000_000));
    let digest = header.digest(&chain().chain_ref());
    let checks = Checks { known_ppm: 500_000, ..Checks::recheck(500_000) };
    let order = TaskOrder {
        header,
        inputs: vec![ContentHash(B256::repeat_byte(4)), ContentHash(B256::repeat_byte(5))],
        budget: Wei(1_000_000_000),
        offer_window_ms: 10,
        checks,
    };
    asked.policy.weigh(digest, ByteCount(10));
    asked.market::<()>(MarketTold::Weigh { header: digest, input_max: ByteCount(10) }, &[]);
    asked.policy.watch(digest, checks);
    asked.market::<()>(MarketTold::Watch { header: digest, checks }, &[]);
    asked.step(RequestorInput::Start(Box::new(order)), NOW);

    // Somebody says that the provider is a liar, and says so twice.
    let claim = Claim {
        provider: keys(0x51).node_id(),
        accuser: NodeId(Address::repeat_byte(8)),
        proof: B256::repeat_byte(6),
        subtask_timeout_s: 60,
    };
    for _ in 0..2 {
        let why_not: Vec<String> = asked.policy.hear(claim).err().iter().map(ToString::to_string).collect();
        asked.market(MarketTold::Hear(claim), &why_not);
    }
    let provider = keys(0x51);
    let offer = Offer {
        header: digest,
        provider: provider.node_id(),
        payee: provider.payment_address(),
        price: Wei(5_000),
        performance: 1_000_000,
        slots: 1,
        expires: ChainTime(5_000),
    };
    let offer = sign(offer, &chain().chain_ref(), &*provider.signers().identity).unwrap().into_signed();
    let message = Box::new(Message::Offer(offer));
    asked.step(RequestorInput::Reachable { peer: provider.node_id(), reachable: true }, NOW);
    asked.step(RequestorInput::Message { from: provider.node_id(), message }, NOW);
    let later = Now { local: LocalTime(NOW.local.0 + 20), ..NOW };
    asked.step(RequestorInput::Tick, later);
    let wanted = asked.policy.looks_wanted();
    assert_eq!(wanted, [claim], "the offer waits for the look");
    asked.market(MarketTold::LooksWanted, &wanted);
    asked.policy.refute(&claim, NOW);
    asked.market::<()>(MarketTold::Refuted(claim), &[]);
    asked.step(RequestorInput::Tick, Now { local: LocalTime(NOW.local.0 + 5_000), ..NOW });
    asked.tracer.end();

    let replayed = replay(&path).unwrap();
    assert_eq!((replayed.difference, replayed.end, replayed.role), (None, TraceEnd::Stopped, "requestor"));
    assert_eq!(replayed.decisions.counts.get("offers_heard"), Some(&1), "{:?}", replayed.decisions);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("{\"drawn\":"), "a choice was drawn");
    assert!(!text.contains(&"61".repeat(32)) && !text.contains(&"77".repeat(32)), "a key or the secret is in it");

    // The next run starts from what was saved.
    let records = std::mem::take(&mut asked.saved);
    let mut again = Asked::start(&home.path().join("next"), &records);
    again.step(RequestorInput::Stop(digest), later);
    drop(again);
    let replayed = replay(&home.path().join("next")).unwrap();
    assert_eq!((replayed.difference, replayed.end), (None, TraceEnd::Open));
    assert_eq!(replayed.records, records.len() as u64);

    // A look that nothing asks for, an answer that was another.
    let copy = home.path().join("copy");
    rewritten(&path, &copy, |step| {
        if step.told["market"]["hear"].is_object() {
            step.effects.clear();
        }
    });
    let difference = replay(&copy).unwrap().difference.expect("the second time it was not kept");
    assert!(difference.recorded.is_empty() && difference.replayed.len() == 1, "{difference:?}");
    rewritten(&path, &copy, |step| {
        for given in &mut step.given {
            if let given::Given::Drawn(_) = given {
                *given = given::Given::Chosen { share_ppm: 1, header: digest, index: 0, chosen: true };
            }
        }
    });
    let difference = replay(&copy).unwrap().difference.expect("a draw was wanted");
    assert!(difference.asked.expect("it is said").contains("it asked for a number"));
}
