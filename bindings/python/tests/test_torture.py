"""The Python side of a torture run, which calls the package's own parts, does all its operations without a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aspen
import pytest

torture = os.environ.get("ASPEN_TORTURE")


@pytest.mark.skipif(torture is None, reason="ASPEN_TORTURE does not name the repository's folder")
def test_the_load_and_the_looks_at_its_end(tmp_path: Path) -> None:
    record, groups = tmp_path / "record", tmp_path / "groups"
    with aspen.found(tmp_path / "node", "127.0.0.1:0") as node:
        ticket = node.ticket()

        def command(*words: str) -> list[str]:
            return [sys.executable, f"{torture}/client.py", words[0], ticket, *words[1:]]

        def look(*words: str) -> str:
            return subprocess.run(command(*words), check=True, capture_output=True, text=True, timeout=60).stdout

        options = ["--name", "t", "--start", str(time.monotonic_ns()), "--seed", "1"]
        with subprocess.Popen(command("load", str(record), *options), stderr=subprocess.PIPE, text=True) as load:
            deadline = time.monotonic() + 60
            while node.kv.put("~ours", "") < 300 and load.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            load.send_signal(signal.SIGTERM)
            _, complaint = load.communicate(timeout=60)
        assert (load.returncode, complaint) == (0, "")
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert {line["op"] for line in lines} >= {"get", "range", "put", "delete", "cas", "batch"}
        assert {line["outcome"] for line in lines} == {"ok"}

        keys = {change[1] for line in lines for change in line.get("changes", [])}
        groups.write_text("\n".join({key.split("/")[0] for key in keys}))
        look("probe")
        look("read-back", str(record), str(groups))
        assert json.loads(look("state"))["keys"] > 0
