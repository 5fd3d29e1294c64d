#!/usr/bin/env python3
"""Arrays beside NumPy, Dask and PyTorch: the same work in one process, in turns, with the answers compared.

    python benches/arrays.py                        all of it
    python benches/arrays.py --only sort,fft        some of the work
    python benches/arrays.py --part plans           planning alone; also: work, memory
    python benches/arrays.py --output figures.json

What is not installed, or not there yet, is said and left out; a wrong answer fails the bench. Each part that prints
memory runs in a process of its own, so that its peak is its own.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

GIB = 1 << 30
MIB = 1 << 20
# DLPack's number for it.
CUDA = 2
# Threads of other libraries may still be looking for work right after theirs is done.
REST_S = 0.02


def importable(name):
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        return None


class Library:
    """How a library holds an array, and how its answer becomes one of NumPy's."""

    def __init__(self, name, module, hold, compute, show):
        self.name, self.module, self.hold, self.compute, self.show = name, module, hold, compute, show


def libraries(threads):
    """Those that are installed, and what is not."""
    import numpy as np

    found = [Library("numpy", np, lambda a, chunks: a, lambda a: a, lambda a: a)]
    missing = {}
    sw = importable("swath")
    if sw is None:
        missing["swath"] = "the package is not installed"
    else:
        hold = lambda a, chunks: sw.from_array(a, chunks=chunks) if chunks else sw.asarray(a)

        def at(placement, work):
            """Runs work where it is to be measured, whatever the costs say."""
            sw.options.placement = placement
            return work()

        found.append(Library("swath", sw, hold, lambda a: at("host", a.compute), np.asarray))
        if at("device", (sw.zeros(4) + 1).persist).__dlpack_device__()[0] == CUDA:
            # What is held lies on the device, and so does what is computed: `persist` waits for it.
            there = lambda a, chunks: at("device", (sw.from_array(a) + 0).persist)
            keep = lambda a: at("device", a.persist)
            found.append(Library("swath cuda", sw, there, keep, lambda a: np.asarray(a.compute())))
    da = importable("dask.array")
    if da is None:
        missing["dask"] = "not installed"
    else:
        import dask

        dask.config.set(scheduler="threads", num_workers=threads)
        hold = lambda a, chunks: da.from_array(a, chunks=chunks or "auto")
        found.append(Library("dask", da, hold, lambda a: a.compute(), lambda a: a))
    torch = importable("torch")
    if torch is None:
        missing["torch"] = "not installed"
    else:
        torch.set_num_threads(threads)
        found.append(Library("torch", torch, lambda a, chunks: torch.from_numpy(a), lambda a: a, lambda a: a.numpy()))
        if torch.cuda.is_available():

            def on_device(a):
                torch.cuda.synchronize()
                return a

            hold = lambda a, chunks: torch.from_numpy(a).cuda()
            found.append(Library("torch cuda", torch, hold, on_device, lambda a: a.cpu().numpy()))
    cp = importable("cupy")
    if cp is not None:

        def finished(a):
            cp.cuda.Device().synchronize()
            return a

        found.append(Library("cupy", cp, lambda a, chunks: cp.asarray(a), finished, lambda a: cp.asnumpy(a)))
    return found, missing


# The work. Each takes the library's module, its name, and its arrays; what it returns is computed by the caller.


def chain(m, name, x, y):
    return m.exp(-x * x) * 0.5 + m.sqrt(m.abs(y)) - x / (y * y + 1.0)


def sum_rows(m, name, x):
    return m.sum(x, 0)


def sum_columns(m, name, x):
    return m.sum(x, 1)


def sum_all(m, name, x):
    return m.sum(x)


def add_transposed(m, name, x):
    return x + x.T


def deviation(m, name, x):
    if name.startswith("torch"):
        return m.std(x, 0, correction=0)
    return m.std(x, 0)


def product(m, name, x, y):
    return x @ y


def singular_values(m, name, x):
    """Singular vectors are computed too; signs are free, so the values are what is compared."""
    if name in ("numpy", "cupy"):
        return m.linalg.svd(x, full_matrices=False)[1]
    if name == "dask":
        import dask

        u, s, v = m.linalg.svd(x)
        return dask.delayed(lambda parts: parts[1])((u, s, v))
    u, s, v = m.linalg.svd(x, full_matrices=False)
    if name == "swath cuda":
        # The values need the vectors' factors, but not the vectors: these are asked for first.
        u.persist(), v.persist()
    return m.compute(u, s, v)[1] if name == "swath" else s


def five_points(block):
    """The mean of an element and its four neighbours; the edge stays."""
    out = block.copy()
    out[1:-1, 1:-1] += block[:-2, 1:-1]
    out[1:-1, 1:-1] += block[2:, 1:-1]
    out[1:-1, 1:-1] += block[1:-1, :-2]
    out[1:-1, 1:-1] += block[1:-1, 2:]
    out[1:-1, 1:-1] /= 5.0
    return out


def stencil(m, name, x):
    if name in ("numpy", "cupy"):
        return five_points(x)
    if name.startswith("torch"):
        return five_points_torch(m, x)
    if name == "dask":
        return m.map_overlap(five_points, x, depth=1, boundary="none", dtype=x.dtype)
    if name == "swath":
        return m.map_overlap(five_points, x, depth=1, boundary="none")
    # The same neighbours by slices: no Python runs on a device.
    middle = x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    rows = m.concatenate([x[1:-1, :1], middle / 5.0, x[1:-1, -1:]], axis=1)
    return m.concatenate([x[:1], rows, x[-1:]], axis=0)


def five_points_torch(m, block):
    out = block.clone()
    middle = out[1:-1, 1:-1]
    middle += block[:-2, 1:-1]
    middle += block[2:, 1:-1]
    middle += block[1:-1, :-2]
    middle += block[1:-1, 2:]
    middle /= 5.0
    return out


def sort(m, name, x):
    if name.startswith("torch"):
        return m.sort(x, dim=-1).values
    if name == "dask":
        import numpy as np

        # Dask has no sort; rows lie whole in chunks, so that NumPy's does it chunk by chunk.
        return x.map_blocks(np.sort, dtype=x.dtype)
    return m.sort(x, axis=-1)


def rechunk(m, name, *columns):
    """Columns that lie apart become slabs of rows."""
    if name.startswith("torch"):
        return m.cat(columns, 1)
    whole = m.concatenate(columns, axis=1)
    if name.startswith(("dask", "swath")):
        whole = whole.rechunk((whole.shape[0] // 32, whole.shape[1]))
    return whole


def fft(m, name, x):
    return m.fft.fft(x)


def work(scale):
    """Name, function, inputs, and Dask's and Swath's chunks; made when they are needed."""
    import numpy as np

    rng = np.random.default_rng(7)
    side = lambda n: max(64, int(n * scale**0.5) // 64 * 64)
    normal = lambda *shape: rng.normal(size=shape)
    n = side(4096)
    tiles, rows = (n // 4, n // 4), (n // 8, -1)
    square = [None]

    def shared():
        if square[0] is None:
            square[0] = normal(n, n)
        return square[0]

    tall = max(4096, int(200_000 * scale))
    p = side(2048)
    return [
        ("elementwise chain", chain, lambda: [shared(), normal(n, n)], tiles),
        ("sum, axis 0", sum_rows, lambda: [shared()], tiles),
        ("sum, axis 1", sum_columns, lambda: [shared()], tiles),
        ("sum, all", sum_all, lambda: [shared()], tiles),
        ("x + x.T", add_transposed, lambda: [shared()], tiles),
        ("std, axis 0", deviation, lambda: [shared()], tiles),
        ("matmul", product, lambda: [normal(p, p), normal(p, p)], (p // 4, p // 4)),
        ("tall-skinny svd", singular_values, lambda: [normal(tall, 50)], (tall // 8, -1)),
        ("map_overlap stencil", stencil, lambda: [shared()], (n // 16, -1)),
        ("sort", sort, lambda: [shared()], rows),
        ("rechunk columns to slabs", rechunk, lambda: [normal(n, n // 32) for _ in range(32)], (n, n // 32)),
        ("fft", fft, lambda: [shared()[: n // 2]], rows),
    ]


# Arrays of the first input's size that have to be read or written, where that is what takes the time.
ARRAYS_MOVED = {
    "elementwise chain": 3,
    "sum, axis 0": 1,
    "sum, axis 1": 1,
    "sum, all": 1,
    "x + x.T": 2,
    "std, axis 0": 1,
    "rechunk columns to slabs": 64,
}


def close(answer, expected):
    """Whether all elements agree, relative to the largest; an answer that has other shapes does not."""
    import numpy as np

    answer = np.asarray(answer)
    if answer.shape != expected.shape:
        return f"shape {answer.shape} where {expected.shape} is right"
    scale = float(np.max(np.abs(expected))) or 1.0
    worst = float(np.max(np.abs(answer - expected))) / scale
    return None if worst < 1e-10 else f"off by {worst:.1e} of the largest value"


def measure_work(arguments):
    import numpy as np

    known, missing = libraries(arguments.threads)
    for name, why in missing.items():
        print(f"left out: {name}: {why}")
    names = [library.name for library in known]
    print(f"\nSeconds: median of {arguments.rounds} rounds, best in brackets; libraries take turns.\n")
    ratios = [("swath", "numpy"), ("swath", "dask"), ("swath cuda", "torch cuda"), ("swath cuda", "cupy")]
    ratios = [pair for pair in ratios if set(pair) <= set(names)]
    print("| work | " + " | ".join(names + [f"{ours} / {theirs}" for ours, theirs in ratios]) + " |")
    print("|---|" + "---|" * (len(names) + len(ratios)))
    figures, wrong = [], []
    for title, function, make, chunks in work(arguments.scale):
        if arguments.only and not any(part in title for part in arguments.only):
            continue
        values = make()
        held, times, notes = {}, {}, {}
        expected = None
        for library in known:
            try:
                held[library.name] = [library.hold(value, chunks) for value in values]
                answer = library.compute(function(library.module, library.name, *held[library.name]))
                answer = library.show(answer)
            except Exception as error:  # Whatever a library cannot do is a note, not the end.
                notes[library.name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                continue
            if library.name == "numpy":
                expected = np.asarray(answer)
            elif (why := close(answer, expected)) is not None:
                wrong.append(f"{title}: {library.name}: {why}")
                notes[library.name] = f"wrong: {why}"
                continue
            del answer
            times[library.name] = []
        for _ in range(arguments.rounds):
            for library in known:
                if library.name not in times:
                    continue
                time.sleep(REST_S)
                began = time.perf_counter()
                answer = library.compute(function(library.module, library.name, *held[library.name]))
                times[library.name].append(time.perf_counter() - began)
                del answer
        medians = {name: statistics.median(taken) for name, taken in times.items()}

        def cell(name):
            return f"{medians[name]:.4f} ({min(times[name]):.4f})" if name in medians else "–"

        def ratio(pair):
            ours, theirs = (medians.get(name) for name in pair)
            return f"{ours / theirs:.2f}" if ours and theirs else "–"

        print(f"| {title} | " + " | ".join([*map(cell, names), *map(ratio, ratios)]) + " |", flush=True)
        for name, note in notes.items():
            print(f"|   {name}: {note} |", flush=True)
        best = {name: min(taken) for name, taken in times.items()}
        figures.append({"work": title, "median_s": medians, "best_s": best, "notes": notes})
        if title in ARRAYS_MOVED and "swath cuda" in best:
            figures[-1]["bytes"] = ARRAYS_MOVED[title] * values[0].nbytes
    if copied := device_copy(known):
        print(f"\nOn the device a copy moves {copied / 1e9:.0f} GB/s, read and written. Of that:\n")
        for figure in figures:
            for name in figure["best_s"] if "bytes" in figure else ():
                if name in ("swath cuda", "torch cuda", "cupy"):
                    share = figure["bytes"] / figure["best_s"][name] / copied
                    print(f"- {figure['work']}, {name}: {100 * share:.0f} %")
        figures.append({"work": "copy on the device", "bytes_per_s": copied})
    return figures, wrong


def device_copy(known):
    """The bytes that PyTorch's or CuPy's copy moves in a second, at best."""
    library = next((library for library in known if library.name in ("torch cuda", "cupy")), None)
    if library is None:
        return None
    import numpy as np

    held = library.hold(np.ones(GIB // 8), None)
    copy = held.clone if library.name == "torch cuda" else held.copy
    taken = []
    for _ in range(10):
        library.compute(held)
        began = time.perf_counter()
        library.compute(copy())
        taken.append(time.perf_counter() - began)
    return 2 * GIB / min(taken)


# Parts that run in processes of their own.


def peak_bytes():
    """The most memory that this process had; `getrusage` would tell the parent's where that was more."""
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def plan_once(library, count):
    """Builds and plans an expression over `count` chunks; returns seconds for each."""
    side = int(round(count**0.5))
    shape, chunks = (1000 * side, 1000 * side), (1000, 1000)
    if library == "dask":
        import dask.array as m
    else:
        import swath as m
    m.zeros((4, 4), chunks=(2, 2)).sum().compute()
    before = resident_bytes()
    taken = []
    for _ in range(5 if library == "swath" else 1):
        began = time.perf_counter()
        x = m.ones(shape, chunks=chunks)
        y = ((x + 1.0) * 2.0 - x.T).sum(axis=0)
        built = time.perf_counter()
        if library == "dask":
            # What it does before the first task runs.
            import dask

            (planned,) = dask.optimize(y)
            dict(planned.__dask_graph__())
        else:
            y.explain()
        taken.append((built - began, time.perf_counter() - built))
    best = min(taken, key=sum)
    return {"build_s": best[0], "plan_s": best[1], "grown_bytes": max(0, peak_bytes() - before)}


def reduce_lazily(limit):
    """20 GiB of random numbers, made chunk by chunk, reduced in `limit`."""
    import swath as sw

    sw.set_options(memory_limit=limit)
    shape = (51_200, 52_429)
    x = sw.random.default_rng(1).random(shape)
    began = time.perf_counter()
    mean = float((x * 2.0 + 1.0).mean())
    taken = time.perf_counter() - began
    right = abs(mean - 2.0) < 1e-4
    return {"seconds": taken, "bytes": shape[0] * shape[1] * 8, "answer": mean, "right": right}


def rechunk_large(limit):
    """An array of twice the limit, in chunks of columns, kept; then in slabs of rows, kept; one must be the other."""
    import swath as sw

    sw.set_options(memory_limit=limit)
    side = int((2 * limit / 8) ** 0.5) // 64 * 64
    x = sw.random.default_rng(2).random((side, side), chunks=(side, side // 64))
    began = time.perf_counter()
    columns = x.persist()
    slabs = columns.rechunk((side // 64, side)).persist()
    taken = time.perf_counter() - began
    right = float(sw.max(sw.abs(slabs - x))) == 0.0
    return {"seconds": taken, "bytes": side * side * 8, "answer": float(slabs[side - 1, 0]), "right": right}


def multiply_large(limit):
    """A product of which operands and result together are three times, and two operands twice, the limit."""
    import numpy as np
    import swath as sw

    sw.set_options(memory_limit=limit)
    side = int((limit / 8) ** 0.5) // 64 * 64
    rng = sw.random.default_rng(3)
    a, b = rng.random((side, side)).persist(), rng.random((side, side)).persist()
    began = time.perf_counter()
    c = (a @ b).persist()
    taken = time.perf_counter() - began
    # Column sums of a product are those of the left operand, times the right.
    expected = np.asarray((sw.sum(a, axis=0) @ b).compute())
    found = np.asarray(sw.sum(c, axis=0).compute())
    right = bool(np.allclose(found, expected, rtol=1e-9))
    flops = 2.0 * side**3 / taken
    return {"seconds": taken, "bytes": side * side * 16, "answer": flops, "right": right}


MEMORY = {
    "20 GiB reduced in 1 GiB": (reduce_lazily, GIB),
    "rechunk of twice 512 MiB": (rechunk_large, 512 * MIB),
    "matmul of twice 256 MiB": (multiply_large, 256 * MIB),
}


def alone(part, *values, seconds):
    """Runs a part of this file in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--alone", part, *map(str, values)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"missing": f"not done in {seconds} s"}
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines() or [f"ended with {run.returncode}"]
        return {"missing": lines[-1][:160]}
    return json.loads(run.stdout.splitlines()[-1])


def run_alone(part, values):
    if part == "plan":
        figures = plan_once(values[0], int(values[1]))
    else:
        function, limit = MEMORY[values[0]]
        import swath

        swath.zeros((4, 4)).sum().compute()
        idle = peak_bytes()
        figures = function(limit)
        figures.update(limit_bytes=limit, peak_bytes=peak_bytes(), idle_bytes=idle)
    print(json.dumps(figures))


def measure_plans(arguments):
    print("\nBuilding and planning ((x + 1) * 2 - x.T).sum(axis=0), each in a process of its own:\n")
    print("| chunks | library | build | plan | memory grown by |")
    print("|---|---|---|---|---|")
    figures = []
    for count in (100, 10_000, 1_000_000):
        for library in ("swath", "dask"):
            if library == "dask" and count > 10_000 and not arguments.patient:
                print(f"| {count:,} | dask | – | – | its graph has several million tasks; --patient measures it |")
                continue
            found = alone("plan", library, count, seconds=600)
            figures.append({"chunks": count, "library": library, **found})
            if "missing" in found:
                print(f"| {count:,} | {library} | – | – | {found['missing']} |", flush=True)
                continue
            build, plan, grown = found["build_s"] * 1e3, found["plan_s"] * 1e3, found["grown_bytes"] / MIB
            print(f"| {count:,} | {library} | {build:.2f} ms | {plan:.2f} ms | {grown:.1f} MiB |", flush=True)
    return figures


def measure_memory(arguments):
    print("\nWithin a memory limit, each in a process of its own:\n")
    print("| work | limit | peak RSS | idle RSS | seconds | right |")
    print("|---|---|---|---|---|---|")
    figures, wrong = [], []
    for title in MEMORY:
        found = alone("memory", title, seconds=arguments.patience)
        figures.append({"work": title, **found})
        if "missing" in found:
            print(f"| {title} | – | – | – | – | {found['missing']} |", flush=True)
            continue
        if not found["right"]:
            wrong.append(f"{title}: the answer is {found['answer']}")
        sizes = [found[key] / MIB for key in ("limit_bytes", "peak_bytes", "idle_bytes")]
        cells = " | ".join(f"{size:.0f} MiB" for size in sizes)
        print(f"| {title} | {cells} | {found['seconds']:.1f} | {'yes' if found['right'] else 'NO'} |", flush=True)
    return figures, wrong


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = {"python": platform.python_version()}
    for name in ("numpy", "dask", "torch", "cupy", "swath"):
        module = importable(name)
        if module is not None:
            versions[name] = str(getattr(module, "__version__", "?"))
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "versions": versions}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=lambda text: text.split(","), help="parts of names of work, comma-separated")
    parser.add_argument("--part", choices=("work", "plans", "memory"), action="append", help="one part; may be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the elements; 1 is 128 MiB for most work")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--patient", action="store_true", help="let Dask plan 1,000,000 chunks")
    parser.add_argument("--patience", type=int, default=900, help="seconds for each part within a memory limit")
    parser.add_argument("--output", help="a JSON file for the figures")
    parser.add_argument("--alone", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        return run_alone(arguments.alone[0], arguments.alone[1:])
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(variable, str(arguments.threads))
    found = {"machine": machine(), "rounds": arguments.rounds, "scale": arguments.scale, "threads": arguments.threads}
    described = found["machine"]
    print(f"{described['cpu']}, {arguments.threads} of {described['cores']} cores; {described['versions']}")
    parts = arguments.part or ["work", "plans", "memory"]
    wrong = []
    if "work" in parts:
        found["work"], more = measure_work(arguments)
        wrong += more
    if "plans" in parts:
        found["plans"] = measure_plans(arguments)
    if "memory" in parts:
        found["memory"], more = measure_memory(arguments)
        wrong += more
    found["wrong"] = wrong
    if arguments.output:
        with open(arguments.output, "w") as file:
            json.dump(found, file, indent=1)
    for why in wrong:
        print(f"WRONG: {why}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
