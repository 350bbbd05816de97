"""Derived objects as other programs read them: pixels, units and places."""
