//! WASI preview 1 over a [`World`].
//!
//! What the functions do is here and knows of no engine: a [`Call`] has the program's memory as bytes. [`linked`] offers
//! them to programs that wasmtime runs, and the tests to programs that another engine runs.
//!
//! Source: the `wasi_snapshot_preview1` description; struct layouts are noted where they are written. What a program
//! may not have (links, sockets, signals) answers `notsup`, so that programs which merely import it still start.

mod descriptors;
pub(crate) mod linked;
mod paths;
mod process;

use crate::profile::{HOST_BYTE_FUEL, HOST_CALL_FUEL, HOST_NAME_FUEL, HOST_VECTOR_FUEL, PATH_MAX};
use crate::world::{Errno, Fault, Halt, World};

/// The most buffers in one call, and the most events awaited at once: what POSIX systems take.
const VECTORS_MAX: u32 = 1024;

/// Calls a macro with what it is to link to, and every function that answers an error number. `proc_exit` does not.
macro_rules! preview_1 {
    ($link:ident, $linker:expr) => {
        $link! { $linker;
            args_get(table: u32, buffer: u32)
            args_sizes_get(count: u32, size: u32)
            clock_res_get(clock: u32, at: u32)
            clock_time_get(clock: u32, precision: u64, at: u32)
            environ_get(table: u32, buffer: u32)
            environ_sizes_get(count: u32, size: u32)
            fd_advise(fd: u32, offset: u64, len: u64, advice: u32)
            fd_allocate(fd: u32, offset: u64, len: u64)
            fd_close(fd: u32)
            fd_datasync(fd: u32)
            fd_fdstat_get(fd: u32, at: u32)
            fd_fdstat_set_flags(fd: u32, flags: u32)
            fd_fdstat_set_rights(fd: u32, rights: u64, inheriting: u64)
            fd_filestat_get(fd: u32, at: u32)
            fd_filestat_set_size(fd: u32, size: u64)
            fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32)
            fd_pread(fd: u32, at: u32, count: u32, offset: u64, done: u32)
            fd_prestat_dir_name(fd: u32, at: u32, len: u32)
            fd_prestat_get(fd: u32, at: u32)
            fd_pwrite(fd: u32, at: u32, count: u32, offset: u64, done: u32)
            fd_read(fd: u32, at: u32, count: u32, done: u32)
            fd_readdir(fd: u32, at: u32, len: u32, from: u64, done: u32)
            fd_renumber(from: u32, to: u32)
            fd_seek(fd: u32, by: i64, whence: u32, done: u32)
            fd_sync(fd: u32)
            fd_tell(fd: u32, done: u32)
            fd_write(fd: u32, at: u32, count: u32, done: u32)
            path_create_directory(dir: u32, at: u32, len: u32)
            path_filestat_get(dir: u32, flags: u32, at: u32, len: u32, done: u32)
            path_filestat_set_times(
                dir: u32, follow: u32, at: u32, len: u32, accessed: u64, modified: u64, flags: u32
            )
            path_link(dir: u32, follow: u32, at: u32, len: u32, to_dir: u32, to: u32, to_len: u32)
            path_open(
                dir: u32, follow: u32, at: u32, len: u32, oflags: u32, rights: u64, inheriting: u64, fdflags: u32,
                done: u32
            )
            path_readlink(dir: u32, at: u32, len: u32, buffer: u32, buffer_len: u32, done: u32)
            path_remove_directory(dir: u32, at: u32, len: u32)
            path_rename(dir: u32, at: u32, len: u32, to_dir: u32, to: u32, to_len: u32)
            path_symlink(at: u32, len: u32, dir: u32, to: u32, to_len: u32)
            path_unlink_file(dir: u32, at: u32, len: u32)
            poll_oneoff(subscriptions: u32, events: u32, count: u32, done: u32)
            proc_raise(signal: u32)
            random_get(at: u32, len: u32)
            sched_yield()
            sock_accept(fd: u32, flags: u32, done: u32)
            sock_recv(fd: u32, at: u32, count: u32, flags: u32, done: u32, flags_done: u32)
            sock_send(fd: u32, at: u32, count: u32, flags: u32, done: u32)
            sock_shutdown(fd: u32, how: u32)
        }
    };
}
pub(crate) use preview_1;

/// One call from the program: its memory, its world, and the fuel it has left.
pub(crate) struct Call<'a> {
    pub memory: &'a mut [u8],
    pub world: &'a mut World,
    pub fuel_left: u64,
    pub fuel_max: u64,
}

impl Call<'_> {
    /// Does what the program asked for: takes the fuel of a call, and turns a fault into an error number or an end.
    pub(crate) fn answer(&mut self, body: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<i32, Halt> {
        match self.charge(HOST_CALL_FUEL).and_then(|()| body(self)) {
            Ok(()) => Ok(0),
            Err(Fault::Errno(errno)) => Ok(errno.0.into()),
            Err(Fault::Halt(halt)) => Err(halt),
        }
    }

    /// Takes the fuel for moving bytes before they are moved.
    fn charge(&mut self, bytes: u64) -> Result<(), Fault> {
        self.burn(bytes.saturating_mul(HOST_BYTE_FUEL))
    }

    fn burn(&mut self, fuel: u64) -> Result<(), Fault> {
        match self.fuel_left.checked_sub(fuel) {
            Some(left) => {
                self.fuel_left = left;
                Ok(())
            }
            None => {
                self.fuel_left = 0;
                Err(Fault::Halt(Halt::OutOfFuel))
            }
        }
    }

    fn fuel_used(&self) -> u64 {
        self.fuel_max.saturating_sub(self.fuel_left)
    }

    fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Errno> {
        self.memory.get(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)
    }

    fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Errno> {
        self.memory.get_mut(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)
    }

    fn get<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        self.bytes(at, N as u32)?.try_into().map_err(|_| Errno::FAULT)
    }

    fn get_u32(&self, at: u32) -> Result<u32, Errno> {
        Ok(u32::from_le_bytes(self.get(at)?))
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        self.bytes_mut(at, bytes.len() as u32)?.copy_from_slice(bytes);
        Ok(())
    }

    fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    /// A path, copied because the world is changed while it is used.
    fn path(&mut self, at: u32, len: u32) -> Result<Vec<u8>, Fault> {
        if len as usize > PATH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        self.charge(len.into())?;
        let path = self.bytes(at, len)?.to_vec();
        self.burn(HOST_NAME_FUEL * path.split(|byte| *byte == b'/').count() as u64)?;
        Ok(path)
    }

    /// The buffers of a reading or writing call: (address, length) pairs.
    fn vectors(&mut self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Fault> {
        if count > VECTORS_MAX {
            return Err(Errno::INVAL.into());
        }
        self.burn(HOST_VECTOR_FUEL * u64::from(count))?;
        (0..count)
            .map(|i| {
                let entry = at.checked_add(i * 8).ok_or(Errno::FAULT)?;
                Ok((self.get_u32(entry)?, self.get_u32(entry.checked_add(4).ok_or(Errno::FAULT)?)?))
            })
            .collect()
    }
}
