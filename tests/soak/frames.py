"""WebSocket frames (RFC 6455 section 5)."""
import os
import struct

PART, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(kind, payload=b"", mask=False, last=True):
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([(0x80 if last else 0) | kind])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(payload, key)


def masked(payload, key):
    stretched = (key * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(payload), "big")


async def read_frame(reader):
    """`(kind, payload, last)`: a frame as it comes, be it a whole message or a part of one."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size >= 126:
        width = 2 if size == 126 else 8
        size = int.from_bytes(await reader.readexactly(width), "big")
    key = await reader.readexactly(4) if second & 0x80 else None
    payload = await reader.readexactly(size)
    return first & 0x0F, masked(payload, key) if key else payload, bool(first & 0x80)


async def read_message(reader):
    """`(kind, payload)` of a message that is not in parts."""
    kind, payload, last = await read_frame(reader)
    if not last or not kind:
        raise ValueError("a part of a message")
    return kind, payload
