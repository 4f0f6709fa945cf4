"""Content that both ends can name by a number, so that gigabytes are checked without being kept."""
import functools
import random

BLOCK = 1 << 20


@functools.lru_cache(maxsize=16)
def block(seed):
    """The mebibyte that content of this number repeats, twice, so that any part is one slice."""
    once = random.Random(seed).randbytes(BLOCK)
    return memoryview(once + once)


def pieces(size, seed, step=1 << 17):
    """The content's `size` bytes, in order."""
    data = block(seed)
    for start in range(0, size, step):
        yield data[start % BLOCK:start % BLOCK + min(step, size - start)]


def differs(data, position, piece):
    """Whether `piece` is not what stands at `position`."""
    view, offset = memoryview(piece), 0
    while offset < len(view):
        part = view[offset:offset + BLOCK]
        begin = (position + offset) % BLOCK
        if part != data[begin:begin + len(part)]:
            return True
        offset += len(part)
    return False
