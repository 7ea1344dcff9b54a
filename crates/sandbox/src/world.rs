//! All that a program can see: a tree of files held in memory, a clock, randomness.
//!
//! Every answer follows from the request alone. Host files are opened by their number in the request, never by a path
//! that the program made.

use crate::STDOUT_PATH;
use crate::host_files::InputSource;
use crate::outcome::SandboxError;
use crate::profile::{CLOCK_START_NS, DEPTH_MAX, HOST_FILES_MAX, NAME_MAX, OPEN_FILES_MAX, PATH_MAX};
use crate::request::Limits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// What a file may hold of the host's memory beyond twice its length.
const FILE_ROOM: usize = 4096;

/// A WASI error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub u16);

impl Errno {
    pub const ACCES: Errno = Errno(2);
    pub const BADF: Errno = Errno(8);
    pub const EXIST: Errno = Errno(20);
    pub const FAULT: Errno = Errno(21);
    pub const ILSEQ: Errno = Errno(25);
    pub const INVAL: Errno = Errno(28);
    pub const ISDIR: Errno = Errno(31);
    pub const MFILE: Errno = Errno(33);
    pub const NAMETOOLONG: Errno = Errno(37);
    pub const NOENT: Errno = Errno(44);
    pub const NOTDIR: Errno = Errno(54);
    pub const NOTEMPTY: Errno = Errno(55);
    pub const NOTSUP: Errno = Errno(58);
    pub const ROFS: Errno = Errno(69);
    pub const SPIPE: Errno = Errno(70);
    pub const XDEV: Errno = Errno(75);
    pub const NOTCAPABLE: Errno = Errno(76);
}

/// Why a program is stopped from the host's side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Halt {
    #[error("exit {0}")]
    Exit(u32),
    #[error("out of fuel")]
    OutOfFuel,
    #[error("output limit")]
    OutputTooLarge,
    #[error("file limit")]
    TooManyFiles,
    #[error("wall clock")]
    WallClock,
    #[error("cancelled")]
    Cancelled,
    #[error("input {index}: {reason}")]
    Input { index: u32, reason: String },
}

/// What a world is made of: a request without the host's paths.
///
/// Shape: input 0 is standard input, the others are those of `/in` from 1 on, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorldSpec {
    pub args: Vec<String>,
    /// The size of standard input, where there is any.
    pub stdin: Option<u64>,
    /// Paths below `/in`, and sizes.
    pub inputs: Vec<(String, u64)>,
    pub seed: [u8; 32],
    pub limits: Limits,
}

/// One thing that a program left behind.
pub(crate) enum Left<'a> {
    Dir(&'a str),
    File(&'a str, &'a [u8]),
}

/// An answer to the program, or its end.
#[derive(Debug)]
pub(crate) enum Fault {
    Errno(Errno),
    Halt(Halt),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        Fault::Errno(errno)
    }
}

pub(crate) type NodeId = usize;

/// A file or a folder, which lives as long as it has a name or a descriptor.
pub(crate) struct Node {
    pub kind: NodeKind,
    opens: u32,
    linked: bool,
}

pub(crate) enum NodeKind {
    /// A place that the next file or folder takes.
    Free,
    Dir(Dir),
    Input {
        index: u32,
        size: u64,
        file: Option<File>,
    },
    Output {
        bytes: Vec<u8>,
    },
}

/// A folder: its names, and the order in which they were made, which is the order of a listing. So a listing that is
/// continued after something was removed skips nothing.
pub(crate) struct Dir {
    names: BTreeMap<String, (NodeId, u64)>,
    order: BTreeMap<u64, String>,
    next: u64,
    depth: usize,
    writable: bool,
}

impl Dir {
    fn empty(depth: usize, writable: bool) -> NodeKind {
        NodeKind::Dir(Dir { names: BTreeMap::new(), order: BTreeMap::new(), next: 0, depth, writable })
    }

    fn insert(&mut self, name: String, node: NodeId) {
        self.order.insert(self.next, name.clone());
        self.names.insert(name, (node, self.next));
        self.next += 1;
    }

    fn remove(&mut self, name: &str) {
        if let Some((_, place)) = self.names.remove(name) {
            self.order.remove(&place);
        }
    }
}

/// Where a descriptor leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Stdout,
    Stderr,
    Dir { node: NodeId, preopen: Option<&'static str> },
    File { node: NodeId, at: u64, read: bool, write: bool, append: bool },
}

/// What a path leads to: the folder it is in, its last name, and the node where there is one.
pub(crate) struct Resolved {
    pub dir: NodeId,
    pub name: String,
    pub node: Option<NodeId>,
}

/// How a file is to be opened.
#[derive(Clone, Copy)]
pub(crate) struct OpenFlags {
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub directory: bool,
    pub read: bool,
    pub write: bool,
    pub append: bool,
}

/// One program's world.
pub(crate) struct World {
    pub args: Vec<String>,
    source: Box<dyn InputSource>,
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    handles: Vec<Option<Handle>>,
    out: NodeId,
    stdout: Vec<u8>,
    stderr_tail: VecDeque<u8>,
    stderr_len: u64,
    stderr_tail_max: usize,
    /// Bytes of files in `/out` that still exist.
    files_len: u64,
    output_max: u64,
    made: u32,
    made_max: u32,
    slept_ns: u64,
    random: blake3::OutputReader,
    /// The inputs that are open on the host, in the order in which they were opened.
    host_files: VecDeque<NodeId>,
}

impl World {
    /// A world with nothing in it that takes no output.
    pub(crate) fn empty() -> World {
        World::bare(&[0; 32], 0, Box::new(Vec::new()))
    }

    fn bare(seed: &[u8; 32], output_max: u64, source: Box<dyn InputSource>) -> World {
        let root = |writable| Node { kind: Dir::empty(0, writable), opens: 1, linked: true };
        let dir = |node, name| Some(Handle::Dir { node, preopen: Some(name) });
        World {
            args: Vec::new(),
            source,
            nodes: vec![root(false), root(true)],
            free: Vec::new(),
            handles: vec![None, Some(Handle::Stdout), Some(Handle::Stderr), dir(0, "/in"), dir(1, "/out"), dir(1, ".")],
            out: 1,
            stdout: Vec::new(),
            stderr_tail: VecDeque::new(),
            stderr_len: 0,
            stderr_tail_max: 0,
            files_len: 0,
            output_max,
            made: 0,
            made_max: 0,
            slept_ns: 0,
            random: blake3::Hasher::new_keyed(seed).update(b"golem sandbox randomness 1").finalize_xof(),
            host_files: VecDeque::new(),
        }
    }

    /// Errors: a guest path that cannot be.
    pub(crate) fn build(spec: &WorldSpec, source: Box<dyn InputSource>) -> Result<World, SandboxError> {
        let mut world = World {
            args: spec.args.clone(),
            stderr_tail_max: spec.limits.stderr_tail_max.0 as usize,
            made_max: spec.limits.output_files_max,
            ..World::bare(&spec.seed, spec.limits.output_max.0, source)
        };
        let stdin = match spec.stdin {
            Some(size) => NodeKind::Input { index: 0, size, file: None },
            None => NodeKind::Output { bytes: Vec::new() },
        };
        let stdin = world.push(stdin);
        world.nodes[stdin].opens = 1;
        let mut inputs: Vec<_> = (1u32..).zip(&spec.inputs).collect();
        // Node numbers show as inode numbers, so they must not follow the order of the request.
        inputs.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        for (index, (guest_path, size)) in inputs {
            let node = world.push(NodeKind::Input { index, size: *size, file: None });
            world.mount(guest_path, node)?;
        }
        world.handles[0] = Some(Handle::File { node: stdin, at: 0, read: true, write: false, append: false });
        Ok(world)
    }

    fn push(&mut self, kind: NodeKind) -> NodeId {
        let node = Node { kind, opens: 0, linked: true };
        match self.free.pop() {
            Some(id) => {
                self.nodes[id] = node;
                id
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        }
    }

    fn mount(&mut self, guest_path: &str, node: NodeId) -> Result<(), SandboxError> {
        let bad = |reason: &str| SandboxError::BadInputPath { path: guest_path.to_owned(), reason: reason.to_owned() };
        if guest_path.len() > PATH_MAX {
            return Err(bad("it is longer than 1024 bytes"));
        }
        let mut names: Vec<&str> = guest_path.split('/').collect();
        if names.iter().any(|n| n.is_empty() || *n == "." || *n == ".." || n.contains('\0') || n.len() > NAME_MAX) {
            return Err(bad("it must be relative, without empty, `.`, `..`, NUL or over-long names"));
        }
        if names.len() > DEPTH_MAX {
            return Err(bad("it has more than 32 folders"));
        }
        let Some(last) = names.pop() else { return Err(bad("it is empty")) };
        let mut at = 0;
        for (depth, name) in names.into_iter().enumerate() {
            at = match self.child(at, name) {
                Some(next) => next,
                None => {
                    let next = self.push(Dir::empty(depth + 1, false));
                    self.dir_mut(at).map_err(|_| bad("a file is where it needs a folder"))?.insert(name.into(), next);
                    next
                }
            };
        }
        let dir = self.dir_mut(at).map_err(|_| bad("a file is where it needs a folder"))?;
        if dir.names.contains_key(last) {
            return Err(bad("two inputs have this path"));
        }
        dir.insert(last.to_owned(), node);
        Ok(())
    }

    fn dir(&self, id: NodeId) -> Result<&Dir, Errno> {
        match &self.node(id)?.kind {
            NodeKind::Dir(dir) => Ok(dir),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn dir_mut(&mut self, id: NodeId) -> Result<&mut Dir, Errno> {
        match self.nodes.get_mut(id).map(|node| &mut node.kind) {
            Some(NodeKind::Dir(dir)) => Ok(dir),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn child(&self, dir: NodeId, name: &str) -> Option<NodeId> {
        self.dir(dir).ok()?.names.get(name).map(|(node, _)| *node)
    }

    /// A folder that the program may change.
    fn writable(&mut self, id: NodeId) -> Result<&mut Dir, Errno> {
        let linked = self.node(id)?.linked;
        let dir = self.dir_mut(id)?;
        match (dir.writable, linked) {
            (false, _) => Err(Errno::ROFS),
            (true, false) => Err(Errno::NOENT),
            (true, true) => Ok(dir),
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<&Node, Errno> {
        self.nodes.get(id).ok_or(Errno::BADF)
    }

    pub(crate) fn is_dir(&self, id: NodeId) -> bool {
        self.dir(id).is_ok()
    }

    /// Follows a path from an open folder. `..` never leads above that folder, and a path never starts at a root:
    /// a descriptor is the only authority.
    pub(crate) fn resolve(&self, dir_fd: u32, path: &[u8]) -> Result<Resolved, Errno> {
        let Handle::Dir { node: base, .. } = self.handle(dir_fd)? else { return Err(Errno::NOTDIR) };
        if path.len() > PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let path = std::str::from_utf8(path).map_err(|_| Errno::ILSEQ)?;
        if path.contains('\0') {
            return Err(Errno::INVAL);
        }
        if path.starts_with('/') {
            return Err(Errno::NOTCAPABLE);
        }
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let mut trail = vec![*base];
        let mut last: Option<(String, Option<NodeId>)> = None;
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            if let Some((_, node)) = last.take() {
                let node = node.ok_or(Errno::NOENT)?;
                self.dir(node)?;
                trail.push(node);
            }
            if name == ".." {
                trail.pop();
                if trail.is_empty() {
                    return Err(Errno::NOTCAPABLE);
                }
                continue;
            }
            if name.len() > NAME_MAX || trail.len() > DEPTH_MAX {
                return Err(Errno::NAMETOOLONG);
            }
            let dir = *trail.last().ok_or(Errno::NOTCAPABLE)?;
            last = Some((name.to_owned(), self.child(dir, name)));
        }
        let dir = *trail.last().ok_or(Errno::NOTCAPABLE)?;
        match last {
            Some((_, Some(node))) if path.ends_with('/') && !self.is_dir(node) => Err(Errno::NOTDIR),
            Some((name, node)) => Ok(Resolved { dir, name, node }),
            None => Ok(Resolved { dir, name: String::new(), node: Some(dir) }),
        }
    }

    /// Where a new name may be made: in a writable folder, not the one kept for standard output.
    fn creatable(&mut self, at: &Resolved) -> Result<(), Fault> {
        if self.writable(at.dir)?.depth >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        if at.name.is_empty() {
            return Err(Errno::EXIST.into());
        }
        if at.dir == self.out && at.name == STDOUT_PATH {
            return Err(Errno::ACCES.into());
        }
        if self.made >= self.made_max {
            return Err(Fault::Halt(Halt::TooManyFiles));
        }
        self.made += 1;
        Ok(())
    }

    pub(crate) fn open(&mut self, dir_fd: u32, path: &[u8], flags: OpenFlags) -> Result<u32, Fault> {
        let at = self.resolve(dir_fd, path)?;
        let node = match at.node {
            Some(_) if flags.create && flags.exclusive => return Err(Errno::EXIST.into()),
            Some(node) => node,
            None if flags.directory || !flags.create => return Err(Errno::NOENT.into()),
            None => {
                self.creatable(&at)?;
                let node = self.push(NodeKind::Output { bytes: Vec::new() });
                self.dir_mut(at.dir)?.insert(at.name, node);
                node
            }
        };
        let free = self.handles.iter().position(Option::is_none).unwrap_or(self.handles.len());
        if free >= OPEN_FILES_MAX {
            return Err(Errno::MFILE.into());
        }
        let file = Handle::File { node, at: 0, read: flags.read, write: flags.write, append: flags.append };
        let handle = match self.nodes.get_mut(node).map(|node| &mut node.kind) {
            Some(NodeKind::Dir(_)) if flags.write && !flags.directory => return Err(Errno::ISDIR.into()),
            Some(NodeKind::Dir(_)) => Handle::Dir { node, preopen: None },
            _ if flags.directory => return Err(Errno::NOTDIR.into()),
            Some(NodeKind::Input { .. }) if flags.write || flags.truncate => return Err(Errno::ROFS.into()),
            Some(NodeKind::Output { bytes }) if flags.truncate => {
                self.files_len -= bytes.len() as u64;
                *bytes = Vec::new();
                file
            }
            _ => file,
        };
        self.nodes[node].opens += 1;
        if free == self.handles.len() {
            self.handles.push(None);
        }
        self.handles[free] = Some(handle);
        Ok(free as u32)
    }

    pub(crate) fn handle(&self, fd: u32) -> Result<&Handle, Errno> {
        self.handles.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    pub(crate) fn handle_mut(&mut self, fd: u32) -> Result<&mut Handle, Errno> {
        self.handles.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        let handle = self.handles.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BADF)?;
        if let Handle::File { node, .. } | Handle::Dir { node, .. } = handle {
            self.nodes[node].opens -= 1;
            if let Node { kind: NodeKind::Input { file, .. }, opens: 0, .. } = &mut self.nodes[node] {
                *file = None;
            }
            self.free_unused(node);
        }
        Ok(())
    }

    /// Moves a descriptor to another number, which is closed first.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.handle(from)?;
        self.handle(to)?;
        if from != to {
            self.close(to)?;
            self.handles.swap(from as usize, to as usize);
        }
        Ok(())
    }

    /// Gives back a node that has no name and no descriptor: a program that makes and removes files for ever must
    /// not take ever more of the host's memory.
    fn free_unused(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if node.opens == 0 && !node.linked {
            if let NodeKind::Output { bytes } = &node.kind {
                self.files_len -= bytes.len() as u64;
            }
            node.kind = NodeKind::Free;
            self.free.push(id);
        }
    }

    /// Refuses to let all output together pass its limit.
    fn grow(&mut self, more: u64) -> Result<(), Fault> {
        let total = self.files_len.saturating_add(self.stdout.len() as u64).saturating_add(self.stderr_len);
        if total.saturating_add(more) > self.output_max {
            return Err(Fault::Halt(Halt::OutputTooLarge));
        }
        Ok(())
    }

    /// Sets a file's size; zeros fill what is new.
    pub(crate) fn set_size(&mut self, id: NodeId, size: u64) -> Result<(), Fault> {
        let old = match &self.node(id)?.kind {
            NodeKind::Output { bytes } => bytes.len() as u64,
            NodeKind::Input { .. } => return Err(Errno::ROFS.into()),
            NodeKind::Dir(_) | NodeKind::Free => return Err(Errno::ISDIR.into()),
        };
        self.grow(size.saturating_sub(old))?;
        if let NodeKind::Output { bytes } = &mut self.nodes[id].kind {
            bytes.resize(size as usize, 0);
            // What a file that has become short held would add up over many files, while its length counts for nothing.
            if bytes.capacity() / 2 > bytes.len().max(FILE_ROOM) {
                bytes.shrink_to_fit();
            }
        }
        self.files_len = self.files_len - old + size;
        Ok(())
    }

    /// How many bytes a write would add to its file, zeros before it included.
    pub(crate) fn added_by_write(&self, fd: u32, len: u32, offset: Option<u64>) -> Result<u64, Errno> {
        let Handle::File { node, at, write: true, append, .. } = self.handle(fd)? else { return Ok(0) };
        let size = self.size(*node)?;
        let start = offset.unwrap_or(if *append { size } else { *at });
        Ok(if len == 0 { 0 } else { start.saturating_add(len.into()).saturating_sub(size) })
    }

    /// Writes at the descriptor's place, or at `offset` where one is given.
    pub(crate) fn write(&mut self, fd: u32, data: &[u8], offset: Option<u64>) -> Result<(), Fault> {
        let (node, at, append) = match self.handle(fd)? {
            Handle::Stdout | Handle::Stderr if offset.is_some() => return Err(Errno::SPIPE.into()),
            Handle::Stdout => {
                self.grow(data.len() as u64)?;
                self.stdout.extend_from_slice(data);
                return Ok(());
            }
            Handle::Stderr => {
                self.grow(data.len() as u64)?;
                self.stderr_len += data.len() as u64;
                self.stderr_tail.extend(&data[data.len().saturating_sub(self.stderr_tail_max)..]);
                let excess = self.stderr_tail.len().saturating_sub(self.stderr_tail_max);
                self.stderr_tail.drain(..excess);
                return Ok(());
            }
            Handle::Dir { .. } => return Err(Errno::ISDIR.into()),
            Handle::File { write: false, .. } => return Err(Errno::BADF.into()),
            Handle::File { node, at, append, .. } => (*node, *at, *append),
        };
        let len = self.size(node)?;
        let start = offset.unwrap_or(if append { len } else { at });
        let end = start.checked_add(data.len() as u64).ok_or(Errno::INVAL)?;
        if end > len && !data.is_empty() {
            self.set_size(node, end)?;
        }
        if let (NodeKind::Output { bytes }, false) = (&mut self.nodes[node].kind, data.is_empty()) {
            bytes[start as usize..end as usize].copy_from_slice(data);
        }
        if let (Handle::File { at, .. }, None) = (self.handle_mut(fd)?, offset) {
            *at = end;
        }
        Ok(())
    }

    /// Reads at the descriptor's place, or at `offset` where one is given; 0 bytes at the end.
    pub(crate) fn read(&mut self, fd: u32, into: &mut [u8], offset: Option<u64>) -> Result<usize, Fault> {
        let (node, at) = match self.handle(fd)? {
            Handle::File { node, at, read: true, .. } => (*node, *at),
            Handle::Dir { .. } => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::BADF.into()),
        };
        let start = offset.unwrap_or(at);
        let len = self.size(node)?.saturating_sub(start).min(into.len() as u64) as usize;
        match &mut self.nodes[node].kind {
            NodeKind::Output { bytes } if len > 0 => {
                into[..len].copy_from_slice(&bytes[start as usize..start as usize + len]);
            }
            NodeKind::Input { index, file, .. } if len > 0 => {
                let (index, opens) = (*index, file.is_none());
                let read = read_at(self.source.as_mut(), index, file, &mut into[..len], start);
                read.map_err(|e| Fault::Halt(Halt::Input { index, reason: e.to_string() }))?;
                if opens {
                    self.keep_open(node);
                }
            }
            _ => {}
        }
        if let (Handle::File { at, .. }, None) = (self.handle_mut(fd)?, offset) {
            *at = start + len as u64;
        }
        Ok(len)
    }

    /// Closes the input that was opened first when too many are open.
    fn keep_open(&mut self, node: NodeId) {
        self.host_files.retain(|open| *open != node);
        self.host_files.push_back(node);
        if self.host_files.len() > HOST_FILES_MAX
            && let Some(oldest) = self.host_files.pop_front()
            && let NodeKind::Input { file, .. } = &mut self.nodes[oldest].kind
        {
            *file = None;
        }
    }

    /// Whether a descriptor leads to a file of the host.
    pub(crate) fn is_input(&self, fd: u32) -> bool {
        let Ok(Handle::File { node, .. }) = self.handle(fd) else { return false };
        matches!(self.node(*node).map(|node| &node.kind), Ok(NodeKind::Input { .. }))
    }

    /// How many bytes a read would find.
    pub(crate) fn readable(&self, fd: u32, offset: Option<u64>) -> Result<u64, Errno> {
        match self.handle(fd)? {
            Handle::File { node, at, read: true, .. } => Ok(self.size(*node)?.saturating_sub(offset.unwrap_or(*at))),
            Handle::Dir { .. } => Err(Errno::ISDIR),
            _ => Err(Errno::BADF),
        }
    }

    pub(crate) fn size(&self, id: NodeId) -> Result<u64, Errno> {
        Ok(match &self.node(id)?.kind {
            NodeKind::Dir(_) | NodeKind::Free => 0,
            NodeKind::Input { size, .. } => *size,
            NodeKind::Output { bytes } => bytes.len() as u64,
        })
    }

    pub(crate) fn make_dir(&mut self, dir_fd: u32, path: &[u8]) -> Result<(), Fault> {
        let at = self.resolve(dir_fd, path)?;
        if at.node.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.creatable(&at)?;
        let depth = self.dir(at.dir)?.depth + 1;
        let node = self.push(Dir::empty(depth, true));
        self.dir_mut(at.dir)?.insert(at.name, node);
        Ok(())
    }

    /// Takes a file's name away; its bytes go when nobody has it open.
    pub(crate) fn unlink(&mut self, dir_fd: u32, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(dir_fd, path)?;
        let node = at.node.ok_or(Errno::NOENT)?;
        if self.is_dir(node) {
            return Err(Errno::ISDIR);
        }
        self.writable(at.dir)?.remove(&at.name);
        self.forget(node);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, dir_fd: u32, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(dir_fd, path)?;
        let node = at.node.ok_or(Errno::NOENT)?;
        if at.name.is_empty() {
            return Err(Errno::INVAL);
        }
        if !self.dir(node)?.names.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.writable(at.dir)?.remove(&at.name);
        self.forget(node);
        Ok(())
    }

    fn forget(&mut self, node: NodeId) {
        self.nodes[node].linked = false;
        self.made = self.made.saturating_sub(1);
        self.free_unused(node);
    }

    pub(crate) fn rename(&mut self, from: (u32, &[u8]), to: (u32, &[u8])) -> Result<(), Fault> {
        let (from, to) = (self.resolve(from.0, from.1)?, self.resolve(to.0, to.1)?);
        let node = from.node.ok_or(Errno::NOENT)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(Errno::INVAL.into());
        }
        self.writable(from.dir)?;
        self.writable(to.dir)?;
        if to.dir == self.out && to.name == STDOUT_PATH {
            return Err(Errno::ACCES.into());
        }
        // Within one folder only: a folder moved below another could pass the depth that everything here relies on.
        if self.is_dir(node) && from.dir != to.dir {
            return Err(Errno::XDEV.into());
        }
        match to.node {
            Some(same) if same == node => return Ok(()),
            Some(old) => {
                match (self.is_dir(node), self.is_dir(old)) {
                    (true, false) => return Err(Errno::NOTDIR.into()),
                    (false, true) => return Err(Errno::ISDIR.into()),
                    (true, true) if !self.dir(old)?.names.is_empty() => return Err(Errno::NOTEMPTY.into()),
                    _ => {}
                }
                self.dir_mut(to.dir)?.remove(&to.name);
                self.forget(old);
            }
            None => {}
        }
        self.dir_mut(from.dir)?.remove(&from.name);
        self.dir_mut(to.dir)?.insert(to.name, node);
        Ok(())
    }

    /// The entries of a folder from a place on, each with the place after it; `.` and `..` come first.
    pub(crate) fn list(&self, fd: u32, from: u64) -> Result<impl Iterator<Item = (u64, &str, NodeId)>, Errno> {
        let Handle::Dir { node, .. } = self.handle(fd)? else { return Err(Errno::NOTDIR) };
        let (node, dir) = (*node, self.dir(*node)?);
        let dots = [(1, ".", node), (2, "..", node)].into_iter().filter(move |(next, _, _)| *next > from);
        let named = dir.order.range(from.saturating_sub(2)..).filter_map(move |(place, name)| {
            let (child, _) = dir.names.get(name)?;
            Some((place + 3, name.as_str(), *child))
        });
        Ok(dots.chain(named))
    }

    /// Nanoseconds since the program started, as it sees them: one per unit of fuel, and what it slept.
    pub(crate) fn monotonic_ns(&self, fuel_used: u64) -> u64 {
        self.slept_ns.saturating_add(fuel_used)
    }

    pub(crate) fn realtime_ns(&self, fuel_used: u64) -> u64 {
        CLOCK_START_NS.saturating_add(self.monotonic_ns(fuel_used))
    }

    /// Moves the clock; no time passes outside.
    pub(crate) fn sleep(&mut self, ns: u64) {
        self.slept_ns = self.slept_ns.saturating_add(ns);
    }

    pub(crate) fn random(&mut self, into: &mut [u8]) {
        self.random.fill(into);
    }

    /// The bytes of the host's memory that its files take, whatever their length.
    #[cfg(test)]
    pub(crate) fn memory_held(&self) -> usize {
        let held = |node: &Node| if let NodeKind::Output { bytes } = &node.kind { bytes.capacity() } else { 0 };
        self.nodes.iter().map(held).sum()
    }

    pub(crate) fn stderr_tail(&self) -> String {
        let bytes: Vec<u8> = self.stderr_tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Gives standard output and what is in `/out`, a folder before what is in it.
    pub(crate) fn left<E>(&self, take: &mut impl FnMut(Left<'_>) -> Result<(), E>) -> Result<(), E> {
        if !self.stdout.is_empty() {
            take(Left::File(STDOUT_PATH, &self.stdout))?;
        }
        self.left_in(self.out, "", take)
    }

    fn left_in<E>(&self, id: NodeId, at: &str, take: &mut impl FnMut(Left<'_>) -> Result<(), E>) -> Result<(), E> {
        let Ok(dir) = self.dir(id) else { return Ok(()) };
        for (name, (child, _)) in &dir.names {
            let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
            match &self.nodes[*child].kind {
                NodeKind::Dir(_) => {
                    take(Left::Dir(&path))?;
                    self.left_in(*child, &path, take)?;
                }
                NodeKind::Output { bytes } => take(Left::File(&path, bytes))?,
                NodeKind::Input { .. } | NodeKind::Free => {}
            }
        }
        Ok(())
    }
}

/// Reads exactly what is asked for: a file that has become shorter is this machine's fault, not the program's.
fn read_at(
    source: &mut dyn InputSource,
    index: u32,
    file: &mut Option<File>,
    into: &mut [u8],
    at: u64,
) -> std::io::Result<()> {
    let file = match file {
        Some(file) => file,
        None => file.insert(source.open(index)?),
    };
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}
