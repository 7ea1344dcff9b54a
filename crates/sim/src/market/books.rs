//! The books of a million agents: what they remember of each other, in as little memory as it takes.

use super::agents::node;
use golem_market::{Efficacy, Peers, ProviderRecord, Ratio, RequestorRecord};
use golem_protocol::{NodeId, Wei};

/// By which part of what is known room is made for more. Reason: all books together are most of the memory of a run.
const GROWS_BY: usize = 8;
/// Where there is no efficiency yet. Reason: no ratio is that large.
const NO_EFFICIENCY: u64 = u64::MAX;

/// The usual of a record, in few bytes.
pub(super) trait Usual<R>: Copy {
    /// `None` for a record that is not usual.
    fn of(name: u32, record: &R) -> Option<Self>;
    fn name(&self) -> u32;
    fn record(&self) -> R;
}

/// What is remembered of a requestor that has never left anything unpaid for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsualRequestor {
    name: u32,
    touched: u32,
    efficiency: u64,
    paid: u64,
    owed: u64,
}

impl Usual<RequestorRecord> for UsualRequestor {
    fn of(name: u32, record: &RequestorRecord) -> Option<UsualRequestor> {
        let RequestorRecord { efficiency, assigned, paid, owed, touched } = *record;
        if assigned != paid.saturating_add(owed) {
            return None;
        }
        Some(UsualRequestor {
            name,
            touched: u32::try_from(touched).ok()?,
            efficiency: efficiency.map_or(NO_EFFICIENCY, Ratio::parts),
            paid: u64::try_from(paid.0).ok()?,
            owed: u64::try_from(owed.0).ok()?,
        })
    }

    fn name(&self) -> u32 {
        self.name
    }

    fn record(&self) -> RequestorRecord {
        let (paid, owed) = (Wei(u128::from(self.paid)), Wei(u128::from(self.owed)));
        RequestorRecord {
            efficiency: efficiency(self.efficiency),
            assigned: paid.saturating_add(owed),
            paid,
            owed,
            touched: u64::from(self.touched),
        }
    }
}

/// What is remembered of a provider that has always done its work.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsualProvider {
    name: u32,
    touched: u32,
    efficiency: u64,
    success: u64,
}

impl Usual<ProviderRecord> for UsualProvider {
    fn of(name: u32, record: &ProviderRecord) -> Option<UsualProvider> {
        let ProviderRecord { efficiency, efficacy, paid, touched } = *record;
        let Efficacy { success, timed_out, failed, rejected } = efficacy;
        if paid != Wei::ZERO || [timed_out, failed, rejected] != [Ratio::ZERO; 3] {
            return None;
        }
        Some(UsualProvider {
            name,
            touched: u32::try_from(touched).ok()?,
            efficiency: efficiency.map_or(NO_EFFICIENCY, Ratio::parts),
            success: success.parts(),
        })
    }

    fn name(&self) -> u32 {
        self.name
    }

    fn record(&self) -> ProviderRecord {
        ProviderRecord {
            efficiency: efficiency(self.efficiency),
            efficacy: Efficacy { success: Ratio::from_parts(self.success), ..Efficacy::default() },
            paid: Wei::ZERO,
            touched: u64::from(self.touched),
        }
    }
}

fn efficiency(parts: u64) -> Option<Ratio> {
    (parts != NO_EFFICIENCY).then(|| Ratio::from_parts(parts))
}

/// Records by the names of agents, each list in the order of the names. Every record comes back as it was put in.
#[derive(Clone, Debug)]
#[allow(clippy::box_collection)]
pub(super) struct AgentBook<U, R> {
    usual: Vec<U>,
    /// Boxed, since few agents have any: 8 bytes for those that have none, and not 24.
    others: Option<Box<Vec<(u32, R)>>>,
}

impl<U, R> Default for AgentBook<U, R> {
    fn default() -> AgentBook<U, R> {
        AgentBook { usual: Vec::new(), others: None }
    }
}

impl<U: Usual<R>, R: Copy> AgentBook<U, R> {
    /// Reads through it, so that it is in the cache.
    pub(super) fn look(&self) {
        const LINE_BYTES: usize = 64;
        for usual in self.usual.iter().step_by((LINE_BYTES / size_of::<U>()).max(1)) {
            std::hint::black_box(usual.name());
        }
    }

    fn place(&self, name: u32) -> Result<usize, usize> {
        self.usual.binary_search_by_key(&name, Usual::name)
    }

    fn place_of_other(&self, name: u32) -> Option<usize> {
        self.others.as_ref()?.binary_search_by_key(&name, |(other, _)| *other).ok()
    }

    fn insert_other(&mut self, name: u32, record: R) {
        let others = self.others.get_or_insert_default();
        match others.binary_search_by_key(&name, |(other, _)| *other) {
            Ok(place) => {
                if let Some(entry) = others.get_mut(place) {
                    entry.1 = record;
                }
            }
            Err(place) => insert(others, place, (name, record)),
        }
    }
}

fn insert<T>(list: &mut Vec<T>, place: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / GROWS_BY).max(1));
    }
    list.insert(place, item);
}

/// The number that an id of this simulation was made of.
fn number(id: &NodeId) -> u32 {
    let [.., a, b, c, d, _, _, _, _, _, _, _, _] = id.0.0.0;
    u32::from_be_bytes([a, b, c, d])
}

impl<U: Usual<R>, R: Copy> Peers<R> for AgentBook<U, R> {
    fn count(&self) -> usize {
        self.usual.len() + self.others.as_ref().map_or(0, |others| others.len())
    }

    fn get(&self, peer: &NodeId) -> Option<R> {
        let name = number(peer);
        match self.place(name) {
            Ok(place) => self.usual.get(place).map(Usual::record),
            Err(_) => self.others.as_ref()?.get(self.place_of_other(name)?).map(|(_, record)| *record),
        }
    }

    fn insert(&mut self, peer: NodeId, record: R) {
        let name = number(&peer);
        match (U::of(name, &record), self.place(name)) {
            (Some(usual), Ok(place)) => {
                if let Some(entry) = self.usual.get_mut(place) {
                    *entry = usual;
                }
            }
            // Once it was not usual it stays where it is.
            (Some(usual), Err(place)) => match self.place_of_other(name) {
                Some(_) => self.insert_other(name, record),
                None => insert(&mut self.usual, place, usual),
            },
            (None, found) => {
                if let Ok(place) = found {
                    self.usual.remove(place);
                }
                self.insert_other(name, record);
            }
        }
    }

    fn remove(&mut self, peer: &NodeId) -> Option<R> {
        let name = number(peer);
        if let Ok(place) = self.place(name) {
            return Some(self.usual.remove(place).record());
        }
        let place = self.place_of_other(name)?;
        Some(self.others.as_mut()?.remove(place).1)
    }

    fn all(&self) -> impl Iterator<Item = (NodeId, R)> {
        let others = self.others.iter().flat_map(|others| others.iter());
        (self.usual.iter().map(|usual| (node(usual.name()), usual.record())))
            .chain(others.map(|(name, record)| (node(*name), *record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use golem_market::Book;
    use std::collections::BTreeMap;

    /// Does the same with a book of nodes and with one of agents, and looks at both.
    fn compare<U: Usual<R>, R: Copy + PartialEq + std::fmt::Debug>(draw: impl Fn(&mut Stream) -> R) {
        let mut stream = Stream::new(1, 2, 3);
        let (mut agents, mut nodes) = (AgentBook::<U, R>::default(), Book::new());
        for _ in 0..20_000 {
            let peer = node(stream.between(0, 60) as u32);
            if stream.per_mille(200) {
                assert_eq!(Peers::remove(&mut agents, &peer), nodes.remove(&peer));
            } else {
                let record = draw(&mut stream);
                agents.insert(peer, record);
                nodes.insert(peer, record);
            }
            assert_eq!(agents.get(&peer), nodes.get(&peer).copied());
            assert_eq!(agents.count(), nodes.len());
        }
        let all: BTreeMap<NodeId, R> = agents.all().collect();
        assert_eq!(all.len(), agents.count());
        assert!(all.iter().map(|(peer, record)| (*peer, *record)).eq(Peers::all(&nodes)));
    }

    fn ratio(stream: &mut Stream) -> Ratio {
        Ratio::from_parts(stream.between(0, 1 << 50))
    }

    fn touched(stream: &mut Stream) -> u64 {
        let most = 1 << stream.between(0, 40);
        stream.between(0, most)
    }

    #[test]
    fn what_is_remembered_of_requestors_comes_back_as_it_was() {
        compare::<UsualRequestor, _>(|stream| {
            let bits = *stream.one_of(&[60, 64, 65, 95]).unwrap();
            let amount = |stream: &mut Stream| Wei(u128::from(stream.draw()) << 64 >> (128 - bits));
            let (paid, owed) = (amount(stream), amount(stream));
            let assigned = if stream.per_mille(700) { paid.saturating_add(owed) } else { amount(stream) };
            let efficiency = stream.per_mille(700).then(|| ratio(stream));
            RequestorRecord { efficiency, assigned, paid, owed, touched: touched(stream) }
        });
    }

    #[test]
    fn what_is_remembered_of_providers_comes_back_as_it_was() {
        compare::<UsualProvider, _>(|stream| {
            let rarely = |stream: &mut Stream| if stream.per_mille(100) { ratio(stream) } else { Ratio::ZERO };
            let (timed_out, failed, rejected) = (rarely(stream), rarely(stream), rarely(stream));
            let efficacy = Efficacy { success: ratio(stream), timed_out, failed, rejected };
            let efficiency = stream.per_mille(700).then(|| ratio(stream));
            let paid = Wei(u128::from(stream.per_mille(100)));
            ProviderRecord { efficiency, efficacy, paid, touched: touched(stream) }
        });
    }
}
