//! How much memory is free, so that a run that does not fit is refused before it allocates anything.
//!
//! Ten lines instead of a crate: those that answer this on every system add eighteen packages to the lock file for one number.

/// Assumed where the system does not report free memory.
const UNKNOWN: f64 = 16e9;

/// Bytes of memory that are free, according to Linux's `/proc/meminfo`; 16 GB on other systems.
pub(crate) fn free() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kb = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kb.map_or(UNKNOWN, |kb| kb * 1024.0)
}
