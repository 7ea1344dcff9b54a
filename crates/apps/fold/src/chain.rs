//! A chain on the lattice, and the moves that change it.
//!
//! Source of the moves: N. Lesh, M. Mitzenmacher and S. Whitesides, "A complete and effective move set for simplified
//! protein folding", RECOMB 2003: a residue goes to a free corner and pulls its neighbours after it, as far as is needed.

use crate::random::Random;
use crate::sequence::Sequence;

pub type Point = [i32; 3];

/// Steps along an axis, and their letters: right, left, up, down, and to or from the viewer.
const STEPS: [(Point, char); 6] =
    [([1, 0, 0], 'R'), ([-1, 0, 0], 'L'), ([0, 1, 0], 'U'), ([0, -1, 0], 'D'), ([0, 0, 1], 'F'), ([0, 0, -1], 'B')];

/// Residues on points of the lattice, no two on one, neighbours in the chain beside each other.
#[derive(Clone)]
pub struct Chain {
    points: Vec<Point>,
    hydrophobic: Vec<bool>,
    dim: usize,
    energy: i32,
    /// Which residue, from 1, is on a point; coordinates wrap round, which a chain shorter than a side cannot notice.
    grid: Vec<u16>,
    side_bits: u32,
    /// What a move changed, to take it back: the residue, and where it was.
    moved: Vec<(usize, Point)>,
}

fn plus(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn adjacent(a: Point, b: Point) -> bool {
    minus(a, b).iter().map(|d| d.abs()).sum::<i32>() == 1
}

impl Chain {
    /// Stretched out along the first axis.
    pub fn straight(sequence: &Sequence) -> Chain {
        let length = sequence.letters.len();
        Chain::new(sequence, (0..length).map(|i| [i as i32, 0, 0]).collect())
    }

    fn new(sequence: &Sequence, points: Vec<Point>) -> Chain {
        // Wide enough that no two residues, and no free place beside one, fall on the same point by wrapping.
        let side_bits = (points.len() as u32 + 4).next_power_of_two().trailing_zeros();
        let hydrophobic = (0..points.len()).map(|i| sequence.is_hydrophobic(i)).collect();
        let cells = 1usize << (side_bits as usize * sequence.dim);
        let mut chain = Chain {
            points,
            hydrophobic,
            dim: sequence.dim,
            energy: 0,
            grid: vec![0; cells],
            side_bits,
            moved: Vec::new(),
        };
        for i in 0..chain.points.len() {
            let cell = chain.cell(chain.points[i]);
            chain.grid[cell] = i as u16 + 1;
        }
        chain.energy = chain.count();
        chain
    }

    /// Reads the letters that [`Chain::directions`] gives. Errors: another length, or a chain that crosses itself.
    pub fn from_directions(sequence: &Sequence, directions: &str) -> Result<Chain, String> {
        let mut points = vec![[0, 0, 0]];
        for letter in directions.chars() {
            let step = STEPS[..sequence.dim * 2].iter().find(|(_, known)| *known == letter);
            let (step, _) = step.ok_or_else(|| format!("`{letter}` is no direction on this lattice"))?;
            points.push(plus(points[points.len() - 1], *step));
        }
        if points.len() != sequence.letters.len() {
            return Err(format!("it has {} residues, and the sequence {}", points.len(), sequence.letters.len()));
        }
        let mut sorted = points.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("the chain crosses itself".to_owned());
        }
        Ok(Chain::new(sequence, points))
    }

    /// A letter for each step along the chain.
    pub fn directions(&self) -> String {
        let letter = |pair: &[Point]| {
            let step = minus(pair[1], pair[0]);
            STEPS.iter().find(|(known, _)| *known == step).map_or('?', |(_, letter)| *letter)
        };
        self.points.windows(2).map(letter).collect()
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// One less for each pair of hydrophobic residues that are beside each other and not neighbours in the chain.
    pub fn energy(&self) -> i32 {
        self.energy
    }

    fn cell(&self, point: Point) -> usize {
        let mask = (1i32 << self.side_bits) - 1;
        point[..self.dim].iter().fold(0, |cell, x| cell << self.side_bits | (x & mask) as usize)
    }

    fn at(&self, point: Point) -> Option<usize> {
        match self.grid[self.cell(point)] {
            0 => None,
            residue => Some(usize::from(residue) - 1),
        }
    }

    fn is_free(&self, point: Point) -> bool {
        self.at(point).is_none()
    }

    fn count(&self) -> i32 {
        let mut pairs = 0;
        for (i, point) in self.points.iter().enumerate().filter(|(i, _)| self.hydrophobic[*i]) {
            // Each pair is met from both sides; only steps forward along an axis are counted.
            for axis in 0..self.dim {
                if let Some(j) = self.at(plus(*point, STEPS[axis * 2].0)) {
                    if self.hydrophobic[j] && j != i + 1 && i != j + 1 {
                        pairs += 1;
                    }
                }
            }
        }
        -pairs
    }

    fn put(&mut self, residue: usize, point: Point) {
        let (old, new) = (self.cell(self.points[residue]), self.cell(point));
        if usize::from(self.grid[old]) == residue + 1 {
            self.grid[old] = 0;
        }
        self.grid[new] = residue as u16 + 1;
        self.moved.push((residue, self.points[residue]));
        self.points[residue] = point;
    }

    /// Tries one move, drawn at random. Whether anything moved; then the energy is the new one.
    pub fn try_move(&mut self, random: &mut Random) -> bool {
        self.moved.clear();
        let length = self.points.len();
        let drawn = random.bits();
        let residue = (((drawn >> 32) * length as u64) >> 32) as usize;
        // Pulled from the start's side or from the end's: the same with the chain counted the other way.
        let done = if drawn & 1 == 0 { self.pull(residue, 1, random) } else { self.pull(residue, -1, random) };
        if done {
            self.energy = self.count();
        }
        done
    }

    /// Puts back what the last move changed; `energy` is what it was.
    pub fn take_back(&mut self, energy: i32) {
        for i in (0..self.moved.len()).rev() {
            let (residue, point) = self.moved[i];
            let cell = self.cell(self.points[residue]);
            if usize::from(self.grid[cell]) == residue + 1 {
                self.grid[cell] = 0;
            }
            self.points[residue] = point;
        }
        for i in 0..self.moved.len() {
            let (residue, point) = self.moved[i];
            let cell = self.cell(point);
            self.grid[cell] = residue as u16 + 1;
        }
        self.energy = energy;
    }

    fn step(&self, random: &mut Random) -> Point {
        STEPS[(((random.bits() >> 32) * (self.dim as u64 * 2)) >> 32) as usize].0
    }

    /// `way` is where the part of the chain that stays is, seen from the residue: 1 behind it, -1 before it.
    fn pull(&mut self, residue: usize, way: isize, random: &mut Random) -> bool {
        let length = self.points.len();
        let neighbour = |by: isize| residue.checked_add_signed_(by).filter(|i| *i < length);
        let next = match neighbour(way) {
            Some(next) => next,
            None => return self.pull_end(residue, way, random),
        };
        let (here, there) = (self.points[residue], self.points[next]);
        let step = self.step(random);
        let along = minus(there, here);
        // Beside the bond and not along it.
        if step == along || step == minus(here, there) {
            return false;
        }
        let (corner, beside) = (plus(there, step), plus(here, step));
        if !self.is_free(corner) {
            return false;
        }
        match neighbour(-way) {
            // The other end of the chain: it only swings.
            None => {
                self.put(residue, corner);
                true
            }
            Some(before) if self.points[before] == beside => {
                self.put(residue, corner);
                true
            }
            Some(before) => {
                if !self.is_free(beside) {
                    return false;
                }
                let (mut last, mut last_but_one) = (here, self.points[before]);
                self.put(residue, corner);
                self.put(before, beside);
                self.follow(before, -way, &mut last_but_one, &mut last);
                true
            }
        }
    }

    /// The end of the chain goes two steps away, and all follow.
    fn pull_end(&mut self, end: usize, way: isize, random: &mut Random) -> bool {
        let first = plus(self.points[end], self.step(random));
        let second = plus(first, self.step(random));
        if !self.is_free(first) || !self.is_free(second) || first == second || second == self.points[end] {
            return false;
        }
        let before = match end.checked_add_signed_(-way) {
            Some(before) if before < self.points.len() => before,
            _ => return false,
        };
        let (mut last, mut last_but_one) = (self.points[end], self.points[before]);
        self.put(end, second);
        self.put(before, first);
        self.follow(before, -way, &mut last_but_one, &mut last);
        true
    }

    /// Each residue takes the place that the one two before it had, until the chain is whole again.
    fn follow(&mut self, from: usize, way: isize, one_back: &mut Point, two_back: &mut Point) {
        let mut at = from;
        while let Some(next) = at.checked_add_signed_(way).filter(|i| *i < self.points.len()) {
            if adjacent(self.points[next], self.points[at]) {
                return;
            }
            let old = self.points[next];
            self.put(next, *two_back);
            *two_back = *one_back;
            *one_back = old;
            at = next;
        }
    }
}

/// What newer compilers have as `checked_add_signed`.
trait CheckedAddSigned: Sized {
    fn checked_add_signed_(self, by: isize) -> Option<Self>;
}

impl CheckedAddSigned for usize {
    fn checked_add_signed_(self, by: isize) -> Option<usize> {
        let (sum, wrapped) = self.overflowing_add(by as usize);
        if wrapped == (by < 0) {
            Some(sum)
        } else {
            None
        }
    }
}
