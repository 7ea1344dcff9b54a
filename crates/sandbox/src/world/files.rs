//! What descriptors lead to: files that are read and written, and what a program says on its two outputs.

use super::tree::{Node, NodeId, NodeKind};
use super::{Errno, Fault, Halt, WorldSpec};
use crate::host_files::InputSource;
use crate::outcome::SandboxError;
use crate::profile::{HOST_FILES_MAX, OPEN_FILES_MAX};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// What a file may hold of the host's memory beyond twice its length.
const FILE_ROOM: usize = 4096;

/// Where a descriptor leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Stdout,
    Stderr,
    Dir { node: NodeId, preopen: Option<&'static str> },
    File { node: NodeId, at: u64, read: bool, write: bool, append: bool },
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

/// A program's files, and the descriptors it has of them.
pub(crate) struct Files {
    pub(super) nodes: Vec<Node>,
    pub(super) free: Vec<NodeId>,
    pub(super) out: NodeId,
    pub(super) stdout: Vec<u8>,
    /// Bytes of files in `/out` that still exist.
    pub(super) files_len: u64,
    pub(super) made: u32,
    pub(super) made_max: u32,
    source: Box<dyn InputSource>,
    handles: Vec<Option<Handle>>,
    stderr_tail: VecDeque<u8>,
    stderr_len: u64,
    stderr_tail_max: usize,
    output_max: u64,
    /// The inputs that are open on the host, in the order in which they were opened.
    host_files: VecDeque<NodeId>,
}

impl Files {
    /// Two empty folders.
    pub(super) fn bare(output_max: u64, source: Box<dyn InputSource>) -> Files {
        let dir = |node, name| Some(Handle::Dir { node, preopen: Some(name) });
        Files {
            source,
            nodes: vec![Node::root(false), Node::root(true)],
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
            host_files: VecDeque::new(),
        }
    }

    /// Errors: a guest path that cannot be.
    pub(super) fn build(spec: &WorldSpec, source: Box<dyn InputSource>) -> Result<Files, SandboxError> {
        let mut files = Files {
            stderr_tail_max: spec.limits.stderr_tail_max.0 as usize,
            made_max: spec.limits.output_files_max,
            ..Files::bare(spec.limits.output_max.0, source)
        };
        let stdin = match spec.stdin {
            Some(size) => NodeKind::Input { index: 0, size, file: None },
            None => NodeKind::Output { bytes: Vec::new() },
        };
        let stdin = files.push(stdin);
        files.nodes[stdin].opens = 1;
        let mut inputs: Vec<_> = (1u32..).zip(&spec.inputs).collect();
        // Node numbers show as inode numbers, so they must not follow the order of the request.
        inputs.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        for (index, (guest_path, size)) in inputs {
            let node = files.push(NodeKind::Input { index, size: *size, file: None });
            files.mount(guest_path, node)?;
        }
        files.handles[0] = Some(Handle::File { node: stdin, at: 0, read: true, write: false, append: false });
        Ok(files)
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

    /// The bytes of the host's memory that its files take, whatever their length.
    #[cfg(test)]
    pub(crate) fn memory_held(&self) -> usize {
        let held = |node: &Node| if let NodeKind::Output { bytes } = &node.kind { bytes.capacity() } else { 0 };
        self.nodes.iter().map(held).sum()
    }

    /// The end of what was said on standard error, as text.
    pub(crate) fn stderr_tail(&self) -> String {
        let bytes: Vec<u8> = self.stderr_tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
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
