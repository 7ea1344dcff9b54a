//! How much of what varies comes from which number: Sobol's indices.
//!
//! Start with [`Design::new`]: it says at which places something is to be computed; [`indices`] makes of the results how
//! much of the variance each number makes alone (first order), and alone and together with others (total).
//!
//! Source: Saltelli et al., Variance based sensitivity analysis of model output (2010): the sampling, with Latin
//! hypercubes, and Jansen's estimators of both.

use super::{Interval, bootstrap};
use crate::stream::{Draw, Stream};
use serde::Serialize;

/// The stream that samples: apart from everything a simulated world draws.
const SAMPLE: u32 = 0x00b0_0758;

/// Two samples of places, every number from 0 to 1, and for each number the first with that one from the second.
#[derive(Clone, Debug)]
pub struct Design {
    a: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    numbers: usize,
}

impl Design {
    /// So many places of so many numbers. Equal seeds give equal designs.
    pub fn new(numbers: usize, rows: usize, seed: u64) -> Design {
        let mut stream = Stream::new(seed, SAMPLE, 0);
        let mut sample = || {
            let columns: Vec<Vec<f64>> = (0..numbers).map(|_| column(rows, &mut stream)).collect();
            let row = |row: usize| columns.iter().filter_map(|column| column.get(row).copied()).collect();
            (0..rows).map(row).collect::<Vec<Vec<f64>>>()
        };
        Design { a: sample(), b: sample(), numbers }
    }

    /// The places of a row: of the first sample, of the second, then the first with each number in turn from the second.
    pub fn places(&self, row: usize) -> Vec<Vec<f64>> {
        let (Some(a), Some(b)) = (self.a.get(row), self.b.get(row)) else { return Vec::new() };
        let mut places = vec![a.clone(), b.clone()];
        for number in 0..self.numbers {
            let mut mixed = a.clone();
            if let (Some(place), Some(other)) = (mixed.get_mut(number), b.get(number)) {
                *place = *other;
            }
            places.push(mixed);
        }
        places
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.a.len()
    }
}

/// One point in each of so many equal parts, in any order.
fn column(rows: usize, stream: &mut Stream) -> Vec<f64> {
    let mut column: Vec<f64> = (0..rows).map(|part| (part as f64 + stream.unit()) / rows as f64).collect();
    for last in (1..rows).rev() {
        column.swap(last, stream.below(last as u32 + 1) as usize);
    }
    column
}

/// How much of the variance a number makes, with 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Indices {
    /// Alone.
    pub first: f64,
    /// Its interval.
    pub first_interval: Interval,
    /// Alone and together with others.
    pub total: f64,
    /// Its interval.
    pub total_interval: Interval,
}

/// The indices of each number, from the results of each row in the order of [`Design::places`]. Rows in which a result is
/// no number are left out, as is everything where nothing varies.
pub fn indices(results: &[Vec<f64>], seed: u64) -> Vec<Indices> {
    let kept: Vec<&Vec<f64>> = results.iter().filter(|row| row.iter().all(|result| result.is_finite())).collect();
    let numbers = kept.first().map_or(0, |row| row.len().saturating_sub(2));
    let rows: Vec<f64> = (0..kept.len()).map(|row| row as f64).collect();
    (0..numbers)
        .map(|number| {
            let of = |against: usize, rows: &[f64]| half_square(&kept, rows, number + 2, against);
            let first = |rows: &[f64]| 1.0 - of(1, rows);
            let total = |rows: &[f64]| of(0, rows);
            Indices {
                first: first(&rows),
                first_interval: bootstrap(&rows, seed, first),
                total: total(&rows),
                total_interval: bootstrap(&rows, seed, total),
            }
        })
        .collect()
}

/// Half of the mean square of the differences between two places of these rows, over the variance of all that the two
/// samples gave there.
fn half_square(kept: &[&Vec<f64>], rows: &[f64], place: usize, against: usize) -> f64 {
    // Around some result, so that nothing is lost where they are large and alike.
    let middle = kept.first().and_then(|row| row.first()).copied().unwrap_or(0.0);
    let (mut differences, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for row in rows.iter().filter_map(|row| kept.get(*row as usize)) {
        let at = |place: usize| row.get(place).map_or(f64::NAN, |result| result - middle);
        let (a, b) = (at(0), at(1));
        differences += (at(against) - at(place)) * (at(against) - at(place));
        sum += a + b;
        squares += a * a + b * b;
    }
    let count = 2.0 * rows.len() as f64;
    differences / count / (squares / count - (sum / count) * (sum / count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Ishigami's function, of which the indices are known.
    fn ishigami(place: &[f64]) -> f64 {
        let [x, y, z] = [0, 1, 2].map(|number| (2.0 * place[number] - 1.0) * PI);
        libm::sin(x) + 7.0 * libm::sin(y) * libm::sin(y) + 0.1 * z * z * z * z * libm::sin(x)
    }

    fn played(rows: usize, function: fn(&[f64]) -> f64) -> Vec<Vec<f64>> {
        let design = Design::new(3, rows, 1);
        (0..design.rows()).map(|row| design.places(row).iter().map(|place| function(place)).collect()).collect()
    }

    const KNOWN: [(f64, f64); 3] = [(0.3139, 0.5576), (0.4424, 0.4424), (0.0, 0.2437)];

    #[test]
    fn finds_the_indices_of_the_function_of_ishigami() {
        let results = played(40_000, ishigami);
        let (kept, rows): (Vec<_>, Vec<_>) = (results.iter().collect(), (0..40_000).map(f64::from).collect());
        for (number, (first, total)) in KNOWN.into_iter().enumerate() {
            let found = (1.0 - half_square(&kept, &rows, number + 2, 1), half_square(&kept, &rows, number + 2, 0));
            assert!((found.0 - first).abs() < 0.03, "first of {number}: {} for {first}", found.0);
            assert!((found.1 - total).abs() < 0.015, "total of {number}: {} for {total}", found.1);
        }
    }

    #[test]
    fn says_how_well_it_knows_them() {
        let found = indices(&played(300, ishigami), 1);
        assert_eq!(found.len(), KNOWN.len());
        for (number, (found, (first, total))) in found.iter().zip(KNOWN).enumerate() {
            for (interval, known) in [(found.first_interval, first), (found.total_interval, total)] {
                let Interval { low, high } = interval;
                assert!((0.02..0.8).contains(&(high - low)), "{number}: {low} to {high}");
                assert!(low - 0.1 < known && known < high + 0.1, "{number}: {low} to {high} for {known}");
            }
        }
    }

    #[test]
    fn a_sum_has_no_more_than_what_each_makes_alone_and_what_does_not_count_makes_nothing() {
        let found = indices(&played(300, |place| 3.0 * place[0] + 4.0 * place[1]), 1);
        for (found, part) in found.iter().zip([9.0 / 25.0, 16.0 / 25.0, 0.0]) {
            assert!((found.first - part).abs() < 0.1 && (found.total - part).abs() < 0.1, "{found:?} for {part}");
        }
        assert_eq!(found[2].total, 0.0);
    }

    #[test]
    fn every_number_is_drawn_once_in_each_part_of_its_range() {
        let design = Design::new(2, 50, 9);
        for number in 0..2 {
            let mut parts: Vec<usize> = (0..50).map(|row| (design.places(row)[0][number] * 50.0) as usize).collect();
            parts.sort_unstable();
            assert_eq!(parts, (0..50).collect::<Vec<_>>());
        }
        let places = design.places(3);
        assert_eq!((places[2][0], places[2][1]), (places[1][0], places[0][1]));
        assert!(design.places(50).is_empty());
    }
}
