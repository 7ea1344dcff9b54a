//! The same in any folder, on any engine, at any time.

use super::*;

/// Reads the input `a.txt` and standard input, lists `/in`, asks for clock, randomness, file status and arguments, and
/// prints the whole memory.
fn nosy() -> Vec<u8> {
    program(&start(
        "(local $x f64)
        (drop (call $open (i32.const 3) (i32.const 200) (i32.const 5) (i32.const 0)))
        (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 100))
        (drop (call $fd_read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 0) (i32.const 1100))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 12)))
        (drop (call $fd_readdir (i32.const 3) (i32.const 2000) (i32.const 500) (i64.const 0) (i32.const 20)))
        (drop (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 200) (i32.const 5) (i32.const 3000)))
        (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 3100)))
        (drop (call $random_get (i32.const 3200) (i32.const 32)))
        (drop (call $args_sizes_get (i32.const 24) (i32.const 28)))
        (drop (call $args_get (i32.const 3300) (i32.const 3400)))
        ;; A NaN of the machine's own making: zero divided by zero, with a sign that processors differ in.
        (f64.store (i32.const 3500) (f64.div (local.get $x) (f64.neg (local.get $x))))
        (drop (call $put (i32.const 1) (i32.const 0) (i32.const 8000)))",
    ))
}

pub(super) fn nosy_request(folder: &Path) -> RunRequest {
    for name in ["x", "y", "stdin"] {
        std::fs::write(folder.join(name), format!("content of {name}")).unwrap();
    }
    let input = |guest: &str, host: &str| InputFile { guest_path: guest.into(), host_path: folder.join(host) };
    RunRequest {
        args: vec!["--flag".into(), "wert ü".into()],
        stdin: Some(folder.join("stdin")),
        inputs: vec![input("z/deep", "y"), input("a.txt", "x"), input("b.txt", "y")],
        ..request(nosy(), folder)
    }
}

#[test]
fn gives_the_same_bytes_and_fuel_in_any_folder_cold_or_cached() {
    let run = |fresh: bool, reversed: bool| {
        let folder = TempDir::new().unwrap();
        let mut request = nosy_request(folder.path());
        if reversed {
            request.inputs.reverse();
        }
        let own;
        let sandbox = if fresh {
            own = Sandbox::new(SandboxConfig::new(folder.path().join("cache"))).unwrap();
            &own
        } else {
            sandbox()
        };
        let outcome = sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
        assert_eq!(outcome.exit, exited(0));
        (std::fs::read(folder.path().join("out/stdout")).unwrap(), outcome.fuel, outcome.files)
    };
    let first = run(true, false);
    assert_eq!(first, run(true, true));
    assert_eq!(first, run(false, false));
    assert_eq!(first, run(false, true));
    let memory = &first.0;
    assert_eq!(&memory[1000..1012], b"content of x");
    assert_eq!(&memory[1100..1116], b"content of stdin");
    assert_eq!(&memory[3500..3508], f64::from_bits(0x7ff8_0000_0000_0000).to_le_bytes());
    let clock = u64::from_le_bytes(memory[3100..3108].try_into().unwrap());
    assert!((profile::CLOCK_START_NS..profile::CLOCK_START_NS + first.1.0).contains(&clock));
    assert!(memory[3400..].starts_with("module.wasm\0--flag\0wert ü\0".as_bytes()));
    assert_eq!(&memory[3200..3232], {
        let mut want = [0; 32];
        blake3::Hasher::new_keyed(&[7; 32]).update(b"golem sandbox randomness 1").finalize_xof().fill(&mut want);
        want
    });
    // The order of a listing: `.`, `..`, then by name.
    let names: Vec<u8> = memory[2000..2500].iter().copied().filter(u8::is_ascii_lowercase).collect();
    assert_eq!(names, b"atxtbtxtz");
}

#[test]
fn a_real_program_renders_a_tile_as_it_always_did() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/render");
    let digest: B256 = std::fs::read_to_string(app.join("render.wasm.blake3")).unwrap().trim().parse().unwrap();
    let module = ModuleSource::File { path: app.join("render.wasm"), digest: ContentHash(digest) };
    let room =
        |name: &str| InputFile { guest_path: format!("room/{name}"), host_path: app.join("scenes/cornell").join(name) };
    let run = |args: &str, inputs: Vec<InputFile>| {
        let (outcome, folder) = run_with(Vec::new(), |request| {
            request.module = module.clone();
            request.args = args.split_whitespace().map(str::to_owned).collect();
            request.inputs = inputs;
            request.limits = Limits::default();
        });
        assert!(outcome.exit.is_success(), "{}: {}", outcome.exit, outcome.stderr_tail);
        (outcome, folder)
    };
    let scene = || vec![room("cornell.obj"), room("cornell.mtl")];
    let size = "--width 16 --height 12 --samples 2 --tiles 2";
    let (_, plan) = run(&format!("split {size}"), scene());
    assert_eq!(std::fs::read_to_string(plan.path().join("out/stdout")).unwrap().lines().count(), 2);
    let tiles = [0, 1].map(|index| run(&format!("tile {size} --index {index}"), scene()));
    let again = run(&format!("tile {size} --index 1"), scene()).0;
    assert_eq!((&again.files, again.fuel), (&tiles[1].0.files, tiles[1].0.fuel));
    // What the same source gives that was compiled for a machine; the app's own tests hold it to the same number (FNV-1a).
    let tile = std::fs::read(tiles[1].1.path().join("out/tile")).unwrap();
    let digest =
        tile.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    assert_eq!(digest, 0xfdc7_7594_5845_8b22);
    let inputs = tiles.iter().enumerate().map(|(index, (_, folder))| InputFile {
        guest_path: format!("{index}/tile"),
        host_path: folder.path().join("out/tile"),
    });
    let (merged, _folder) = run("merge", inputs.collect());
    assert_eq!(merged.files[0].path, "render.png");
}

#[test]
fn another_seed_gives_other_randomness() {
    let body = start(
        "(drop (call $random_get (i32.const 1000) (i32.const 32)))
         (drop (call $put (i32.const 1) (i32.const 1000) (i32.const 32)))",
    );
    let digest = |seed: u8| run_with(program(&body), |request| request.seed = [seed; 32]).0.files[0].digest;
    assert_ne!(digest(1), digest(2));
    assert_eq!(digest(1), digest(1));
}

#[test]
fn sleeping_moves_the_clock_and_takes_no_time() {
    // One clock subscription: an hour, relative, on the monotonic clock.
    let body = start(
        "(i32.store (i32.const 1016) (i32.const 1)) (i64.store (i32.const 1024) (i64.const 3600000000000))
         (drop (call $poll_oneoff (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 8)))
         (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 3000)))
         (call $exit (i32.wrap_i64 (i64.div_u (i64.load (i32.const 3000)) (i64.const 3600000000000))))",
    );
    let outcome = run(&body);
    assert_eq!(outcome.exit, exited(1));
    assert!(outcome.wall_ms < 10_000);
}
