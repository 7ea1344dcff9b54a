//! The functions for programs that wasmtime runs.

use super::Call;
use crate::run::Guest;
use crate::signatures::WASI_MODULE;
use crate::world::{Errno, Fault, Halt};
use wasmtime::{Caller, Extern, Linker, Result};

/// Fuel of a store. Only an engine that is measured has none.
pub(crate) mod fuel {
    use crate::run::Guest;
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

/// Runs one call, on the program's memory and with the fuel it has left.
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
    let answer = call.answer(body);
    let fuel_left = call.fuel_left;
    fuel::set(&mut *caller, fuel_left)?;
    answer.map_err(wasmtime::Error::new)
}

macro_rules! link_all {
    ($linker:expr; $($name:ident($($arg:ident: $ty:ty),*))*) => {
        $($linker.func_wrap(WASI_MODULE, stringify!($name), |mut caller: Caller<'_, Guest>, $($arg: $ty),*| {
            host(&mut caller, |call| call.$name($($arg),*))
        })?;)*
    };
}

/// Offers every function of WASI preview 1.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    super::preview_1!(link_all, linker);
    linker.func_wrap(WASI_MODULE, "proc_exit", |_: Caller<'_, Guest>, code: u32| -> Result<()> {
        Err(wasmtime::Error::new(Halt::Exit(code)))
    })?;
    Ok(())
}
