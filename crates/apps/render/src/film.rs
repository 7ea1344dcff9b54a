//! Tiles, and the picture they make.
//!
//! Shape of a tile file, all little-endian: the 12 bytes `GOLEM TILE 2`; u32 width and height of the picture; u32 left,
//! top, width and height of the tile; u32 number of the frame; then for each pixel, row by row: light as 3 f32, its variance as f32, colour as 3
//! u8, direction as 3 i8.

use crate::trace::Pixel;
use crate::vector::{vec3, Vec3};

const MAGIC: &[u8; 12] = b"GOLEM TILE 2";
const HEADER: usize = 12 + 7 * 4;
const PIXEL: usize = 4 * 4 + 6;
/// The least brightness that counts as lit.
const LIT_MIN: f32 = 1e-4;

/// A part of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// Cuts a picture into at least `tiles` parts of nearly the same size, as square as can be.
pub fn cut(width: u32, height: u32, tiles: u32) -> Vec<Area> {
    let tiles = u64::from(tiles);
    let fits =
        |columns: u32| -> u32 { ((tiles + u64::from(columns) - 1) / u64::from(columns)).min(u64::from(height)) as u32 };
    let mut best = (u64::MAX, 1, 1);
    for columns in 1..=width.min(tiles as u32) {
        let rows = fits(columns);
        if u64::from(columns) * u64::from(rows) < tiles {
            continue;
        }
        let (w, h) = (u64::from(width / columns), u64::from(height / rows));
        // Few more than asked for, and then nearly square.
        let cost = (u64::from(columns) * u64::from(rows) - tiles) * 1_000_000 + w.max(h) * 1000 / w.min(h).max(1);
        if cost < best.0 {
            best = (cost, columns, rows);
        }
    }
    let (_, columns, rows) = best;
    let edge = |at: u32, parts: u32, size: u32| (u64::from(at) * u64::from(size) / u64::from(parts)) as u32;
    let mut areas = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let (left, top) = (edge(column, columns, width), edge(row, rows, height));
            let (right, bottom) = (edge(column + 1, columns, width), edge(row + 1, rows, height));
            areas.push(Area { left, top, width: right - left, height: bottom - top });
        }
    }
    areas
}

pub fn write_tile(width: u32, height: u32, area: Area, frame: u32, pixels: &[Pixel]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for number in [width, height, area.left, area.top, area.width, area.height, frame] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for pixel in pixels {
        for number in [pixel.light.x, pixel.light.y, pixel.light.z, pixel.variance] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for axis in 0..3 {
            bytes.push((pixel.albedo.axis(axis) * 255.0 + 0.5) as u8);
        }
        for axis in 0..3 {
            bytes.push((pixel.normal.axis(axis) * 127.0) as i8 as u8);
        }
    }
    bytes
}

/// Of which frame a tile is. Errors: it is none.
pub fn frame_of(bytes: &[u8]) -> Result<u32, &'static str> {
    match bytes.get(HEADER - 4..HEADER) {
        Some(word) if bytes.starts_with(MAGIC) => Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]])),
        _ => Err("it is not a tile"),
    }
}

/// The whole picture, as far as tiles have come.
pub struct Film {
    pub width: u32,
    pub height: u32,
    pixels: Vec<Pixel>,
    filled: Vec<bool>,
}

impl Film {
    /// Puts tiles together. Errors: one is damaged or of another picture, two overlap, or some part is missing.
    pub fn from_tiles(tiles: &[(String, Vec<u8>)]) -> Result<Film, String> {
        let film = Film::from_some_tiles(tiles)?;
        match film.filled.iter().position(|filled| !filled) {
            None => Ok(film),
            Some(at) => {
                let (x, y) = (at as u32 % film.width, at as u32 / film.width);
                Err(format!("no tile has the pixel {},{}; give the outputs of every tile", x, y))
            }
        }
    }

    /// Whether no tile is missing.
    pub fn is_complete(&self) -> bool {
        self.filled.iter().all(|filled| *filled)
    }

    /// Puts together the tiles there are. Errors: one is damaged or of another picture, or two overlap.
    pub fn from_some_tiles(tiles: &[(String, Vec<u8>)]) -> Result<Film, String> {
        let mut film: Option<Film> = None;
        for (name, bytes) in tiles {
            let bad = |what: &str| format!("{}: {}", name, what);
            if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
                return Err(bad("it is not a tile"));
            }
            let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            let (width, height) = (word(12), word(16));
            let area = Area { left: word(20), top: word(24), width: word(28), height: word(32) };
            if width == 0 || height == 0 || u64::from(width) * u64::from(height) > crate::PIXELS_MAX {
                return Err(bad(&format!("a picture of {} by {} pixels cannot be", width, height)));
            }
            let film = film.get_or_insert_with(|| {
                let count = width as usize * height as usize;
                Film { width, height, pixels: vec![Pixel::default(); count], filled: vec![false; count] }
            });
            if (width, height) != (film.width, film.height) {
                return Err(bad(&format!(
                    "it is of a picture of {} by {}, not {} by {}",
                    width, height, film.width, film.height
                )));
            }
            film.put(area, &bytes[HEADER..]).map_err(bad)?;
        }
        film.ok_or_else(|| "there are no tiles in /in; give the outputs of `tile`".to_owned())
    }

    fn put(&mut self, area: Area, bytes: &[u8]) -> Result<(), &'static str> {
        let within = |at: u32, size: u32, all: u32| at.checked_add(size).map_or(false, |end| end <= all);
        if !within(area.left, area.width, self.width) || !within(area.top, area.height, self.height) {
            return Err("it lies outside of the picture");
        }
        if bytes.len() != area.width as usize * area.height as usize * PIXEL {
            return Err("it has the wrong length");
        }
        for (i, pixel) in bytes.chunks_exact(PIXEL).enumerate() {
            let (x, y) = (area.left + i as u32 % area.width, area.top + i as u32 / area.width);
            let at = y as usize * self.width as usize + x as usize;
            if self.filled[at] {
                return Err("it overlaps another tile");
            }
            let float = |i: usize| f32::from_le_bytes([pixel[i], pixel[i + 1], pixel[i + 2], pixel[i + 3]]);
            let (light, variance) = (vec3(float(0), float(4), float(8)), float(12));
            if !light.is_finite() || !variance.is_finite() {
                return Err("it has light that is no number");
            }
            let colour = |i: usize| f32::from(pixel[i]) / 255.0;
            let way = |i: usize| f32::from(pixel[i] as i8) / 127.0;
            let albedo = vec3(colour(16), colour(17), colour(18));
            self.pixels[at] = Pixel { light, variance, albedo, normal: vec3(way(19), way(20), way(21)) };
            self.filled[at] = true;
        }
        Ok(())
    }

    /// Removes noise, keeping edges: averages the light that falls on a surface, ever more widely, over pixels that show
    /// a like surface and whose difference may be chance.
    ///
    /// Source: Schied and others, "Spatiotemporal Variance-Guided Filtering", 2017, without its temporal part.
    pub fn denoise(&mut self) {
        let (width, height) = (self.width as i64, self.height as i64);
        let base = |pixel: &Pixel| pixel.albedo.max(vec3(0.05, 0.05, 0.05));
        let mut light: Vec<(Vec3, f32)> = self
            .pixels
            .iter()
            .map(|p| {
                let b = base(p);
                let scale = b.luminance();
                (vec3(p.light.x / b.x, p.light.y / b.y, p.light.z / b.z), p.variance / (scale * scale))
            })
            .collect();
        despeckle(&mut light, width, height);
        const KERNEL: [f32; 3] = [0.375, 0.25, 0.0625];
        for step in [1i64, 2, 4, 8, 16] {
            let mut next = light.clone();
            for y in 0..height {
                for x in 0..width {
                    let at = (y * width + x) as usize;
                    let here = &self.pixels[at];
                    let spread = 4.0 * (blurred(&light, x, y, width, height).max(0.0)).sqrt() + 1e-3;
                    let bright = light[at].0.luminance();
                    let (mut sum, mut variance, mut total) = (Vec3::ZERO, 0.0, 0.0);
                    for dy in -2..=2i64 {
                        for dx in -2..=2i64 {
                            let (qx, qy) = (x + dx * step, y + dy * step);
                            if qx < 0 || qy < 0 || qx >= width || qy >= height {
                                continue;
                            }
                            let other = (qy * width + qx) as usize;
                            let there = &self.pixels[other];
                            let turned = here.normal - there.normal;
                            let colour = (here.albedo - there.albedo).length();
                            let differs = (bright - light[other].0.luminance()).abs() / spread;
                            let weight = KERNEL[dx.unsigned_abs() as usize]
                                * KERNEL[dy.unsigned_abs() as usize]
                                * (-differs - colour * 12.0 - turned.dot(turned) * 24.0).exp();
                            sum += light[other].0 * weight;
                            variance += light[other].1 * weight * weight;
                            total += weight;
                        }
                    }
                    next[at] = (sum / total, variance / (total * total));
                }
            }
            light = next;
        }
        for (pixel, (light, _)) in self.pixels.iter_mut().zip(light) {
            pixel.light = light * base(pixel);
        }
    }

    /// Rows of red, green and blue bytes, as a screen shows them. What is missing is a chequered grey.
    pub fn develop(&self, exposure: f32) -> Vec<u8> {
        let shown = |(at, pixel): (usize, &Pixel)| match self.filled[at] {
            true => screen(pixel.light * exposure),
            false => missing(at as u32 % self.width, at as u32 / self.width),
        };
        self.pixels.iter().enumerate().flat_map(shown).collect()
    }
}

/// How bright pictures are, where they are lit. What is black says nothing of how bright the rest should be: the space
/// around a scene is black, and so is a frame that sees nothing.
#[derive(Default)]
pub struct Brightness {
    logs: f64,
    lit: u64,
}

impl Brightness {
    /// Takes in a picture.
    pub fn add(&mut self, film: &Film) {
        let lit = film.pixels.iter().zip(&film.filled).filter(|(pixel, filled)| **filled && is_lit(pixel));
        for (pixel, _) in lit {
            self.logs += f64::from(pixel.light.luminance()).ln();
            self.lit += 1;
        }
    }

    /// The exposure at which they are neither dark nor burnt: their middle brightness becomes a middle grey.
    pub fn exposure(&self) -> f32 {
        let middle = (self.logs / self.lit.max(1) as f64).exp() as f32;
        (0.22 / middle).clamp(1.0 / 64.0, 64.0)
    }
}

/// Whether light comes from there.
pub fn is_lit(pixel: &Pixel) -> bool {
    pixel.light.luminance() > LIT_MIN
}

/// Squares in two greys: no scene looks like this by chance.
fn missing(x: u32, y: u32) -> [u8; 3] {
    let grey = if (x / 8 + y / 8) % 2 == 0 { 84 } else { 108 };
    [grey, grey, grey]
}

/// Takes pixels that outshine all their neighbours back to the brightest of them: one lucky path, and no highlight.
fn despeckle(light: &mut [(Vec3, f32)], width: i64, height: i64) {
    let before: Vec<f32> = light.iter().map(|(light, _)| light.luminance()).collect();
    for y in 0..height {
        for x in 0..width {
            let at = (y * width + x) as usize;
            let mut brightest = 0f32;
            for qy in (y - 1).max(0)..=(y + 1).min(height - 1) {
                for qx in (x - 1).max(0)..=(x + 1).min(width - 1) {
                    if (qx, qy) != (x, y) {
                        brightest = brightest.max(before[(qy * width + qx) as usize]);
                    }
                }
            }
            if before[at] > brightest && before[at] > 0.0 {
                light[at].0 = light[at].0 * (brightest / before[at]);
            }
        }
    }
}

/// The mean variance of a pixel and its neighbours: that of one alone is itself noise.
fn blurred(light: &[(Vec3, f32)], x: i64, y: i64, width: i64, height: i64) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for qy in (y - 1).max(0)..=(y + 1).min(height - 1) {
        for qx in (x - 1).max(0)..=(x + 1).min(width - 1) {
            sum += light[(qy * width + qx) as usize].1;
            count += 1.0;
        }
    }
    sum / count
}

/// A filmic curve that keeps hues, and the gamma of sRGB.
///
/// Source: Hill's fit of the ACES reference and output transforms.
fn screen(light: Vec3) -> [u8; 3] {
    let c = light.max(Vec3::ZERO);
    let input = vec3(
        c.dot(vec3(0.59719, 0.35458, 0.04823)),
        c.dot(vec3(0.07600, 0.90834, 0.01566)),
        c.dot(vec3(0.02840, 0.13383, 0.83777)),
    );
    let curve = |v: f32| (v * (v + 0.0245786) - 0.000090537) / (v * (0.983729 * v + 0.432_951) + 0.238081);
    let m = vec3(curve(input.x), curve(input.y), curve(input.z));
    let out = vec3(
        m.dot(vec3(1.60475, -0.53108, -0.07367)),
        m.dot(vec3(-0.10208, 1.10813, -0.00605)),
        m.dot(vec3(-0.00327, -0.07276, 1.07602)),
    );
    let byte = |v: f32| {
        let v = v.clamp(0.0, 1.0);
        let encoded = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0 + 0.5) as u8
    };
    [byte(out.x), byte(out.y), byte(out.z)]
}
