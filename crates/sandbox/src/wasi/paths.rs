//! What is done by a path.

use super::Call;
use super::descriptors::{RIGHT_READ, RIGHT_WRITE};
use crate::profile::HOST_MAKE_FUEL;
use crate::world::{Errno, Fault, OpenFlags};

impl Call<'_> {
    #[allow(clippy::too_many_arguments, reason = "WASI has them")]
    pub(crate) fn path_open(
        &mut self,
        dir: u32,
        _: u32,
        at: u32,
        len: u32,
        oflags: u32,
        rights: u64,
        _: u64,
        fdflags: u32,
        done: u32,
    ) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        self.bytes(done, 4)?;
        let flags = flags(rights, oflags, fdflags);
        if flags.create && self.world.files.resolve(dir, &path)?.node.is_none() {
            self.burn(HOST_MAKE_FUEL)?;
        }
        let fd = self.world.files.open(dir, &path, flags)?;
        Ok(self.put_u32(done, fd)?)
    }

    pub(crate) fn path_filestat_get(&mut self, dir: u32, _: u32, at: u32, len: u32, done: u32) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        let node = self.world.files.resolve(dir, &path)?.node.ok_or(Errno::NOENT)?;
        Ok(self.put_filestat(done, Some(node))?)
    }

    #[allow(clippy::too_many_arguments, reason = "WASI has them")]
    pub(crate) fn path_filestat_set_times(
        &mut self,
        dir: u32,
        _: u32,
        at: u32,
        len: u32,
        _: u64,
        _: u64,
        _: u32,
    ) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        Ok(self.world.files.resolve(dir, &path)?.node.map(drop).ok_or(Errno::NOENT)?)
    }

    pub(crate) fn path_create_directory(&mut self, dir: u32, at: u32, len: u32) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        self.burn(HOST_MAKE_FUEL)?;
        self.world.files.make_dir(dir, &path)
    }

    pub(crate) fn path_remove_directory(&mut self, dir: u32, at: u32, len: u32) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        Ok(self.world.files.remove_dir(dir, &path)?)
    }

    pub(crate) fn path_unlink_file(&mut self, dir: u32, at: u32, len: u32) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        Ok(self.world.files.unlink(dir, &path)?)
    }

    pub(crate) fn path_rename(
        &mut self,
        dir: u32,
        at: u32,
        len: u32,
        to_dir: u32,
        to: u32,
        to_len: u32,
    ) -> Result<(), Fault> {
        let (path, to_path) = (self.path(at, len)?, self.path(to, to_len)?);
        self.world.files.rename((dir, &path), (to_dir, &to_path))
    }

    /// There are no links, so any path that exists is not one.
    pub(crate) fn path_readlink(&mut self, dir: u32, at: u32, len: u32, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        let path = self.path(at, len)?;
        let found = self.world.files.resolve(dir, &path)?.node;
        Err(found.map_or(Errno::NOENT, |_| Errno::INVAL).into())
    }

    #[allow(clippy::too_many_arguments, reason = "WASI has them")]
    pub(crate) fn path_link(&mut self, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        Err(Errno::NOTSUP.into())
    }

    pub(crate) fn path_symlink(&mut self, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        Err(Errno::NOTSUP.into())
    }
}

fn flags(rights: u64, oflags: u32, fdflags: u32) -> OpenFlags {
    OpenFlags {
        create: oflags & 1 != 0,
        directory: oflags & 2 != 0,
        exclusive: oflags & 4 != 0,
        truncate: oflags & 8 != 0,
        read: rights & RIGHT_READ != 0,
        write: rights & RIGHT_WRITE != 0,
        append: fdflags & 1 != 0,
    }
}
