"""Compares artir with other runtimes: one machine, one run, the same network."""
