//! Resident memory of this process.

/// Resets the peak of the resident size. Returns false where the system cannot do so; only Linux can.
pub fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The largest resident size in bytes since the process began, or since [`forget_peak`]; `None` off Linux.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_since_it_was_forgotten() {
        let large = vec![1u8; 64 << 20];
        let with = peak().unwrap();
        assert!(with >= large.len() as u64);
        drop(std::hint::black_box(large));
        // Some sandboxes forbid the reset; the peak then stays.
        assert!(!forget_peak() || peak().unwrap() + (32 << 20) < with);
    }
}
