//! ONNX Runtime's telemetry.

use std::env;

/// The variable that switches it off altogether. Official builds of ONNX Runtime have telemetry on Linux from 1.29 on, and read
/// this when a process loads them.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Switches off the telemetry of an ONNX Runtime that this process loads afterwards: it then asks for no address, opens no
/// connection and writes no file. The library's own function (`DisableTelemetryEvents`) comes too late: by then a
/// cache and the number of the device are written, and the process is reported.
///
/// It sets an environment variable, so call it before other threads begin, or set `ORT_DISABLE_TELEMETRY=1` yourself. If the
/// variable has that value, nothing is done.
pub fn switch_off_telemetry() {
    if env::var_os(VARIABLE).is_none_or(|value| value != "1") {
        // SAFETY: The program and the Python package come here before they start a thread. In other programs only a thread
        // that reads the environment at this moment without Rust's lock matters, and glibc leaves the list that a program
        // began with in place when it makes a longer one.
        unsafe { env::set_var(VARIABLE, "1") };
    }
}
