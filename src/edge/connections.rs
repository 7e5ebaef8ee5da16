//! The open connections: how many each address has, which of them have been waited for long
//! enough, and when the last one has ended.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::link::Link;
use super::patience::Patience;
use crate::clock::Moment;

/// All open connections of all doors.
#[derive(Default)]
pub(crate) struct Connections {
    table: Mutex<Table>,
    emptied: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    of_address: HashMap<IpAddr, u32>,
    /// Requests over HTTP/2 that are open: many share a connection.
    requests_of_address: HashMap<IpAddr, u32>,
}

struct Entry {
    link: Weak<Link>,
    patience: Patience,
}

/// A connection's place among the open ones; gives it back when dropped.
pub(crate) struct Ticket {
    connections: Arc<Connections>,
    number: u64,
    address: IpAddr,
}

/// An open request over HTTP/2; its place is given back when dropped.
pub(crate) struct RequestTicket {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Ticket {
    /// A place for a request over HTTP/2; `None` if the address has as many open as it may.
    pub(crate) fn request(&self, of_address_max: Option<u32>) -> Option<RequestTicket> {
        let mut table = self.connections.table.lock();
        let open = table.requests_of_address.entry(self.address).or_default();
        if of_address_max.is_some_and(|most| *open >= most) {
            return None;
        }
        *open += 1;
        Some(RequestTicket { connections: Arc::clone(&self.connections), address: self.address })
    }

    /// A number that no other connection of this run has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Connections {
    /// A place for a connection from this address; `None` if it has as many as it may.
    pub(crate) fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        of_address_max: Option<u32>,
        now: Moment,
    ) -> Option<Ticket> {
        let mut table = self.table.lock();
        let open = table.of_address.get(&address).copied().unwrap_or(0);
        if of_address_max.is_some_and(|most| open >= most) {
            return None;
        }
        table.of_address.insert(address, open + 1);
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Entry { link: Weak::new(), patience: Patience::new(now) });
        drop(table);
        Some(Ticket { connections: Arc::clone(self), number, address })
    }

    /// From now on the connection's patience is watched.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        if let Some(entry) = self.table.lock().open.get_mut(&link.ticket().number()) {
            entry.link = Arc::downgrade(link);
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().open.len()
    }

    /// Returns when none is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let mut notified = std::pin::pin!(self.emptied.notified());
            notified.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Hangs up on those that have been waited for long enough; says how many. To be called about
    /// once a second.
    pub(crate) fn sweep(&self, now: Moment) -> usize {
        // Kept until the table is free again: the last one who drops a link gives its ticket back.
        let mut watched = Vec::new();
        let mut overdue = Vec::new();
        let mut table = self.table.lock();
        for entry in table.open.values_mut() {
            let Some(link) = entry.link.upgrade() else { continue };
            if let Some(why) = entry.patience.judge(now, link.seen()) {
                overdue.push((watched.len(), why));
            }
            watched.push(link);
        }
        drop(table);
        for (index, why) in &overdue {
            let link = &watched[*index];
            log::debug!("{}: {}", link.connection().peer, why.sentence());
            link.hang_up();
        }
        overdue.len()
    }

    /// Hangs up on all.
    pub(crate) fn hang_up_all(&self) {
        for link in self.links() {
            link.hang_up();
        }
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.table.lock().open.values().filter_map(|entry| entry.link.upgrade()).collect()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.connections.table.lock();
        table.open.remove(&self.number);
        if let Some(open) = table.of_address.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                table.of_address.remove(&self.address);
            }
        }
        if table.open.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}

impl Drop for RequestTicket {
    fn drop(&mut self) {
        let mut table = self.connections.table.lock();
        if let Some(open) = table.requests_of_address.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                table.requests_of_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
impl Connections {
    /// What all are seen doing now.
    pub(crate) fn seen(&self) -> Vec<super::patience::Seen> {
        self.links().iter().map(|link| link.seen()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_connections_of_an_address_count_together() {
        let connections = Arc::new(Connections::default());
        let near: IpAddr = "127.0.0.2".parse().unwrap();
        let first = connections.enter(near, None, Moment(0)).unwrap();
        let second = connections.enter(near, None, Moment(0)).unwrap();
        let one = first.request(Some(2)).unwrap();
        let other = second.request(Some(2)).unwrap();
        assert!(first.request(Some(2)).is_none());
        assert!(second.request(None).is_some(), "proxies have no limit");
        drop(one);
        let again = second.request(Some(2)).unwrap();
        assert!(first.request(Some(2)).is_none());
        drop((other, again));
        assert!(connections.table.lock().requests_of_address.is_empty());
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_no_more() {
        let connections = Arc::new(Connections::default());
        let [near, far]: [IpAddr; 2] = ["127.0.0.2", "127.0.0.3"].map(|text| text.parse().unwrap());
        let enter = |address, most| connections.enter(address, most, Moment(0));
        let first = enter(near, Some(2)).unwrap();
        let second = enter(near, Some(2)).unwrap();
        assert!(enter(near, Some(2)).is_none());
        assert!(enter(near, None).is_some(), "proxies have no limit");
        assert!(enter(far, Some(2)).is_some());
        assert_eq!(connections.count(), 2);
        drop(first);
        assert!(enter(near, Some(2)).is_some());
        let emptied = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!emptied.is_finished());
        drop(second);
        emptied.await.unwrap();
        assert!(connections.table.lock().of_address.is_empty());
    }
}
