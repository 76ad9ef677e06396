"""SipHash-1-3 with two keys of zero, as Rust's `Hash` is fed to it: what refinery records of a migration."""

from __future__ import annotations

_MASK = 0xFFFFFFFFFFFFFFFF
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_BLOCK = 8


def siphash13(data: bytes) -> int:
    """Return the hash of some bytes."""
    a, b, c, d = _START
    whole = len(data) - len(data) % _BLOCK
    last = (len(data) & 0xFF) << 56 | int.from_bytes(data[whole:], "little")
    for block in (*(int.from_bytes(data[at : at + _BLOCK], "little") for at in range(0, whole, _BLOCK)), last):
        d ^= block
        a, b, c, d = _round(a, b, c, d)
        a ^= block
    c ^= 0xFF
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = (a + b) & _MASK
    b = _rotated(b, 13) ^ a
    a = _rotated(a, 32)
    c = (c + d) & _MASK
    d = _rotated(d, 16) ^ c
    a = (a + d) & _MASK
    d = _rotated(d, 21) ^ a
    c = (c + b) & _MASK
    b = _rotated(b, 17) ^ c
    return a, b, _rotated(c, 32), d


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
