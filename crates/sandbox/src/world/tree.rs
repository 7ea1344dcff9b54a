//! The tree of files and folders: names, paths, and what is left of it in the end.

use super::files::{Files, Handle};
use super::{Errno, Fault, Halt, Left};
use crate::STDOUT_PATH;
use crate::outcome::SandboxError;
use crate::profile::{DEPTH_MAX, NAME_MAX, PATH_MAX};
use std::collections::BTreeMap;
use std::fs::File;

pub(crate) type NodeId = usize;

/// A file or a folder, which lives as long as it has a name or a descriptor.
pub(crate) struct Node {
    pub kind: NodeKind,
    pub(super) opens: u32,
    linked: bool,
}

impl Node {
    /// A folder that nobody can close.
    pub(super) fn root(writable: bool) -> Node {
        Node { kind: Dir::empty(0, writable), opens: 1, linked: true }
    }
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

    pub(super) fn insert(&mut self, name: String, node: NodeId) {
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

/// What a path leads to: the folder it is in, its last name, and the node where there is one.
pub(crate) struct Resolved {
    pub dir: NodeId,
    pub name: String,
    pub node: Option<NodeId>,
}

impl Files {
    pub(super) fn push(&mut self, kind: NodeKind) -> NodeId {
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

    pub(super) fn mount(&mut self, guest_path: &str, node: NodeId) -> Result<(), SandboxError> {
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

    pub(super) fn dir_mut(&mut self, id: NodeId) -> Result<&mut Dir, Errno> {
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
    pub(super) fn creatable(&mut self, at: &Resolved) -> Result<(), Fault> {
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

    /// Gives back a node that has no name and no descriptor: a program that makes and removes files for ever must
    /// not take ever more of the host's memory.
    pub(super) fn free_unused(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if node.opens == 0 && !node.linked {
            if let NodeKind::Output { bytes } = &node.kind {
                self.files_len -= bytes.len() as u64;
            }
            node.kind = NodeKind::Free;
            self.free.push(id);
        }
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
