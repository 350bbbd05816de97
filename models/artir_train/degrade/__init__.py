"""Simulated degradations: what the networks are trained to undo."""
