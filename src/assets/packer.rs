//! The thread that packs files well, while nobody waits for it and with what the machine has to
//! spare.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};

use super::asset::Asset;
use super::coding::Coding;
use super::pack::Effort;
use crate::platform;

/// Orders that wait; beyond, a file is ordered again when it is asked for again.
const ORDERS_MAX: usize = 1024;

/// One file in one coding.
struct Order {
    /// What left memory meanwhile is not packed.
    asset: Weak<Asset>,
    coding: Coding,
}

/// Takes orders. The thread ends with it.
pub(super) struct Packer {
    orders: SyncSender<Order>,
}

impl Packer {
    /// Starts the thread; `grew` is called when a file takes more memory than before.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(grew: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(ORDERS_MAX);
        let thread = std::thread::Builder::new().name("usher-pack".to_owned());
        thread.spawn(move || pack_all(&ordered, grew))?;
        Ok(Self { orders })
    }

    /// Orders the best of a coding, once.
    pub(super) fn order(&self, asset: &Arc<Asset>, coding: Coding) {
        if !asset.order(coding) {
            return;
        }
        let order = Order { asset: Arc::downgrade(asset), coding };
        if self.orders.try_send(order).is_err() {
            asset.cancel(coding);
        }
    }
}

fn pack_all(ordered: &Receiver<Order>, grew: impl Fn()) {
    platform::yield_to_others();
    for Order { asset, coding } in ordered {
        if let Some(asset) = asset.upgrade()
            && asset.pack(coding, Effort::Best)
        {
            grew();
        }
    }
}
