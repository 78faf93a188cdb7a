"""Moves money between two accounts, any number of programs at once, and never makes or loses any.

usage: python transfer.py TICKET FROM TO AMOUNT
"""

import sys

import aspen

ticket, source, target, amount = sys.argv[1:]


def balance(tx, account):
    entry = tx.get(f"account/{account}")
    return 100 if entry is None else int(entry.value)  # an account that nobody used has 100


def transfer(tx):
    """Called again, from the beginning, when somebody changed a balance that it read."""
    left = balance(tx, source) - int(amount)
    if left < 0:
        raise SystemExit(f"{source} has {left + int(amount)}")
    tx.put(f"account/{source}", str(left))
    tx.put(f"account/{target}", str(balance(tx, target) + int(amount)))
    return left


with aspen.connect(ticket) as node:
    print(f"{source} now has {node.kv.transact(transfer)}")
