"""Runs a command under a time limit and reports its peak memory. Runs as a script.

    python -I -S limits.py RESULT.json SECONDS COMMAND...

A process starts with its parent's resident size as its peak, so the command is started from this
small process and not from the one that holds images.
"""

import json
import os
import resource
import signal
import sys

ADDRESS_SPACE = 12 << 30


def main() -> None:
    result, seconds, *command = sys.argv[1:]
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        # Limits a runaway process before it exhausts the machine.
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execvp(command[0], command)
    timed_out = []

    def stop(*_: object) -> None:
        timed_out.append(True)
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    _, status, usage = os.wait4(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    told = {
        "code": os.waitstatus_to_exitcode(status),
        "peak": usage.ru_maxrss << 10,
        "timed_out": bool(timed_out),
    }
    with open(result, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main()
