"""What a process does with memory that it has freed, as the kernel sees it."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.memory import KEPT, LARGE

PROGRAM = """
import ctypes, mmap, sys
from vspc.common.memory import give_back_freed_memory, keep_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * mmap.PAGESIZE

keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = (ctypes.c_void_p,)

def held_and_left(size, count):
    blocks = (ctypes.c_void_p * count)()  # not in the heap above what is freed
    before = resident()
    for place in range(count):
        blocks[place] = libc.malloc(size)
        ctypes.memset(blocks[place], 1, size)
    held = resident() - before
    for block in reversed(blocks):
        libc.free(block)
    return held, resident() - before

def freed_between_others(size, count):
    blocks = (ctypes.c_void_p * count)()
    for place in range(count):
        blocks[place] = libc.malloc(size)
        ctypes.memset(blocks[place], 1, size)
    held = resident()
    for block in blocks[::2]:
        libc.free(block)
    left = resident()
    give_back_freed_memory()
    return held - left, left - resident()

print(*freed_between_others(16 * 1024, 2048))

for size, count in ((64 * 1024, 32), (64 * 1024, 2048), (int(sys.argv[1]), 4)):
    print(*held_and_left(size, count))
"""


class FreedMemory(SynchronousTestCase):
    def test_a_server_keeps_some_of_it_and_gives_a_large_block_back(self) -> None:
        words = [sys.executable, "-c", PROGRAM, str(4 * LARGE)]
        found = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        between, few, many, large = (tuple(map(int, line.split())) for line in found.splitlines())
        self.assertLess(between[0], between[1] // 2)
        self.assertGreater(between[1], 8 * 1024 * 1024)
        self.assertGreater(few[1], few[0] // 2)
        self.assertGreater(many[0], 4 * KEPT)
        self.assertLess(many[1], 2 * KEPT)
        self.assertGreater(large[0], 4 * LARGE)
        self.assertLess(large[1], LARGE)
