//! From where the scene is seen.

use crate::angle::sin_cos;
use crate::bvh::Ray;
use crate::vector::{vec3, Vec3};

/// How finely a turn is tried: in steps of three degrees.
const TURN_STEPS: u32 = 120;
/// How much more of what is seen may be dark than at the start, before a turn goes no further.
const DARK_MORE_MAX: f32 = 0.05;
/// How much higher or lower the way back lies, as part of a whole turn.
const RISE_MAX: f32 = 10.0 / 360.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    pub eye: Vec3,
    pub target: Vec3,
    pub up: Vec3,
    /// The angle from the left to the right edge, in degrees, or from top to bottom where that is longer.
    pub fov: f32,
}

impl Camera {
    /// Reads `EYE:TARGET`, `EYE:TARGET:UP` or `EYE:TARGET:UP:FOV`, points as `x,y,z`, the angle in degrees.
    pub fn parse(text: &str) -> Result<Camera, String> {
        let bad = |why| format!("--camera {:?}: {}; write EYE:TARGET:UP:FOV such as 0,1,4:0,1,0:0,1,0:40", text, why);
        Camera::read(text).map_err(bad)
    }

    /// The same, where the caller says what the text was for.
    fn read(text: &str) -> Result<Camera, String> {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() < 2 || parts.len() > 4 {
            return Err(format!("`{}` has no 2 to 4 parts with `:` between", text));
        }
        let number = |text: &str| match text.trim().parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(format!("`{}` is not a number", text)),
        };
        let point = |text: &str| -> Result<Vec3, String> {
            let n = text.split(',').map(&number).collect::<Result<Vec<f32>, String>>()?;
            match n[..] {
                [x, y, z] => Ok(vec3(x, y, z)),
                _ => Err(format!("`{}` is no point of 3 numbers", text)),
            }
        };
        let camera = Camera {
            eye: point(parts[0])?,
            target: point(parts[1])?,
            up: parts.get(2).map_or(Ok(vec3(0.0, 1.0, 0.0)), |part| point(part))?,
            fov: parts.get(3).map_or(Ok(40.0), |part| number(part))?,
        };
        if (camera.target - camera.eye).length() < 1e-9 {
            return Err("eye and target are the same".to_owned());
        }
        if camera.up.length() < 1e-9 {
            return Err("up has no direction".to_owned());
        }
        if !(camera.fov >= 1.0 && camera.fov <= 170.0) {
            return Err(format!("an angle of {} is not between 1 and 170 degrees", camera.fov));
        }
        Ok(camera)
    }

    /// As [`Camera::parse`] reads it.
    pub fn text(&self) -> String {
        let point = |p: Vec3| format!("{},{},{}", p.x, p.y, p.z);
        format!("{}:{}:{}:{}", point(self.eye), point(self.target), point(self.up), self.fov)
    }

    /// Turned round its target, by a part of a whole turn.
    fn turned(&self, part: f32) -> Camera {
        Camera { eye: self.target + rotated(self.eye - self.target, self.up.unit(), part), ..self.clone() }
    }

    /// A place on the way to and fro: as far as `reach` to either side, and a little higher or lower on the way back, so
    /// that no view comes twice.
    fn swung(&self, reach: f32, at: f32) -> Camera {
        let (sin, cos) = sin_cos(at * std::f32::consts::PI * 2.0);
        let (arm, up) = (self.eye - self.target, self.up.unit());
        // Away from the pole, where the picture would turn over.
        let way = if arm.unit().dot(up) > 0.7 { -1.0 } else { 1.0 };
        let rise = way * RISE_MAX.min(reach * 0.5) * (1.0 - cos) * 0.5;
        let raised = rotated(arm, arm.cross(up).unit_or(arm.unit().frame().0), rise);
        Camera { eye: self.target + raised, ..self.clone() }.turned(reach * sin)
    }

    /// The views of a turn: once round the target. Where walls would hide the scene, to and fro between them instead, as
    /// far to each side; then the degrees come too. `dark` is the share of what a view sees that no light reaches.
    pub fn turn(&self, frames: u32, dark: impl Fn(&Camera) -> f32) -> (Vec<Camera>, Option<u32>) {
        let most = dark(self) + DARK_MORE_MAX;
        let reach = |steps: u32| steps as f32 / TURN_STEPS as f32;
        let shows = |steps: u32| [0.25, 0.5, 0.75].iter().all(|at| dark(&self.swung(reach(steps), *at)) <= most);
        let steps = (1..=TURN_STEPS / 2).take_while(|steps| shows(*steps)).count() as u32;
        let at = |frame: u32| frame as f32 / frames as f32;
        if steps == TURN_STEPS / 2 {
            return ((0..frames).map(|frame| self.turned(at(frame))).collect(), None);
        }
        // A little in any case, or it would be no animation.
        let steps = steps.max(1);
        ((0..frames).map(|frame| self.swung(reach(steps), at(frame))).collect(), Some(steps * 360 / TURN_STEPS))
    }

    /// The views of an animation along other views with `;` between them: smoothly, from the first frame to the last.
    pub fn along(path: &str, frames: u32) -> Result<Vec<Camera>, String> {
        let bad =
            |why: String| format!("--path {:?}: {}; write turn, or two views and more with `;` between", path, why);
        let keys = path.split(';').map(Camera::read).collect::<Result<Vec<Camera>, String>>().map_err(&bad)?;
        if keys.len() < 2 {
            return Err(bad("it has one view".to_owned()));
        }
        let views = (0..frames).map(|frame| {
            let at = frame as f32 / (frames.max(2) - 1) as f32 * (keys.len() - 1) as f32;
            let from = (at as usize).min(keys.len() - 2);
            Camera::between(&keys, from, at - from as f32)
        });
        // What lies between two views need not be one, where the eye passes through its target.
        views.map(|view| Camera::read(&view.text()).map_err(|why| bad(format!("on the way, {}", why)))).collect()
    }

    /// Between a key and the next, on a curve through all of them.
    ///
    /// Source: E. Catmull and R. Rom, "A class of local interpolating splines", 1974.
    fn between(keys: &[Camera], from: usize, t: f32) -> Camera {
        let key = |i: usize| &keys[i.min(keys.len() - 1)];
        let (a, b, c, d) = (key(from.saturating_sub(1)), key(from), key(from + 1), key(from + 2));
        let weights = [
            ((2.0 - t) * t - 1.0) * t / 2.0,
            ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
            ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
            (t - 1.0) * t * t / 2.0,
        ];
        let point =
            |of: fn(&Camera) -> Vec3| of(a) * weights[0] + of(b) * weights[1] + of(c) * weights[2] + of(d) * weights[3];
        Camera {
            eye: point(|k| k.eye),
            target: point(|k| k.target),
            up: point(|k| k.up),
            fov: b.fov + (c.fov - b.fov) * t,
        }
    }

    /// The ray through a place of the picture, measured in pixels from the upper left.
    pub fn ray(&self, x: f32, y: f32, width: u32, height: u32) -> Ray {
        let forward = (self.target - self.eye).unit();
        // Where up is the way forward, any other way will do.
        let right = forward.cross(self.up.unit()).unit_or(forward.frame().0);
        let up = right.cross(forward);
        let longer = width.max(height) as f32;
        let (sin, cos) = sin_cos(self.fov.to_radians() * 0.5);
        let scale = sin / cos * 2.0 / longer;
        let (dx, dy) = ((x - width as f32 * 0.5) * scale, (height as f32 * 0.5 - y) * scale);
        Ray { origin: self.eye, dir: (forward + right * dx + up * dy).unit() }
    }
}

/// Rodrigues' formula: a direction turned round an axis, by a part of a whole turn.
fn rotated(arm: Vec3, axis: Vec3, part: f32) -> Vec3 {
    let (sin, cos) = sin_cos(part * std::f32::consts::PI * 2.0);
    arm * cos + axis.cross(arm) * sin + axis * (axis.dot(arm) * (1.0 - cos))
}
