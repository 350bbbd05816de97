"""Counts and prints failures, and makes the cells of the tables."""

import sys


class Findings:
    """Counts failures, and prints each with the details for debugging."""

    SHOWN = 8

    def __init__(self) -> None:
        self.failures = 0

    def cell(self, case: str, column: str, problems: list[str] | None, good: str = "ok") -> str:
        """The text of a cell: good, FAILED with a count, or not installed."""
        if problems is None:
            return "not installed"
        if not problems:
            return good
        self.failures += 1
        for problem in problems[: self.SHOWN]:
            print(f"FAILED {case}: {column}: {problem}", flush=True)
        if len(problems) > self.SHOWN:
            more = len(problems) - self.SHOWN
            print(f"FAILED {case}: {column}: ... and {more} more", flush=True)
        return f"FAILED ({len(problems)})"

    @staticmethod
    def note(text: str) -> None:
        """Prints a line of progress."""
        print(text, file=sys.stderr, flush=True)
