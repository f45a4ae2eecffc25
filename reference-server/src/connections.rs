//! How many connections there may be: in all, and from one address, so that one host can't take
//! every place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// The places.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A taken place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    /// So many places in all, and so many for one address.
    #[must_use]
    pub fn new(total: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner { total, per_address, taken: Mutex::default() }))
    }

    /// Takes a place, if there is one left for this address.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut taken = self.0.taken.lock();
        if taken.total >= self.0.total {
            return None;
        }
        let own = taken.by_address.entry(address).or_default();
        if *own >= self.0.per_address {
            return None;
        }
        *own += 1;
        taken.total += 1;
        Some(Place { connections: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.connections.0.taken.lock();
        taken.total = taken.total.saturating_sub(1);
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_places_come_back() {
        let connections = Connections::new(3, 2);
        let (greedy, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "::ffff:192.0.2.2".parse().unwrap());
        let held = [connections.take(greedy), connections.take(greedy)];
        assert!(held.iter().all(Option::is_some));
        assert!(connections.take(greedy).is_none(), "its places are taken");
        let place = connections.take(other);
        assert!(place.is_some());
        assert!(connections.take("192.0.2.3".parse().unwrap()).is_none(), "all places are taken");
        drop((held, place));
        assert!(connections.take(greedy).is_some());
        assert!(connections.0.taken.lock().by_address.is_empty(), "nothing is remembered");
    }
}
