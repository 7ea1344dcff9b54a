//! Lists that are read by compact ids.

use std::ops::{Index, IndexMut};

/// A list whose members never go. An id that was not given out is a defect of the engine, and stops it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<T>(Vec<T>);

impl<T> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table(Vec::new())
    }

    pub(super) fn push(&mut self, item: T) -> u32 {
        self.0.push(item);
        (self.0.len() - 1) as u32
    }

    pub(super) fn len(&self) -> u32 {
        self.0.len() as u32
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        0..self.len()
    }
}

impl<T> Index<u32> for Table<T> {
    type Output = T;
    fn index(&self, id: u32) -> &T {
        &self.0[id as usize]
    }
}

impl<T> IndexMut<u32> for Table<T> {
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.0[id as usize]
    }
}

/// Where something is in a [`Slab`], and that it is still the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Handle {
    place: u32,
    age: u32,
}

impl Handle {
    /// Nothing ever has this one.
    pub(super) const NONE: Handle = Handle { place: u32::MAX, age: u32::MAX };
}

/// Things that come and go; places are used again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Slab<T> {
        Slab { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, item: T) -> Handle {
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.places.get_mut(place as usize)
        {
            slot.1 = Some(item);
            return Handle { place, age: slot.0 };
        }
        self.places.push((0, Some(item)));
        Handle { place: (self.places.len() - 1) as u32, age: 0 }
    }

    pub(super) fn get(&self, handle: Handle) -> Option<&T> {
        self.places.get(handle.place as usize).filter(|slot| slot.0 == handle.age)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.places.get_mut(handle.place as usize).filter(|slot| slot.0 == handle.age)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, handle: Handle) -> Option<T> {
        let slot = self.places.get_mut(handle.place as usize).filter(|slot| slot.0 == handle.age)?;
        let item = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(handle.place);
        Some(item)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|slot| slot.1.as_mut())
    }
}
