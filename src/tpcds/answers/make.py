#!/usr/bin/env python3
"""Makes checksums of DuckDB's answers, over the very files that `swath generate tpcds` writes.

    python3 -m venv /tmp/duckdb && /tmp/duckdb/bin/pip install duckdb
    cargo run --release -- generate tpcds --scale-factor 0.01     (and 1)
    /tmp/duckdb/bin/python src/tpcds/answers/make.py data/tpcds 0.01 1

Writes sf<scale factor>.csv beside this script: query, rows, checksum, and a weighted sum for each column with a
fraction; of all rows that a query has without its LIMIT.
"""

import re
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))

from digest import digest  # noqa: E402


def main() -> None:
    data, scale_factors = Path(sys.argv[1]), sys.argv[2:]
    print(f"DuckDB {duckdb.__version__}")
    queries = sorted((HERE.parent / "queries").glob("q*.sql"), key=lambda file: int(re.sub(r"\D", "", file.stem)))
    for scale_factor in scale_factors:
        connection = duckdb.connect()
        for file in sorted((data / f"sf{scale_factor}").glob("*.parquet")):
            connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
        lines = []
        for file in queries:
            relation = connection.sql(file.read_text().split("\nLIMIT")[0])
            lines.append(f"{file.stem[1:]},{digest(relation)}\n")
            print(f"sf{scale_factor} {file.stem}: {lines[-1].split(',')[1].strip()} rows")
        (HERE / f"sf{scale_factor}.csv").write_text("".join(lines))


if __name__ == "__main__":
    main()
