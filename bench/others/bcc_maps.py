"""A trial of BCC's Python: bcc_maps.py CASE NUMBER... Its tables, on a map made by hand: compiling a program, its way to one, needs the
headers of the running kernel."""

import ctypes
import json
import sys
import time
from types import SimpleNamespace

from bcc.libbcc import lib
from bcc.table import HashTable

HASH = 1


def hash_table(entries):
    fd = lib.bcc_create_map(HASH, b"counts", 4, 8, entries, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bcc_create_map")
    table = HashTable(SimpleNamespace(module=None), 0, fd, ctypes.c_uint32, ctypes.c_uint64)
    table.max_entries = entries
    return table


def median(values):
    return sorted(values)[len(values) // 2]


def timed(work):
    start = time.monotonic_ns()
    work()
    return time.monotonic_ns() - start


def single(keys, rounds):
    table = hash_table(100000)
    ns = {"get": [], "set": [], "delete": []}
    total = 0

    def fill():
        for key in range(keys):
            table[table.Key(key)] = table.Leaf(key)

    def read():
        nonlocal total
        for key in range(keys):
            total += table[table.Key(key)].value

    def remove():
        for key in range(keys):
            del table[table.Key(key)]

    for _ in range(rounds):
        fill()
        for name, work in (("set", fill), ("get", read), ("delete", remove)):
            ns[name].append(timed(work) / keys)
    return {**{name: median(each) for name, each in ns.items()}, "sum": total}


def dump(entries, _batch, rounds):
    table = hash_table(entries)
    for key in range(entries):
        table[table.Key(key)] = table.Leaf(2 * key)
    total = 0

    def batches():
        nonlocal total
        for key, value in table.items_lookup_batch():
            total += key + value

    decoded = median([timed(batches) / 1e6 for _ in range(rounds)])
    return {"decoded": decoded, "sum": total // rounds}


case = {"map": single, "dump": dump}[sys.argv[1]]
print(json.dumps(case(*map(int, sys.argv[2:]))))
