#!/usr/bin/env python3
"""Makes checksums of DuckDB's answers, over the very files that `swath generate clickbench` writes.

    python3 -m venv /tmp/duckdb && /tmp/duckdb/bin/pip install duckdb
    cargo run --release -- generate clickbench --rows 1e4             (and 1e5, and 1e6)
    /tmp/duckdb/bin/python src/clickbench/answers/make.py data/clickbench 1e4 1e5 1e6

Writes <rows>.csv beside this script: query, rows, checksum, and a weighted sum for each column with a fraction. Where
rows compete for the last places under LIMIT, the checksum is that of all of them, as `query.rs` says.
"""

import re
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))

from digest import digest  # noqa: E402

# Their order leaves but one answer.
WHOLE = (26, 27, 43)


def query(number: int, rows: int) -> str:
    folder = HERE.parent / "queries"
    if number == 25:
        return (folder / "q25_candidates.sql").read_text()
    text = (folder / f"q{number}.sql").read_text()
    text = re.sub(r":scaled_(\d+)", lambda match: str(int(match[1]) * rows // 100_000_000), text)
    return text if number in WHOLE else text.split("\nLIMIT")[0]


def main() -> None:
    data, sizes = Path(sys.argv[1]), sys.argv[2:]
    print(f"DuckDB {duckdb.__version__}")
    for size in sizes:
        connection = duckdb.connect()
        file = data / size / "hits.parquet"
        connection.execute(f"create view hits as select * from read_parquet('{file}')")
        connection.execute("create macro to_timestamp_seconds(s) as make_timestamp(s * 1000000)")
        lines = []
        for number in range(1, 44):
            relation = connection.sql(query(number, int(float(size))))
            lines.append(f"{number},{digest(relation)}\n")
            print(f"{size} q{number}: {lines[-1].split(',')[1].strip()} rows")
        (HERE / f"{size}.csv").write_text("".join(lines))


if __name__ == "__main__":
    main()
