//! How surfaces scatter light.
//!
//! MTL was made for another model of light, so its numbers are read like this: `Ke` shines; `illum` 4, 6, 7 and 9, or
//! `Ni` above 1 with `d` below 1, is glass of index `Ni` tinted by `Tf`; `illum` 3, 5 and 8 is metal that reflects `Ks`;
//! everything else is `Kd` under a clear coat whose strength is `Ks`, where 0.5 is that of plastic. `Ns` is how polished
//! metal and coat are. `d` below 1 otherwise lets that share of light pass straight on.

use crate::angle::sin_cos;
use crate::obj::MtlMaterial;
use crate::vector::{vec3, Vec3};
use std::f32::consts::PI;

#[derive(Clone, Debug)]
pub enum Surface {
    /// A matt base under a coat that reflects `coat` of the light that comes straight on.
    Plastic {
        base: Vec3,
        coat: Vec3,
        alpha: f32,
    },
    Metal {
        colour: Vec3,
        alpha: f32,
    },
    Glass {
        index: f32,
        tint: Vec3,
    },
}

#[derive(Clone, Debug)]
pub struct Material {
    pub surface: Surface,
    pub emission: Vec3,
    pub opacity: f32,
}

/// A direction chosen, what light along it counts, and how likely it was. A mirror's likeliness is `None`.
pub struct Scattered {
    pub dir: Vec3,
    pub weight: Vec3,
    pub pdf: Option<f32>,
}

impl Material {
    pub fn new(mtl: &MtlMaterial) -> Material {
        let alpha = (2.0 / (mtl.shininess + 2.0)).sqrt().max(0.02);
        let clear = mtl.opacity < 0.999 && mtl.index.map_or(false, |index| index > 1.001);
        let (surface, opacity) = match mtl.illum {
            4 | 6 | 7 | 9 => (glass(mtl), 1.0),
            _ if clear => (glass(mtl), 1.0),
            3 | 5 | 8 => (Surface::Metal { colour: mtl.specular, alpha }, mtl.opacity),
            // No highlight: illum 0 and 1 say so whatever Ks is.
            0 | 1 => (Surface::Plastic { base: mtl.diffuse, coat: Vec3::ZERO, alpha }, mtl.opacity),
            _ => (Surface::Plastic { base: mtl.diffuse, coat: mtl.specular * 0.08, alpha }, mtl.opacity),
        };
        Material { surface, emission: mtl.emission, opacity }
    }

    pub fn is_light(&self) -> bool {
        self.emission.largest() > 0.0
    }

    pub fn is_clear(&self) -> bool {
        matches!(self.surface, Surface::Glass { .. })
    }

    /// What is seen of it with light from everywhere: for telling edges apart when noise is removed.
    pub fn albedo(&self) -> Vec3 {
        match &self.surface {
            Surface::Plastic { base, .. } => *base,
            Surface::Metal { .. } | Surface::Glass { .. } => Vec3::ONE,
        }
    }

    /// How much light from `to_light` goes to `to_eye`, the cosine included, and how likely [`Material::scatter`] is to
    /// choose that direction.
    pub fn evaluate(&self, normal: Vec3, to_eye: Vec3, to_light: Vec3) -> (Vec3, f32) {
        let (cos_eye, cos_light) = (normal.dot(to_eye), normal.dot(to_light));
        if cos_eye <= 1e-5 || cos_light <= 1e-5 {
            return (Vec3::ZERO, 0.0);
        }
        match &self.surface {
            Surface::Glass { .. } => (Vec3::ZERO, 0.0),
            Surface::Metal { colour, alpha } => {
                let (reflected, pdf) = microfacets(*alpha, normal, to_eye, to_light);
                let half = (to_eye + to_light).unit();
                (fresnel(*colour, half.dot(to_eye)) * reflected, pdf)
            }
            Surface::Plastic { base, coat, alpha } => {
                let matt = *base * (cos_light / PI);
                if coat.largest() <= 0.0 {
                    return (matt, cos_light / PI);
                }
                let share = coat_share(*base, *coat, cos_eye);
                let (reflected, pdf) = microfacets(*alpha, normal, to_eye, to_light);
                let half = (to_eye + to_light).unit();
                let coated = fresnel(*coat, half.dot(to_eye));
                // What the coat reflects does not reach the base.
                let through = (Vec3::ONE - fresnel(*coat, cos_eye)) * (Vec3::ONE - fresnel(*coat, cos_light));
                (coated * reflected + matt * through, share * pdf + (1.0 - share) * cos_light / PI)
            }
        }
    }

    /// Chooses where light that goes to `to_eye` comes from.
    pub fn scatter(
        &self,
        normal: Vec3,
        to_eye: Vec3,
        entering: bool,
        choice: f32,
        (u, v): (f32, f32),
    ) -> Option<Scattered> {
        let dir = match &self.surface {
            Surface::Glass { index, tint } => return Some(refract(*index, *tint, normal, to_eye, entering, choice)),
            Surface::Metal { alpha, .. } => reflect(to_eye, facet(*alpha, normal, to_eye, u, v)),
            Surface::Plastic { base, coat, alpha } => {
                if coat.largest() > 0.0 && choice < coat_share(*base, *coat, normal.dot(to_eye)) {
                    reflect(to_eye, facet(*alpha, normal, to_eye, u, v))
                } else {
                    let (a, b) = normal.frame();
                    let (radius, (sin, cos)) = (u.sqrt(), sin_cos(2.0 * PI * v));
                    (a * (radius * cos) + b * (radius * sin) + normal * (1.0 - u).max(0.0).sqrt()).unit()
                }
            }
        };
        let (value, pdf) = self.evaluate(normal, to_eye, dir);
        if pdf <= 1e-8 {
            return None;
        }
        Some(Scattered { dir, weight: value / pdf, pdf: Some(pdf) })
    }
}

fn glass(mtl: &MtlMaterial) -> Surface {
    Surface::Glass { index: mtl.index.unwrap_or(1.5).max(1.0001), tint: mtl.filter.unwrap_or(Vec3::ONE) }
}

/// How often the coat is chosen rather than the base.
fn coat_share(base: Vec3, coat: Vec3, cos: f32) -> f32 {
    let coated = fresnel(coat, cos).luminance();
    let matt = base.luminance() * (1.0 - coated);
    (coated / (coated + matt).max(1e-6)).clamp(0.1, 0.9)
}

fn fresnel(straight: Vec3, cos: f32) -> Vec3 {
    let m = (1.0 - cos).clamp(0.0, 1.0);
    let m2 = m * m;
    straight + (Vec3::ONE - straight) * (m2 * m2 * m)
}

fn reflect(to_eye: Vec3, normal: Vec3) -> Vec3 {
    (normal * (2.0 * normal.dot(to_eye)) - to_eye).unit()
}

/// GGX: what it reflects for a perfect mirror's colour, the cosine included, and the likeliness of [`facet`].
fn microfacets(alpha: f32, normal: Vec3, to_eye: Vec3, to_light: Vec3) -> (f32, f32) {
    let half = (to_eye + to_light).unit();
    let (cos_eye, cos_light, cos_half) = (normal.dot(to_eye), normal.dot(to_light), normal.dot(half).max(0.0));
    let a2 = alpha * alpha;
    let d = cos_half * cos_half * (a2 - 1.0) + 1.0;
    let density = a2 / (PI * d * d).max(1e-12);
    let shadow = |cos: f32| 2.0 * cos / (cos + (a2 + (1.0 - a2) * cos * cos).sqrt());
    let (shadow_eye, shadow_light) = (shadow(cos_eye), shadow(cos_light));
    (density * shadow_eye * shadow_light / (4.0 * cos_eye), density * shadow_eye / (4.0 * cos_eye))
}

/// A facet of GGX, as likely as it is seen.
///
/// Source: Heitz, "Sampling the GGX Distribution of Visible Normals", 2018.
fn facet(alpha: f32, normal: Vec3, to_eye: Vec3, u: f32, v: f32) -> Vec3 {
    let (a, b) = normal.frame();
    let eye = vec3(alpha * a.dot(to_eye), alpha * b.dot(to_eye), normal.dot(to_eye).max(1e-5)).unit();
    let t1 = vec3(-eye.y, eye.x, 0.0).unit_or(vec3(1.0, 0.0, 0.0));
    let t2 = eye.cross(t1);
    let (radius, (sin, cos)) = (u.sqrt(), sin_cos(2.0 * PI * v));
    let p1 = radius * cos;
    let s = 0.5 * (1.0 + eye.z);
    let p2 = (1.0 - s) * (1.0 - p1 * p1).max(0.0).sqrt() + s * radius * sin;
    let p3 = (1.0 - p1 * p1 - p2 * p2).max(0.0).sqrt();
    let stretched = t1 * p1 + t2 * p2 + eye * p3;
    let local = vec3(alpha * stretched.x, alpha * stretched.y, stretched.z.max(1e-6)).unit();
    (a * local.x + b * local.y + normal * local.z).unit()
}

fn refract(index: f32, tint: Vec3, normal: Vec3, to_eye: Vec3, entering: bool, choice: f32) -> Scattered {
    let ratio = if entering { 1.0 / index } else { index };
    let cos = normal.dot(to_eye).clamp(0.0, 1.0);
    let sin2 = ratio * ratio * (1.0 - cos * cos);
    let mirrored = Scattered { dir: reflect(to_eye, normal), weight: Vec3::ONE, pdf: None };
    if sin2 >= 1.0 {
        return mirrored;
    }
    let cos_through = (1.0 - sin2).sqrt();
    let (n1, n2) = if entering { (1.0, index) } else { (index, 1.0) };
    let across = (n1 * cos - n2 * cos_through) / (n1 * cos + n2 * cos_through);
    let along = (n2 * cos - n1 * cos_through) / (n2 * cos + n1 * cos_through);
    if choice < 0.5 * (across * across + along * along) {
        return mirrored;
    }
    let dir = (normal * (ratio * cos - cos_through) - to_eye * ratio).unit();
    // Tinted once for each time through: half on the way in, half on the way out.
    let tint = vec3(tint.x.sqrt(), tint.y.sqrt(), tint.z.sqrt());
    Scattered { dir, weight: tint, pdf: None }
}
