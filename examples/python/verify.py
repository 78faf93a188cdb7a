"""Reads back every write that the given records say was acknowledged, linearizably.

usage: python verify.py TICKET RECORD...

Prints one JSON line, {"checked", "lost", "wrong", "first"}; exits 1 when something is lost or wrong.
"""

import asyncio
import json
import sys

from aspen import aio

READERS = 64


async def main(ticket, records):
    expected = {}
    for path in records:
        with open(path) as lines:
            for line in lines:
                write = json.loads(line)
                expected[write["key"]] = write["value"]
    report = {"checked": 0, "lost": 0, "wrong": 0, "first": ""}
    items = iter(expected.items())

    async with await aio.connect(ticket) as node:

        async def reader():
            for key, value in items:
                entry = await node.kv.get(key, timeout=30)
                report["checked"] += 1
                if entry is None:
                    report["lost"] += 1
                elif entry.value.decode() != value:
                    report["wrong"] += 1
                else:
                    continue
                report["first"] = report["first"] or f"{key}: {entry}, not {value!r}"

        await asyncio.gather(*(reader() for _ in range(READERS)))
    print(json.dumps(report))
    return 1 if report["lost"] or report["wrong"] else 0


sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
