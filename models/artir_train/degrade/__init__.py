"""Simulated degradations that the networks are trained to remove."""
