//! Compiled modules that are kept.

use super::*;
use std::path::PathBuf;

fn compiled(cache: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(cache.join("compiled")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "cwasm")).collect()
}

#[test]
fn a_damaged_or_foreign_compiled_module_is_compiled_again() {
    let folder = TempDir::new().unwrap();
    let config = SandboxConfig::new(folder.path().join("cache"));
    let hello = program(HELLO);
    let run = |name: &str| {
        let mut request = request(hello.clone(), folder.path());
        request.output_dir = folder.path().join(name);
        Sandbox::new(config.clone()).unwrap().run(&request, &CancelToken::new(), Pace::FULL).unwrap().exit
    };
    assert_eq!(run("first"), exited(0));
    let path = compiled(&config.cache_dir).remove(0);
    let good = std::fs::read(&path).unwrap();
    let damage: [(&str, Vec<u8>); 4] = [
        ("flipped", good.iter().enumerate().map(|(i, b)| if i == good.len() / 2 { b ^ 1 } else { *b }).collect()),
        ("short", good[..20].to_vec()),
        ("empty", Vec::new()),
        // Whole, but under another key: as if somebody else had put it there.
        ("foreign", [&[0; 32], &good[32..]].concat()),
    ];
    for (name, bytes) in damage {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(run(name), exited(0), "{name}");
        assert!(std::fs::read(&path).unwrap()[32..] == good[32..], "{name}: it is compiled and kept again");
    }
    // A genuine file under the name of another module does not pass either.
    let other = program(LOOP);
    let other_path = path.with_file_name(path.file_name().unwrap().to_str().unwrap().replacen(
        &format!("{:x}", hash(&hello).0),
        &format!("{:x}", hash(&other).0),
        1,
    ));
    std::fs::write(&other_path, &good).unwrap();
    let mut request = request(other, folder.path());
    request.output_dir = folder.path().join("swapped");
    let outcome = Sandbox::new(config).unwrap().run(&request, &CancelToken::new(), Pace::FULL).unwrap();
    assert!(matches!(outcome.exit, Exit::OutOfFuel { .. }), "{}", outcome.exit);
}

#[test]
fn uses_the_compiled_module_without_the_file_and_drops_what_does_not_fit() {
    let folder = TempDir::new().unwrap();
    let mut config = SandboxConfig::new(folder.path().join("cache"));
    let bytes = program(HELLO);
    let gone = ModuleSource::File { path: folder.path().join("gone.wasm"), digest: hash(&bytes) };
    let missing = Sandbox::new(config.clone()).unwrap().prepare(&gone);
    assert!(matches!(missing, Err(SandboxError::Io { .. })), "{missing:?}");
    assert_eq!(Sandbox::new(config.clone()).unwrap().prepare(&ModuleSource::Bytes(bytes)), Ok(Ok(())));
    let again = Sandbox::new(config.clone()).unwrap();
    assert!(again.is_compiled(&gone) && !again.is_compiled(&ModuleSource::Bytes(program(LOOP))));
    assert_eq!(again.prepare(&gone), Ok(Ok(())));
    config.cache_disk_max = ByteCount::from_bytes(0);
    let small = Sandbox::new(config.clone()).unwrap();
    assert_eq!(small.prepare(&ModuleSource::Bytes(program(LOOP))), Ok(Ok(())));
    assert_eq!(compiled(&config.cache_dir).len(), 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(config.cache_dir.join("compiled")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
