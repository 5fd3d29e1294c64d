"""Frames as text and HTML."""

from __future__ import annotations

import html as escaping

from swath import _swath

#: The rows, columns and letters of a cell that are shown.
ROWS_MAX = 10
COLUMNS_MAX = 16
CELL_MAX = 40
_NUMBERS = ("int8", "int16", "int32", "int64", "uint", "float", "decimal")


def text(frame: _swath.Frame) -> str:
    """What ``repr`` says: the first rows, or of a lazy frame its columns and where it would run."""
    schema = frame.schema()
    if not frame.is_computed():
        width = max((len(name) for name, _, _ in schema), default=0)
        lines = [f"  {name:<{width}}  {dtype}" for name, dtype, _ in schema]
        return "\n".join([f"DataFrame, not computed; runs on {_place(frame)}", *lines])
    shown = _shown(len(schema))
    rows = frame.cells(ROWS_MAX)
    header = [[schema[place][0] for place in shown], [schema[place][1] for place in shown]]
    body = [[_short(row[place]) for place in shown] for row in rows]
    widths = [max(len(line[index]) for line in header + body) for index in range(len(shown))]
    right = [schema[place][1].startswith(_NUMBERS) for place in shown]
    lines = [_line(cells, widths, [False] * len(shown)) for cells in header]
    lines.append("  ".join("-" * width for width in widths))
    lines += [_line(cells, widths, right) for cells in body]
    return "\n".join([*([] if not shown else lines), *_more(frame, schema)])


def html(frame: _swath.Frame) -> str:
    """What notebooks show."""
    schema = frame.schema()
    if not frame.is_computed():
        rows = "".join(f"<tr><td>{_safe(name)}</td><td>{_safe(dtype)}</td></tr>" for name, dtype, _ in schema)
        caption = f"DataFrame, not computed; runs on {_safe(_place(frame))}"
        return f"<table><caption>{caption}</caption><tr><th>column</th><th>type</th></tr>{rows}</table>"
    shown = _shown(len(schema))
    head = "".join(
        f"<th>{_safe(schema[place][0])}<br><small>{_safe(schema[place][1])}</small></th>" for place in shown
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{'<i>null</i>' if row[place] is None else _safe(_short(row[place]))}</td>"
            for place in shown
        )
        + "</tr>"
        for row in frame.cells(ROWS_MAX)
    )
    return f"<table><tr>{head}</tr>{body}</table><small>{_safe(' '.join(_more(frame, schema)))}</small>"


def _safe(value: str) -> str:
    return escaping.escape(value)


def _place(frame: _swath.Frame) -> str:
    try:
        return frame.place()
    except Exception as error:  # repr must not fail; computing the frame tells the same
        return f"nothing: {error}"


def _shown(columns: int) -> list[int]:
    if columns <= COLUMNS_MAX:
        return list(range(columns))
    half = COLUMNS_MAX // 2
    return [*range(half), *range(columns - half, columns)]


def _short(value: str | None) -> str:
    if value is None:
        return "null"
    value = value.replace("\n", "\\n")
    return value if len(value) <= CELL_MAX else value[: CELL_MAX - 1] + "…"


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = (
        cell.rjust(width) if flag else cell.ljust(width) for cell, width, flag in zip(cells, widths, right)
    )
    return "  ".join(padded).rstrip()


def _more(frame: _swath.Frame, schema: list[tuple[str, str, bool]]) -> list[str]:
    rows = frame.count(False)
    lines = [f"… {rows - ROWS_MAX} more"] if rows > ROWS_MAX else []
    hidden = len(schema) - COLUMNS_MAX
    columns = f"{len(schema)} columns" + (f", {hidden} of them not shown" if hidden > 0 else "")
    return [*lines, f"[{rows} rows, {columns}]"]
