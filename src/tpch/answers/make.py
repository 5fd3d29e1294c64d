#!/usr/bin/env python3
"""Makes the reference answers of the 22 queries with DuckDB, over the very files that `swath generate tpch` writes.

    python3 -m venv /tmp/duckdb && /tmp/duckdb/bin/pip install duckdb
    cargo run --release -- generate tpch --scale-factor 0.01     (and 0.1, and 1)
    /tmp/duckdb/bin/python src/tpch/answers/make.py data/tpch 0.01 0.1 1

Writes sf<scale factor>/q<number>.csv beside this script. A header cell is `name:TYPE`, TYPE as DuckDB calls it: a
column that it computes in floating point is compared within a tolerance, every other one exactly. Null is empty.
"""

import csv
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


def query(number: int, scale_factor: float) -> str:
    text = (HERE.parent / "queries" / f"q{number}.sql").read_text()
    # The same digits as `query::text` gives: the specification's 0.0001 / SF.
    return text.replace(":fraction", f"{0.0001 / scale_factor:.12f}")


def main() -> None:
    data, scale_factors = Path(sys.argv[1]), sys.argv[2:]
    print(f"DuckDB {duckdb.__version__}")
    for scale_factor in scale_factors:
        connection = duckdb.connect()
        for table in TABLES:
            file = data / f"sf{scale_factor}" / f"{table}.parquet"
            connection.execute(f"create view {table} as select * from read_parquet('{file}')")
        folder = HERE / f"sf{scale_factor}"
        folder.mkdir(exist_ok=True)
        for number in range(1, 23):
            relation = connection.sql(query(number, float(scale_factor)))
            header = [f"{name}:{kind}" for name, kind in zip(relation.columns, relation.types)]
            rows = relation.fetchall()
            with open(folder / f"q{number}.csv", "w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(rows)
            print(f"sf{scale_factor} q{number}: {len(rows)} rows")


if __name__ == "__main__":
    main()
