"""Describes the machine of the figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")


def describe() -> dict:
    """Processor, memory, system and the versions of the compared programs."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    value = dict(line.split(":", 1) for line in info if ":" in line)
    value = {k.strip(): v.strip() for k, v in value.items()}
    flags = value.get("flags", "").split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": value.get("model name", platform.machine()),
        "instructions": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("onnxruntime", "openvino", "torch", "numpy")},
    }
