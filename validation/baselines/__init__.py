"""Restoration that needs no training, beside artir's models: `make baselines`."""
