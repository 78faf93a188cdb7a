"""What the generators share: writing their files, or checking that the committed ones are what they would write."""

import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fixture(data):
    """JSON with one example per line, so that a change of one is a change of one line."""
    parts = []
    for name, value in data.items():
        if isinstance(value, list):
            rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in value)
            text = f"[\n{rows}\n  ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        parts.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(files):
    """`files`: path from the root to text. With --check on the command line nothing is written."""
    script = os.path.relpath(os.path.abspath(sys.argv[0]), ROOT)
    stale = []
    for path, text in files.items():
        full = os.path.join(ROOT, path)
        try:
            with open(full, encoding="utf-8") as file:
                current = file.read()
        except FileNotFoundError:
            current = None
        if current != text:
            stale.append(path)
            if "--check" not in sys.argv:
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path}: not what {script} writes; run {script}")
        print(f"{script}: checked {len(files)} files, {len(stale)} stale")
        return 1 if stale else 0
    print(f"{script}: wrote {len(stale)} of {len(files)} files, the others were up to date")
    return 0
