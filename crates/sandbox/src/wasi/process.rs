//! What a program learns of itself and of time, and what it may not have.

use super::{Call, VECTORS_MAX};
use crate::profile::{CLOCK_START_NS, PROGRAM_NAME};
use crate::world::{Errno, Fault};

/// What there is not: links, signals, sockets.
const REFUSED: Result<(), Fault> = Err(Fault::Errno(Errno::NOTSUP));

impl Call<'_> {
    pub(crate) fn args_sizes_get(&mut self, count: u32, size: u32) -> Result<(), Fault> {
        self.charge(self.world.args.len() as u64 * 5)?;
        let (args, bytes) = self.args().fold((0, 0), |(n, b), arg| (n + 1, b + arg.len() as u32 + 1));
        self.put_u32(count, args)?;
        Ok(self.put_u32(size, bytes)?)
    }

    /// Writes strings one after the other with a NUL each, and a table of their addresses.
    pub(crate) fn args_get(&mut self, table: u32, buffer: u32) -> Result<(), Fault> {
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
    pub(crate) fn environ_sizes_get(&mut self, count: u32, size: u32) -> Result<(), Fault> {
        self.put_u32(count, 0)?;
        Ok(self.put_u32(size, 0)?)
    }

    pub(crate) fn environ_get(&mut self, _: u32, _: u32) -> Result<(), Fault> {
        Ok(())
    }

    pub(crate) fn clock_res_get(&mut self, _: u32, at: u32) -> Result<(), Fault> {
        Ok(self.put_u64(at, 1)?)
    }

    pub(crate) fn clock_time_get(&mut self, clock: u32, _: u64, at: u32) -> Result<(), Fault> {
        let used = self.fuel_used();
        let now = match clock {
            0 => self.world.realtime_ns(used),
            1 => self.world.monotonic_ns(used),
            2 | 3 => used,
            _ => return Err(Errno::INVAL.into()),
        };
        Ok(self.put_u64(at, now)?)
    }

    pub(crate) fn random_get(&mut self, at: u32, len: u32) -> Result<(), Fault> {
        self.charge(len.into())?;
        let into = self.memory.get_mut(at as usize..at as usize + len as usize).ok_or(Errno::FAULT)?;
        self.world.random(into);
        Ok(())
    }

    /// A `subscription` has 48 bytes: user data u64, tag u8 at 8; a clock has its id u32 at 16, timeout u64 at 24 and
    /// flags u16 at 40. An `event` has 32: user data u64, error u16, type u8 at 10, bytes u64 at 16, flags u16.
    /// Files are always ready. Where only clocks are awaited, the virtual clock moves to the first.
    pub(crate) fn poll_oneoff(&mut self, subscriptions: u32, events: u32, count: u32, done: u32) -> Result<(), Fault> {
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

    pub(crate) fn sched_yield(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    pub(crate) fn proc_raise(&mut self, _: u32) -> Result<(), Fault> {
        REFUSED
    }

    pub(crate) fn sock_accept(&mut self, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        REFUSED
    }

    pub(crate) fn sock_recv(&mut self, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        REFUSED
    }

    pub(crate) fn sock_send(&mut self, _: u32, _: u32, _: u32, _: u32, _: u32) -> Result<(), Fault> {
        REFUSED
    }

    pub(crate) fn sock_shutdown(&mut self, _: u32, _: u32) -> Result<(), Fault> {
        REFUSED
    }
}
