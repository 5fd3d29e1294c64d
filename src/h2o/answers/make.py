#!/usr/bin/env python3
"""Makes checksums of DuckDB's answers, over the very files that `swath generate h2o` writes.

    python3 -m venv /tmp/duckdb && /tmp/duckdb/bin/pip install duckdb
    cargo run --release -- generate h2o --rows 1e4 --groups 10         (and with --nulls 5; and 1e5 rows, 100 groups)
    /tmp/duckdb/bin/python src/h2o/answers/make.py data/h2o G1_1e4_1e1_0_0 J1_1e4_NA_0_0 …

Writes <name>.csv beside this script: question, rows, checksum, and a weighted sum for each column with a fraction.
"""

import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))

from digest import digest  # noqa: E402


def main() -> None:
    data, names = Path(sys.argv[1]), sys.argv[2:]
    print(f"DuckDB {duckdb.__version__}")
    for name in names:
        connection = duckdb.connect()
        for file in sorted((data / name).glob("*.parquet")):
            connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
        # Joins count from 11, as in `query.rs`.
        if name.startswith("G1"):
            questions = [(n, f"q{n}") for n in range(1, 11)]
        else:
            questions = [(10 + n, f"j{n}") for n in range(1, 6)]
        lines = []
        for number, question in questions:
            relation = connection.sql((HERE.parent / "queries" / f"{question}.sql").read_text())
            # A correlation where one side does not vary: null by the standard and in DataFusion, NaN in DuckDB.
            lines.append(f"{number},{digest(relation, nan_is_null=True)}\n")
            print(f"{name} {question}: {lines[-1].split(',')[1]} rows")
        (HERE / f"{name}.csv").write_text("".join(lines))


if __name__ == "__main__":
    main()
