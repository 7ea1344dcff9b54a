//! Replica exchange: chains at several temperatures, which change places now and then.
//!
//! Source: C. Thachuk, A. Shmygelska and H. Hoos, "A replica exchange Monte Carlo algorithm for protein folding in the HP
//! model", BMC Bioinformatics 8:342 (2007).

use crate::chain::Chain;
use crate::random::Random;
use crate::sequence::Sequence;

/// How many chains, and the temperatures of the coldest and the warmest, in contacts.
const REPLICAS: usize = 6;
const COLDEST: f64 = 0.32;
const WARMEST: f64 = 0.62;
/// Moves between two exchanges.
const MOVES_BETWEEN: u64 = 500;

/// The best chain that so many moves, over all replicas, come to. It ends early at the lowest energy known.
pub fn run(sequence: &Sequence, moves: u64, seed: u64, stream: u64) -> Chain {
    let mut random = Random::new(seed, stream);
    let mut replicas: Vec<Chain> = (0..REPLICAS).map(|_| Chain::straight(sequence)).collect();
    let inverse: Vec<f64> =
        (0..REPLICAS).map(|i| 1.0 / (COLDEST + (WARMEST - COLDEST) * i as f64 / (REPLICAS - 1) as f64)).collect();
    // The chance that a move is taken, by how many contacts it costs.
    let chances: Vec<Vec<f64>> =
        inverse.iter().map(|beta| (0..64).map(|lost| (-beta * f64::from(lost)).exp()).collect()).collect();
    let mut best = replicas[0].clone();
    let mut made = 0;
    let mut odd = 0;
    while made < moves {
        for (replica, chances) in replicas.iter_mut().zip(&chances) {
            for _ in 0..MOVES_BETWEEN.min(moves) {
                step(replica, chances, &mut random);
                if replica.energy() < best.energy() {
                    best = replica.clone();
                }
            }
        }
        if sequence.best.map_or(false, |known| best.energy() <= known) {
            return best;
        }
        made += MOVES_BETWEEN * REPLICAS as u64;
        for i in (odd..REPLICAS - 1).step_by(2) {
            let gain = (inverse[i] - inverse[i + 1]) * f64::from(replicas[i].energy() - replicas[i + 1].energy());
            if gain >= 0.0 || random.unit() < gain.exp() {
                replicas.swap(i, i + 1);
            }
        }
        odd = 1 - odd;
    }
    best
}

fn step(chain: &mut Chain, chances: &[f64], random: &mut Random) {
    let before = chain.energy();
    if !chain.try_move(random) {
        return;
    }
    let lost = chain.energy() - before;
    if lost > 0 && random.unit() >= chances.get(lost as usize).copied().unwrap_or(0.0) {
        chain.take_back(before);
    }
}
