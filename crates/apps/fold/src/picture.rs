//! A fold as SVG.

use crate::chain::{Chain, Point};
use crate::markup::markup;
use crate::sequence::Sequence;
use std::fmt::Write as _;

/// The cubic lattice needs more room: what is behind shows between what is in front.
const SCALES: [f64; 2] = [34.0, 56.0];
const MARGIN: f64 = 40.0;
const TOP: f64 = 84.0;

/// Where a point is on paper, and how near: the cubic lattice is seen from above and beside.
fn flat(point: Point, dim: usize) -> (f64, f64, f64) {
    let [x, y, z] = [f64::from(point[0]), f64::from(point[1]), f64::from(point[2])];
    if dim == 2 {
        return (x, -y, 0.0);
    }
    (x + 0.42 * z, -y + 0.3 * z, z - 0.01 * y)
}

/// The chain as a line, hydrophobic residues filled, and a dashed line for each contact that counts.
pub fn draw(sequence: &Sequence, chain: &Chain) -> String {
    let places: Vec<(f64, f64, f64)> = chain.points().iter().map(|point| flat(*point, sequence.dim)).collect();
    let least = |of: fn(&(f64, f64, f64)) -> f64| places.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64, f64)) -> f64| places.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (left, top) = (least(|p| p.0), least(|p| p.1));
    let (near, far) = (most(|p| p.2), least(|p| p.2));
    let scale = SCALES[usize::from(sequence.dim == 3)];
    let at = |i: usize| (MARGIN + (places[i].0 - left) * scale, TOP + MARGIN + (places[i].1 - top) * scale);
    let width = (MARGIN * 2.0 + (most(|p| p.0) - left) * scale).max(480.0);
    let height = TOP + MARGIN * 2.0 + (most(|p| p.1) - top) * scale;
    let known = match sequence.best {
        Some(best) if chain.energy() < best => format!("{}, below {best}, the lowest known before", chain.energy()),
        Some(best) if chain.energy() == best => format!("{best}, the lowest known"),
        Some(best) => format!("{}; the lowest known is {best}", chain.energy()),
        None => chain.energy().to_string(),
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"DejaVu Sans, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"17\" font-weight=\"bold\">{}</text>\n\
         <text x=\"20\" y=\"52\" font-size=\"13\" fill=\"#555\">{} residues on the {} lattice, energy {known}</text>\n\
         <text x=\"20\" y=\"72\" font-size=\"11\" fill=\"#555\">blue: hydrophobic; red ring: the first residue; dashes: \
         contacts that count</text>\n",
        markup(&sequence.name),
        places.len(),
        if sequence.dim == 2 { "square" } else { "cubic" }
    );
    // What is further away is drawn first and paler.
    let depth = |z: f64| if near > far { (z - far) / (near - far) } else { 1.0 };
    let mut pieces: Vec<(f64, String)> = Vec::new();
    let mut line = |a: usize, b: usize, how: &str| {
        let ((x1, y1), (x2, y2)) = (at(a), at(b));
        let z = (places[a].2 + places[b].2) / 2.0;
        let opacity = 0.35 + 0.65 * depth(z);
        let text = format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" opacity=\"{opacity:.2}\" {how}/>\n"
        );
        pieces.push((z - 0.001, text));
    };
    for i in 1..places.len() {
        line(i - 1, i, "stroke=\"#333\" stroke-width=\"4\"");
    }
    for i in 0..places.len() {
        for j in i + 2..places.len() {
            let apart: i32 = (0..3).map(|axis| (chain.points()[i][axis] - chain.points()[j][axis]).abs()).sum();
            if apart == 1 && sequence.is_hydrophobic(i) && sequence.is_hydrophobic(j) {
                line(i, j, "stroke=\"#c8772a\" stroke-width=\"2\" stroke-dasharray=\"4 3\"");
            }
        }
    }
    for (i, place) in places.iter().enumerate() {
        let (x, y) = at(i);
        let fill = if sequence.is_hydrophobic(i) { "#1b6ca8" } else { "white" };
        let size = 8.0 + 2.5 * depth(place.2);
        // The first residue has a ring of its own, so that the chain can be read.
        let edge = if i == 0 { "#c02020" } else { "#333" };
        pieces.push((
            place.2,
            format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size:.1}\" fill=\"{fill}\" stroke=\"{edge}\" stroke-width=\"2\"/>\n"
            ),
        ));
    }
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
    pieces.iter().for_each(|(_, piece)| svg.push_str(piece));
    let _ = writeln!(svg, "</svg>");
    svg
}
