//! Where a task comes from: an app that ships in this binary, or a manifest with its module beside it.

use crate::bundled::{self, BundledApp};
use crate::files::{self, Places};
use crate::preview::Preview;
use crate::workbench::{Job, Talk, Workbench, ending};
use anyhow::{Context as _, bail};
use golem_node::SourceNote;
use golem_node::folder::Folder;
use golem_protocol::{B256, ContentHash};
use golem_sandbox::{CancelToken, InputFile, STDOUT_PATH};
use golem_task::{InputListing, Manifest, Split, TaskPlan, plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The longest manifest that is read. Reason: a list of subtasks by hand stays below it.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// The longest plan that a module may print.
const PLAN_BYTES_MAX: u64 = 64 << 20;

/// A task before it is cut.
pub struct Source {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where its paths start.
    base: PathBuf,
    /// The app's name, or the manifest's path wherever it is read from.
    origin: String,
    /// Files of `[files]` that the user named: they are where the user said, not beside the manifest.
    given: Vec<String>,
    /// Where a bundled app lies while it is used.
    _unpacked: Option<TempDir>,
}

/// A task that is cut, and where everything of it is on this machine.
pub struct Cut {
    /// The subtasks.
    pub plan: TaskPlan,
    /// The module.
    pub module: PathBuf,
    /// The input files.
    pub places: Places,
    /// How to look at it before it is done, where its module can show it.
    pub preview: Option<Arc<Preview>>,
    /// Kept until the node has its own copies.
    source: Option<Source>,
}

impl Cut {
    /// A plan that came without a manifest.
    pub fn without_source(plan: TaskPlan, module: PathBuf, places: Places) -> Cut {
        Cut { plan, module, places, preview: None, source: None }
    }

    /// Where it was taken from, to be kept with it; a plan that came without a manifest has nothing of it.
    pub fn note(&self) -> anyhow::Result<Option<SourceNote>> {
        let Some(source) = &self.source else { return Ok(None) };
        let mut files = BTreeMap::new();
        for name in &source.given {
            if let Some(path) = source.manifest.files.get(name) {
                files.insert(name.clone(), whole_path(Path::new(path)));
            }
        }
        let parameters = source.manifest.parameters.clone();
        Ok(Some(SourceNote { app: source.origin.clone(), parameters, files, plan: self.digest()? }))
    }

    /// What its subtasks compute, and of what, in one number.
    pub fn digest(&self) -> anyhow::Result<B256> {
        let cut = serde_json::to_vec(&(&self.plan.files, &self.plan.subtasks))?;
        Ok(B256::from(*blake3::hash(&cut).as_bytes()))
    }
}

impl Source {
    /// Opens an app by its name, or a manifest by its path, and gives its parameters and files other values.
    pub fn open(app: &str, parameters: &[(String, String)]) -> anyhow::Result<Source> {
        let origin = origin(app)?;
        let (path, unpacked, shown) = match bundled::find(app) {
            Some(found) => {
                let folder = unpack(found).context("cannot unpack the app")?;
                (folder.path().join("manifest.toml"), Some(folder), format!("the app {app}"))
            }
            None => {
                let path = manifest_path(app)?;
                let shown = path.display().to_string();
                (path, None, shown)
            }
        };
        let length = std::fs::metadata(&path).with_context(|| format!("cannot read {shown}"))?.len();
        if length > MANIFEST_BYTES_MAX {
            bail!(
                "{shown} has {length} bytes; a manifest of more than {MANIFEST_BYTES_MAX} is not read: use `split.args`"
            );
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        let mut manifest = Manifest::parse(&text).with_context(|| shown.clone())?;
        let mut given = Vec::new();
        for (name, value) in parameters {
            manifest.set_parameter(name, value).with_context(|| shown.clone())?;
            if manifest.files.contains_key(name) {
                given.push(name.clone());
            }
        }
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Ok(Source { manifest, base, origin, given, _unpacked: unpacked })
    }

    /// Opens what a task of an earlier run was taken from, with other values for some parameters.
    pub fn again(note: &SourceNote, parameters: &[(String, String)]) -> anyhow::Result<Source> {
        let mut all = note.parameters.clone();
        all.extend(note.files.clone());
        // What the manifest no longer has is not missed.
        let has = Source::open(&note.app, &[])?.manifest;
        all.retain(|name, _| has.parameters.contains_key(name) || has.files.contains_key(name));
        all.extend(parameters.iter().cloned());
        Source::open(&note.app, &all.into_iter().collect::<Vec<_>>())
    }

    /// The digest of its module.
    pub fn module_digest(&self) -> anyhow::Result<ContentHash> {
        Ok(files::hash(&self.base.join(&self.manifest.module)).context("the module")?.0)
    }

    /// Lists the files, lets the module split where it does that, and cuts the task.
    pub fn cut(self, folder: &Folder, talk: Talk) -> anyhow::Result<Cut> {
        let module = self.base.join(&self.manifest.module);
        if !module.exists() {
            let name = module.display();
            bail!("the module {name} is not there: build it first (what `golem app new` wrote has a build.sh for it)");
        }
        files::hash(&module).context("the module")?;
        let mut places = Places::new();
        let mut listing = InputListing::default();
        for (name, path) in &self.manifest.files {
            let path = if self.given.contains(name) { PathBuf::from(path) } else { self.base.join(path) };
            let listed = files::with_companions(&path, &mut places).with_context(|| format!("the file of --{name}"))?;
            listing.shared.extend(listed);
        }
        for pattern in &self.manifest.inputs {
            let files = files::matching(&self.base, pattern, &mut places)?;
            if files.is_empty() {
                let beside = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
                bail!("`inputs` has `{pattern}`, which matches no file in {}", beside.display());
            }
            listing.shared.extend(files);
        }
        if let Split::Each(pattern) = &self.manifest.split {
            listing.each = files::matching(&self.base, pattern, &mut places)?;
        }
        let printed = match self.manifest.split_args()? {
            Some(args) => {
                Some(split(&self.manifest, Workbench::open(folder, &module, talk)?, args, &listing, &places)?)
            }
            None => None,
        };
        let plan = plan(&self.manifest, &listing, printed.as_deref())?;
        let preview = self.manifest.preview_args(plan.subtasks.len() as u32)?.map(|args| Arc::new(Preview::new(args)));
        Ok(Cut { plan, module, places, preview, source: Some(self) })
    }
}

/// What an app is called in notes: its name where it ships, or where its manifest is.
pub fn origin(app: &str) -> anyhow::Result<String> {
    Ok(if bundled::find(app).is_some() { app.to_owned() } else { whole_path(&manifest_path(app)?) })
}

fn whole_path(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

fn manifest_path(app: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(app);
    if path.extension().is_some_and(|extension| extension == "wasm") {
        bail!(
            "{app} is a module, not a manifest: run it once for each of some files with `golem map {app} FILES... -o FOLDER`"
        );
    }
    if !path.exists() {
        bail!(
            "there is no app and no file `{app}`: the apps that ship with golem are {}; a task of your own is a manifest, \
             such as task.toml, or a folder with a manifest.toml in it, which `golem app new` writes",
            bundled::names()
        );
    }
    if !path.is_dir() {
        return Ok(path);
    }
    let manifest = path.join("manifest.toml");
    if !manifest.exists() {
        bail!("there is no manifest.toml in {app}: name the manifest itself, or a folder that `golem app new` wrote");
    }
    Ok(manifest)
}

fn unpack(app: &BundledApp) -> std::io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("golem-app-").tempdir()?;
    for (name, bytes) in app.files {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(folder)
}

/// A module's words with the paths of files as they are here, and not as it sees them.
fn with_own_paths(text: &str, inputs: &[InputFile]) -> String {
    let mut inputs: Vec<&InputFile> = inputs.iter().collect();
    // Where one path begins another, the longer one is meant.
    inputs.sort_by_key(|input| std::cmp::Reverse(input.guest_path.len()));
    inputs.iter().fold(text.to_owned(), |text, input| {
        text.replace(&format!("/in/{}", input.guest_path), &input.host_path.display().to_string())
    })
}

/// Lets the module print its own plan, in the sandbox.
fn split(
    manifest: &Manifest,
    workbench: Workbench,
    args: Vec<String>,
    listing: &InputListing,
    places: &Places,
) -> anyhow::Result<String> {
    let output =
        tempfile::Builder::new().prefix("golem-split-").tempdir().context("cannot make a folder for the plan")?;
    let inputs = listing.shared.iter().filter_map(|file| {
        let host_path = places.get(&file.content)?.clone();
        Some(InputFile { guest_path: file.guest_path.clone(), host_path })
    });
    let inputs: Vec<InputFile> = inputs.collect();
    let job = Job {
        args,
        stdin: None,
        inputs: inputs.clone(),
        output_dir: output.path().join("out"),
        seed: [0; 32],
        limits: manifest.limits,
    };
    let outcome = workbench.run(job, &CancelToken::new())?;
    if !outcome.exit.is_success() {
        bail!("the module could not split the task: {}", with_own_paths(&ending(&outcome), &inputs));
    }
    let said = crate::output::tame(outcome.stderr_tail.trim());
    if !said.is_empty() {
        note!("{said}");
    }
    let path = output.path().join("out").join(STDOUT_PATH);
    let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if length == 0 || length > PLAN_BYTES_MAX {
        bail!("the module printed a plan of {length} bytes, and it must have between 1 and {PLAN_BYTES_MAX}");
    }
    std::fs::read_to_string(&path).context("the module's plan is not text in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_the_app_that_ships_into_its_tiles() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(home.path()).unwrap();
        // This binary of tests cannot be a worker.
        std::fs::write(folder.config_file(), "[sandbox]\nisolation = \"none\"\n").unwrap();
        let small = [("width", "32"), ("height", "24"), ("tiles", "6")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cut = Source::open("render", &small).unwrap().cut(&folder, Talk::Silent).unwrap();
        assert_eq!((cut.plan.subtasks.len(), cut.places.len()), (6, 2));
        assert!(cut.plan.merge.is_some());
    }

    #[test]
    fn refuses_what_is_no_app_with_a_next_step() {
        let said = |app: &str| Source::open(app, &[]).err().unwrap().to_string();
        assert!(said("rendr").contains("render"));
        assert!(said("x.wasm").contains("golem map"));
        assert!(said("none/task.toml").contains("none/task.toml"));
        let wrong = [("colour".to_owned(), "red".to_owned())];
        let error = Source::open("render", &wrong).err().unwrap();
        assert!(crate::output::error_text(&error).contains("there is no parameter `colour`"), "{error:#}");
    }

    #[test]
    fn refuses_a_scene_that_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(home.path()).unwrap();
        let scene = [("scene".to_owned(), home.path().join("none.obj").display().to_string())];
        let error = Source::open("render", &scene).unwrap().cut(&folder, Talk::Silent).err().unwrap();
        assert!(crate::output::error_text(&error).contains("none.obj"), "{error:#}");
    }
}
