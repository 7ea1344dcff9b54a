//! Follows light from the eye: path tracing with light sampled at every meeting, and both ways weighed.
//!
//! Source: Veach, "Robust Monte Carlo Methods for Light Transport Simulation", 1997, for the weights.

use crate::bvh::{Hit, Ray};
use crate::camera::Camera;
use crate::film::is_lit;
use crate::sampler::Sampler;
use crate::scene::Scene;
use crate::vector::Vec3;

/// The most meetings of one path.
const BOUNCES_MAX: u32 = 12;
/// From here on, paths that carry little are ended by chance.
const ROULETTE_FROM: u32 = 2;
/// The most that one path may bring by a detour: rare bright ones would be seen as specks.
const INDIRECT_MAX: f32 = 5.0;

/// What one pixel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pixel {
    pub light: Vec3,
    /// The colour and the direction of what is seen first, for removing noise.
    pub albedo: Vec3,
    pub normal: Vec3,
    /// How far off the light's brightness may be: the variance of its mean.
    pub variance: f32,
}

/// A meeting with a surface.
struct Meeting {
    point: Vec3,
    /// The direction of the plane and that for shading, on the side of the eye.
    plane: Vec3,
    normal: Vec3,
    entering: bool,
}

pub fn pixel(scene: &Scene, camera: &Camera, (width, height): (u32, u32), (x, y): (u32, u32), samples: u32) -> Pixel {
    let mut sum = Pixel::default();
    let (mut mean, mut squares) = (0f32, 0f32);
    for sample in 0..samples {
        let mut sampler = Sampler::new(x, y, sample);
        let (u, v) = sampler.pair();
        // A tent two pixels wide: smooth edges without blur.
        let tent = |u: f32| if u < 0.5 { (2.0 * u).sqrt() - 1.0 } else { 1.0 - (2.0 - 2.0 * u).sqrt() };
        let ray = camera.ray(x as f32 + 0.5 + tent(u), y as f32 + 0.5 + tent(v), width, height);
        let one = path(scene, ray, &mut sampler);
        if one.light.is_finite() {
            sum.light += one.light;
            // Welford's way, which does not subtract large numbers from each other.
            let bright = one.light.luminance();
            let off = bright - mean;
            mean += off / (sample + 1) as f32;
            squares += off * (bright - mean);
        }
        sum.albedo += one.albedo;
        sum.normal += one.normal;
    }
    let n = samples.max(1) as f32;
    let variance = squares / (n * (n - 1.0).max(1.0));
    Pixel { light: sum.light / n, albedo: sum.albedo / n, normal: sum.normal / n, variance }
}

/// The share of what a view sees that no light reaches; all, where it sees nothing. It is looked at as a small picture, so
/// that it depends on the shape of the picture and not on its size.
pub fn dark(scene: &Scene, camera: &Camera, (width, height): (u32, u32)) -> f32 {
    const LONGER_SIDE: u64 = 12;
    /// So many that chance leaves few places dark that are not.
    const SAMPLES: u32 = 6;
    let side = |size: u32| (LONGER_SIDE * u64::from(size) / u64::from(width.max(height))).max(1) as u32;
    let small = (side(width), side(height));
    let (mut lit, mut dark) = (0u32, 0u32);
    for y in 0..small.1 {
        for x in 0..small.0 {
            let seen = pixel(scene, camera, small, (x, y), SAMPLES);
            if is_lit(&seen) {
                lit += 1;
            } else if seen.normal != Vec3::ZERO {
                dark += 1;
            }
        }
    }
    if lit == 0 {
        return 1.0;
    }
    dark as f32 / (lit + dark) as f32
}

fn path(scene: &Scene, mut ray: Ray, sampler: &mut Sampler) -> Pixel {
    let mut seen = Pixel { albedo: Vec3::ONE, ..Pixel::default() };
    let mut weight = Vec3::ONE;
    // How likely the last surface was to send the path here; `None` where only it could have.
    let mut last_pdf: Option<f32> = None;
    // Glass shows what is behind it, so that is what is seen first.
    let mut first = true;
    let mut bounce = 0;
    while bounce < BOUNCES_MAX {
        let hit = match scene.nearest(&ray) {
            Some(hit) => hit,
            None => {
                add(&mut seen.light, weight * scene.sky(ray.dir), bounce);
                break;
            }
        };
        let shape = &scene.shapes[hit.triangle as usize];
        let material = &scene.materials[shape.material as usize];
        let meeting = meet(scene, &ray, &hit);
        let (choice, chance) = sampler.pair();
        if material.opacity < 1.0 && chance >= material.opacity {
            ray.origin = meeting.point - meeting.plane * scene.epsilon;
            bounce += 1;
            continue;
        }
        if material.is_light() {
            let share = last_pdf.map_or(1.0, |pdf| power_weight(pdf, scene.light_pdf_of(&hit, ray.dir)));
            add(&mut seen.light, weight * material.emission * share, bounce);
            if first {
                seen.normal = meeting.normal;
            }
            break;
        }
        let to_eye = -ray.dir;
        if first && !material.is_clear() {
            seen.normal = meeting.normal;
            seen.albedo = material.albedo();
            first = false;
        }
        if scene.has_lights() {
            let light = direct(scene, &meeting, material, to_eye, sampler);
            add(&mut seen.light, weight * light, bounce + 1);
        }
        let next = match material.scatter(meeting.normal, to_eye, meeting.entering, choice, sampler.pair()) {
            Some(next) => next,
            None => break,
        };
        let side = next.dir.dot(meeting.plane);
        // Shading directions can send a path to the wrong side of the surface itself.
        if next.pdf.is_some() && side <= 0.0 {
            break;
        }
        weight *= next.weight;
        last_pdf = next.pdf;
        bounce += 1;
        if bounce >= ROULETTE_FROM {
            let survive = weight.luminance().clamp(0.05, 0.9);
            if sampler.one() >= survive {
                break;
            }
            weight = weight / survive;
        }
        let offset = if side > 0.0 { scene.epsilon } else { -scene.epsilon };
        ray = Ray { origin: meeting.point + meeting.plane * offset, dir: next.dir };
    }
    seen
}

fn add(light: &mut Vec3, more: Vec3, bounce: u32) {
    let peak = more.largest();
    *light += if bounce > 1 && peak > INDIRECT_MAX { more * (INDIRECT_MAX / peak) } else { more };
}

fn meet(scene: &Scene, ray: &Ray, hit: &Hit) -> Meeting {
    let shape = &scene.shapes[hit.triangle as usize];
    let entering = shape.plane.dot(ray.dir) < 0.0;
    let plane = if entering { shape.plane } else { -shape.plane };
    let mut normal = plane;
    let mut outside = entering;
    if let Some([a, b, c]) = shape.normals {
        let smooth = (a * (1.0 - hit.u - hit.v) + b * hit.u + c * hit.v).unit();
        // The file's own directions say which side is outside, where the corners' order is the other way round.
        outside = if smooth.dot(shape.plane) < 0.0 { !entering } else { entering };
        let smooth = if smooth.dot(plane) < 0.0 { -smooth } else { smooth };
        // Seen from behind near an outline; the plane itself is in front.
        normal = if smooth.dot(ray.dir) < -1e-3 { smooth } else { plane };
    }
    // On the triangle itself: along the ray, rounding grows with the distance.
    let point = shape.corner + shape.edge1 * hit.u + shape.edge2 * hit.v;
    Meeting { point, plane, normal, entering: outside }
}

fn direct(
    scene: &Scene,
    meeting: &Meeting,
    material: &crate::material::Material,
    to_eye: Vec3,
    sampler: &mut Sampler,
) -> Vec3 {
    let (choice, chance) = sampler.pair();
    let place = sampler.pair();
    let light = match scene.light_point(meeting.point, choice, place) {
        Some(light) if light.dir.dot(meeting.plane) > 0.0 => light,
        _ => return Vec3::ZERO,
    };
    let (value, pdf) = material.evaluate(meeting.normal, to_eye, light.dir);
    if value.largest() <= 0.0 {
        return Vec3::ZERO;
    }
    let from = meeting.point + meeting.plane * scene.epsilon;
    if !scene.visible(from, light.dir, light.distance, chance) {
        return Vec3::ZERO;
    }
    light.emission * value * (power_weight(light.pdf, pdf) / light.pdf)
}

fn power_weight(mine: f32, other: f32) -> f32 {
    let (a, b) = (mine * mine, other * other);
    if a + b > 0.0 {
        a / (a + b)
    } else {
        0.0
    }
}
