"""artir beside the runtimes that a user could pick instead: one machine, one run, one network."""
