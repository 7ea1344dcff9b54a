//! Packages of public registries that hold a program for WASI: where they are, and how the module is taken out.
//!
//! A package is named by its version and by digests of its archive and of its module; nothing else is taken.

use crate::convert::Conversion;
use anyhow::{Context as _, bail};
use flate2::read::{DeflateDecoder, GzDecoder};
use sha2::{Digest, Sha256, Sha512};
use std::io::Read;
use std::path::PathBuf;

/// Where npm packages are, unless the user's npm says otherwise.
const NPM: &str = "https://registry.npmjs.org";
/// Where the lists of files of Python's packages are, unless pip is told otherwise. Source: PEP 503.
const PYPI: &str = "https://pypi.org/simple";
/// The largest package that is fetched: the largest pinned one has 48 MB.
const PACKAGE_BYTES_MAX: u64 = 64 << 20;
/// The most that is unpacked of one: the largest pinned one has 122 MB.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// The longest list of a package's files that is read. Reason: those with thousands of releases have some megabytes.
const LIST_BYTES_MAX: u64 = 8 << 20;
/// The longest `.npmrc` that is read. Reason: it is a handful of lines.
const NPMRC_BYTES_MAX: u64 = 64 << 10;

/// One version of a package that holds a module.
pub struct Package {
    /// Whose it is.
    pub registry: Registry,
    /// Its name there.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The module in the archive.
    pub member: &'static str,
    /// The module's BLAKE3 digest.
    pub digest: &'static str,
    /// What makes a program of the module, where it is none as it is.
    pub program: Option<&'static Conversion>,
}

/// A registry, with what it says of the archive.
pub enum Registry {
    /// npm's: an archive of files in a gzipped tar.
    Npm {
        /// SHA-512 of the archive, in base64.
        integrity: &'static str,
    },
    /// Python's: a wheel, which is a zip.
    PyPi {
        /// The wheel's name.
        wheel: &'static str,
        /// SHA-256 of it, in hexadecimal digits.
        sha256: &'static str,
    },
}

impl Package {
    /// What people call the registry.
    pub fn registry_name(&self) -> &'static str {
        match self.registry {
            Registry::Npm { .. } => "npm's registry",
            Registry::PyPi { .. } => "PyPI",
        }
    }

    /// Gets the archive; with it the address it came from.
    pub async fn download(&self) -> anyhow::Result<(Vec<u8>, String)> {
        let url = match self.registry {
            Registry::Npm { .. } => {
                let short = self.name.rsplit('/').next().unwrap_or(self.name);
                format!("{}/{}/-/{short}-{}.tgz", npm_registry()?, self.name, self.version)
            }
            Registry::PyPi { wheel, .. } => {
                let list = format!("{}/{}/", pypi_index()?, self.name);
                let page = download(&list, LIST_BYTES_MAX).await?;
                let page = String::from_utf8_lossy(&page);
                let link = link_to(&page, wheel).with_context(|| format!("{list} has no file {wheel}"))?;
                reqwest::Url::parse(&list)?.join(link).with_context(|| format!("{list} names {link}"))?.into()
            }
        };
        note!("fetching {url}");
        Ok((download(&url, PACKAGE_BYTES_MAX).await?, url))
    }

    /// The program, of the archive or of the module in it; each is checked against its digest.
    pub fn make(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
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
            Some(conversion) => conversion.program(module),
            None => Ok(module.to_vec()),
        }
    }

    /// Takes the module out of the archive.
    pub fn unpack(&self, archive: &[u8]) -> anyhow::Result<Vec<u8>> {
        let lacks = || format!("it has no file {}", self.member);
        match self.registry {
            Registry::Npm { integrity } => {
                pinned("SHA-512", &base64(&Sha512::digest(archive)), integrity)?;
                let mut tar = Vec::new();
                let mut unzipped = GzDecoder::new(archive).take(UNPACKED_BYTES_MAX);
                unzipped.read_to_end(&mut tar).context("it cannot be unpacked")?;
                Ok(in_tar(&tar, self.member).with_context(lacks)?.to_vec())
            }
            Registry::PyPi { sha256, .. } => {
                let got: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
                pinned("SHA-256", &got, sha256)?;
                in_zip(archive, self.member).with_context(lacks)
            }
        }
    }
}

fn pinned(kind: &str, got: &str, want: &str) -> anyhow::Result<()> {
    if got != want {
        bail!("its {kind} is {got}, and {want} is pinned");
    }
    Ok(())
}

/// Where npm would look for packages: the environment, then the user's `.npmrc`, then the public registry.
fn npm_registry() -> anyhow::Result<String> {
    let set = ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(|name| std::env::var(name).ok());
    let npmrc = || {
        let path = PathBuf::from(std::env::var_os("HOME")?).join(".npmrc");
        let length = std::fs::metadata(&path).ok()?.len();
        let text = if length <= NPMRC_BYTES_MAX { std::fs::read_to_string(&path).ok()? } else { return None };
        registry_of(&text)
    };
    address("npm's registry", set.filter(|url| !url.is_empty()).or_else(npmrc), NPM)
}

/// Where pip would look for packages, as far as its environment says it.
fn pypi_index() -> anyhow::Result<String> {
    address("pip's index", std::env::var("PIP_INDEX_URL").ok().filter(|url| !url.is_empty()), PYPI)
}

fn address(of: &str, set: Option<String>, usual: &str) -> anyhow::Result<String> {
    let url = set.unwrap_or_else(|| usual.to_owned());
    let url = url.trim_end_matches('/').to_owned();
    // What is fetched is checked by its digest, so a registry of one's own may well be without TLS.
    if !url.starts_with("https://") && !url.starts_with("http://") {
        bail!("{of} is set to `{url}`, which is no http or https address");
    }
    Ok(url)
}

/// The registry that an `.npmrc` names.
fn registry_of(npmrc: &str) -> Option<String> {
    let mut values = npmrc.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "registry");
    values.next_back().map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// The link to a file in a list of a package's files. Source: PEP 503; what follows `#` is a digest.
fn link_to<'a>(page: &'a str, file: &str) -> Option<&'a str> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split(['"', '#']).next());
    links.into_iter().find(|link| link.rsplit('/').next() == Some(file))
}

async fn download(url: &str, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot fetch {url}; get the file yourself and name it with --from");
    let mut response = reqwest::get(url).await.and_then(|answer| answer.error_for_status()).with_context(cannot)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(cannot)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > bytes_max {
            bail!("{url} has more than {bytes_max} bytes, which nothing pinned has");
        }
    }
    Ok(bytes)
}

/// One file of a tar archive.
///
/// Source: POSIX ustar; a header of 512 bytes has the name at 0, the size in octal digits at 124, and the file follows,
/// filled up to 512. npm's archives have nothing else that matters.
fn in_tar<'a>(tar: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
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

/// One file of a zip archive.
///
/// Source: PKWARE's APPNOTE. The record at the end (`PK\5\6`, last 22 bytes and a comment) says where the directory is;
/// an entry of it (`PK\1\2`) has the method at 10, sizes at 20 and 24, lengths of three texts at 28, the place of the
/// file at 42 and its name at 46; at that place (`PK\3\4`) two lengths at 26 say where the bytes begin after 30.
fn in_zip(zip: &[u8], wanted: &str) -> Option<Vec<u8>> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(zip.get(at..at.checked_add(2)?)?.try_into().ok()?)));
    let word = |at: usize| Some(u32::from_le_bytes(zip.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let starts = |at: usize, mark: &[u8]| zip.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let end = (zip.len().saturating_sub(22 + 0xffff)..zip.len()).rev().find(|at| starts(*at, b"PK\x05\x06"))?;
    let mut at = word(end + 16)?;
    while starts(at, b"PK\x01\x02") {
        let (name, extra, comment) = (half(at + 28)?, half(at + 30)?, half(at + 32)?);
        if zip.get(at + 46..at + 46 + name)? != wanted.as_bytes() {
            at += 46 + name + extra + comment;
            continue;
        }
        let (packed, size, file) = (word(at + 20)?, word(at + 24)?, word(at + 42)?);
        let start = file + 30 + half(file + 26)? + half(file + 28)?;
        let packed = zip.get(start..start.checked_add(packed)?)?;
        let mut bytes = Vec::new();
        match half(at + 10)? {
            0 => bytes.extend_from_slice(packed),
            8 => drop(DeflateDecoder::new(packed).take(UNPACKED_BYTES_MAX).read_to_end(&mut bytes).ok()?),
            _ => return None,
        }
        return (bytes.len() == size).then_some(bytes);
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

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

    /// Every other file is packed, the others are stored.
    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut zip, mut directory) = (Vec::new(), Vec::new());
        for (number, (name, bytes)) in files.iter().enumerate() {
            let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(bytes).unwrap();
            let (method, packed) = if number % 2 == 0 { (8u16, packer.finish().unwrap()) } else { (0, bytes.to_vec()) };
            let mut entry = [0u8; 46];
            entry[..4].copy_from_slice(b"PK\x01\x02");
            entry[10..12].copy_from_slice(&method.to_le_bytes());
            entry[20..24].copy_from_slice(&(packed.len() as u32).to_le_bytes());
            entry[24..28].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            entry[42..46].copy_from_slice(&(zip.len() as u32).to_le_bytes());
            directory.extend_from_slice(&entry);
            directory.extend_from_slice(name.as_bytes());
            let mut local = [0u8; 30];
            local[..4].copy_from_slice(b"PK\x03\x04");
            local[26..28].copy_from_slice(&(name.len() as u16).to_le_bytes());
            zip.extend_from_slice(&local);
            zip.extend_from_slice(name.as_bytes());
            zip.extend_from_slice(&packed);
        }
        let mut end = [0u8; 22];
        end[..4].copy_from_slice(b"PK\x05\x06");
        end[16..20].copy_from_slice(&(zip.len() as u32).to_le_bytes());
        [zip, directory, end.to_vec()].concat()
    }

    #[test]
    fn takes_one_file_out_of_a_tar() {
        let tar = tar(&[("package/a", b"first"), ("package/b.wasm", &[7; 600]), ("package/c", b"")]);
        assert_eq!(in_tar(&tar, "package/b.wasm"), Some(&[7u8; 600][..]));
        assert_eq!(in_tar(&tar, "package/c"), Some(&b""[..]));
        assert_eq!(in_tar(&tar, "package/d"), None);
        assert_eq!(in_tar(&tar[..700], "package/b.wasm"), None, "cut off");
        let mut endless = tar;
        endless[124..135].copy_from_slice(b"77777777777");
        assert_eq!(in_tar(&endless, "package/c"), None);
    }

    #[test]
    fn takes_one_file_out_of_a_zip() {
        let zip = zip(&[("a", b"first"), ("b/b.wasm", &[7; 600]), ("c", &[9; 4000])]);
        assert_eq!(in_zip(&zip, "b/b.wasm"), Some(vec![7; 600]));
        assert_eq!(in_zip(&zip, "c"), Some(vec![9; 4000]));
        assert_eq!(in_zip(&zip, "d"), None);
        assert_eq!(in_zip(&zip[..zip.len() - 30], "c"), None, "cut off");
        // No place that an archive names is believed.
        for at in 0..zip.len() {
            let mut broken = zip.clone();
            broken[at] = 0xff;
            let _ = in_zip(&broken, "c");
        }
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
    fn finds_a_file_in_a_list_of_files() {
        let page = "<a href=\"../../x/tool-1.0.tar.gz#sha256=1\">t</a>\n<a href=\"https://f.example/tool-1.0.whl#sha256=2\" \
                    data-requires-python=\"&gt;=3.8\">tool-1.0.whl</a>";
        assert_eq!(link_to(page, "tool-1.0.whl"), Some("https://f.example/tool-1.0.whl"));
        assert_eq!(link_to(page, "tool-1.0.tar.gz"), Some("../../x/tool-1.0.tar.gz"));
        assert_eq!(link_to(page, "tool-1.1.whl"), None);
    }
}
