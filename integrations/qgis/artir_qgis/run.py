"""Runs the program: its progress, its messages, and how it is stopped."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from .program import NO_WINDOW, WINDOWS, Program
from .text import tr

# Seconds between an interrupt and a kill. A cancelled run must have ended after 3.
PATIENCE = 2.0
# Seconds between two looks at whether the user cancelled.
INTERVAL = 0.1
STOPPED = 130


class Failed(Exception):
    """The program ended with an error. The text is the program's own sentence."""

    def __init__(self, text: str, code: int):
        super().__init__(text)
        self.code = code


class Cancelled(Exception):
    """The user cancelled, and the program has ended."""


@dataclass
class Ended:
    """What a program left behind."""

    code: int = 0
    out: str = ""
    errors: list[str] = field(default_factory=list)


@dataclass
class Line:
    """A line of standard error: progress, a message of a level, or an error."""

    kind: str
    text: str = ""
    state: dict = field(default_factory=dict)


def read_line(text: str) -> Line:
    """Reads a line of `--progress json --log-format json`."""
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        if "phase" in found:
            return Line("progress", state=found)
        if "level" in found:
            return Line(str(found["level"]).lower(), _message(found))
    for start in ("artir: ", "error: "):
        if text.startswith(start):
            return Line("error", text[len(start) :])
    return Line("other", text)


def _message(record: dict) -> str:
    fields = record.get("fields", record)
    return str(fields.get("message", "")) or json.dumps(record, ensure_ascii=False)


def run(
    program: Program, arguments: list[str], feedback, items: int = 1, before: int = 0, may_fail: bool = False
) -> Ended:
    """Runs the program to its end and reports to a QgsProcessingFeedback.

    `items` is the number of all inputs, and `before` of those that earlier runs have done.

    Raises `Cancelled` after the user cancelled, and `Failed` after an exit code other than 0 unless `may_fail`.
    """
    process = subprocess.Popen(
        [program.path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program.environment(),
        creationflags=NO_WINDOW,
    )
    lines: queue.Queue[str] = queue.Queue()
    out: list[bytes] = []
    # Both pipes are read all the time: a program whose pipe is full waits for ever.
    readers = [
        threading.Thread(target=lambda: out.append(process.stdout.read()), daemon=True),
        threading.Thread(target=lambda: _read(process.stderr, lines), daemon=True),
    ]
    for reader in readers:
        reader.start()
    ended, shown = Ended(), Shown(feedback, items, before)
    try:
        while process.poll() is None:
            if feedback.isCanceled():
                stop(process)
                break
            _drain(lines, shown, ended, INTERVAL)
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        for reader in readers:
            reader.join(PATIENCE)
    _drain(lines, shown, ended, 0)
    ended.code, ended.out = process.returncode, b"".join(out).decode("utf-8", "replace")
    if feedback.isCanceled():
        raise Cancelled
    if ended.code != 0 and not may_fail:
        raise Failed(sentence(ended), ended.code)
    return ended


def _read(pipe, lines: queue.Queue[str]) -> None:
    for line in pipe:
        lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))


def _drain(lines: queue.Queue[str], shown: Shown, ended: Ended, patience: float) -> None:
    try:
        text = lines.get(timeout=patience) if patience else lines.get_nowait()
        while True:
            line = read_line(text)
            if line.kind == "error":
                ended.errors.append(line.text)
            shown.line(line)
            text = lines.get_nowait()
    except queue.Empty:
        pass


def stop(process: subprocess.Popen) -> None:
    """Asks the program to stop as Ctrl-C does, so that it can be resumed; ends it if it does not."""
    if WINDOWS:
        # Without a console there is no Ctrl-C. Results appear whole or not at all, so a kill leaves no half of one.
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def sentence(ended: Ended) -> str:
    """The program's own words for its failure."""
    if ended.errors:
        return "\n".join(ended.errors)
    if ended.code < 0:
        return tr("artir was ended by signal {number}.").format(number=-ended.code)
    return tr("artir ended with exit code {code} and no message.").format(code=ended.code)


class Shown:
    """Shows the program's lines in a QgsProcessingFeedback."""

    def __init__(self, feedback, items: int, before: int):
        self.feedback, self.items = feedback, max(items, 1)
        self.before = self.begun = before
        self.said = 0.0

    def line(self, line: Line) -> None:
        """Shows a line; errors are shown by whoever raises them."""
        if line.kind == "progress":
            self.progress(line.state)
        elif line.kind == "warn":
            self.feedback.pushWarning(line.text)
        elif line.text and line.kind != "error":
            self.feedback.pushInfo(line.text)

    def progress(self, state: dict) -> None:
        """Moves the bar over all items, and says how long the present one will take."""
        done, total = state.get("done", 0), state.get("total")
        # Each item begins with a line of 0.
        if done == 0 or self.begun == self.before:
            self.begun += 1
        if not total:
            return
        self.feedback.setProgress(100 * (min(self.begun, self.items) - 1 + done / total) / self.items)
        eta, now = state.get("eta"), time.monotonic()
        # The log would fill with lines; the bar moves in between.
        if eta is not None and done < total and now - self.said >= 1:
            self.said = now
            self.feedback.setProgressText(tr("About {time} left").format(time=duration(eta)))


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return tr("{n} s").format(n=max(round(seconds), 1))
    if seconds < 90 * 60:
        return tr("{n} min").format(n=round(seconds / 60))
    return tr("{n} h").format(n=round(seconds / 3600, 1))
