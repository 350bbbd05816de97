"""Acceptance: artir over real files, and its results checked with other programs."""
