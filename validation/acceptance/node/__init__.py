"""Checks `artir node` as a whole: under load, under fire, over a long time, beside an archive."""
