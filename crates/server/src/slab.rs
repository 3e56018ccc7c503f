//! A worker's connections by place. A place is used again; its generation tells its tenants apart.

use crate::inbox::Address;

/// Places, each empty or with one tenant.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    tenant: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, tenant: T) -> Address {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, tenant: None });
            (self.places.len() - 1) as u32
        });
        let slot = &mut self.places[place as usize];
        slot.tenant = Some(tenant);
        Address { place, generation: slot.generation }
    }

    pub(crate) fn get_mut(&mut self, address: Address) -> Option<&mut T> {
        let slot = self.places.get_mut(address.place as usize)?;
        if slot.generation != address.generation { None } else { slot.tenant.as_mut() }
    }

    pub(crate) fn remove(&mut self, address: Address) -> Option<T> {
        let slot = self.places.get_mut(address.place as usize)?;
        if slot.generation != address.generation {
            return None;
        }
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(address.place);
        Some(tenant)
    }

    /// Everyone, taken out: no address of before reaches anybody.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        self.free.clear();
        std::mem::take(&mut self.places).into_iter().filter_map(|slot| slot.tenant).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many places there are, empty ones counted.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Everyone, and where they are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Address, &T)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(place, Place { generation, tenant })| {
            Some((Address { place, generation: *generation }, tenant.as_ref()?))
        })
    }

    /// The tenants of the places in `range`.
    pub(crate) fn range_mut(&mut self, range: std::ops::Range<usize>) -> impl Iterator<Item = &mut T> {
        let end = range.end.min(self.places.len());
        let start = range.start.min(end);
        self.places[start..end].iter_mut().filter_map(|slot| slot.tenant.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_address_reaches_nobody() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!((second.place, slab.len()), (first.place, 1), "the place is used again");
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!(slab.range_mut(0..9).count(), 1);
    }
}
