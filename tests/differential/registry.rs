//! `AppRegistry` and its twin.

use super::abi::registry as abi;
use super::chain::{Answer, Chain, Log, Read, Tx};
use super::channels::uint96;
use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolError, SolValue};
use golem_payments::registry::{App, AppRegistry, RegistryError};
use golem_protocol::{Address, ChainTime, Wei};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FEE_NOTICE_S: u32 = 60;
/// How many authors and modules there are. Reason: few, so that the same app is called again and again.
const AUTHORS: usize = 3;
const MODULES: u8 = 3;

/// Every way in which some random call must have ended.
pub const ANSWERS: [&str; 7] =
    ["Published", "Described", "FeeSet", "Retired", "ZeroDigest", "NotPublished", "AlreadyPublished"];

#[derive(Clone, Debug)]
pub struct Call {
    author: Address,
    module: B256,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Publish { metadata: B256, fee: Wei },
    Describe { metadata: B256 },
    SetFee { fee: Wei },
    Retire,
}

pub struct Subject {
    twin: AppRegistry,
    random: StdRng,
    contract: Address,
    authors: Vec<Address>,
    /// The app for whose sake the time of the block was chosen.
    focus: Option<(Address, B256)>,
}

impl Subject {
    pub async fn new(chain: &mut Chain, seed: u64) -> Subject {
        let authors: Vec<Address> = chain.parties(AUTHORS).iter().map(|party| party.address).collect();
        let contract = chain.deploy(authors[0], &abi::BYTECODE, U256::from(FEE_NOTICE_S).abi_encode()).await;
        let random = StdRng::seed_from_u64(seed);
        Subject { twin: AppRegistry::new(FEE_NOTICE_S), random, contract, authors, focus: None }
    }

    fn apps(&self) -> Vec<(Address, B256)> {
        let modules = || (1..=MODULES).map(B256::repeat_byte);
        self.authors.iter().flat_map(|author| modules().map(|module| (*author, module))).collect()
    }

    fn app(&self, author: Address, module: B256, now: ChainTime) -> Read {
        let App { metadata, fee, next_fee, next_fee_at, published } = self.twin.app(author, module, now);
        let expected = abi::App {
            metadata,
            fee: uint96(fee),
            nextFee: uint96(next_fee),
            nextFeeAt: alloy_primitives::Uint::from(next_fee_at.0),
            published,
        };
        let what = format!("module {module} of {author}");
        Read::call(what, self.contract, abi::appCall { author, module }, expected.abi_encode())
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn digest(&mut self) -> B256 {
        if self.chance(4) { B256::ZERO } else { B256::repeat_byte(self.random.random_range(1..=255)) }
    }
}

fn fee_set(author: Address, module: B256, fee: Wei, before: &App, now: ChainTime) -> Log {
    let active_at = if fee > before.fee { now.saturating_add(FEE_NOTICE_S as u64) } else { now };
    Log::of(&abi::FeeSet { author, module, fee: uint96(fee), activeAt: alloy_primitives::Uint::from(active_at.0) })
}

impl super::Subject for Subject {
    type Call = Call;

    fn contract(&self) -> Address {
        self.contract
    }

    /// Often at the very second on which a higher fee comes, or the one before.
    fn time(&mut self, now: ChainTime) -> ChainTime {
        let rising: Vec<_> =
            self.apps().into_iter().filter(|(a, m)| self.twin.app(*a, *m, now).next_fee_at > now).collect();
        self.focus = None;
        if !rising.is_empty() && self.chance(40) {
            let app = rising[self.random.random_range(0..rising.len())];
            let at = self.twin.app(app.0, app.1, now).next_fee_at.0 - self.random.random_range(0..2);
            if at > now.0 {
                self.focus = Some(app);
                return ChainTime(at);
            }
        }
        now.saturating_add(self.random.random_range(1..30))
    }

    fn draw(&mut self, now: ChainTime) -> Call {
        let apps = self.apps();
        let any = apps[self.random.random_range(0..apps.len())];
        let (author, module) = self.focus.take().unwrap_or(any);
        let module = if self.chance(3) { B256::ZERO } else { module };
        let fee = Wei(match self.random.random_range(0..10) {
            0 => 0,
            1 => Wei::MAX.0,
            2 => self.twin.app(author, module, now).fee.0,
            _ => self.random.random_range(0..1000),
        });
        let metadata = self.digest();
        let kind = match self.random.random_range(0..10) {
            0..3 => Kind::Publish { metadata, fee },
            3 => Kind::Describe { metadata },
            4..9 => Kind::SetFee { fee },
            _ => Kind::Retire,
        };
        Call { author, module, kind }
    }

    fn transaction(&self, call: &Call) -> Tx {
        let module = call.module;
        match call.kind {
            Kind::Publish { metadata, fee } => {
                Tx::new(call.author, self.contract, abi::publishCall { module, metadata, fee: uint96(fee) })
            }
            Kind::Describe { metadata } => Tx::new(call.author, self.contract, abi::describeCall { module, metadata }),
            Kind::SetFee { fee } => Tx::new(call.author, self.contract, abi::setFeeCall { module, fee: uint96(fee) }),
            Kind::Retire => Tx::new(call.author, self.contract, abi::retireCall { module }),
        }
    }

    fn on_twin(&mut self, call: &Call, now: ChainTime) -> Answer {
        let Call { author, module, ref kind } = *call;
        let before = self.twin.app(author, module, now);
        let published = |metadata| Log::of(&abi::Published { author, module, metadata });
        let (name, done, logs) = match *kind {
            Kind::Publish { metadata, fee } => {
                let first = before.metadata == B256::ZERO;
                let fee_before = if first { fee } else { before.fee };
                let set = fee_set(author, module, fee, &App { fee: fee_before, ..before }, now);
                ("Published", self.twin.publish(author, module, metadata, fee, now), vec![published(metadata), set])
            }
            Kind::Describe { metadata } => {
                ("Described", self.twin.describe(author, module, metadata, now), vec![published(metadata)])
            }
            Kind::SetFee { fee } => {
                let set = fee_set(author, module, fee, &before, now);
                ("FeeSet", self.twin.set_fee(author, module, fee, now), vec![set])
            }
            Kind::Retire => {
                ("Retired", self.twin.retire(author, module, now), vec![Log::of(&abi::Retired { author, module })])
            }
        };
        match done {
            Ok(()) => Answer::Done { name, output: Vec::new().into(), logs },
            Err(RegistryError::ZeroDigest) => Answer::reverted(abi::ZeroDigest {}.abi_encode()),
            Err(RegistryError::NotPublished { author, module }) => {
                Answer::reverted(abi::NotPublished { author, module }.abi_encode())
            }
            Err(RegistryError::AlreadyPublished { author, module }) => {
                Answer::reverted(abi::AlreadyPublished { author, module }.abi_encode())
            }
        }
    }

    fn reads(&self, call: &Call, now: ChainTime) -> Vec<Read> {
        vec![self.app(call.author, call.module, now)]
    }

    fn all(&self, now: ChainTime) -> Vec<Read> {
        self.apps().into_iter().map(|(author, module)| self.app(author, module, now)).collect()
    }

    fn violations(&self) -> Vec<String> {
        Vec::new()
    }
}
