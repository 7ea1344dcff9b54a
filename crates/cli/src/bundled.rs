//! The apps that are in this binary: their manifests, modules and example inputs.

use crate::programs::FETCHABLE;
use golem_protocol::ContentHash;

/// An app that ships with golem.
pub struct BundledApp {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What its parameters are, a line each: the name, and what it says.
    pub parameters: &'static [(&'static str, &'static str)],
    /// What it leaves in the folder for results.
    pub results: &'static str,
    /// A command that shows it.
    pub example: &'static str,
    /// Its files, as its manifest sees them; the manifest first, the module second.
    pub files: &'static [(&'static str, &'static [u8])],
}

impl BundledApp {
    /// Its manifest.
    pub fn manifest(&self) -> &'static str {
        self.files.first().map_or("", |(_, bytes)| std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// Its module.
    pub fn module(&self) -> &'static [u8] {
        self.files.get(1).map_or(&[], |(_, bytes)| bytes)
    }
}

macro_rules! files {
    ($app:literal, $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../apps/", $app, "/", $file)))),+]
    };
}

/// All of them, by name.
pub const BUNDLED: &[BundledApp] = &[
    BundledApp {
        name: "fold",
        about: "Folds proteins of the HP model on a square or cubic lattice, by many independent searches",
        parameters: &[
            ("sequences", "a FASTA file of letters H and P; `>NAME dim=2 best=-9` heads each"),
            ("searches", "independent searches of each sequence: that many times as many subtasks"),
            ("moves", "how long a search is, in thousands of moves"),
            ("seed", "what its numbers are drawn from"),
        ],
        results: "folds.csv, folds.json, and a picture NAME.svg of each fold",
        example: "golem run fold --sequences my.fasta --searches 32 --moves 20000 --budget 5 -o out",
        files: files!("fold", "manifest.toml", "fold.wasm", "sequences/benchmarks.fasta"),
    },
    BundledApp {
        name: "mine",
        about: "Looks for nonces that give a header a small hash: proof of work by SHA-256d or BLAKE3",
        parameters: &[
            ("header", "a file of hexadecimal digits: what is hashed but the nonce"),
            ("algorithm", "sha256d (as Bitcoin) or blake3"),
            ("bits", "zero bits that a hash must start with: each more is twice the work"),
            ("nonce_bytes", "4 or 8"),
            ("from", "the first nonce"),
            ("nonces", "how many nonces"),
            ("parts", "how many subtasks"),
        ],
        results: "report.txt and report.json, with every hash checked again",
        example: "golem run mine --header header.hex --from 0 --nonces 1000000000 --bits 32 --parts 256 --budget 5 -o out",
        files: files!("mine", "manifest.toml", "mine.wasm", "headers/genesis.hex"),
    },
    BundledApp {
        name: "montecarlo",
        about: "Prices European, Asian and barrier options by Monte Carlo, beside the formulas there are",
        parameters: &[
            ("market", "a CSV file, an option a line; the one that ships explains itself"),
            ("paths", "paths for each option, over all subtasks"),
            ("parts", "how many subtasks"),
            ("seed", "what its numbers are drawn from"),
        ],
        results: "prices.csv, prices.json, and prices.svg with error bars",
        example: "golem run montecarlo --market my.csv --paths 100000000 --parts 100 --budget 5 -o out",
        files: files!("montecarlo", "manifest.toml", "montecarlo.wasm", "markets/example.csv"),
    },
    BundledApp {
        name: "render",
        about: "Renders a Wavefront scene by path tracing, in tiles, or the frames of an animation",
        parameters: &[
            ("scene", "an OBJ file; the MTL files it names come along"),
            ("camera", "EYE:TARGET:UP:FOV; without, what the scene suggests, or all of it"),
            ("width", "pixels from left to right"),
            ("height", "pixels from top to bottom"),
            ("samples", "light paths for each pixel: more is smoother"),
            ("tiles", "subtasks for the picture"),
            ("exposure", "how bright; without, by the picture, and one for all frames of an animation"),
            ("denoise", "on or off"),
            ("frames", "more than 1 make an animation; each has its tiles, and the camera goes along the path"),
            (
                "path",
                "where the camera goes, turn unless said: once round its target, or to and fro where walls would hide the scene; or VIEW;VIEW;... as for --camera",
            ),
            ("fps", "frames a second"),
        ],
        results: "render.png, and preview.png on the way; of an animation, frame-0000.png and so on and animation.png",
        example: "golem run render --scene my.obj --width 1280 --height 720 --budget 5 -o out",
        files: files!(
            "render",
            "manifest.toml",
            "render.wasm",
            "scenes/cornell/cornell.obj",
            "scenes/cornell/cornell.mtl"
        ),
    },
];

/// The app of a name.
pub fn find(name: &str) -> Option<&'static BundledApp> {
    BUNDLED.iter().find(|app| app.name == name)
}

/// What people call a program: an app that ships with golem, or one that is fetched and used as it is, by its name, else by
/// the digest.
pub fn program_name(digest: &ContentHash) -> String {
    let known = named_programs().find(|(known, _)| known == digest);
    known.map_or_else(|| digest.to_string(), |(_, name)| name.to_owned())
}

fn named_programs() -> impl Iterator<Item = (ContentHash, &'static str)> {
    let fetched = FETCHABLE.iter().filter(|one| one.package.program.is_none()).filter_map(|one| {
        let digest = blake3::Hash::from_hex(one.package.digest).ok()?;
        Some((ContentHash((*digest.as_bytes()).into()), one.name))
    });
    BUNDLED.iter().map(|app| (digest(app), app.name)).chain(fetched)
}

fn digest(app: &BundledApp) -> ContentHash {
    ContentHash((*blake3::hash(app.module()).as_bytes()).into())
}

/// A text for people with names in place of the digests of programs that have one.
pub fn with_names(text: &str) -> String {
    named_programs().fold(text.to_owned(), |text, (digest, name)| text.replace(&digest.to_string(), name))
}

/// Their names, for a sentence.
pub fn names() -> String {
    BUNDLED.iter().map(|app| app.name).collect::<Vec<_>>().join(", ")
}
