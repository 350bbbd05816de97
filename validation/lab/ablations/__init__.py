"""Ablations of the paper's network: counts of exported files, and equal short trainings."""
