"""Times a training step on this CPU: artir's own library, and PyTorch eager and compiled.

    python -m lab.training_step --variant T --patch 128

A step consists of forward pass, loss, backward pass, clipping, Adam and averaging, on batches in
memory. Each way of computing it has its own process. They take turns on the same batches and pause
between turns. Medians are reported.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import statistics
import subprocess
import sys
import time

import torch

from artir_train import mixer_start, native
from artir_train.losses import dual_domain
from artir_train.network import ArtIR, Config

LIBRARY = {"library": "best", "library-f32": "f32", "library-avx2": "avx2"}
WAYS = (*LIBRARY, "eager-f32", "eager-bf16", "compiled-f32", "compiled-bf16")
BATCHES = 8


class Way:
    """One way of computing steps."""

    def __init__(self, name: str, variant: str, batch: int, patch: int):
        torch.manual_seed(0)
        config = Config.variant(variant, channels=1)
        self.model = ArtIR(config)
        mixer_start.open_mixers(self.model)
        self.model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.bf16 = name.endswith("bf16")
        self.parameters, self.averages = list(self.model.parameters()), []
        if name in LIBRARY:
            flat, flat_average = native.Flat(self.model), native.Flat(self.average)
            self.run = native.Native(config, flat, LIBRARY[name])
            self.parameters, self.averages = [flat.values], [flat_average.values]
        else:
            self.run = torch.compile(self.model) if name.startswith("compiled") else self.model
            self.averages = list(self.average.parameters())
        groups = mixer_start.parameter_groups(self.model)
        self.optimiser = torch.optim.Adam(groups, lr=1e-5, eps=1e-12, fused=True)
        self.clean = torch.rand(BATCHES, batch, 1, patch, patch)
        self.noisy = self.clean + 0.1 * torch.randn_like(self.clean)
        self.steps = 0

    def step(self) -> float:
        """Runs one step and returns its seconds."""
        begun = time.perf_counter()
        which = self.steps % BATCHES
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            result = self.run(self.noisy[which])
        loss = dual_domain(result, self.clean[which], self.noisy[which], fourier=0.1)
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.zero_()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 0.5)
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.parameters, 0.01)
        self.steps += 1
        return time.perf_counter() - begun


def serve(way: Way) -> None:
    """Runs as many steps as each line of the input says, and writes their times."""
    for line in sys.stdin:
        print(json.dumps([way.step() for _ in range(int(line))]), flush=True)


class Other:
    """A process that computes steps one way, paused between turns."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.name, self.times = name, []
        sizes = [options.variant, options.batch, options.patch]
        arguments = [
            "--way",
            name,
            *(f"--{k}={v}" for k, v in zip(SIZES, sizes, strict=True)),
        ]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self, steps: int) -> list[float]:
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        times = json.loads(self.process.stdout.readline())
        self.process.send_signal(signal.SIGSTOP)
        return times

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


SIZES = ("variant", "batch", "patch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="T", choices=("T", "S", "B"))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        serve(Way(options.way, options.variant, options.batch, options.patch))
        return
    others = [Other(name, options) for name in options.ways]
    for other in others:
        other.turn(2)
    for _ in range(options.rounds):
        for other in others:
            other.times += other.turn(2)
    first = statistics.median(others[0].times)
    print(f"{options.variant}, {options.batch} patches of {options.patch}, {os.cpu_count()} cores")
    for other in others:
        median = statistics.median(other.times)
        rate = options.batch / median
        print(f"{other.name:14} {median:7.3f} s {rate:6.2f} patches/s {median / first:5.2f}")
        other.end()


if __name__ == "__main__":
    main()
