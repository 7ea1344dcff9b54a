//! What all think of all, weighed by what is thought of them, from a few who are trusted beforehand.
//!
//! Source: Kamvar, Schlosser, Garcia-Molina: The EigenTrust algorithm for reputation management in P2P networks (2003).
//! Local trust is `s_ij`, satisfactory less unsatisfactory dealings; `c_ij = max(s_ij, 0) / sum_j max(s_ij, 0)`, and `p_j`
//! where `i` trusts nobody; global trust is the fixed point of `t = (1 - a) C^T t + a p`, `p` even over the pre-trusted.
//! Whose offer is taken is drawn with the chance `t_j / sum t`, and one time in ten from those that nobody trusts.

use super::agents::{MS_PER_HOUR, Offered};
use super::scenario::{Information, Mechanism};
use super::world::{Event, World};
use crate::stream::{Draw, SmallStream};
use std::collections::BTreeMap;

/// How often somebody is tried whom nobody trusts yet, where somebody trusted offers as well.
const STRANGER_SHARE: f64 = 0.1;
/// The iteration ends where all values together move by less than this, or after so many rounds.
const CLOSE: f64 = 1e-9;
const ROUNDS_MAX: u32 = 200;

/// Somebody who deals, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Requestor(u32),
    Provider(u32),
    /// The requestor that the owner of a machine has beside it, for sham deals.
    Accomplice(u32),
}

/// What was seen, and what it comes to.
#[derive(Default)]
pub(super) struct EigenTrust {
    /// Satisfactory less unsatisfactory dealings, by who saw them and of whom.
    seen: BTreeMap<(Peer, Peer), i64>,
    trust: BTreeMap<Peer, f64>,
}

impl EigenTrust {
    pub(super) fn rate(&mut self, by: Peer, of: Peer, satisfied: bool) {
        *self.seen.entry((by, of)).or_default() += if satisfied { 1 } else { -1 };
    }

    fn of(&self, peer: Peer) -> f64 {
        self.trust.get(&peer).copied().unwrap_or(0.0)
    }

    /// Works out the trust of now; `weight` is `a`.
    fn update(&mut self, pretrusted: &[Peer], weight: f64) {
        let mut places: BTreeMap<Peer, usize> = BTreeMap::new();
        let peers = self.seen.keys().flat_map(|(by, of)| [*by, *of]).chain(pretrusted.iter().copied());
        for peer in peers {
            places.insert(peer, 0);
        }
        places.values_mut().enumerate().for_each(|(place, value)| *value = place);
        let place = |peer: &Peer| places.get(peer).copied().unwrap_or(0);
        let start: Vec<f64> = places
            .keys()
            .map(|peer| if pretrusted.contains(peer) { 1.0 / pretrusted.len() as f64 } else { 0.0 })
            .collect();
        let positive: Vec<(usize, usize, f64)> = self
            .seen
            .iter()
            .filter(|(_, score)| **score > 0)
            .map(|((by, of), score)| (place(by), place(of), *score as f64))
            .collect();
        let mut sums = vec![0.0; start.len()];
        for (by, _, score) in &positive {
            sums.get_mut(*by).into_iter().for_each(|sum| *sum += score);
        }
        let mut trust = start.clone();
        for _ in 0..ROUNDS_MAX {
            let mut next = vec![0.0; start.len()];
            let at = |values: &[f64], place: usize| values.get(place).copied().unwrap_or(0.0);
            for (by, of, score) in &positive {
                let given = at(&trust, *by) * score / at(&sums, *by);
                next.get_mut(*of).into_iter().for_each(|value| *value += given);
            }
            // Who trusts nobody trusts the pre-trusted.
            let left: f64 = trust.iter().zip(&sums).filter(|(_, sum)| **sum == 0.0).map(|(value, _)| value).sum();
            for (value, start) in next.iter_mut().zip(&start) {
                *value = (1.0 - weight) * (*value + left * start) + weight * start;
            }
            let moved: f64 = next.iter().zip(&trust).map(|(next, value)| (next - value).abs()).sum();
            trust = next;
            if moved < CLOSE {
                break;
            }
        }
        self.trust = places.into_keys().zip(trust).collect();
    }
}

impl World<'_> {
    /// Whether requestors go by what all together trust.
    pub(super) fn goes_by_trust(&self) -> bool {
        let by_trust = matches!(self.scenario.market.information, Information::Eigentrust { .. });
        by_trust && self.scenario.market.mechanism == Mechanism::Tender
    }

    /// Everybody learns what trust comes to now.
    pub(super) fn update_trust(&mut self) {
        let Information::Eigentrust { pretrusted, weight, every_hours } = self.scenario.market.information else {
            return;
        };
        let first = pretrusted.min(self.agents.buyers.len());
        let pretrusted: Vec<Peer> = (0..first).map(|buyer| Peer::Requestor(self.agents.buyers[buyer].name)).collect();
        self.trust.update(&pretrusted, weight);
        let pause = ((every_hours * MS_PER_HOUR) as u64).max(1);
        self.queue.push(self.now + pause, Event::UpdateTrust);
    }

    /// Puts offers in the order in which they are drawn by trust.
    pub(super) fn order_by_trust(&self, offers: &[Offered], taken: &mut Vec<usize>, random: u64) {
        let mut draws = SmallStream::new(self.seed, super::TRUST, random, self.now);
        let trust_in =
            |position: &usize| offers.get(*position).map_or(0.0, |of| self.trust.of(Peer::Provider(of.name)));
        let (mut trusted, mut strangers): (Vec<_>, Vec<_>) =
            taken.drain(..).map(|position| (position, trust_in(&position))).partition(|(_, trust)| *trust > 0.0);
        while !(trusted.is_empty() && strangers.is_empty()) {
            let stranger = trusted.is_empty() || (!strangers.is_empty() && draws.chance(STRANGER_SHARE));
            let place = if stranger {
                draws.below(strangers.len() as u32) as usize
            } else {
                let mut point = draws.unit() * trusted.iter().map(|(_, trust)| trust).sum::<f64>();
                let drawn = trusted.iter().position(|(_, trust)| {
                    point -= trust;
                    point < 0.0
                });
                drawn.unwrap_or(trusted.len() - 1)
            };
            let (position, _) = if stranger { strangers.remove(place) } else { trusted.remove(place) };
            taken.push(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(ratings: &[(Peer, Peer, bool)]) -> EigenTrust {
        let mut trust = EigenTrust::default();
        ratings.iter().for_each(|(by, of, satisfied)| trust.rate(*by, *of, *satisfied));
        trust.update(&[Peer::Requestor(0)], 0.2);
        trust
    }

    #[test]
    fn trust_is_the_fixed_point_of_the_papers_formula() {
        let (a, b, c) = (Peer::Requestor(0), Peer::Provider(1), Peer::Provider(2));
        // t_a = .8 t_b + .8 t_c + .2, since c trusts nobody; t_b = .8 * 2/3 t_a, t_c = .8 * 1/3 t_a.
        let all = trust(&[(a, b, true), (a, b, true), (a, c, true), (b, a, true)]);
        let expected = [1.0 / 1.8, 0.8 / 1.8 * 2.0 / 3.0, 0.8 / 1.8 / 3.0];
        for (peer, expected) in [a, b, c].into_iter().zip(expected) {
            assert!((all.of(peer) - expected).abs() < 1e-6, "{peer:?}: {} for {expected}", all.of(peer));
        }
    }

    #[test]
    fn who_trusts_each_other_is_trusted_by_nobody_else_and_bad_deals_count_against() {
        let (a, b) = (Peer::Requestor(0), Peer::Provider(1));
        let (cheat, owner) = (Peer::Provider(2), Peer::Accomplice(2));
        let sham = [(owner, cheat, true), (owner, cheat, true), (cheat, owner, true)];
        let all = trust(&[&sham[..], &[(a, b, true), (a, cheat, true), (a, cheat, false)]].concat());
        assert_eq!([all.of(cheat), all.of(owner)], [0.0, 0.0]);
        // One deal that was found good, and the pair keeps what trust it gets.
        let all = trust(&[&sham[..], &[(a, b, true), (a, cheat, true)]].concat());
        assert!(all.of(cheat) > 1.5 * all.of(b), "{} and {}", all.of(cheat), all.of(b));
    }
}
