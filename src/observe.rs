//! What the machine is doing: CPU, memory, swap, disk, network and load, measured at intervals and
//! kept as the latest sample. Decides nothing and writes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sysinfo::{Disks, Networks, System};

use crate::domain::SeatKey;

/// The machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineSample {
    /// Cores in use since the last sample.
    pub cpu_cores: f64,
    /// Cores there are.
    pub cpu_cores_total: f64,
    /// Memory in use.
    pub memory_bytes: u64,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Swap in use.
    pub swap_bytes: u64,
    /// Swap there is.
    pub swap_total_bytes: u64,
    /// Used on the file system of `state_dir`.
    pub disk_bytes: u64,
    /// The size of that file system.
    pub disk_total_bytes: u64,
    /// Received per second since the last sample, all interfaces but loopback.
    pub network_in_bytes_per_s: f64,
    /// Sent per second.
    pub network_out_bytes_per_s: f64,
    /// The load average of the last minute.
    pub load_1m: f64,
}

/// A seat at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatSample {
    /// Which seat.
    pub key: Arc<SeatKey>,
    /// Cores in use since the last sample.
    pub cpu_cores: f64,
    /// Memory that only the seat has.
    pub memory_bytes: u64,
    /// Threads of its processes; `None`: not measured.
    pub threads: Option<u32>,
    /// Open files of its processes; `None`: not measured.
    pub open_files: Option<u32>,
}

/// The latest sample, for whoever wants to show it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Latest(Arc<ArcSwap<MachineSample>>);

impl Latest {
    /// The sample.
    pub fn get(&self) -> MachineSample {
        **self.0.load()
    }

    fn set(&self, sample: MachineSample) {
        self.0.store(Arc::new(sample));
    }
}

/// Measures. Blocks for some milliseconds at each measurement, so it belongs into a thread or a
/// blocking task.
pub struct Observer {
    system: System,
    disks: Disks,
    networks: Networks,
    state_dir: PathBuf,
    latest: Latest,
}

impl Observer {
    /// An observer that watches the file system of `state_dir`. CPU is known from the second
    /// measurement on.
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            system: System::new(),
            disks: Disks::new_with_refreshed_list(),
            networks: Networks::new_with_refreshed_list(),
            state_dir,
            latest: Latest::default(),
        }
    }

    /// Where the latest sample can be read.
    pub fn latest(&self) -> Latest {
        self.latest.clone()
    }

    /// Measures; `since_last_ms` is the time since the last measurement, 0 at the first.
    pub fn measure(&mut self, since_last_ms: u64) -> MachineSample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(true);
        self.networks.refresh(true);
        let cores = self.system.cpus().len() as f64;
        let seconds = since_last_ms as f64 / 1000.0;
        let per_second = |bytes: u64| if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        let (disk_bytes, disk_total_bytes) = self.disk();
        let (received, sent) = self.network();
        let sample = MachineSample {
            cpu_cores: f64::from(self.system.global_cpu_usage()) / 100.0 * cores,
            cpu_cores_total: cores,
            memory_bytes: self.system.used_memory(),
            memory_total_bytes: self.system.total_memory(),
            swap_bytes: self.system.used_swap(),
            swap_total_bytes: self.system.total_swap(),
            disk_bytes,
            disk_total_bytes,
            network_in_bytes_per_s: per_second(received),
            network_out_bytes_per_s: per_second(sent),
            load_1m: System::load_average().one,
        };
        self.latest.set(sample);
        sample
    }

    /// Used and total bytes of the file system that holds `state_dir`: the longest mount point.
    fn disk(&self) -> (u64, u64) {
        self.disks
            .iter()
            .filter(|disk| self.state_dir.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().as_os_str().len())
            .map_or((0, 0), |disk| {
                let total = disk.total_space();
                (total.saturating_sub(disk.available_space()), total)
            })
    }

    fn network(&self) -> (u64, u64) {
        self.networks
            .iter()
            .filter(|(name, _)| name.as_str() != "lo")
            .fold((0, 0), |(received, sent), (_, data)| {
                (received + data.received(), sent + data.transmitted())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_cores_and_memory() {
        let mut observer = Observer::new(std::env::temp_dir());
        let latest = observer.latest();
        let sample = observer.measure(1000);
        assert!(sample.cpu_cores_total >= 1.0);
        assert!(sample.memory_bytes > 0 && sample.memory_bytes <= sample.memory_total_bytes);
        assert_eq!(latest.get(), sample);
    }
}
