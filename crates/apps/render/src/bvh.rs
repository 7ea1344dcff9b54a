//! What a ray meets: a tree of boxes, four children to a node, four triangles to a leaf.

use crate::lanes::F4;
use crate::vector::{vec3, Vec3};
use std::mem::MaybeUninit;

/// Places along an axis at which a split is tried.
const BINS: usize = 16;
/// The most triangles of a leaf.
const LEAF_MAX: usize = 4;
/// Enough for trees of 2^32 triangles: three children wait on each level.
const STACK: usize = 128;

const NONE: u32 = u32::MAX;
const LEAF: u32 = 1 << 31;

#[derive(Clone, Copy)]
pub struct Ray {
    pub origin: Vec3,
    pub dir: Vec3,
}

/// Where a ray meets a triangle first.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    pub t: f32,
    pub triangle: u32,
    pub u: f32,
    pub v: f32,
}

#[derive(Clone, Copy)]
struct Bounds {
    lo: Vec3,
    hi: Vec3,
}

impl Bounds {
    const EMPTY: Bounds = Bounds { lo: vec3(f32::MAX, f32::MAX, f32::MAX), hi: vec3(f32::MIN, f32::MIN, f32::MIN) };

    fn point(self, p: Vec3) -> Bounds {
        Bounds { lo: self.lo.min(p), hi: self.hi.max(p) }
    }

    fn join(self, o: Bounds) -> Bounds {
        Bounds { lo: self.lo.min(o.lo), hi: self.hi.max(o.hi) }
    }

    fn area(self) -> f32 {
        let d = (self.hi - self.lo).max(Vec3::ZERO);
        d.x * d.y + d.y * d.z + d.z * d.x
    }
}

#[derive(Default)]
struct Node {
    lo: [[f32; 4]; 3],
    hi: [[f32; 4]; 3],
    /// A node, a leaf (with [`LEAF`]), or [`NONE`].
    child: [u32; 4],
}

/// Four triangles: a corner and two edges each.
#[derive(Default)]
struct Block {
    corner: [[f32; 4]; 3],
    edge1: [[f32; 4]; 3],
    edge2: [[f32; 4]; 3],
    triangle: [u32; 4],
}

pub struct Bvh {
    nodes: Vec<Node>,
    blocks: Vec<Block>,
    root: u32,
}

struct Item {
    bounds: Bounds,
    centre: Vec3,
    triangle: u32,
}

impl Bvh {
    pub fn build(triangles: &[[Vec3; 3]]) -> Bvh {
        let mut items: Vec<Item> = triangles
            .iter()
            .enumerate()
            .map(|(i, t)| {
                let bounds = Bounds::EMPTY.point(t[0]).point(t[1]).point(t[2]);
                Item { bounds, centre: (bounds.lo + bounds.hi) * 0.5, triangle: i as u32 }
            })
            .collect();
        let mut bvh = Bvh { nodes: Vec::new(), blocks: Vec::new(), root: NONE };
        if !items.is_empty() {
            bvh.root = bvh.make(&mut items, triangles, 0);
        }
        bvh
    }

    /// Makes the subtree of some triangles: splits in two, and the larger parts again until there are four.
    fn make(&mut self, items: &mut [Item], triangles: &[[Vec3; 3]], depth: u32) -> u32 {
        if items.len() <= LEAF_MAX {
            let mut block = Block { triangle: [NONE; 4], ..Block::default() };
            for (lane, item) in items.iter().enumerate() {
                let [a, b, c] = triangles[item.triangle as usize];
                for axis in 0..3 {
                    block.corner[axis][lane] = a.axis(axis);
                    block.edge1[axis][lane] = (b - a).axis(axis);
                    block.edge2[axis][lane] = (c - a).axis(axis);
                }
                block.triangle[lane] = item.triangle;
            }
            self.blocks.push(block);
            return LEAF | (self.blocks.len() - 1) as u32;
        }
        let mut parts: Vec<&mut [Item]> = vec![items];
        while parts.len() < 4 {
            let largest = (0..parts.len())
                .filter(|i| parts[*i].len() > LEAF_MAX)
                .max_by(|a, b| bounds_of(parts[*a]).area().total_cmp(&bounds_of(parts[*b]).area()));
            let at = match largest {
                Some(at) => at,
                None => break,
            };
            let part = parts.remove(at);
            let middle = split(part, depth);
            let (left, right) = part.split_at_mut(middle);
            parts.push(left);
            parts.push(right);
        }
        let id = self.nodes.len();
        self.nodes.push(Node { child: [NONE; 4], ..Node::default() });
        for (lane, part) in parts.into_iter().enumerate() {
            let bounds = bounds_of(part);
            let child = self.make(part, triangles, depth + 1);
            let node = &mut self.nodes[id];
            for axis in 0..3 {
                node.lo[axis][lane] = bounds.lo.axis(axis);
                node.hi[axis][lane] = bounds.hi.axis(axis);
            }
            node.child[lane] = child;
        }
        id as u32
    }

    /// The nearest triangle between `near` and `far`.
    pub fn nearest(&self, ray: &Ray, near: f32, far: f32) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        self.walk(ray, near, far, |hit| {
            best = Some(hit);
            false
        });
        best
    }

    /// Whether anything for which `blocks` holds is between `near` and `far`.
    pub fn occluded(&self, ray: &Ray, near: f32, far: f32, mut blocks: impl FnMut(Hit) -> bool) -> bool {
        let mut found = false;
        self.walk_all(ray, near, far, &mut |hit| {
            found = blocks(hit);
            found
        });
        found
    }

    fn walk(&self, ray: &Ray, near: f32, far: f32, mut found: impl FnMut(Hit) -> bool) {
        self.visit::<true>(ray, near, far, &mut found);
    }

    fn walk_all(&self, ray: &Ray, near: f32, far: f32, found: &mut impl FnMut(Hit) -> bool) {
        self.visit::<false>(ray, near, far, found);
    }

    /// Calls `found` for triangles that are met, until it says to stop. With `NEAREST` each is nearer than the last.
    #[inline(always)]
    fn visit<const NEAREST: bool>(&self, ray: &Ray, near: f32, mut far: f32, found: &mut impl FnMut(Hit) -> bool) {
        if self.root == NONE {
            return;
        }
        let lanes = RayLanes::new(ray);
        let mut stack = Stack::new();
        stack.push(0, (self.root, near));
        let mut depth = 1;
        while depth > 0 {
            depth -= 1;
            let (id, entry) = stack.get(depth);
            if entry > far {
                continue;
            }
            if id & LEAF != 0 {
                let block = &self.blocks[(id & !LEAF) as usize];
                if let Some(hit) = lanes.meet(block, near, far) {
                    if NEAREST {
                        far = hit.t;
                    }
                    if found(hit) {
                        return;
                    }
                    if !NEAREST && self.others(block, &lanes, hit, near, far, found) {
                        return;
                    }
                }
                continue;
            }
            let node = &self.nodes[id as usize];
            let (mut mask, entries) = lanes.enter(node, near, far);
            let first = depth;
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let child = node.child[lane];
                if child == NONE || depth >= STACK {
                    continue;
                }
                // Sorted as they are put there, the nearest on top.
                let mut at = depth;
                while at > first && stack.get(at - 1).1 < entries[lane] {
                    stack.push(at, stack.get(at - 1));
                    at -= 1;
                }
                stack.push(at, (child, entries[lane]));
                depth += 1;
            }
        }
    }

    /// The triangles of a block behind the first that was met: a shadow ray may pass through that one.
    fn others(
        &self,
        block: &Block,
        lanes: &RayLanes,
        first: Hit,
        near: f32,
        far: f32,
        found: &mut impl FnMut(Hit) -> bool,
    ) -> bool {
        let (mask, t, u, v) = lanes.meet_all(block, near, far);
        (0..4)
            .filter(|lane| mask >> lane & 1 == 1 && block.triangle[*lane] != first.triangle)
            .any(|lane| found(Hit { t: t[lane], triangle: block.triangle[lane], u: u[lane], v: v[lane] }))
    }
}

fn bounds_of(items: &[Item]) -> Bounds {
    items.iter().fold(Bounds::EMPTY, |bounds, item| bounds.join(item.bounds))
}

/// Orders items so that a cut is cheap by the surface area heuristic, and says where it is.
fn split(items: &mut [Item], depth: u32) -> usize {
    let middle = items.len() / 2;
    let centres = items.iter().fold(Bounds::EMPTY, |b, item| b.point(item.centre));
    let extent = centres.hi - centres.lo;
    // A bound on the depth, and with it on the stack, whatever the scene.
    if extent.largest() <= 0.0 || depth > 24 {
        return middle;
    }
    let mut best = (f32::MAX, 0, 0);
    for axis in (0..3).filter(|axis| extent.axis(*axis) > 0.0) {
        let mut bins = [(Bounds::EMPTY, 0usize); BINS];
        for item in items.iter() {
            let bin = &mut bins[bin_of(item, axis, &centres)];
            *bin = (bin.0.join(item.bounds), bin.1 + 1);
        }
        let mut right = [0f32; BINS];
        let mut sum = (Bounds::EMPTY, 0);
        for i in (1..BINS).rev() {
            sum = (sum.0.join(bins[i].0), sum.1 + bins[i].1);
            right[i] = if sum.1 == 0 { 0.0 } else { sum.0.area() * sum.1 as f32 };
        }
        let mut left = (Bounds::EMPTY, 0);
        for i in 1..BINS {
            left = (left.0.join(bins[i - 1].0), left.1 + bins[i - 1].1);
            let cost = left.0.area() * left.1 as f32 + right[i];
            if left.1 > 0 && left.1 < items.len() && cost < best.0 {
                best = (cost, axis, i);
            }
        }
    }
    if best.0 == f32::MAX {
        return middle;
    }
    let (_, axis, bin) = best;
    items.sort_by_key(|item| (bin_of(item, axis, &centres) >= bin, item.triangle));
    items.iter().take_while(|item| bin_of(item, axis, &centres) < bin).count()
}

fn bin_of(item: &Item, axis: usize, centres: &Bounds) -> usize {
    let at = (item.centre.axis(axis) - centres.lo.axis(axis)) / (centres.hi.axis(axis) - centres.lo.axis(axis));
    ((at * BINS as f32) as usize).min(BINS - 1)
}

/// Nodes still to be visited, with the distance at which the ray enters them. Every ray needs one, so it is not cleared.
struct Stack([MaybeUninit<(u32, f32)>; STACK]);

impl Stack {
    #[inline(always)]
    fn new() -> Stack {
        Stack([MaybeUninit::uninit(); STACK])
    }

    #[inline(always)]
    fn push(&mut self, at: usize, entry: (u32, f32)) {
        self.0[at] = MaybeUninit::new(entry);
    }

    #[inline(always)]
    fn get(&self, at: usize) -> (u32, f32) {
        // SAFETY: only places below the depth are read, and each was written when the depth passed it.
        unsafe { self.0[at].assume_init() }
    }
}

/// A ray, each number four times.
struct RayLanes {
    origin: [F4; 3],
    dir: [F4; 3],
    inverse: [F4; 3],
}

impl RayLanes {
    #[inline(always)]
    fn new(ray: &Ray) -> RayLanes {
        // Never quite along an axis: zero times infinity would be no number.
        let inverse = |d: f32| 1.0 / if d.abs() < 1e-12 { 1e-12 } else { d };
        let (o, d) = (ray.origin, ray.dir);
        RayLanes {
            origin: [F4::splat(o.x), F4::splat(o.y), F4::splat(o.z)],
            dir: [F4::splat(d.x), F4::splat(d.y), F4::splat(d.z)],
            inverse: [F4::splat(inverse(d.x)), F4::splat(inverse(d.y)), F4::splat(inverse(d.z))],
        }
    }

    /// Which of four boxes the ray enters, and where.
    #[inline(always)]
    fn enter(&self, node: &Node, near: f32, far: f32) -> (u32, [f32; 4]) {
        let mut entry = F4::splat(near);
        let mut exit = F4::splat(far);
        for axis in 0..3 {
            let a = (F4::load(&node.lo[axis]) - self.origin[axis]) * self.inverse[axis];
            let b = (F4::load(&node.hi[axis]) - self.origin[axis]) * self.inverse[axis];
            entry = entry.max(a.min(b));
            exit = exit.min(a.max(b));
        }
        // A little wider than computed, so that rounding closes no gap between neighbours.
        (entry.le(exit * F4::splat(1.000_001)).bits(), entry.store())
    }

    /// The nearest triangle of a block.
    #[inline(always)]
    fn meet(&self, block: &Block, near: f32, far: f32) -> Option<Hit> {
        let (mut mask, t, u, v) = self.meet_all(block, near, far);
        let mut best: Option<Hit> = None;
        while mask != 0 {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            if best.map_or(true, |best| t[lane] < best.t) {
                best = Some(Hit { t: t[lane], triangle: block.triangle[lane], u: u[lane], v: v[lane] });
            }
        }
        best
    }

    /// Source: Möller and Trumbore, "Fast, Minimum Storage Ray/Triangle Intersection", 1997.
    #[inline(always)]
    fn meet_all(&self, block: &Block, near: f32, far: f32) -> (u32, [f32; 4], [f32; 4], [f32; 4]) {
        let load = |v: &[[f32; 4]; 3]| [F4::load(&v[0]), F4::load(&v[1]), F4::load(&v[2])];
        let (corner, e1, e2) = (load(&block.corner), load(&block.edge1), load(&block.edge2));
        let p = cross(self.dir, e2);
        // A lane without a triangle has no edges, so its determinant is 0 and nothing compares to the result.
        let inverse = dot(e1, p).recip();
        let s = [self.origin[0] - corner[0], self.origin[1] - corner[1], self.origin[2] - corner[2]];
        let u = dot(s, p) * inverse;
        let q = cross(s, e1);
        let v = dot(self.dir, q) * inverse;
        let t = dot(e2, q) * inverse;
        let zero = F4::splat(0.0);
        let inside = zero.le(u).and(zero.le(v)).and((u + v).le(F4::splat(1.0)));
        let mask = inside.and(F4::splat(near).lt(t)).and(t.lt(F4::splat(far))).bits();
        if mask == 0 {
            return (0, [0.0; 4], [0.0; 4], [0.0; 4]);
        }
        (mask, t.store(), u.store(), v.store())
    }
}

#[inline(always)]
fn cross(a: [F4; 3], b: [F4; 3]) -> [F4; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
fn dot(a: [F4; 3], b: [F4; 3]) -> F4 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
