//! Reads scenes: Wavefront OBJ with MTL.
//!
//! Taken from OBJ: `v vn vt f usemtl mtllib`, faces of any number of corners (cut as a fan), indices from the end,
//! continued lines. Groups, objects and smoothing have no effect; lines and points are left out. From MTL: `newmtl Kd Ks
//! Ke Tf Ns Ni d Tr illum`; textures (`map_*`) are not used, and a note says so.

use crate::vector::{vec3, Vec3};
use std::collections::BTreeMap;
use std::fmt;

/// The most triangles, which bounds memory: each takes some 300 bytes.
const TRIANGLES_MAX: usize = 4_000_000;

/// A material as MTL describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct MtlMaterial {
    pub diffuse: Vec3,
    pub specular: Vec3,
    pub emission: Vec3,
    pub filter: Option<Vec3>,
    pub shininess: f32,
    pub index: Option<f32>,
    pub opacity: f32,
    pub illum: u32,
}

impl Default for MtlMaterial {
    fn default() -> MtlMaterial {
        MtlMaterial {
            diffuse: vec3(0.7, 0.7, 0.7),
            specular: Vec3::ZERO,
            emission: Vec3::ZERO,
            filter: None,
            shininess: 10.0,
            index: None,
            opacity: 1.0,
            illum: 1,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Triangle {
    pub corners: [Vec3; 3],
    /// Directions for smooth shading, where the file gives them.
    pub normals: Option<[Vec3; 3]>,
    pub material: u32,
}

#[derive(Debug, Default)]
pub struct ObjScene {
    pub triangles: Vec<Triangle>,
    pub materials: Vec<MtlMaterial>,
    /// The view that a comment `# camera EYE:TARGET:UP:FOV` in the file suggests.
    pub camera: Option<String>,
    /// What was left out, once each.
    pub notes: Vec<String>,
}

/// What is wrong with a scene, and where.
#[derive(Debug, PartialEq)]
pub struct ObjError {
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for ObjError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Lines with their numbers; those that end in a backslash are joined, comments cut off.
fn lines(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut source = text.lines().enumerate();
    std::iter::from_fn(move || {
        let (number, first) = source.next()?;
        let mut line = first.to_owned();
        while line.ends_with('\\') {
            line.pop();
            line.push(' ');
            match source.next() {
                Some((_, more)) => line.push_str(more),
                None => break,
            }
        }
        Some((number + 1, line))
    })
}

/// The words of one line, and where it is for errors.
struct Words<'a> {
    file: &'a str,
    line: usize,
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn error(&self, what: String) -> ObjError {
        ObjError { file: self.file.to_owned(), line: self.line, what }
    }

    fn number(&self, at: usize) -> Result<f32, ObjError> {
        let keyword = self.words[0];
        let word = self.words.get(at).ok_or_else(|| self.error(format!("`{}` lacks number {}", keyword, at)))?;
        match word.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.error(format!("`{}` is not a number that `{}` can have", word, keyword))),
        }
    }

    fn vector(&self) -> Result<Vec3, ObjError> {
        Ok(vec3(self.number(1)?, self.number(2)?, self.number(3)?))
    }

    /// A colour: three numbers, or one for all three.
    fn colour(&self) -> Result<Vec3, ObjError> {
        if matches!(self.words.get(1), Some(&"spectral") | Some(&"xyz")) {
            return Err(
                self.error(format!("`{}` as {} is not read; give red, green and blue", self.words[0], self.words[1]))
            );
        }
        let colour = match self.words.len() {
            2 => {
                let grey = self.number(1)?;
                vec3(grey, grey, grey)
            }
            _ => self.vector()?,
        };
        if colour.x < 0.0 || colour.y < 0.0 || colour.z < 0.0 {
            return Err(self.error(format!("`{}` has a negative colour", self.words[0])));
        }
        Ok(colour)
    }

    /// An index of a face: from 1 up, or from the end where it is negative.
    fn index(&self, text: &str, count: usize, what: &str) -> Result<usize, ObjError> {
        let index: i64 = text.parse().map_err(|_| self.error(format!("`{}` is not the number of a {}", text, what)))?;
        let at = if index < 0 { count as i64 + index } else { index - 1 };
        if index == 0 || at < 0 || at >= count as i64 {
            return Err(self.error(format!("there is no {} {}; up to here there are {}", what, index, count)));
        }
        Ok(at as usize)
    }
}

/// Reads a scene. `library` gives the text of a material file that the scene names.
pub fn parse(
    file: &str,
    text: &str,
    mut library: impl FnMut(&str) -> Result<String, String>,
) -> Result<ObjScene, ObjError> {
    let mut scene = ObjScene::default();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    let (mut points, mut normals): (Vec<Vec3>, Vec<Vec3>) = (Vec::new(), Vec::new());
    let mut textures = 0;
    let mut material: Option<u32> = None;
    for (number, line) in lines(text) {
        if let Some(camera) = line.strip_prefix("# camera ") {
            scene.camera = Some(camera.trim().to_owned());
        }
        let content = line.split('#').next().unwrap_or("");
        let words = Words { file, line: number, words: content.split_whitespace().collect() };
        let rest = || content.trim().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim()).to_owned();
        match words.words.first().copied() {
            None | Some("o" | "g" | "s" | "mg" | "lod" | "shadow_obj" | "trace_obj") => {}
            Some("v") => points.push(words.vector()?),
            Some("vn") => normals.push(words.vector()?),
            Some("vt") => textures += 1,
            Some("f") => {
                let material = *material.get_or_insert_with(|| {
                    scene.materials.push(MtlMaterial::default());
                    scene.materials.len() as u32 - 1
                });
                face(&words, &points, &normals, textures, material, &mut scene.triangles)?;
            }
            Some("usemtl") => {
                let name = rest();
                material = Some(*names.get(&name).ok_or_else(|| {
                    let known: Vec<&str> = names.keys().map(String::as_str).collect();
                    words.error(format!("there is no material `{}`; known are: {}", name, known.join(", ")))
                })?);
            }
            Some("mtllib") => {
                let name = rest();
                let text = library(&name).map_err(|reason| {
                    words
                        .error(format!("cannot read the material file `{}`: {}; put it beside the scene", name, reason))
                })?;
                parse_mtl(&name, &text, &mut scene, &mut names)?;
            }
            Some("l" | "p" | "curv" | "curv2" | "surf" | "cstype" | "vp") => {
                note(&mut scene.notes, "lines, points and curves are left out");
            }
            Some(word) => return Err(words.error(format!("`{}` is not a statement of Wavefront OBJ", word))),
        }
    }
    if scene.triangles.is_empty() {
        return Err(ObjError { file: file.to_owned(), line: 1, what: "the scene has no faces".to_owned() });
    }
    Ok(scene)
}

fn note(notes: &mut Vec<String>, text: &str) {
    if !notes.iter().any(|have| have == text) {
        notes.push(text.to_owned());
    }
}

fn face(
    words: &Words<'_>,
    points: &[Vec3],
    normals: &[Vec3],
    textures: usize,
    material: u32,
    triangles: &mut Vec<Triangle>,
) -> Result<(), ObjError> {
    let mut corners: Vec<(Vec3, Option<Vec3>)> = Vec::with_capacity(words.words.len() - 1);
    for word in &words.words[1..] {
        let mut parts = word.split('/');
        let point = points[words.index(parts.next().unwrap_or(""), points.len(), "vertex")?];
        if let Some(texture) = parts.next().filter(|part| !part.is_empty()) {
            words.index(texture, textures, "texture coordinate")?;
        }
        let normal = match parts.next() {
            Some(part) => Some(normals[words.index(part, normals.len(), "normal")?]),
            None => None,
        };
        if parts.next().is_some() {
            return Err(words.error(format!("`{}` is not a corner; write v, v/vt, v//vn or v/vt/vn", word)));
        }
        corners.push((point, normal));
    }
    if corners.len() < 3 {
        return Err(words.error(format!("a face has {} corners and needs at least 3", corners.len())));
    }
    for i in 1..corners.len() - 1 {
        let (a, b, c) = (corners[0], corners[i], corners[i + 1]);
        let plane = (b.0 - a.0).cross(c.0 - a.0);
        // Without an area there is nothing to see, and no direction to shade by.
        if plane.length() < 1e-30 {
            continue;
        }
        if triangles.len() >= TRIANGLES_MAX {
            return Err(words.error(format!("the scene has more than {} triangles", TRIANGLES_MAX)));
        }
        let smooth = match (a.1, b.1, c.1) {
            (Some(a), Some(b), Some(c)) => {
                Some([a.unit_or(plane.unit()), b.unit_or(plane.unit()), c.unit_or(plane.unit())])
            }
            _ => None,
        };
        triangles.push(Triangle { corners: [a.0, b.0, c.0], normals: smooth, material });
    }
    Ok(())
}

fn parse_mtl(file: &str, text: &str, scene: &mut ObjScene, names: &mut BTreeMap<String, u32>) -> Result<(), ObjError> {
    let mut current: Option<usize> = None;
    for (number, line) in lines(text) {
        let content = line.split('#').next().unwrap_or("");
        let words = Words { file, line: number, words: content.split_whitespace().collect() };
        let keyword = match words.words.first().copied() {
            Some(keyword) => keyword,
            None => continue,
        };
        if keyword == "newmtl" {
            let name = content.trim().split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
            if name.is_empty() {
                return Err(words.error("`newmtl` lacks a name".to_owned()));
            }
            scene.materials.push(MtlMaterial::default());
            current = Some(scene.materials.len() - 1);
            names.insert(name.to_owned(), scene.materials.len() as u32 - 1);
            continue;
        }
        let at = current.ok_or_else(|| words.error(format!("`{}` comes before any `newmtl`", keyword)))?;
        let material = &mut scene.materials[at];
        let limited = |value: f32, lo: f32, hi: f32| value.max(lo).min(hi);
        match keyword {
            "Kd" => material.diffuse = words.colour()?.min(Vec3::ONE),
            "Ks" => material.specular = words.colour()?.min(Vec3::ONE),
            "Ke" => material.emission = words.colour()?,
            "Tf" => material.filter = Some(words.colour()?.min(Vec3::ONE)),
            "Ns" => material.shininess = limited(words.number(1)?, 0.0, 1e6),
            "Ni" => material.index = Some(limited(words.number(1)?, 1.0, 5.0)),
            "d" => {
                let halo = usize::from(words.words.get(1) == Some(&"-halo"));
                material.opacity = limited(words.number(1 + halo)?, 0.0, 1.0);
            }
            "Tr" => material.opacity = 1.0 - limited(words.number(1)?, 0.0, 1.0),
            "illum" => material.illum = words.number(1)? as u32,
            "Ka" | "sharpness" | "aniso" | "anisor" | "Pc" | "Pcr" | "Pr" | "Pm" | "Ps" => {}
            _ if keyword.starts_with("map_") || matches!(keyword, "bump" | "disp" | "decal" | "refl" | "norm") => {
                note(&mut scene.notes, "textures are not used; surfaces have the colour of Kd");
            }
            _ => return Err(words.error(format!("`{}` is not a statement of a material file", keyword))),
        }
    }
    Ok(())
}
