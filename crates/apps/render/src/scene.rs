//! A scene ready to be looked at: geometry, materials, lights, the sky.

use crate::angle::sin_cos;
use crate::bvh::{Bvh, Hit, Ray};
use crate::camera::Camera;
use crate::material::Material;
use crate::obj::ObjScene;
use crate::vector::{vec3, Vec3};

pub struct Shape {
    pub corner: Vec3,
    pub edge1: Vec3,
    pub edge2: Vec3,
    /// The direction of the plane.
    pub plane: Vec3,
    pub normals: Option<[Vec3; 3]>,
    pub material: u32,
}

/// A triangle that shines, and the sum of the power of all up to it.
struct Light {
    shape: u32,
    area: f32,
    up_to: f32,
}

pub struct Scene {
    pub bvh: Bvh,
    pub shapes: Vec<Shape>,
    pub materials: Vec<Material>,
    lights: Vec<Light>,
    power: f32,
    /// Distances below this are rounding.
    pub epsilon: f32,
    pub lo: Vec3,
    pub hi: Vec3,
}

/// A point of a light, as seen from somewhere.
pub struct LightPoint {
    pub dir: Vec3,
    pub distance: f32,
    pub emission: Vec3,
    /// How likely this direction is to be chosen, by solid angle.
    pub pdf: f32,
}

impl Scene {
    pub fn new(obj: &ObjScene) -> Scene {
        let corners: Vec<[Vec3; 3]> = obj.triangles.iter().map(|t| t.corners).collect();
        let (mut lo, mut hi) = (corners[0][0], corners[0][0]);
        for corner in corners.iter().flatten() {
            lo = lo.min(*corner);
            hi = hi.max(*corner);
        }
        let shapes: Vec<Shape> = obj
            .triangles
            .iter()
            .map(|t| {
                let [a, b, c] = t.corners;
                let plane = (b - a).cross(c - a).unit();
                Shape { corner: a, edge1: b - a, edge2: c - a, plane, normals: t.normals, material: t.material }
            })
            .collect();
        let materials: Vec<Material> = obj.materials.iter().map(Material::new).collect();
        let mut lights = Vec::new();
        let mut power = 0.0;
        for (i, shape) in shapes.iter().enumerate() {
            let material = &materials[shape.material as usize];
            if material.is_light() {
                let area = 0.5 * shape.edge1.cross(shape.edge2).length();
                power += area * material.emission.luminance();
                lights.push(Light { shape: i as u32, area, up_to: power });
            }
        }
        let epsilon = (hi - lo).length().max(1e-6) * 2e-5;
        Scene { bvh: Bvh::build(&corners), shapes, materials, lights, power, epsilon, lo, hi }
    }

    pub fn has_lights(&self) -> bool {
        self.power > 0.0
    }

    pub fn nearest(&self, ray: &Ray) -> Option<Hit> {
        self.bvh.nearest(ray, 0.0, f32::MAX)
    }

    /// Whether light passes from one point along a direction for a distance; what lets it pass partly does by chance.
    pub fn visible(&self, from: Vec3, dir: Vec3, distance: f32, chance: f32) -> bool {
        let ray = Ray { origin: from, dir };
        !self.bvh.occluded(&ray, 0.0, distance * (1.0 - 1e-4), |hit| {
            chance < self.materials[self.shapes[hit.triangle as usize].material as usize].opacity
        })
    }

    /// Chooses a point of a light by its power, and a place on it.
    pub fn light_point(&self, from: Vec3, choice: f32, (u, v): (f32, f32)) -> Option<LightPoint> {
        let wanted = choice * self.power;
        let light = self.lights.get(self.lights.partition_point(|light| light.up_to <= wanted))?;
        let shape = &self.shapes[light.shape as usize];
        let root = u.sqrt();
        let to = shape.corner + shape.edge1 * (1.0 - root) + shape.edge2 * (v * root) - from;
        let distance = to.length();
        if distance <= self.epsilon {
            return None;
        }
        let dir = to / distance;
        let emission = self.materials[shape.material as usize].emission;
        let pdf = self.light_pdf(shape, dir, distance, light.area);
        if pdf > 0.0 {
            Some(LightPoint { dir, distance, emission, pdf })
        } else {
            None
        }
    }

    fn light_pdf(&self, shape: &Shape, dir: Vec3, distance: f32, area: f32) -> f32 {
        // A light shines on both sides: exporters do not agree on which is the front.
        let cos = shape.plane.dot(dir).abs();
        if cos < 1e-6 || area <= 0.0 {
            return 0.0;
        }
        let share = area * self.materials[shape.material as usize].emission.luminance() / self.power;
        share * distance * distance / (cos * area)
    }

    /// How likely [`Scene::light_point`] would have chosen what a ray has met.
    pub fn light_pdf_of(&self, hit: &Hit, dir: Vec3) -> f32 {
        let shape = &self.shapes[hit.triangle as usize];
        self.light_pdf(shape, dir, hit.t, 0.5 * shape.edge1.cross(shape.edge2).length())
    }

    /// The light of the sky, where nothing in the scene shines: blue above, bright at the horizon, with a soft sun.
    pub fn sky(&self, dir: Vec3) -> Vec3 {
        if self.has_lights() {
            return Vec3::ZERO;
        }
        let up = dir.y.max(-0.2) * 0.833 + 0.167;
        let sun = dir.dot(vec3(0.48, 0.72, 0.5)).max(0.0);
        // Powers 64 and 6, by products whose order is ours.
        let (second, fourth) = (sun * sun, (sun * sun) * (sun * sun));
        let sixteenth = (fourth * fourth) * (fourth * fourth);
        let glow = (sixteenth * sixteenth) * (sixteenth * sixteenth) * 6.0 + fourth * second * 0.5;
        vec3(0.95, 0.97, 1.0).lerp(vec3(0.28, 0.5, 0.95), up.clamp(0.0, 1.0)) + vec3(1.0, 0.85, 0.6) * glow
    }

    /// A view of all of it, from above and aside.
    pub fn overview(&self) -> Camera {
        let centre = (self.lo + self.hi) * 0.5;
        let radius = ((self.hi - self.lo).length() * 0.5).max(1e-4);
        let fov = 40.0f32;
        let eye = centre + vec3(0.55, 0.4, 1.0).unit() * (radius / sin_cos(fov.to_radians() * 0.5).0);
        Camera { eye, target: centre, up: vec3(0.0, 1.0, 0.0), fov }
    }
}
