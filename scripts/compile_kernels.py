"""Compiles the CUDA kernels to PTX, which is committed: building artir needs no CUDA compiler.

    python scripts/compile_kernels.py           writes crates/artir-ops/src/cuda/kernels.ptx
    python scripts/compile_kernels.py --check   fails if the committed PTX is out of date

Needs `pip install nvidia-cuda-nvrtc==13.0.88`: NVIDIA's run-time compiler, which runs without a
GPU. Another version of it may give other instructions for the same source.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

VERSION = "13.0.88"
FOLDER = Path(__file__).resolve().parent.parent / "crates/artir-ops/src/cuda"
# Turing, the oldest architecture of CUDA 13: newer ones compile the same PTX for themselves.
OPTIONS = ["--gpu-architecture=compute_75", "--std=c++17", f"--include-path={FOLDER}"]


def library() -> ctypes.CDLL:
    """NVRTC out of the wheel."""
    installed = importlib.metadata.version("nvidia-cuda-nvrtc")
    if installed != VERSION:
        sys.exit(f"nvidia-cuda-nvrtc is {installed}; the committed PTX was made with {VERSION}")
    for folder in importlib.util.find_spec("nvidia").submodule_search_locations:
        for path in Path(folder).glob("**/libnvrtc.so.13"):
            # NVRTC opens this library by its name, and so must find it already loaded.
            ctypes.CDLL(str(path.with_name("libnvrtc-builtins.so.13.0")))
            return ctypes.CDLL(str(path))
    sys.exit("libnvrtc.so.13 is not where the wheel puts it")


def compile_to_ptx(source: Path) -> str:
    """The PTX of a source file."""
    nvrtc = library()
    program = ctypes.c_void_p()

    def call(name: str, *arguments) -> None:
        status = getattr(nvrtc, name)(*arguments)
        if status == 0:
            return
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(f"{name} failed with {status}:\n{log.value.decode()}")

    # Quoted includes are relative to this path, which does not appear in the PTX.
    text = source.read_bytes()
    create = [ctypes.byref(program), text, str(source).encode(), 0, None, None]
    call("nvrtcCreateProgram", *create)
    options = (ctypes.c_char_p * len(OPTIONS))(*(o.encode() for o in OPTIONS))
    call("nvrtcCompileProgram", program, len(OPTIONS), options)
    size = ctypes.c_size_t()
    call("nvrtcGetPTXSize", program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    call("nvrtcGetPTX", program, ptx)
    call("nvrtcDestroyProgram", ctypes.byref(program))
    return ptx.value.decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file")
    options = parser.parse_args()
    target = FOLDER / "kernels.ptx"
    ptx = compile_to_ptx(FOLDER / "kernels.cu")
    if not options.check:
        target.write_text(ptx)
        print(f"{target}: {len(ptx)} bytes")
    elif target.read_text() != ptx:
        sys.exit(f"{target} differs from the compiled sources: run scripts/compile_kernels.py")


if __name__ == "__main__":
    main()
