"""Writes keys concurrently and records each acknowledged write.

usage: python write_keys.py TICKET RECORD [--count N] [--writers N]

RECORD gets one JSON line per acknowledged write: {"key", "value", "t": Unix seconds, "us": latency}.
"""

import argparse
import asyncio
import itertools
import json
import time

import aspen
from aspen import aio


async def put(node, key, value, record):
    while True:
        started = time.perf_counter()
        try:
            await node.kv.put(key, value, timeout=30)
        except aspen.AspenError as error:
            if not error.retryable:
                raise
            continue  # the same key and value again: putting them twice changes nothing
        us = (time.perf_counter() - started) * 1e6
        record.write(json.dumps({"key": key, "value": value, "t": time.time(), "us": round(us)}) + "\n")
        return


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ticket")
    parser.add_argument("record")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--writers", type=int, default=16)
    arguments = parser.parse_args()
    numbers = itertools.count()

    async with await aio.connect(arguments.ticket) as node:
        with open(arguments.record, "w", buffering=1) as record:

            async def writer():
                while (i := next(numbers)) < arguments.count:
                    await put(node, f"python/{i:05}", f"value {i}", record)

            await asyncio.gather(*(writer() for _ in range(arguments.writers)))


asyncio.run(main())
