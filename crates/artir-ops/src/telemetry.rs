//! ONNX Runtime's telemetry.

use std::env;

/// The variable that switches it off altogether. Official builds of ONNX Runtime have telemetry on Linux from 1.29 on, and read
/// this when a process makes its environment.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Switches off the telemetry of an ONNX Runtime that this process begins to use afterwards: it then asks for no address, opens
/// no connection and writes no file. The library's own function (`DisableTelemetryEvents`) comes too late: by then a cache and
/// a number of the device are written, and the process is reported.
///
/// Call it first in `main`, or start the program with `ORT_DISABLE_TELEMETRY=1`; then it does nothing later on. artir calls it
/// itself before it loads the library, at the latest.
pub fn switch_off_telemetry() {
    if env::var_os(VARIABLE).is_none_or(|value| value != "1") {
        // SAFETY: The program comes here before it starts a thread, and the Python package has set the variable when it was
        // imported. Elsewhere, C code of another thread that reads the environment at this moment could see a list that moves,
        // as with every program that sets a variable late; the documentation asks for the call in `main`.
        unsafe { env::set_var(VARIABLE, "1") };
    }
}
