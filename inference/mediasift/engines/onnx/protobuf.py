"""The protobuf wire format, just enough to look into an ONNX file without the `onnx` package.

Source: https://protobuf.dev/programming-guides/encoding/. Field numbers of ONNX messages stand where they are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mediasift.errors import ModelError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

MAX_VALUES = 300_000
"""Largest number of values that are collected of one message."""

Value = int | memoryview


def collected(data: Value, *numbers: int, skip: re.Pattern[bytes] | None = None) -> tuple[list[Value], ...]:
    """The values of each of these fields of a message, in file order; the other fields are left alone.

    Raises:
        ModelError: The data is no message, or has too many of these fields.
    """
    values: dict[int, list[Value]] = {number: [] for number in numbers}
    count = 0
    for number, _, value in walk(data, skip=skip):
        if number in values:
            values[number].append(value)
            count += 1
            if count > MAX_VALUES:
                raise ModelError(f"more than {MAX_VALUES:,} values in one message")
    return tuple(values.values())


def walk(data: Value, *, skip: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, int, Value]]:
    """The (field number, wire type, value) of one message, in file order.

    Args:
        data: The message's bytes.
        skip: Matches whole fields that are not wanted; a forest has millions of them, too many to look at one by one.

    Varints and fixed-width values come as unsigned integers; strings, bytes, sub-messages and packed lists
    as slices of `data` that copy nothing.

    Raises:
        ModelError: The bytes end in the middle of a field, or are no protobuf message.
    """
    if isinstance(data, int):
        raise ModelError("not an ONNX file (a number where a message belongs)")
    position, end = 0, len(data)
    while position < end:
        if skip is not None and (skipped := skip.match(data, position)):
            position = skipped.end()
            continue
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ModelError("not a protobuf message (field number 0)")
        value: Value
        if kind == VARINT:
            value, position = _varint(data, position)
        elif kind in (BYTES, FIXED64, FIXED32):
            length, position = _varint(data, position) if kind == BYTES else (8 if kind == FIXED64 else 4, position)
            if length > end - position:
                raise ModelError("truncated: a field is longer than the rest of the file")
            part, position = data[position : position + length], position + length
            value = part if kind == BYTES else int.from_bytes(part, "little")
        else:
            raise ModelError(f"not a protobuf message (wire type {kind})")
        yield number, kind, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ModelError("truncated or not a protobuf message (a number has no end)")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def varints(values: Sequence[Value]) -> list[int]:
    """The numbers of a repeated integer field, packed or single, as signed 64-bit integers."""
    numbers = []
    for value in values:
        if isinstance(value, int):
            numbers.append(value)
            continue
        position = 0
        while position < len(value):
            number, position = _varint(value, position)
            numbers.append(number)
    return [number - (1 << 64) if number >= 1 << 63 else number for number in numbers]


def integer(values: Sequence[Value]) -> int:
    """An integer field, of which the last value counts; 0 where it is absent."""
    return (varints(values) or [0])[-1]


def texts(values: Sequence[Value]) -> tuple[str, ...]:
    """The strings of a repeated field; bytes that are not UTF-8 are replaced."""
    return tuple("" if isinstance(value, int) else bytes(value).decode("utf-8", "replace") for value in values)


def text(values: Sequence[Value]) -> str:
    """A string field, of which the last value counts; empty where it is absent."""
    return "".join(texts(values[-1:]))


def encode(number: int, value: int | bytes) -> bytes:
    """One field as bytes: a varint for int, length-delimited for bytes."""
    if isinstance(value, int):
        return _encode_varint(number << 3 | VARINT) + _encode_varint(value & (1 << 64) - 1)
    return _encode_varint(number << 3 | BYTES) + _encode_varint(len(value)) + value


def _encode_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
