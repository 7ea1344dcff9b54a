//! WASI preview 1 over a [`World`].
//!
//! Source: the `wasi_snapshot_preview1` description; struct layouts are noted where they are written. What a program
//! may not have (links, sockets, signals) answers `notsup`, so that programs which merely import it still start.

use crate::profile::{
    CLOCK_START_NS, HOST_BYTE_FUEL, HOST_CALL_FUEL, HOST_MAKE_FUEL, HOST_NAME_FUEL, HOST_READ_FUEL, HOST_VECTOR_FUEL,
    PATH_MAX, PROGRAM_NAME,
};
use crate::run::Guest;
use crate::signatures::WASI_MODULE;
use crate::world::{Errno, Fault, Halt, Handle, NodeId, NodeKind, OpenFlags, World};
use wasmtime::{Caller, Extern, Linker, Result};

/// The most buffers in one call, and the most events awaited at once: what POSIX systems take.
const VECTORS_MAX: u32 = 1024;

const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK_TELL: u64 = 1 << 2 | 1 << 5;
const RIGHT_WRITE: u64 = 1 << 6;
const RIGHTS_FILE: u64 = 0x08e0_01ff;
const RIGHTS_DIR: u64 = 0x0fff_fe00 | 1 << 3 | 1 << 4;

const TYPE_UNKNOWN: u8 = 0;
const TYPE_DIR: u8 = 3;
const TYPE_FILE: u8 = 4;

/// One call from the program: its memory, its world, and the fuel it has left.
struct Call<'a> {
    memory: &'a mut [u8],
    world: &'a mut World,
    fuel_left: u64,
    fuel_max: u64,
}

impl Call<'_> {
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

    fn write(&mut self, fd: u32, vectors: (u32, u32), mut offset: Option<u64>, done: u32) -> Result<(), Fault> {
        let mut total = 0u32;
        for (at, len) in self.vectors(vectors.0, vectors.1)? {
            let added = self.world.added_by_write(fd, len, offset)?;
            self.charge(added.max(len.into()))?;
            let data = self.memory.get(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
            self.world.write(fd, data, offset)?;
            offset = offset.map(|at| at.saturating_add(len.into()));
            total = total.saturating_add(len);
        }
        Ok(self.put_u32(done, total)?)
    }

    fn read(&mut self, fd: u32, vectors: (u32, u32), mut offset: Option<u64>, done: u32) -> Result<(), Fault> {
        let mut total = 0u32;
        for (at, len) in self.vectors(vectors.0, vectors.1)? {
            let found = self.world.readable(fd, offset)?.min(len.into());
            self.charge(found)?;
            if found > 0 && self.world.is_input(fd) {
                self.burn(HOST_READ_FUEL)?;
            }
            let into = self.memory.get_mut(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
            let got = self.world.read(fd, into, offset)?;
            offset = offset.map(|at| at.saturating_add(got as u64));
            total = total.saturating_add(got as u32);
            if got < len as usize {
                break;
            }
        }
        Ok(self.put_u32(done, total)?)
    }

    /// `filestat`: device u64, inode u64, type u8, links u64 at 24, size u64, accessed, modified, changed u64.
    fn put_filestat(&mut self, at: u32, node: Option<NodeId>) -> Result<(), Errno> {
        let (kind, size) = match node {
            Some(node) => (self.node_type(node), self.world.size(node)?),
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
        match self.world.node(node).map(|node| &node.kind) {
            Ok(NodeKind::Dir(_)) => TYPE_DIR,
            Ok(NodeKind::Input { .. } | NodeKind::Output { .. }) => TYPE_FILE,
            Ok(NodeKind::Free) | Err(_) => TYPE_UNKNOWN,
        }
    }

    /// `fdstat`: type u8, flags u16 at 2, rights u64 at 8, inheriting rights u64 at 16.
    fn put_fdstat(&mut self, fd: u32, at: u32) -> Result<(), Errno> {
        let (kind, flags, rights) = match self.world.handle(fd)? {
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
        self.put(at, &stat)
    }

    /// `dirent`: place of the next u64, inode u64, length of the name u32, type u8, padded to 24; then the name.
    fn readdir(&mut self, fd: u32, buffer: (u32, u32), from: u64, done: u32) -> Result<(), Fault> {
        self.charge(buffer.1.into())?;
        let mut entries = Vec::new();
        let mut count = 0;
        for (next, name, node) in self.world.list(fd, from)? {
            if entries.len() >= buffer.1 as usize {
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
        entries.truncate(buffer.1 as usize);
        self.put(buffer.0, &entries)?;
        Ok(self.put_u32(done, entries.len() as u32)?)
    }

    fn seek(&mut self, fd: u32, by: i64, whence: u32, done: u32) -> Result<(), Fault> {
        let Handle::File { node, at, .. } = self.world.handle(fd)? else { return Err(Errno::SPIPE.into()) };
        if fd == 0 {
            return Err(Errno::SPIPE.into());
        }
        let from = match whence {
            0 => 0,
            1 => *at,
            2 => self.world.size(*node)?,
            _ => return Err(Errno::INVAL.into()),
        };
        // Signed 64 bits are what a file offset is; beyond them there is nothing to seek to.
        let to = from.checked_add_signed(by).filter(|to| *to <= i64::MAX as u64).ok_or(Errno::INVAL)?;
        if let Handle::File { at, .. } = self.world.handle_mut(fd)? {
            *at = to;
        }
        Ok(self.put_u64(done, to)?)
    }

    /// A `subscription` has 48 bytes: user data u64, tag u8 at 8; a clock has its id u32 at 16, timeout u64 at 24 and
    /// flags u16 at 40. An `event` has 32: user data u64, error u16, type u8 at 10, bytes u64 at 16, flags u16.
    /// Files are always ready. Where only clocks are awaited, the virtual clock moves to the first.
    fn poll(&mut self, subscriptions: u32, events: u32, count: u32, done: u32) -> Result<(), Fault> {
        if count == 0 || count > VECTORS_MAX {
            return Err(Errno::INVAL.into());
        }
        self.charge(u64::from(count) * 80)?;
        let now = self.world.monotonic_ns(self.fuel_used());
        let mut ready: Vec<(u64, u8)> = Vec::new();
        let mut waits: Vec<(u64, u64)> = Vec::new();
        for i in 0..count {
            let at = subscriptions.checked_add(i * 48).ok_or(Errno::FAULT)?;
            let entry: [u8; 48] = self.get(at)?;
            let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| entry[at + i]));
            match entry[8] {
                0 => {
                    let clock_now = if entry[16] == 0 { now.saturating_add(CLOCK_START_NS) } else { now };
                    let absolute = entry[40] & 1 == 1;
                    waits.push((word(0), word(24).saturating_sub(if absolute { clock_now } else { 0 })));
                }
                tag @ (1 | 2) => ready.push((word(0), tag)),
                _ => return Err(Errno::INVAL.into()),
            }
        }
        if ready.is_empty() {
            let first = waits.iter().map(|(_, wait)| *wait).min().unwrap_or(0);
            self.world.sleep(first);
            ready = waits.iter().filter(|(_, wait)| *wait <= first).map(|(data, _)| (*data, 0)).collect();
        }
        for (i, (data, tag)) in ready.iter().enumerate() {
            let mut event = [0u8; 32];
            event[0..8].copy_from_slice(&data.to_le_bytes());
            event[10] = *tag;
            self.put(events.checked_add(i as u32 * 32).ok_or(Errno::FAULT)?, &event)?;
        }
        Ok(self.put_u32(done, ready.len() as u32)?)
    }

    /// Writes strings one after the other with a NUL each, and a table of their addresses.
    fn put_args(&mut self, table: u32, buffer: u32) -> Result<(), Fault> {
        self.charge(self.args().map(|arg| arg.len() as u64 + 5).sum())?;
        let (mut table, mut buffer) = (table, buffer);
        // One after the other: where the first has no room in memory, the rest is not copied.
        for number in 0..=self.world.args.len() {
            let arg = match number.checked_sub(1) {
                None => PROGRAM_NAME.to_owned(),
                Some(at) => self.world.args[at].clone(),
            };
            self.put_u32(table, buffer)?;
            self.put(buffer, arg.as_bytes())?;
            let end = buffer.checked_add(arg.len() as u32).ok_or(Errno::FAULT)?;
            self.put(end, &[0])?;
            table = table.checked_add(4).ok_or(Errno::FAULT)?;
            buffer = end.checked_add(1).ok_or(Errno::FAULT)?;
        }
        Ok(())
    }

    fn args(&self) -> impl Iterator<Item = &str> {
        std::iter::once(PROGRAM_NAME).chain(self.world.args.iter().map(String::as_str))
    }
}

/// Runs one call: takes its fuel, finds the program's memory, and turns a fault into an error number or an end.
/// Fuel of a store. Only an engine that is measured has none.
pub(crate) mod fuel {
    use super::Guest;
    use wasmtime::{AsContext, AsContextMut, Result};

    pub(crate) fn left(store: impl AsContext<Data = Guest>) -> Result<u64> {
        let left = store.as_context().get_fuel();
        if cfg!(feature = "bench") { Ok(left.unwrap_or(i64::MAX as u64)) } else { left }
    }

    pub(crate) fn set(mut store: impl AsContextMut<Data = Guest>, fuel: u64) -> Result<()> {
        let set = store.as_context_mut().set_fuel(fuel);
        if cfg!(feature = "bench") { Ok(()) } else { set }
    }
}

fn host(caller: &mut Caller<'_, Guest>, body: impl FnOnce(&mut Call<'_>) -> Result<(), Fault>) -> Result<i32> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        None => {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                return Ok(Errno::FAULT.0.into());
            };
            caller.data_mut().memory = Some(memory);
            memory
        }
    };
    let fuel_left = fuel::left(&caller)?;
    let (memory, guest) = memory.data_and_store_mut(&mut *caller);
    let mut call = Call { memory, world: &mut guest.world, fuel_left, fuel_max: guest.fuel_max };
    let result = call.charge(HOST_CALL_FUEL).and_then(|()| body(&mut call));
    let fuel_left = call.fuel_left;
    fuel::set(&mut *caller, fuel_left)?;
    match result {
        Ok(()) => Ok(0),
        Err(Fault::Errno(errno)) => Ok(errno.0.into()),
        Err(Fault::Halt(halt)) => Err(wasmtime::Error::new(halt)),
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

type C<'a> = Caller<'a, Guest>;

/// Offers every function of WASI preview 1.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_process(linker)?;
    link_descriptors(linker)?;
    link_paths(linker)?;
    link_refused(linker)
}

fn link_process(l: &mut Linker<Guest>) -> Result<()> {
    const M: &str = WASI_MODULE;
    l.func_wrap(M, "args_sizes_get", |mut c: C, count: u32, size: u32| {
        host(&mut c, |call| {
            call.charge(call.world.args.len() as u64 * 5)?;
            let (args, bytes) = call.args().fold((0, 0), |(n, b), arg| (n + 1, b + arg.len() as u32 + 1));
            call.put_u32(count, args)?;
            Ok(call.put_u32(size, bytes)?)
        })
    })?;
    l.func_wrap(M, "args_get", |mut c: C, table: u32, buffer: u32| host(&mut c, |call| call.put_args(table, buffer)))?;
    l.func_wrap(M, "environ_sizes_get", |mut c: C, count: u32, size: u32| {
        host(&mut c, |call| {
            call.put_u32(count, 0)?;
            Ok(call.put_u32(size, 0)?)
        })
    })?;
    l.func_wrap(M, "environ_get", |mut c: C, _: u32, _: u32| host(&mut c, |_| Ok(())))?;
    l.func_wrap(M, "clock_res_get", |mut c: C, _: u32, at: u32| host(&mut c, |call| Ok(call.put_u64(at, 1)?)))?;
    l.func_wrap(M, "clock_time_get", |mut c: C, clock: u32, _: u64, at: u32| {
        host(&mut c, |call| {
            let used = call.fuel_used();
            let now = match clock {
                0 => call.world.realtime_ns(used),
                1 => call.world.monotonic_ns(used),
                2 | 3 => used,
                _ => return Err(Errno::INVAL.into()),
            };
            Ok(call.put_u64(at, now)?)
        })
    })?;
    l.func_wrap(M, "random_get", |mut c: C, at: u32, len: u32| {
        host(&mut c, |call| {
            call.charge(len.into())?;
            let into = call.memory.get_mut(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
            call.world.random(into);
            Ok(())
        })
    })?;
    l.func_wrap(M, "poll_oneoff", |mut c: C, subscriptions: u32, events: u32, count: u32, done: u32| {
        host(&mut c, |call| call.poll(subscriptions, events, count, done))
    })?;
    l.func_wrap(M, "sched_yield", |mut c: C| host(&mut c, |_| Ok(())))?;
    l.func_wrap(M, "proc_exit", |_: C, code: u32| -> Result<()> { Err(wasmtime::Error::new(Halt::Exit(code))) })?;
    Ok(())
}

fn link_descriptors(l: &mut Linker<Guest>) -> Result<()> {
    const M: &str = WASI_MODULE;
    l.func_wrap(M, "fd_close", |mut c: C, fd: u32| host(&mut c, |call| Ok(call.world.close(fd)?)))?;
    l.func_wrap(M, "fd_renumber", |mut c: C, from: u32, to: u32| {
        host(&mut c, |call| Ok(call.world.renumber(from, to)?))
    })?;
    for name in ["fd_sync", "fd_datasync"] {
        l.func_wrap(M, name, |mut c: C, fd: u32| host(&mut c, |call| Ok(call.world.handle(fd).map(drop)?)))?;
    }
    l.func_wrap(M, "fd_advise", |mut c: C, fd: u32, _: u64, _: u64, _: u32| {
        host(&mut c, |call| Ok(call.world.handle(fd).map(drop)?))
    })?;
    l.func_wrap(M, "fd_allocate", |mut c: C, fd: u32, offset: u64, len: u64| {
        host(&mut c, |call| {
            let end = offset.checked_add(len).ok_or(Errno::INVAL)?;
            let node = file_node(call, fd, true)?;
            let size = call.world.size(node)?;
            call.charge(end.saturating_sub(size))?;
            if end > size { call.world.set_size(node, end) } else { Ok(()) }
        })
    })?;
    l.func_wrap(M, "fd_fdstat_get", |mut c: C, fd: u32, at: u32| host(&mut c, |call| Ok(call.put_fdstat(fd, at)?)))?;
    l.func_wrap(M, "fd_fdstat_set_flags", |mut c: C, fd: u32, flags: u32| {
        host(&mut c, |call| {
            if let Handle::File { append, .. } = call.world.handle_mut(fd)? {
                *append = flags & 1 != 0;
            }
            Ok(())
        })
    })?;
    l.func_wrap(M, "fd_fdstat_set_rights", |mut c: C, fd: u32, _: u64, _: u64| {
        host(&mut c, |call| Ok(call.world.handle(fd).map(drop)?))
    })?;
    l.func_wrap(M, "fd_filestat_get", |mut c: C, fd: u32, at: u32| {
        host(&mut c, |call| {
            let node = match call.world.handle(fd)? {
                Handle::Stdout | Handle::Stderr => None,
                Handle::Dir { node, .. } | Handle::File { node, .. } => Some(*node),
            };
            Ok(call.put_filestat(at, node)?)
        })
    })?;
    l.func_wrap(M, "fd_filestat_set_size", |mut c: C, fd: u32, size: u64| {
        host(&mut c, |call| {
            let node = file_node(call, fd, true)?;
            call.charge(size.saturating_sub(call.world.size(node)?))?;
            call.world.set_size(node, size)
        })
    })?;
    l.func_wrap(M, "fd_filestat_set_times", |mut c: C, fd: u32, _: u64, _: u64, _: u32| {
        host(&mut c, |call| Ok(call.world.handle(fd).map(drop)?))
    })?;
    l.func_wrap(M, "fd_pread", |mut c: C, fd: u32, at: u32, count: u32, offset: u64, done: u32| {
        host(&mut c, |call| call.read(fd, (at, count), Some(offset), done))
    })?;
    l.func_wrap(M, "fd_read", |mut c: C, fd: u32, at: u32, count: u32, done: u32| {
        host(&mut c, |call| call.read(fd, (at, count), None, done))
    })?;
    l.func_wrap(M, "fd_pwrite", |mut c: C, fd: u32, at: u32, count: u32, offset: u64, done: u32| {
        host(&mut c, |call| call.write(fd, (at, count), Some(offset), done))
    })?;
    l.func_wrap(M, "fd_write", |mut c: C, fd: u32, at: u32, count: u32, done: u32| {
        host(&mut c, |call| call.write(fd, (at, count), None, done))
    })?;
    l.func_wrap(M, "fd_prestat_get", |mut c: C, fd: u32, at: u32| {
        host(&mut c, |call| {
            let Handle::Dir { preopen: Some(name), .. } = call.world.handle(fd)? else {
                return Err(Errno::BADF.into());
            };
            let len = name.len() as u32;
            call.put_u32(at, 0)?;
            Ok(call.put_u32(at.checked_add(4).ok_or(Errno::FAULT)?, len)?)
        })
    })?;
    l.func_wrap(M, "fd_prestat_dir_name", |mut c: C, fd: u32, at: u32, len: u32| {
        host(&mut c, |call| {
            let Handle::Dir { preopen: Some(name), .. } = call.world.handle(fd)? else {
                return Err(Errno::BADF.into());
            };
            let name = *name;
            if (len as usize) < name.len() {
                return Err(Errno::NAMETOOLONG.into());
            }
            Ok(call.put(at, name.as_bytes())?)
        })
    })?;
    l.func_wrap(M, "fd_readdir", |mut c: C, fd: u32, at: u32, len: u32, from: u64, done: u32| {
        host(&mut c, |call| call.readdir(fd, (at, len), from, done))
    })?;
    l.func_wrap(M, "fd_seek", |mut c: C, fd: u32, by: i64, whence: u32, done: u32| {
        host(&mut c, |call| call.seek(fd, by, whence, done))
    })?;
    l.func_wrap(M, "fd_tell", |mut c: C, fd: u32, done: u32| host(&mut c, |call| call.seek(fd, 0, 1, done)))?;
    Ok(())
}

/// The file behind a descriptor; `writing` asks whether it was opened for that.
fn file_node(call: &Call<'_>, fd: u32, writing: bool) -> Result<NodeId, Errno> {
    match call.world.handle(fd)? {
        Handle::File { write: false, .. } if writing => Err(Errno::BADF),
        Handle::File { node, .. } => Ok(*node),
        _ => Err(Errno::BADF),
    }
}

fn link_paths(l: &mut Linker<Guest>) -> Result<()> {
    const M: &str = WASI_MODULE;
    l.func_wrap(
        M,
        "path_open",
        |mut c: C, dir: u32, _: u32, at: u32, len: u32, oflags: u32, rights: u64, _: u64, fdflags: u32, done: u32| {
            host(&mut c, |call| {
                let path = call.path(at, len)?;
                call.bytes(done, 4)?;
                let flags = flags(rights, oflags, fdflags);
                if flags.create && call.world.resolve(dir, &path)?.node.is_none() {
                    call.burn(HOST_MAKE_FUEL)?;
                }
                let fd = call.world.open(dir, &path, flags)?;
                Ok(call.put_u32(done, fd)?)
            })
        },
    )?;
    l.func_wrap(M, "path_filestat_get", |mut c: C, dir: u32, _: u32, at: u32, len: u32, done: u32| {
        host(&mut c, |call| {
            let path = call.path(at, len)?;
            let node = call.world.resolve(dir, &path)?.node.ok_or(Errno::NOENT)?;
            Ok(call.put_filestat(done, Some(node))?)
        })
    })?;
    l.func_wrap(
        M,
        "path_filestat_set_times",
        |mut c: C, dir: u32, _: u32, at: u32, len: u32, _: u64, _: u64, _: u32| {
            host(&mut c, |call| {
                let path = call.path(at, len)?;
                Ok(call.world.resolve(dir, &path)?.node.map(drop).ok_or(Errno::NOENT)?)
            })
        },
    )?;
    l.func_wrap(M, "path_create_directory", |mut c: C, dir: u32, at: u32, len: u32| {
        host(&mut c, |call| {
            let path = call.path(at, len)?;
            call.burn(HOST_MAKE_FUEL)?;
            call.world.make_dir(dir, &path)
        })
    })?;
    l.func_wrap(M, "path_remove_directory", |mut c: C, dir: u32, at: u32, len: u32| {
        host(&mut c, |call| {
            let path = call.path(at, len)?;
            Ok(call.world.remove_dir(dir, &path)?)
        })
    })?;
    l.func_wrap(M, "path_unlink_file", |mut c: C, dir: u32, at: u32, len: u32| {
        host(&mut c, |call| {
            let path = call.path(at, len)?;
            Ok(call.world.unlink(dir, &path)?)
        })
    })?;
    l.func_wrap(M, "path_rename", |mut c: C, dir: u32, at: u32, len: u32, to_dir: u32, to: u32, to_len: u32| {
        host(&mut c, |call| {
            let (path, to_path) = (call.path(at, len)?, call.path(to, to_len)?);
            call.world.rename((dir, &path), (to_dir, &to_path))
        })
    })?;
    // There are no links, so any path that exists is not one.
    l.func_wrap(M, "path_readlink", |mut c: C, dir: u32, at: u32, len: u32, _: u32, _: u32, _: u32| {
        host(&mut c, |call| {
            let path = call.path(at, len)?;
            let found = call.world.resolve(dir, &path)?.node;
            Err(found.map_or(Errno::NOENT, |_| Errno::INVAL).into())
        })
    })?;
    Ok(())
}

/// What no program has here: links, signals, sockets.
fn link_refused(l: &mut Linker<Guest>) -> Result<()> {
    const M: &str = WASI_MODULE;
    let refuse = |c: &mut C| host(c, |_| Err(Errno::NOTSUP.into()));
    l.func_wrap(M, "path_link", move |mut c: C, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
        refuse(&mut c)
    })?;
    l.func_wrap(M, "path_symlink", move |mut c: C, _: u32, _: u32, _: u32, _: u32, _: u32| refuse(&mut c))?;
    l.func_wrap(M, "proc_raise", move |mut c: C, _: u32| refuse(&mut c))?;
    l.func_wrap(M, "sock_accept", move |mut c: C, _: u32, _: u32, _: u32| refuse(&mut c))?;
    l.func_wrap(M, "sock_recv", move |mut c: C, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| refuse(&mut c))?;
    l.func_wrap(M, "sock_send", move |mut c: C, _: u32, _: u32, _: u32, _: u32, _: u32| refuse(&mut c))?;
    l.func_wrap(M, "sock_shutdown", move |mut c: C, _: u32, _: u32| refuse(&mut c))?;
    Ok(())
}
