//! How much memory there is, for refusals before any is taken.

/// Bytes of memory that are free; 16 GB where the system does not tell.
pub(crate) fn free() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kb = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kb.map_or(16e9, |kb| kb * 1024.0)
}
