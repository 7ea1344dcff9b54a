//! What is done with descriptors: reading, writing, seeking, listing, and what is said of them.

use super::Call;
use crate::profile::{CLOCK_START_NS, HOST_NAME_FUEL, HOST_READ_FUEL};
use crate::world::{Errno, Fault, Handle, NodeId, NodeKind};

pub(super) const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK_TELL: u64 = 1 << 2 | 1 << 5;
pub(super) const RIGHT_WRITE: u64 = 1 << 6;
const RIGHTS_FILE: u64 = 0x08e0_01ff;
const RIGHTS_DIR: u64 = 0x0fff_fe00 | 1 << 3 | 1 << 4;

const TYPE_UNKNOWN: u8 = 0;
const TYPE_DIR: u8 = 3;
const TYPE_FILE: u8 = 4;

impl Call<'_> {
    pub(crate) fn fd_close(&mut self, fd: u32) -> Result<(), Fault> {
        Ok(self.world.files.close(fd)?)
    }

    pub(crate) fn fd_renumber(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        Ok(self.world.files.renumber(from, to)?)
    }

    pub(crate) fn fd_sync(&mut self, fd: u32) -> Result<(), Fault> {
        Ok(self.world.files.handle(fd).map(drop)?)
    }

    pub(crate) fn fd_datasync(&mut self, fd: u32) -> Result<(), Fault> {
        Ok(self.world.files.handle(fd).map(drop)?)
    }

    pub(crate) fn fd_advise(&mut self, fd: u32, _: u64, _: u64, _: u32) -> Result<(), Fault> {
        Ok(self.world.files.handle(fd).map(drop)?)
    }

    pub(crate) fn fd_allocate(&mut self, fd: u32, offset: u64, len: u64) -> Result<(), Fault> {
        let end = offset.checked_add(len).ok_or(Errno::INVAL)?;
        let node = self.writable_file(fd)?;
        let size = self.world.files.size(node)?;
        self.charge(end.saturating_sub(size))?;
        if end > size { self.world.files.set_size(node, end) } else { Ok(()) }
    }

    pub(crate) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Result<(), Fault> {
        let node = self.writable_file(fd)?;
        self.charge(size.saturating_sub(self.world.files.size(node)?))?;
        self.world.files.set_size(node, size)
    }

    /// The file behind a descriptor that was opened for writing.
    fn writable_file(&self, fd: u32) -> Result<NodeId, Errno> {
        match self.world.files.handle(fd)? {
            Handle::File { node, write: true, .. } => Ok(*node),
            _ => Err(Errno::BADF),
        }
    }

    pub(crate) fn fd_filestat_set_times(&mut self, fd: u32, _: u64, _: u64, _: u32) -> Result<(), Fault> {
        Ok(self.world.files.handle(fd).map(drop)?)
    }

    pub(crate) fn fd_filestat_get(&mut self, fd: u32, at: u32) -> Result<(), Fault> {
        let node = match self.world.files.handle(fd)? {
            Handle::Stdout | Handle::Stderr => None,
            Handle::Dir { node, .. } | Handle::File { node, .. } => Some(*node),
        };
        Ok(self.put_filestat(at, node)?)
    }

    /// `filestat`: device u64, inode u64, type u8, links u64 at 24, size u64, accessed, modified, changed u64.
    pub(super) fn put_filestat(&mut self, at: u32, node: Option<NodeId>) -> Result<(), Errno> {
        let (kind, size) = match node {
            Some(node) => (self.node_type(node), self.world.files.size(node)?),
            None => (TYPE_UNKNOWN, 0),
        };
        let mut stat = [0u8; 64];
        stat[0] = 1;
        stat[8..16].copy_from_slice(&node.map_or(0, |node| node as u64 + 1).to_le_bytes());
        stat[16] = kind;
        stat[24] = 1;
        stat[32..40].copy_from_slice(&size.to_le_bytes());
        for time in [40, 48, 56] {
            stat[time..time + 8].copy_from_slice(&CLOCK_START_NS.to_le_bytes());
        }
        self.put(at, &stat)
    }

    fn node_type(&self, node: NodeId) -> u8 {
        match self.world.files.node(node).map(|node| &node.kind) {
            Ok(NodeKind::Dir(_)) => TYPE_DIR,
            Ok(NodeKind::Input { .. } | NodeKind::Output { .. }) => TYPE_FILE,
            Ok(NodeKind::Free) | Err(_) => TYPE_UNKNOWN,
        }
    }

    /// `fdstat`: type u8, flags u16 at 2, rights u64 at 8, inheriting rights u64 at 16.
    pub(crate) fn fd_fdstat_get(&mut self, fd: u32, at: u32) -> Result<(), Fault> {
        let (kind, flags, rights) = match self.world.files.handle(fd)? {
            Handle::Stdout | Handle::Stderr => (TYPE_UNKNOWN, 0, RIGHT_WRITE),
            Handle::Dir { .. } => (TYPE_DIR, 0, RIGHTS_DIR),
            Handle::File { read, write, append, .. } => {
                let refused = if *read { 0 } else { RIGHT_READ } | if *write { 0 } else { RIGHT_WRITE };
                let seek = if fd == 0 { RIGHT_SEEK_TELL } else { 0 };
                (TYPE_FILE, u16::from(*append), RIGHTS_FILE & !refused & !seek)
            }
        };
        let inheriting = if kind == TYPE_DIR { RIGHTS_DIR | RIGHTS_FILE } else { 0 };
        let mut stat = [0u8; 24];
        stat[0] = kind;
        stat[2..4].copy_from_slice(&flags.to_le_bytes());
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        stat[16..24].copy_from_slice(&inheriting.to_le_bytes());
        Ok(self.put(at, &stat)?)
    }

    pub(crate) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Result<(), Fault> {
        if let Handle::File { append, .. } = self.world.files.handle_mut(fd)? {
            *append = flags & 1 != 0;
        }
        Ok(())
    }

    pub(crate) fn fd_fdstat_set_rights(&mut self, fd: u32, _: u64, _: u64) -> Result<(), Fault> {
        Ok(self.world.files.handle(fd).map(drop)?)
    }

    pub(crate) fn fd_pread(&mut self, fd: u32, at: u32, count: u32, offset: u64, done: u32) -> Result<(), Fault> {
        self.read_into(fd, (at, count), Some(offset), done)
    }

    pub(crate) fn fd_read(&mut self, fd: u32, at: u32, count: u32, done: u32) -> Result<(), Fault> {
        self.read_into(fd, (at, count), None, done)
    }

    pub(crate) fn fd_pwrite(&mut self, fd: u32, at: u32, count: u32, offset: u64, done: u32) -> Result<(), Fault> {
        self.write_from(fd, (at, count), Some(offset), done)
    }

    pub(crate) fn fd_write(&mut self, fd: u32, at: u32, count: u32, done: u32) -> Result<(), Fault> {
        self.write_from(fd, (at, count), None, done)
    }

    fn write_from(&mut self, fd: u32, vectors: (u32, u32), mut offset: Option<u64>, done: u32) -> Result<(), Fault> {
        let mut total = 0u32;
        for (at, len) in self.vectors(vectors.0, vectors.1)? {
            let added = self.world.files.added_by_write(fd, len, offset)?;
            self.charge(added.max(len.into()))?;
            let data = self.memory.get(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
            self.world.files.write(fd, data, offset)?;
            offset = offset.map(|at| at.saturating_add(len.into()));
            total = total.saturating_add(len);
        }
        Ok(self.put_u32(done, total)?)
    }

    fn read_into(&mut self, fd: u32, vectors: (u32, u32), mut offset: Option<u64>, done: u32) -> Result<(), Fault> {
        let mut total = 0u32;
        for (at, len) in self.vectors(vectors.0, vectors.1)? {
            let found = self.world.files.readable(fd, offset)?.min(len.into());
            self.charge(found)?;
            if found > 0 && self.world.files.is_input(fd) {
                self.burn(HOST_READ_FUEL)?;
            }
            let into = self.memory.get_mut(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
            let got = self.world.files.read(fd, into, offset)?;
            offset = offset.map(|at| at.saturating_add(got as u64));
            total = total.saturating_add(got as u32);
            if got < len as usize {
                break;
            }
        }
        Ok(self.put_u32(done, total)?)
    }

    pub(crate) fn fd_prestat_get(&mut self, fd: u32, at: u32) -> Result<(), Fault> {
        let len = self.preopened(fd)?.len() as u32;
        self.put_u32(at, 0)?;
        Ok(self.put_u32(at.checked_add(4).ok_or(Errno::FAULT)?, len)?)
    }

    pub(crate) fn fd_prestat_dir_name(&mut self, fd: u32, at: u32, len: u32) -> Result<(), Fault> {
        let name = self.preopened(fd)?;
        if (len as usize) < name.len() {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(self.put(at, name.as_bytes())?)
    }

    /// The name of a folder that was open from the start.
    fn preopened(&self, fd: u32) -> Result<&'static str, Errno> {
        match self.world.files.handle(fd)? {
            Handle::Dir { preopen: Some(name), .. } => Ok(name),
            _ => Err(Errno::BADF),
        }
    }

    /// `dirent`: place of the next u64, inode u64, length of the name u32, type u8, padded to 24; then the name.
    pub(crate) fn fd_readdir(&mut self, fd: u32, at: u32, len: u32, from: u64, done: u32) -> Result<(), Fault> {
        self.charge(len.into())?;
        let mut entries = Vec::new();
        let mut count = 0;
        for (next, name, node) in self.world.files.list(fd, from)? {
            if entries.len() >= len as usize {
                break;
            }
            count += 1;
            let mut entry = [0u8; 24];
            entry[0..8].copy_from_slice(&next.to_le_bytes());
            entry[8..16].copy_from_slice(&(node as u64 + 1).to_le_bytes());
            entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
            entry[20] = self.node_type(node);
            entries.extend_from_slice(&entry);
            entries.extend_from_slice(name.as_bytes());
        }
        self.burn(HOST_NAME_FUEL * count)?;
        entries.truncate(len as usize);
        self.put(at, &entries)?;
        Ok(self.put_u32(done, entries.len() as u32)?)
    }

    pub(crate) fn fd_tell(&mut self, fd: u32, done: u32) -> Result<(), Fault> {
        self.fd_seek(fd, 0, 1, done)
    }

    pub(crate) fn fd_seek(&mut self, fd: u32, by: i64, whence: u32, done: u32) -> Result<(), Fault> {
        let Handle::File { node, at, .. } = self.world.files.handle(fd)? else { return Err(Errno::SPIPE.into()) };
        if fd == 0 {
            return Err(Errno::SPIPE.into());
        }
        let from = match whence {
            0 => 0,
            1 => *at,
            2 => self.world.files.size(*node)?,
            _ => return Err(Errno::INVAL.into()),
        };
        // Signed 64 bits are what a file offset is; beyond them there is nothing to seek to.
        let to = from.checked_add_signed(by).filter(|to| *to <= i64::MAX as u64).ok_or(Errno::INVAL)?;
        if let Handle::File { at, .. } = self.world.files.handle_mut(fd)? {
            *at = to;
        }
        Ok(self.put_u64(done, to)?)
    }
}
