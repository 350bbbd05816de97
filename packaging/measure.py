"""Compares Model.restore with `artir ct` in time and memory, alternately.

python packaging/measure.py PROGRAM [SLICES [ROUNDS]]

Run it with the Python of an environment that has artir and pydicom, on a machine that does nothing else. The series has
slices of 512 x 512. PROGRAM's time is that between its first and last line of progress about restoring, Python's
that of the call. PROGRAM reads and writes files meanwhile; Python holds the series and the result in memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE / "crates/artir-python/tests"))

CALL = """
import json, sys, time
import artir
series = artir.read_ct(sys.argv[1])
model = artir.Model("ct-ldct-t", device="cpu")
begun = time.perf_counter()
restored = model.restore(series.values, mask=series.mask)
seconds = time.perf_counter() - begun
print(json.dumps([seconds, series.values.nbytes + series.mask.nbytes + restored.nbytes]))
"""


def ended(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Waits. Returns the seconds of processor time and the peak memory in MB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.args
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def of_program(program: str, study: Path, out: Path) -> tuple[float, float, float]:
    """Seconds of restoring, seconds of processor time, peak memory in MB."""
    command = [program, "ct", str(study), "-o", str(out), "--device", "cpu", "--progress", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    times = [time.perf_counter() for line in process.stderr if '"phase":"restore"' in line]
    cpu, peak = ended(process)
    return times[-1] - times[0], cpu, peak


def of_python(study: Path) -> tuple[float, float, float, float]:
    """The same, and the memory of the arrays themselves in MB."""
    process = subprocess.Popen([sys.executable, "-c", CALL, str(study)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seconds, arrays = json.loads(process.stdout.read())
    cpu, peak = ended(process)
    return seconds, cpu, peak, arrays / (1 << 20)


def main() -> int:
    from ct_files import phantom, write_ct

    program = os.path.abspath(sys.argv[1])
    slices = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        write_ct(study, phantom(slices, 512))
        print(f"{slices} slices of 512 x 512, {rounds} round(s)")
        results = []
        for number in range(rounds):
            rust = of_program(program, study, Path(folder) / f"out{number}")
            python = of_python(study)
            results.append((rust, python))
            print(f"artir ct: {rust[0]:.1f} s, {rust[1]:.1f} s of processor time, {rust[2]:.0f} MB")
            print(
                f"Model.restore: {python[0]:.1f} s, {python[1]:.1f} s of processor time, {python[2]:.0f} MB", flush=True
            )
    for what, index in [("time", 0), ("processor time", 1)]:
        ratio = sum(p[index] for _, p in results) / sum(r[index] for r, _ in results)
        print(f"{what}: {ratio:.3f} of artir ct's")
    whole = max(p[2] for _, p in results) / max(r[2] for r, _ in results)
    without = max(p[2] - p[3] for _, p in results) / max(r[2] for r, _ in results)
    arrays = results[0][1][3]
    print(f"peak memory: {whole:.2f} of artir ct's, {without:.2f} without the {arrays:.0f} MB of the arrays")
    return 0


if __name__ == "__main__":
    sys.exit(main())
