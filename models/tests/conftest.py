"""Without PyTorch, the files that need it are left out."""

import importlib.util

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["test_network.py", "test_degrade.py"]
