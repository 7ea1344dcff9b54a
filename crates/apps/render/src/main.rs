//! A path tracer that renders Wavefront scenes in pieces.
//!
//! ```text
//! render split --width W --height H --tiles N   ──> one JSON line for each tile
//! render tile  ... --index I                    ──> /out/tile
//! render preview                                ──> /out/preview.png, of the tiles there are
//! render merge                                  ──> /out/render.png; of an animation frame-0000.png and so on, and
//!                                                   animation.png
//! ```
//!
//! `tile` finds the scene in `/in`; `merge` finds the tiles below it. The same arguments give the same bytes.

mod angle;
mod bvh;
mod camera;
mod film;
mod lanes;
mod material;
mod obj;
#[path = "../../shared/plan.rs"]
mod plan;
mod png;
mod sampler;
mod scene;
mod trace;
mod vector;

#[cfg(test)]
mod tests;

use camera::Camera;
use film::{Brightness, Film};
use scene::Scene;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest picture: a quarter of an hour of a fast machine even at one sample.
pub const PIXELS_MAX: u64 = 1 << 26;
const SAMPLES_MAX: u32 = 65_536;
const TILES_MAX: u32 = 65_536;
const FRAMES_MAX: u32 = 10_000;
const FPS_MAX: u32 = 1000;
/// How deep a scene is looked for.
const FOLDERS_MAX: u32 = 8;

const HELP: &str = "usage: render split|tile|preview|merge [--OPTION VALUE]...

  split   prints one JSON line for each tile, for tile to be run with
  tile    renders one tile to /out/tile
  preview makes /out/preview.png of the tiles below /in, however few
  merge   makes /out/render.png of the tiles below /in, or the frames of an animation

  --scene FILE     the OBJ file, seen from /in; without, the only one there
  --camera VIEW    EYE:TARGET:UP:FOV such as 0,1,4:0,1,0:0,1,0:40; without, what the
                   scene suggests in a line `# camera VIEW`, or all of it
  --width N        640       --samples N      24 for each pixel
  --height N       480       --tiles N        64
  --index N        the tile to render, from 0
  --frames N       1; more make an animation
  --path PATH      turn, which goes round the target once, or to and fro where walls
                   would hide the scene; or VIEW;VIEW and so on
  --frame N        the frame that the tile is of, from 0
  --fps N          for merge: how many frames a second; 12
  --exposure X     for merge; without, by how bright the pictures are, one for all
  --denoise on|off for merge; on

A value that is empty counts as not given. split takes what is for merge too, so that
a wrong value is found before anything is computed.
";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&args, Path::new("/in"), Path::new("/out")) {
        eprintln!("render: {}", error);
        std::process::exit(1);
    }
}

/// What the arguments ask for.
struct Options {
    scene: Option<String>,
    camera: Option<String>,
    width: u32,
    height: u32,
    samples: u32,
    tiles: u32,
    index: Option<u32>,
    frames: u32,
    path: Option<String>,
    frame: u32,
    fps: u32,
    exposure: Option<f32>,
    denoise: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            scene: None,
            camera: None,
            width: 640,
            height: 480,
            samples: 24,
            tiles: 64,
            index: None,
            frames: 1,
            path: None,
            frame: 0,
            fps: 12,
            exposure: None,
            denoise: true,
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{} lacks a value\n\n{}", name, HELP))?;
            if value.is_empty() {
                continue;
            }
            let number = |least: u32, most: u32| match value.parse::<u32>() {
                Ok(n) if n >= least && n <= most => Ok(n),
                _ => Err(format!("{} {}: give a whole number from {} to {}", name, value, least, most)),
            };
            match name.as_str() {
                "--scene" => options.scene = Some(value.clone()),
                "--camera" => options.camera = Some(value.clone()),
                "--width" => options.width = number(1, 65_535)?,
                "--height" => options.height = number(1, 65_535)?,
                "--samples" => options.samples = number(1, SAMPLES_MAX)?,
                "--tiles" => options.tiles = number(1, TILES_MAX)?,
                "--index" => options.index = Some(number(0, TILES_MAX)?),
                "--frames" => options.frames = number(1, FRAMES_MAX)?,
                "--path" => options.path = Some(value.clone()),
                "--frame" => options.frame = number(0, FRAMES_MAX)?,
                "--fps" => options.fps = number(1, FPS_MAX)?,
                "--exposure" => match value.parse::<f32>() {
                    Ok(exposure) if exposure > 0.0 && exposure.is_finite() => options.exposure = Some(exposure),
                    _ => return Err(format!("--exposure {}: give a number above 0", value)),
                },
                "--denoise" => match value.as_str() {
                    "on" => options.denoise = true,
                    "off" => options.denoise = false,
                    _ => return Err(format!("--denoise {}: give on or off", value)),
                },
                _ => return Err(format!("there is no option {}\n\n{}", name, HELP)),
            }
        }
        let pixels = u64::from(options.width) * u64::from(options.height);
        if pixels > PIXELS_MAX {
            return Err(format!(
                "a picture of {} by {} pixels cannot be; the most is {} pixels",
                options.width, options.height, PIXELS_MAX
            ));
        }
        if u64::from(options.tiles) > pixels {
            return Err(format!(
                "--tiles {}: the picture has {} pixels, and a tile has one at least",
                options.tiles, pixels
            ));
        }
        Ok(options)
    }
}

fn run(args: &[String], input: &Path, output: &Path) -> Result<(), String> {
    let (command, rest) = args.split_first().ok_or(HELP)?;
    match command.as_str() {
        "split" => split(&Options::parse(rest)?, input),
        "tile" => tile(&Options::parse(rest)?, input, output),
        "preview" => preview(&Options::parse(rest)?, input, output),
        "merge" => merge(&Options::parse(rest)?, input, output),
        _ => Err(format!("there is no command {}\n\n{}", command, HELP)),
    }
}

/// Reads the scene, so that a broken one is found before anybody is paid, and prints the tiles.
fn split(options: &Options, input: &Path) -> Result<(), String> {
    let (scene, camera) = load(options, input)?;
    let tiles = film::cut(options.width, options.height, options.tiles);
    let views = match (options.frames, options.path.as_deref()) {
        (1, None) => vec![options.camera.clone()],
        (1, Some(path)) => return Err(format!("--path {}: one frame has no way to go; give --frames 2 or more", path)),
        (frames, None) | (frames, Some("turn")) => {
            let (views, swing) = camera.turn(frames, |view| trace::dark(&scene, view, (options.width, options.height)));
            if let Some(degrees) = swing {
                eprintln!(
                    "render: all the way round, walls would hide the scene: the camera goes {} degrees to either side",
                    degrees
                );
            }
            views.iter().map(|view| Some(view.text())).collect()
        }
        (frames, Some(path)) => Camera::along(path, frames)?.iter().map(|view| Some(view.text())).collect(),
    };
    let mut lines = String::new();
    for (frame, view) in views.iter().enumerate() {
        for (index, area) in tiles.iter().enumerate() {
            let mut args = vec!["tile".to_owned()];
            let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
            if let Some(scene) = &options.scene {
                add("--scene", scene.clone());
            }
            if let Some(view) = view {
                add("--camera", view.clone());
            }
            add("--width", options.width.to_string());
            add("--height", options.height.to_string());
            add("--samples", options.samples.to_string());
            add("--tiles", options.tiles.to_string());
            add("--index", index.to_string());
            let mut name = format!("tile-{}-{}", area.left, area.top);
            if views.len() > 1 {
                add("--frame", frame.to_string());
                name = format!("frame-{:04}-{}", frame, name);
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            lines.push_str(&plan::subtask_line(&name, &args));
        }
    }
    print!("{}", lines);
    Ok(())
}

fn tile(options: &Options, input: &Path, output: &Path) -> Result<(), String> {
    let tiles = film::cut(options.width, options.height, options.tiles);
    let index = options.index.ok_or("tile needs --index")?;
    let area = *tiles
        .get(index as usize)
        .ok_or_else(|| format!("there is no tile {}; they are numbered from 0 to {}", index, tiles.len() - 1))?;
    let (scene, camera) = load(options, input)?;
    let mut pixels = Vec::with_capacity(area.width as usize * area.height as usize);
    for y in area.top..area.top + area.height {
        for x in area.left..area.left + area.width {
            pixels.push(trace::pixel(&scene, &camera, (options.width, options.height), (x, y), options.samples));
        }
    }
    write(&output.join("tile"), &film::write_tile(options.width, options.height, area, options.frame, &pixels))
}

/// The files of the tiles below `/in`, by frame. They are read one frame at a time: all at once may not fit.
fn tiles_by_frame(input: &Path) -> Result<BTreeMap<u32, Vec<PathBuf>>, String> {
    let mut frames: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for folder in list(input)? {
        let path = folder.join("tile");
        if let Ok(bytes) = std::fs::read(&path) {
            let frame = film::frame_of(&bytes).map_err(|what| format!("{}: {}", path.display(), what))?;
            frames.entry(frame).or_default().push(path);
        }
    }
    if frames.is_empty() {
        return Err("there are no tiles in /in; give the outputs of `tile`".to_owned());
    }
    Ok(frames)
}

fn read_tiles(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {}", path.display(), error))?;
        Ok((path.display().to_string(), bytes))
    };
    paths.iter().map(read).collect()
}

/// Of an animation, the first frame that is not whole yet is shown, or the last.
fn preview(options: &Options, input: &Path, output: &Path) -> Result<(), String> {
    let mut shown = None;
    let mut brightness = Brightness::default();
    for paths in tiles_by_frame(input)?.values() {
        let film = Film::from_some_tiles(&read_tiles(paths)?)?;
        brightness.add(&film);
        let whole = film.is_complete();
        shown = Some(film);
        if !whole {
            break;
        }
    }
    let film = shown.ok_or("there are no tiles in /in")?;
    let exposure = options.exposure.unwrap_or_else(|| brightness.exposure());
    write(&output.join("preview.png"), &png::encode(film.width, film.height, &film.develop(exposure)))
}

fn merge(options: &Options, input: &Path, output: &Path) -> Result<(), String> {
    let frames = tiles_by_frame(input)?;
    // One exposure for all frames, or the picture would flicker.
    let exposure = match options.exposure {
        Some(exposure) => exposure,
        None => {
            let mut brightness = Brightness::default();
            for paths in frames.values() {
                brightness.add(&Film::from_tiles(&read_tiles(paths)?)?);
            }
            brightness.exposure()
        }
    };
    let mut animation: Option<png::Animation> = None;
    for (place, (frame, paths)) in frames.iter().enumerate() {
        if place as u32 != *frame {
            return Err(format!("there are no tiles of frame {}; give the outputs of every tile", place));
        }
        let mut film = Film::from_tiles(&read_tiles(paths)?)?;
        if options.denoise {
            film.denoise();
        }
        let pixels = film.develop(exposure);
        let png = png::encode(film.width, film.height, &pixels);
        if frames.len() == 1 {
            return write(&output.join("render.png"), &png);
        }
        write(&output.join(format!("frame-{:04}.png", frame)), &png)?;
        let new = || png::Animation::new(film.width, film.height, options.fps as u16);
        animation.get_or_insert_with(new).add(&pixels);
    }
    match animation {
        Some(animation) => write(&output.join("animation.png"), &animation.finish()),
        None => Ok(()),
    }
}

fn load(options: &Options, input: &Path) -> Result<(Scene, Camera), String> {
    let name = match &options.scene {
        Some(name) => name.clone(),
        None => only_scene(input)?,
    };
    let path = input.join(&name);
    let text = read_text(&path)?;
    let folder = path.parent().unwrap_or(input).to_owned();
    let obj =
        obj::parse(&name, &text, |library| read_text(&folder.join(library))).map_err(|error| error.to_string())?;
    for note in &obj.notes {
        eprintln!("render: {}: {}", name, note);
    }
    let scene = Scene::new(&obj);
    let camera = match options.camera.as_ref().or(obj.camera.as_ref()) {
        Some(text) => Camera::parse(text)?,
        None => scene.overview(),
    };
    Ok((scene, camera))
}

/// The OBJ file below `/in`, where there is just one.
fn only_scene(input: &Path) -> Result<String, String> {
    let mut scenes = Vec::new();
    find_scenes(input, FOLDERS_MAX, &mut scenes)?;
    match &scenes[..] {
        [scene] => Ok(scene.strip_prefix(input).unwrap_or(scene).to_string_lossy().into_owned()),
        _ => Err(format!("there are {} OBJ files in {}; name one with --scene", scenes.len(), input.display())),
    }
}

fn find_scenes(folder: &Path, depth: u32, scenes: &mut Vec<PathBuf>) -> Result<(), String> {
    for path in list(folder)? {
        if path.is_dir() && depth > 0 {
            find_scenes(&path, depth - 1, scenes)?;
        } else if path.extension().map_or(false, |e| e.eq_ignore_ascii_case("obj")) {
            scenes.push(path);
        }
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("cannot read the folder {}: {}", folder.display(), error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {}", path.display(), error))?;
    // Names in old files are in all sorts of encodings, and matter to nobody but each other.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("cannot write {}: {}", path.display(), error))
}
