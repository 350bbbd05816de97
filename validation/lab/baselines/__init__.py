"""Compares artir's models with methods that need no training: `make baselines`."""
