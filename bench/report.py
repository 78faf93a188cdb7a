"""What the benchmark commands share: running programs that print JSON, and telling of the result."""

import json
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOAD_MAX = 0.5  # runnable processes, before a benchmark begins, with which a result is still one


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run_json(command):
    """The JSON document a command prints; its stderr is shown only when it fails."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)  # it ends what it started and removes its directory
        process.communicate()
        raise
    if process.returncode != 0:
        sys.stderr.write(err.decode(errors="replace"))
        raise SystemExit(f"bench: {' '.join(command)} failed with status {process.returncode}")
    return json.loads(out)


def load_before():
    """The machine's load, with a warning when it spoils what follows."""
    load = round(os.getloadavg()[0], 2)
    if load > LOAD_MAX:
        say(f"warning: the machine is busy (load {load}); the ratios will not be reliable")
    return load


def print_columns(rows):
    """Rows of text, the first the head, in columns; all but the first column to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) if column else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]  # fmt: skip
        print("  ".join(cells).rstrip())


def print_markdown(rows):
    """The same as a table for a document."""
    for number, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if number == 0:
            print("|" + "---|" * len(row))
