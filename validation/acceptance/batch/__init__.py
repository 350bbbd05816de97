"""Checks `artir batch` with a store and an archive that are not artir's own."""
