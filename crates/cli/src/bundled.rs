//! The apps that are in this binary: their manifests, modules and example inputs.

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
pub const BUNDLED: &[BundledApp] = &[BundledApp {
    name: "render",
    about: "Renders a Wavefront scene by path tracing, in tiles",
    parameters: &[
        ("scene", "an OBJ file; the MTL files it names come along"),
        ("camera", "EYE:TARGET:UP:FOV; without, what the scene suggests, or all of it"),
        ("width", "pixels from left to right"),
        ("height", "pixels from top to bottom"),
        ("samples", "light paths for each pixel: more is smoother"),
        ("tiles", "subtasks for the picture"),
        ("exposure", "how bright; without, by the picture"),
        ("denoise", "on or off"),
    ],
    results: "render.png",
    example: "golem run render --scene my.obj --width 1280 --height 720 --budget 5 -o out",
    files: files!("render", "manifest.toml", "render.wasm", "scenes/cornell/cornell.obj", "scenes/cornell/cornell.mtl"),
}];

/// The app of a name.
pub fn find(name: &str) -> Option<&'static BundledApp> {
    BUNDLED.iter().find(|app| app.name == name)
}

/// Their names, for a sentence.
pub fn names() -> String {
    BUNDLED.iter().map(|app| app.name).collect::<Vec<_>>().join(", ")
}
