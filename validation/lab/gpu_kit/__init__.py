"""A folder that tests artir on a GPU machine. ``run.py`` and ``slim.py`` also run there, alone."""
