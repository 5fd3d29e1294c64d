"""Checksums of DuckDB's answers, as `digest.rs` takes them of ours; for the scripts that make the kept answers."""

import datetime
import math

MASK = (1 << 64) - 1
NULL = 0x9E3779B97F4A7C15
NOT_A_NUMBER = 0xC2B2AE3D27D4EB4F
EPOCH = datetime.date(1970, 1, 1)
EPOCH_TIME = datetime.datetime(1970, 1, 1)


def mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def exact(cell) -> int:
    if cell is None:
        return NULL
    if isinstance(cell, str):
        return mix(fnv(cell.encode()))
    if isinstance(cell, datetime.datetime):
        return mix((cell - EPOCH_TIME) // datetime.timedelta(microseconds=1) & MASK)
    if isinstance(cell, datetime.date):
        return mix((cell - EPOCH).days & MASK)
    return mix(int(cell) & MASK)


def digest(relation, nan_is_null: bool = False) -> str:
    """`rows,hash,sums…` of a DuckDB relation."""
    kinds = [str(kind) for kind in relation.types]
    with_fraction = [kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL") for kind in kinds]
    rows, total, values = 0, 0, [[] for flag in with_fraction if flag]
    for row in relation.fetchall():
        state, numbers = 0, []
        for cell, fraction in zip(row, with_fraction):
            if not fraction:
                state = mix((state + exact(cell)) & MASK)
            elif cell is None:
                state = mix((state + NULL) & MASK)
                numbers.append(0.0)
            elif isinstance(cell, float) and math.isnan(cell):
                state = mix((state + (NULL if nan_is_null else NOT_A_NUMBER)) & MASK)
                numbers.append(0.0)
            else:
                state = mix(state)
                numbers.append(float(cell))
        rows += 1
        total = (total + state) & MASK
        for column, number in zip(values, numbers):
            column.append(number * (1.0 + (state >> 54) / 1024.0))
    # DECIMAL(38,2) has its last digit at 10^-2.
    places = [float(f"1e-{kind[:-1].split(',')[1]}") if kind.startswith("DECIMAL") else None for kind in kinds]
    places = [place for place, fraction in zip(places, with_fraction) if fraction]
    sums = [math.fsum(column) for column in values]
    cells = [repr(value) if place is None else f"{value!r}@{place!r}" for value, place in zip(sums, places)]
    return ",".join([str(rows), f"{total:016x}"] + cells)
