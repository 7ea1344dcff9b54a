use crate::camera::Camera;
use crate::film::{cut, Film};
use crate::obj::{self, ObjError, ObjScene};
use crate::vector::{vec3, Vec3};
use crate::*;

fn read(text: &str) -> Result<ObjScene, ObjError> {
    obj::parse("a.obj", text, |name| match name {
        "a.mtl" => Ok("newmtl red\nKd 1 0 0\nnewmtl lamp\nKe 5 5 5\n".to_owned()),
        "bad.mtl" => Ok("newmtl x\nKd 1 0\n".to_owned()),
        _ => Err("no such file".to_owned()),
    })
}

const SQUARE: &str = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n";

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn names_file_and_line_of_what_is_wrong() {
    let face = |face: &str| error(&format!("{}{}\n", SQUARE, face));
    assert_eq!(error("v 1 2\n"), "a.obj:1: `v` lacks number 3");
    assert_eq!(error("\nv 1 two 3\n"), "a.obj:2: `two` is not a number that `v` can have");
    assert_eq!(error("v 1 inf 3\n"), "a.obj:1: `inf` is not a number that `v` can have");
    assert_eq!(face("f 1 2 5"), "a.obj:5: there is no vertex 5; up to here there are 4");
    assert_eq!(face("f 1 2 -5"), "a.obj:5: there is no vertex -5; up to here there are 4");
    assert_eq!(face("f 1 2 0"), "a.obj:5: there is no vertex 0; up to here there are 4");
    assert_eq!(face("f 1 2"), "a.obj:5: a face has 2 corners and needs at least 3");
    assert_eq!(face("f 1//1 2//1 3//1"), "a.obj:5: there is no normal 1; up to here there are 0");
    assert_eq!(face("f 1/1 2/1 3/1"), "a.obj:5: there is no texture coordinate 1; up to here there are 0");
    assert_eq!(face("f 1 2 x"), "a.obj:5: `x` is not the number of a vertex");
    assert_eq!(error("mtllib a.mtl\nusemtl blue\n"), "a.obj:2: there is no material `blue`; known are: lamp, red");
    assert_eq!(error("mtllib bad.mtl\n"), "bad.mtl:2: `Kd` lacks number 3");
    assert!(error("mtllib b.mtl\n").starts_with("a.obj:1: cannot read the material file `b.mtl`: no such file"));
    assert_eq!(error("solid ascii\n"), "a.obj:1: `solid` is not a statement of Wavefront OBJ");
    assert_eq!(error(SQUARE), "a.obj:1: the scene has no faces");
}

#[test]
fn reads_polygons_counted_from_either_end_and_joined_lines() {
    let text = format!(
        "{}vt 0 0\nvn 0 0 1\ng x\ns 1\nmtllib a.mtl\nusemtl red\nf 1//1 2//1 \\\n3//1 4//-1\nf -4/1 -3/1 -2/-1\n",
        SQUARE
    );
    let scene = read(&text).unwrap();
    assert_eq!(scene.triangles.len(), 3);
    assert_eq!(scene.triangles[1].corners, [vec3(0.0, 0.0, 0.0), vec3(1.0, 1.0, 0.0), vec3(0.0, 1.0, 0.0)]);
    assert_eq!(scene.triangles[0].normals, Some([vec3(0.0, 0.0, 1.0); 3]));
    assert_eq!(scene.triangles[2].normals, None);
    assert_eq!(scene.materials[scene.triangles[0].material as usize].diffuse, vec3(1.0, 0.0, 0.0));
}

#[test]
fn leaves_out_faces_without_area_and_notes_what_it_does_not_use() {
    let scene = read(&format!("{}f 1 1 2\nf 1 2 3\nl 1 2\nl 2 3\n", SQUARE)).unwrap();
    assert_eq!((scene.triangles.len(), scene.notes.len()), (1, 1));
}

#[test]
fn refuses_views_that_are_none() {
    for text in ["", "1,2,3", "1,2:0,0,0", "0,0,0:0,0,0", "0,0,1:0,0,0:0,0,0", "0,0,1:0,0,0:0,1,0:200", "a,b,c:0,0,0"] {
        assert!(Camera::parse(text).is_err(), "{}", text);
    }
    assert_eq!(Camera::parse("0,0,1:0,0,0").unwrap().fov, 40.0);
}

/// Many triangles in a heap, by a fixed rule.
fn heap(count: u32) -> Vec<[Vec3; 3]> {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    (0..count)
        .map(|_| {
            let at = vec3(next(), next(), next()) * 10.0;
            [at, at + vec3(next(), next(), next()), at + vec3(next(), next(), next())]
        })
        .collect()
}

#[test]
fn the_tree_finds_what_looking_at_every_triangle_finds() {
    let triangles = heap(500);
    let tree = bvh::Bvh::build(&triangles);
    let single: Vec<bvh::Bvh> = triangles.iter().map(|t| bvh::Bvh::build(&[*t])).collect();
    let mut met = 0;
    for [origin, to, _] in heap(300) {
        let ray = bvh::Ray { origin, dir: (to - vec3(0.5, 0.5, 0.5) - origin).unit() };
        let each = single.iter().filter_map(|one| one.nearest(&ray, 0.0, 1e9)).map(|hit| hit.t);
        let want = each.fold(f32::MAX, f32::min);
        let got = tree.nearest(&ray, 0.0, 1e9).map_or(f32::MAX, |hit| hit.t);
        assert_eq!(got, want);
        assert_eq!(tree.occluded(&ray, 0.0, 1e9, |_| true), want < f32::MAX);
        let mut seen = 0;
        tree.occluded(&ray, 0.0, 1e9, |_| {
            seen += 1;
            false
        });
        assert_eq!(seen, single.iter().filter(|one| one.nearest(&ray, 0.0, 1e9).is_some()).count());
        met += u32::from(want < f32::MAX);
    }
    assert!(met > 50, "{}", met);
}

#[test]
fn tiles_cover_the_picture_once() {
    for (width, height, tiles) in [(480, 360, 64), (7, 5, 3), (1, 1, 1), (1000, 1, 13), (3, 200, 97), (5, 5, 25)] {
        let areas = cut(width, height, tiles);
        assert!(areas.len() >= tiles as usize, "{} by {} in {}", width, height, tiles);
        let covered: u32 = areas.iter().map(|a| a.width * a.height).sum();
        assert_eq!(covered, width * height);
        assert!(areas.iter().all(|a| a.width > 0 && a.height > 0));
    }
    assert_eq!(cut(480, 360, 64).len(), 64);
}

#[test]
fn refuses_tiles_that_do_not_fit_together() {
    let areas = cut(4, 2, 2);
    let pixels = vec![trace::Pixel::default(); 4];
    let tile = |i: usize| ("t".to_owned(), film::write_tile(4, 2, areas[i], 0, &pixels));
    let error = |tiles: &[(String, Vec<u8>)]| Film::from_tiles(tiles).err().unwrap();
    assert!(Film::from_tiles(&[tile(1), tile(0)]).is_ok());
    assert!(error(&[]).contains("no tiles"));
    assert!(error(&[tile(0)]).contains("no tile has the pixel 2,0"));
    assert!(error(&[tile(0), tile(0)]).contains("overlaps"));
    let mut short = tile(0);
    short.1.pop();
    assert!(error(&[short]).contains("wrong length"));
    assert!(error(&[("t".to_owned(), b"GIF89a".to_vec())]).contains("not a tile"));
    let other = ("t".to_owned(), film::write_tile(2, 2, areas[0], 0, &pixels));
    assert!(error(&[tile(0), other]).contains("of a picture of 2 by 2, not 4 by 2"));
}

fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

#[test]
fn another_decoder_reads_the_png() {
    let smooth: Vec<u8> = (0..300 * 200 * 3).map(|i| (i / 300 / 3 + i % 7) as u8).collect();
    let noise: Vec<u8> = heap(4000).iter().flatten().map(|v| (v.x * 40.0) as u8).collect();
    let flat = vec![7u8; 100 * 90 * 3];
    for (width, height, pixels) in [(300, 200, smooth), (100, 40, noise), (100, 90, flat), (1, 1, vec![1, 2, 3])] {
        let bytes = png::encode(width, height, &pixels);
        assert_eq!(decode(&bytes), (width, height, pixels));
    }
    assert!(png::encode(100, 90, &[7; 100 * 90 * 3]).len() < 500);
}

fn args(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A folder for one test, removed in the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("render-{}-{}", name, std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("in")).unwrap();
        Folder(path)
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn renders_and_merges_the_shipped_scene() {
    let folder = Folder::new("shipped");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/cornell");
    for name in ["cornell.obj", "cornell.mtl"] {
        std::fs::copy(shipped.join(name), folder.at(&format!("in/room/{}", name))).unwrap();
    }
    let size = "--width 32 --height 24 --samples 4 --tiles 4";
    run(&args(&format!("split {}", size)), &folder.0.join("in"), &folder.0).unwrap();
    for index in 0..4 {
        let out = folder.at(&format!("tiles/{}/tile", index));
        let arguments = args(&format!("tile {} --index {}", size, index));
        run(&arguments, &folder.0.join("in"), out.parent().unwrap()).unwrap();
    }
    run(&args("merge"), &folder.0.join("tiles"), &folder.0).unwrap();
    let (width, height, pixels) = decode(&std::fs::read(folder.at("render.png")).unwrap());
    assert_eq!((width, height), (32, 24));
    let at = |x: usize, y: usize| &pixels[(y * 32 + x) * 3..][..3];
    // The left wall is red, the right one blue-green.
    assert!(at(1, 12)[0] > at(1, 12)[2] + 40, "{:?}", at(1, 12));
    assert!(at(30, 12)[2] > at(30, 12)[0] + 40, "{:?}", at(30, 12));
}

#[test]
fn a_plane_under_the_sky_is_as_bright_as_it_should_be() {
    // Energy is neither lost nor made.
    let text = "mtllib m\nusemtl grey\nv -9 0 -9\nv 9 0 -9\nv 9 0 9\nv -9 0 9\nf 4 3 2 1\n";
    let obj = obj::parse("a", text, |_| Ok("newmtl grey\nKd 0.5 0.5 0.5\nillum 1\n".to_owned())).unwrap();
    let scene = Scene::new(&obj);
    let camera = Camera::parse("0,5,0:0,0,0:0,0,1:20").unwrap();
    let seen = trace::pixel(&scene, &camera, (8, 8), (4, 4), 4096).light;
    // The sky's light on a level plane, summed by hand over many directions.
    let (mut sum, steps) = (Vec3::ZERO, 200);
    for i in 0..steps {
        for j in 0..steps {
            let (u, angle) = ((i as f32 + 0.5) / steps as f32, (j as f32 + 0.5) / steps as f32 * std::f32::consts::TAU);
            let radius = u.sqrt();
            sum += scene.sky(vec3(radius * angle.cos(), (1.0 - u).sqrt(), radius * angle.sin()));
        }
    }
    let want = sum * (0.5 / (steps * steps) as f32);
    assert!((seen.luminance() / want.luminance() - 1.0).abs() < 0.02, "{:?} {:?}", seen, want);
}

#[test]
fn scattering_agrees_with_what_it_says_of_itself() {
    for mtl in ["Kd 0.5 0.4 0.3\nKs 0.5 0.5 0.5\nNs 50\nillum 2", "Ks 0.9 0.8 0.7\nNs 20\nillum 3"] {
        let obj = obj::parse("a", &format!("mtllib m\nusemtl x\n{}f 1 2 3\n", SQUARE), |_| {
            Ok(format!("newmtl x\n{}\n", mtl))
        });
        let material = material::Material::new(&obj.unwrap().materials[0]);
        let (normal, eye) = (vec3(0.0, 0.0, 1.0), vec3(0.6, 0.0, 0.8));
        // Reflected light, once by choosing directions and once by trying all alike.
        let (mut chosen, mut tried, n) = (Vec3::ZERO, Vec3::ZERO, 40_000);
        for i in 0..n {
            let mut sampler = sampler::Sampler::new(i, 1, 0);
            let (choice, _) = sampler.pair();
            if let Some(next) = material.scatter(normal, eye, true, choice, sampler.pair()) {
                assert!((next.dir.length() - 1.0).abs() < 1e-3);
                chosen += next.weight;
            }
            let (u, v) = sampler.pair();
            let (radius, angle) = ((1.0 - u * u).max(0.0).sqrt(), v * std::f32::consts::TAU);
            let dir = vec3(radius * angle.cos(), radius * angle.sin(), u);
            tried += material.evaluate(normal, eye, dir).0 * std::f32::consts::TAU;
        }
        let (chosen, tried) = (chosen.luminance() / n as f32, tried.luminance() / n as f32);
        assert!((chosen / tried - 1.0).abs() < 0.05, "{}: {} {}", mtl, chosen, tried);
        assert!(chosen <= 1.0);
    }
}

#[test]
fn refuses_options_that_are_none() {
    let folder = Folder::new("options");
    let fails = |text: &str| run(&args(text), &folder.0.join("in"), &folder.0).unwrap_err();
    assert!(fails("").contains("usage"));
    assert!(fails("paint").contains("no command paint"));
    assert!(fails("tile --width").contains("lacks a value"));
    assert!(fails("tile --size 3").contains("no option --size"));
    assert!(fails("tile --width -3").contains("whole number"));
    assert!(fails("tile --width 0").contains("--width 0: give a whole number from 1 to 65535"));
    assert!(fails("tile --width 65535 --height 65535").contains("the most is"));
    assert!(fails("tile").contains("--index"));
    assert!(fails("tile --index 64").contains("numbered from 0 to 63"));
    assert!(fails("split").contains("there are 0 OBJ files"));
    assert!(fails("merge").contains("no tiles"));
    assert!(fails("merge --exposure 0").contains("above 0"));
    assert!(fails("split --width 3 --height 2 --tiles 7").contains("has 6 pixels"));
}

#[test]
fn a_split_refuses_what_only_the_merge_or_an_animation_reads() {
    let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/cornell");
    let fails = |text: &str| run(&args(&format!("split {}", text)), &scene, &scene).err().unwrap_or_default();
    for (text, word) in [
        ("--denoise maybe", "--denoise maybe: give on or off"),
        ("--exposure bright", "--exposure bright: give a number above 0"),
        ("--fps x", "--fps x: give a whole number from 1 to 1000"),
        ("--fps 0", "--fps 0: give a whole number from 1 to 1000"),
        ("--frames 0", "--frames 0: give a whole number from 1 to 10000"),
        ("--path turn", "--path turn: one frame has no way to go; give --frames 2 or more"),
        ("--frames 2 --path spin", "--path \"spin\": `spin` has no 2 to 4 parts"),
        ("--frames 2 --path 0,0,5:0,0,0", "--path \"0,0,5:0,0,0\": it has one view"),
        ("--frames 3 --path 0,0,1:0,0,0;0,0,-1:0,0,0", "on the way, eye and target are the same"),
    ] {
        assert!(fails(text).contains(word), "{}: {}", text, fails(text));
    }
    // So it is given what the merge is.
    let manifest = include_str!("../manifest.toml");
    let section = |name: &str| manifest.split(name).nth(1).unwrap().split("\n[").next().unwrap();
    for parameter in section("[merge]").split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
        assert!(section("[split]").contains(&format!("\"--{0}\", \"{{{0}}}\"", parameter)), "{}", parameter);
    }
}

#[test]
fn usual_values_are_those_of_the_manifest() {
    let usual = Options::parse(&[]).unwrap();
    let manifest = include_str!("../manifest.toml");
    let given = |name: &str| manifest.lines().find_map(|line| line.strip_prefix(&format!("{} = ", name))).unwrap();
    for (name, value) in [
        ("width", usual.width),
        ("height", usual.height),
        ("samples", usual.samples),
        ("tiles", usual.tiles),
        ("frames", usual.frames),
        ("fps", usual.fps),
    ] {
        assert_eq!(given(name), format!("\"{}\"", value), "{}", name);
    }
    assert_eq!(given("denoise"), if usual.denoise { "\"on\"" } else { "\"off\"" });
    assert!(usual.camera.is_none() && usual.path.is_none() && usual.exposure.is_none());
    assert_eq!([given("camera"), given("path"), given("exposure")], ["\"\""; 3]);
}

#[test]
fn goes_through_the_views_of_a_path_and_once_round_in_a_turn() {
    let start = Camera::parse("0,1,4:0,1,0:0,1,0:40").unwrap();
    assert_eq!(Camera::parse(&start.text()).unwrap(), start);
    let (turn, swing) = start.turn(4, |_| 0.0);
    assert_eq!((&turn[0], swing), (&start, None));
    for (view, want) in turn.iter().zip([vec3(0.0, 1.0, 4.0), vec3(4.0, 1.0, 0.0), vec3(0.0, 1.0, -4.0)]) {
        assert!((view.eye - want).length() < 1e-5, "{:?}", view.eye);
    }
    let path = "0,0,5:0,0,0:0,1,0:40;2,0,5:0,0,0:0,1,0:50;4,0,5:0,0,0:0,1,0:60";
    let views = Camera::along(path, 5).unwrap();
    let x: Vec<f32> = views.iter().map(|view| view.eye.x).collect();
    assert!((x[0], x[2], x[4]) == (0.0, 2.0, 4.0) && x[1] > 0.5 && x[1] < 1.5, "{:?}", x);
    assert_eq!((views[4].fov, views[1].fov), (60.0, 45.0));
    assert!(Camera::along("0,0,5:0,0,0", 5).unwrap_err().contains("turn"));
    assert!(Camera::along("0,0,5:0,0,0;x", 5).is_err());
}

#[test]
fn a_turn_goes_to_and_fro_where_walls_would_hide_the_scene() {
    // Dark from 20 degrees to the right on.
    let start = Camera::parse("0,1,4:0,1,0:0,1,0:40").unwrap();
    let aside = |view: &Camera| view.eye.x.atan2(view.eye.z).to_degrees();
    let (views, swing) = start.turn(8, |view| if aside(view) > 19.5 { 1.0 } else { 0.2 });
    assert_eq!((swing, views.len(), &views[0]), (Some(18), 8, &start));
    let angles: Vec<f32> = views.iter().map(aside).collect();
    for (angle, want) in angles.iter().zip([0.0, 12.728, 18.0, 12.728, 0.0, -12.728, -18.0, -12.728]) {
        assert!((angle - want).abs() < 0.01, "{:?}", angles);
    }
    for (place, view) in views.iter().enumerate() {
        assert!(views[place + 1..].iter().all(|other| (other.eye - view.eye).length() > 0.02), "a view comes twice");
        assert!(((view.eye - view.target).length() - 4.0).abs() < 1e-4);
    }
    // From nearly above it goes down on the way back, and not over the pole.
    let above = Camera::parse("0,4,1:0,0,0:0,1,0:40").unwrap();
    let (views, _) = above.turn(2, |view| if *view == above { 0.0 } else { 1.0 });
    assert!(views[1].eye.y < 4.0 && views[1].eye.z > 1.0, "{:?}", views[1]);
}

#[test]
fn every_frame_of_the_shipped_room_shows_it_and_an_open_scene_is_seen_from_all_sides() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/cornell");
    let (scene, camera) = load(&Options::parse(&[]).unwrap(), &room).unwrap();
    for size in [(640, 480), (64, 48), (1920, 1080), (500, 500), (480, 640)] {
        let dark = |view: &Camera| trace::dark(&scene, view, size);
        let (views, swing) = camera.turn(8, dark);
        let all: Vec<f32> = views.iter().map(dark).collect();
        assert!(swing.map_or(false, |degrees| (9..=30).contains(&degrees)), "{:?}: {:?}", size, swing);
        assert!(all.iter().all(|dark| *dark < 0.1), "{:?}: {:?}", size, all);
    }
    let dark = |view: &Camera| trace::dark(&scene, view, (640, 480));
    // From behind, it is dark; and where nothing is, nothing is seen.
    assert_eq!(dark(&Camera::parse("0,1,-4:0,1,0").unwrap()), 1.0);
    assert_eq!(dark(&Camera::parse("0,1,9:0,1,12").unwrap()), 1.0);
    let open = Scene::new(&read(&format!("{}f 1 2 3 4\n", SQUARE)).unwrap());
    let (views, swing) = open.overview().turn(4, |view| trace::dark(&open, view, (64, 48)));
    assert_eq!((views.len(), swing), (4, None));
}

#[test]
fn black_says_nothing_of_how_bright_a_picture_should_be() {
    let area = cut(4, 1, 1)[0];
    let film = |lights: [f32; 4]| {
        let pixels = lights.map(|light| trace::Pixel { light: vec3(light, light, light), ..Default::default() });
        Film::from_tiles(&[("t".to_owned(), film::write_tile(4, 1, area, 0, &pixels))]).unwrap()
    };
    let exposure = |films: &[Film]| {
        let mut brightness = Brightness::default();
        films.iter().for_each(|film| brightness.add(film));
        brightness.exposure()
    };
    let lit = exposure(&[film([0.5, 0.5, 0.5, 0.5])]);
    assert!((lit - 0.44).abs() < 1e-3, "{}", lit);
    assert_eq!(exposure(&[film([0.5, 0.0, 0.0, 0.5])]), lit);
    assert_eq!(exposure(&[film([0.0; 4]), film([0.5; 4]), film([0.0; 4])]), lit);
    assert!(exposure(&[film([0.0; 4])]).is_finite());
}

#[test]
fn shows_what_is_missing_and_merges_frames_into_an_animation() {
    let home = std::env::temp_dir().join(format!("golem-render-{}", std::process::id()));
    let (input, output) = (home.join("in"), home.join("out"));
    std::fs::create_dir_all(&output).unwrap();
    let areas = cut(32, 8, 2);
    for (index, (frame, area, light)) in [(0, 0, 0.1), (0, 1, 0.2), (1, 0, 0.4), (1, 1, 0.8)].iter().enumerate() {
        let pixel = trace::Pixel { light: vec3(*light, *light, *light), ..Default::default() };
        let folder = input.join(index.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("tile"), film::write_tile(32, 8, areas[*area], *frame, &vec![pixel; 128])).unwrap();
    }
    let options = Options::parse(&[]).unwrap();
    let decoder = |file: &str| {
        let file = std::io::BufReader::new(std::fs::File::open(output.join(file)).unwrap());
        ::png::Decoder::new(file).read_info().unwrap()
    };
    merge(&options, &input, &output).unwrap();
    let mut animation = decoder("animation.png");
    assert_eq!(animation.info().animation_control().map(|control| control.num_frames), Some(2));
    let mut pixels = vec![0; animation.output_buffer_size().unwrap()];
    let mut shades = Vec::new();
    for frame in 0..2 {
        animation.next_frame(&mut pixels).unwrap();
        shades.push(pixels[0]);
        let mut alone = decoder(&format!("frame-{:04}.png", frame));
        let mut same = vec![0; pixels.len()];
        alone.next_frame(&mut same).unwrap();
        assert_eq!(pixels, same);
    }
    assert!(shades[0] < shades[1], "one exposure for all: {:?}", shades);
    std::fs::remove_file(input.join("1/tile")).unwrap();
    assert!(merge(&options, &input, &output).unwrap_err().contains("no tile has the pixel"));
    preview(&options, &input, &output).unwrap();
    let mut half = decoder("preview.png");
    half.next_frame(&mut pixels).unwrap();
    let greys: Vec<u8> = pixels.chunks(3).map(|pixel| pixel[0]).collect();
    assert!(greys.contains(&84) && greys.contains(&108) && greys.iter().any(|grey| *grey != 84 && *grey != 108));
    std::fs::remove_file(input.join("0/tile")).unwrap();
    assert!(merge(&options, &input, &output).unwrap_err().contains("frame 0"));
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn sine_and_cosine_are_those_of_the_machine_to_the_last_place_but_one() {
    for step in -4000..4000 {
        let angle = step as f32 * 0.0031;
        let (sin, cos) = angle::sin_cos(angle);
        let (want_sin, want_cos) = f64::from(angle).sin_cos();
        assert!((f64::from(sin) - want_sin).abs() < 6.1e-8 && (f64::from(cos) - want_cos).abs() < 6.1e-8, "{}", angle);
    }
    assert_eq!(angle::sin_cos(0.0), (0.0, 1.0));
    // To the bit, since tiles rest on them.
    let bits = |angle: f32| (angle::sin_cos(angle).0.to_bits(), angle::sin_cos(angle).1.to_bits());
    let known = [(0x3ef57744, 0x3f60a940), (0x3f68c7b7, 0xbed51133), (0xbe8f0f8c, 0x3f75cdb8)];
    assert_eq!([bits(0.5), bits(2.0), bits(6.0)], known);
}

#[test]
fn compiled_for_this_machine_a_tile_has_the_bytes_that_the_module_gives() {
    let folder = Folder::new("native");
    let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/cornell");
    run(&args("tile --width 16 --height 12 --samples 2 --tiles 2 --index 1"), &scene, &folder.0).unwrap();
    let tile = std::fs::read(folder.0.join("tile")).unwrap();
    // FNV-1a. A test of the sandbox holds the module to the same number.
    let digest =
        tile.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    assert_eq!(digest, 0xfdc7_7594_5845_8b22);
}
