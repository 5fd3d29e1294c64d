#!/usr/bin/env bash
# Tests and measures Swath on this machine's GPU, in one call. Lies in a bundle that `cargo xtask gpu-bundle` made and
# needs only that bundle, the NVIDIA driver, NVRTC and python3 (for arrays with NumPy); benches/README.md says how to use it.
#
# A step that fails is reported and the next one runs; the exit code says at the end whether all went well.
#
#   OUT                where results go (./gpu-results)
#   GPU_SECONDS        time for everything; each step gets what is left (540)
#   GPU_SCALE_FACTORS  of `swath bench tpch`, one after the other; the last is also that of `swath bench device` (1 10)
#   GPU_QUERIES        queries of `swath bench tpch`, such as 1,6 (all)
#   GPU_ITERATIONS     hot runs of each query of `swath bench tpch` (3)
#   GPU_DATA           a folder with TPC-H data, or for it (made, and removed at the end)
#   GPU_ROWS           rows of `swath bench operators` (1e7)
#   GPU_SCALE          of `arrays.py`, from the bundle of arrays: 8 is 1 GiB for most work (8)
#   GPU_TESTS          modules of tests to run (operators differential joins sort window aggregates strings tensor arrays array_stages products solvers transforms tpch_device)
set -uo pipefail

bundle=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-./gpu-results}
seconds_max=${GPU_SECONDS:-540}
scale_factors=${GPU_SCALE_FACTORS:-1 10}
tests=${GPU_TESTS:-operators differential joins sort window aggregates strings tensor arrays array_stages products solvers transforms tpch_device}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
data=${GPU_DATA:-$work/data}
commit=$(cat "$bundle/COMMIT" 2>/dev/null || echo unknown)
date=$(date -u +%Y-%m-%d)
log=$out/log.txt
summary=$out/summary.txt
: >"$log"
: >"$summary"
failures=0
# Seconds kept for the last step, which puts the figures together.
reserve=20

# Kernels and data of this run alone: nothing is warm, and nothing stays.
mkdir -p "$work/tmp" "$work/bin"
export TMPDIR=$work/tmp XDG_CACHE_HOME=$work/cache
unset SWATH_KERNEL_DUMP

say() {
    echo "$*" | tee -a "$summary" "$log"
}

# Puts what a step printed into the summary.
note() {
    sed 's/^/    /' "$work/step.txt" | tail -n "${1:-40}" | tee -a "$summary"
}

# step NAME SECONDS COMMAND…: runs a program or one of the functions below for at most that long and within the time
# left. What it prints goes to the log and to $work/step.txt, how it ended to the summary.
step() {
    local name=$1 limit=$2 left=$((seconds_max - reserve - SECONDS)) begin=$SECONDS code
    shift 2
    printf '\n==> %s\n' "$name" >>"$log"
    : >"$work/step.txt"
    if [ "$left" -lt 5 ]; then
        failures=$((failures + 1))
        say "FAIL  $name: no time is left"
        return 1
    fi
    [ "$limit" -le "$left" ] || limit=$left
    # `timeout` starts programs: another bash, to which the functions were exported.
    timeout --kill-after=10 "$limit" bash -uo pipefail -c '"$@"' step "$@" >"$work/step.txt" 2>&1 </dev/null
    code=$?
    cat "$work/step.txt" >>"$log"
    case $code in
    0)
        say "ok    $name: $((SECONDS - begin)) s"
        return 0
        ;;
    124 | 137) say "FAIL  $name: stopped after $limit s" ;;
    *) say "FAIL  $name: exit code $code after $((SECONDS - begin)) s" ;;
    esac
    failures=$((failures + 1))
    note 15
    return 1
}

# expand PACKED FILE
expand() {
    if command -v xz >/dev/null; then
        xz --decompress --stdout "$1" >"$2"
    else
        python3 -c 'import lzma, shutil, sys
shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$1" "$2"
    fi
}

unpack() {
    local name
    for name in swath suite; do
        expand "$bundle/$name.xz" "$work/bin/$name" || return 1
        chmod +x "$work/bin/$name"
    done
    "$work/bin/swath" --version
}

# Puts the Python package where PYTHONPATH leads.
unpack_package() {
    cp -r "$bundle/swath" "$work/package/" || return 1
    expand "$bundle/swath/_swath.abi3.so.xz" "$work/package/swath/_swath.abi3.so" || return 1
    python3 -c 'import swath; print(swath.__version__)'
}

# Fails unless arrays can be computed on a device.
check_package() {
    python3 -c 'import swath
swath.options.placement, swath.options.fallback = "device", "error"
kept = (swath.zeros(4) + 1).persist()
print(kept.receipt, kept.__dlpack_device__())'
}

bench_arrays() {
    python3 "$bundle/arrays.py" --part work --scale "${GPU_SCALE:-8}" --rounds 9 --output "$out/arrays.json"
}

# Whether `swath doctor` lists a device.
has_device() {
    "$work/bin/swath" doctor --json 2>/dev/null |
        python3 -c 'import json, sys; sys.exit(not json.load(sys.stdin)["devices"])'
}

# Prints where a driver lies that has devices; nothing where swath finds one by itself, or there is none.
find_driver() {
    local folder
    has_device && return
    for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib/wsl/lib; do
        if [ -e "$folder/libcuda.so.1" ] && SWATH_DRIVER=$folder/libcuda.so.1 has_device; then
            echo "$folder/libcuda.so.1"
            return
        fi
    done
}

# Whether `swath doctor` has nothing to complain of.
is_healthy() {
    "$work/bin/swath" doctor --json 2>/dev/null |
        python3 -c 'import json, sys; sys.exit(bool(json.load(sys.stdin)["problems"]))'
}

# Prints where an NVRTC lies that goes with the driver; nothing where swath finds one by itself, or none is right.
find_nvrtc() {
    local wheels folder candidate
    is_healthy && return
    wheels=$(python3 -c 'import os, sys
for entry in sys.path:
    for name in ("cu13", "cuda_nvrtc"):
        print(os.path.join(entry, "nvidia", name, "lib"))')
    for folder in /usr/local/cuda*/lib64 $wheels; do
        for candidate in "$folder"/libnvrtc.so.1[23]; do
            if [ -e "$candidate" ] && SWATH_NVRTC=$candidate is_healthy; then
                echo "$candidate"
                return
            fi
        done
    done
}

# Fails unless there are a driver, NVRTC and a device, whose name it leaves in $work/gpu.txt.
check_device() {
    "$work/bin/swath" doctor && "$work/bin/swath" doctor --json >"$work/doctor.json" || return 1
    python3 - "$work/doctor.json" "$work/gpu.txt" <<'PYTHON'
import json, sys

report = json.load(open(sys.argv[1]))
if not report["devices"] or not report["nvrtc"]["version"]:
    sys.exit("no device can be used: " + "; ".join(problem["what"] for problem in report["problems"]))
open(sys.argv[2], "w").write(report["devices"][0]["name"] + "\n")
PYTHON
}

driver_version() {
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
}

# test_module NAME: runs the tests of a module, none of which injects a fault, on the real device. Fails if one
# failed or was ignored, or if none ran.
test_module() {
    local outcome code=0
    cd "$work/tmp" || return 1
    SWATH_TEST_REAL_DEVICE=1 "$work/bin/suite" "$1::" >"$work/$1.txt" 2>&1 || code=1
    cat "$work/$1.txt"
    outcome=$(grep '^test result:' "$work/$1.txt" | tail -n 1)
    case $outcome in
    "test result: ok. 0 passed"*)
        echo "no test ran"
        return 1
        ;;
    "test result: ok. "*" 0 failed; 0 ignored;"*) return $code ;;
    *)
        echo "not every test ran and passed"
        return 1
        ;;
    esac
}

find_sanitizer() {
    local candidate
    for candidate in compute-sanitizer /usr/local/cuda*/bin/compute-sanitizer \
        /usr/local/cuda*/compute-sanitizer/compute-sanitizer; do
        if command -v "$candidate"; then
            return
        fi
    done
}

# sanitize TOOL: runs two tests under compute-sanitizer, which exits with 99 where it finds something.
sanitize() {
    cd "$work/tmp" || return 1
    SWATH_TEST_REAL_DEVICE=1 "$sanitizer" --tool "$1" --error-exitcode 99 --target-processes all \
        "$work/bin/suite" --exact --test-threads 1 operators::materialize_keeps_order_and_strings \
        operators::groups_come_in_the_order_of_their_first_rows >"$work/sanitizer.txt" 2>&1
    local code=$?
    cat "$work/sanitizer.txt"
    grep -q '^test result: ok. 2 passed' "$work/sanitizer.txt" || return 1
    return $code
}

bench_device() {
    "$work/bin/swath" bench device --scale-factor "$1" --data "$data" --output "$out/device.json"
}

bench_tpch() {
    local arguments=(--scale-factor "$1" --iterations "${GPU_ITERATIONS:-3}" --data "$data")
    arguments+=(--output "$out/tpch-sf$1.json")
    [ -z "${GPU_QUERIES:-}" ] || arguments+=(--queries "$GPU_QUERIES")
    "$work/bin/swath" bench tpch "${arguments[@]}"
}

# Puts the figures into one file, named as benches/results keeps them.
collect() {
    python3 - "$out" "$date" "$gpu" "$driver" "$commit" <<'PYTHON'
import json, os, re, sys

out, date, gpu, driver, commit = sys.argv[1:]
report = {"date": date, "gpu": gpu, "driver": driver, "commit": commit}
parts = sorted(name for name in os.listdir(out) if re.fullmatch(r"(arrays|costs|device|operators|tpch-sf[0-9.]+)\.json", name))
if not parts:
    sys.exit("there are no figures")
for part in parts:
    with open(os.path.join(out, part)) as file:
        report[part.removesuffix(".json")] = json.load(file)
gpu_in_name = re.sub("[^a-z0-9]+", "-", gpu.lower()).strip("-")
arrays = "-arrays" if "arrays.json" in parts else ""
whole = f"{date}-{gpu_in_name}{arrays}-{commit}.json"
with open(os.path.join(out, whole), "w") as file:
    json.dump(report, file, indent=1)
    file.write("\n")
for part in parts:
    os.remove(os.path.join(out, part))
print(whole)
PYTHON
}

# One round of each case: the answers are checked, and the best of few says what a kernel can.
bench_operators() {
    "$work/bin/swath" bench operators --rows "${GPU_ROWS:-1e7}" --rounds 3 --output "$out/operators.json"
}

# What `auto` decides by, on this card: written beside the figures, and used by nothing here.
calibrate() {
    "$work/bin/swath" calibrate --output "$out/costs.json"
}

export -f bench_operators calibrate expand unpack_package check_package bench_arrays
export -f unpack check_device driver_version test_module sanitize bench_device bench_tpch collect
export bundle work out data date commit
rm -f "$out"/{arrays,costs,device,operators}.json "$out"/tpch-sf*.json

say "Swath $commit, $date"
# The bundle of arrays has the Python package in place of the programs.
if [ -e "$bundle/arrays.py" ]; then
    mkdir -p "$work/package"
    export PYTHONPATH=$work/package${PYTHONPATH:+:$PYTHONPATH}
    step "unpack the package" 120 unpack_package || exit 1
    [ -n "${SWATH_DRIVER:-}" ] || [ ! -e /usr/local/nvidia/lib64/libcuda.so.1 ] ||
        export SWATH_DRIVER=/usr/local/nvidia/lib64/libcuda.so.1
    step "arrays on a device" 60 check_package || exit 1
    note
    export gpu=unknown driver=none
    if command -v nvidia-smi >/dev/null; then
        step "nvidia-smi" 30 driver_version && note && driver=$(head -n 1 "$work/step.txt") && gpu=${driver%%,*}
    fi
    step "bench arrays" 500 bench_arrays && note 60
    reserve=0
    step "figures in one file" 30 collect && note
    [ "$failures" -eq 0 ] || { say "FAILED: $failures steps"; exit 1; }
    say "all steps succeeded on $gpu in $SECONDS s"
    exit 0
fi
# Without the programs or a device there is nothing to try.
step "unpack" 60 unpack || exit 1
if [ -z "${SWATH_DRIVER:-}" ]; then
    found=$(find_driver)
    [ -z "$found" ] || export SWATH_DRIVER=$found
fi
if [ -z "${SWATH_NVRTC:-}" ]; then
    found=$(find_nvrtc)
    [ -z "$found" ] || export SWATH_NVRTC=$found
fi
step "device" 60 check_device || exit 1
note
export gpu driver sanitizer
gpu=$(cat "$work/gpu.txt")
driver=none
if command -v nvidia-smi >/dev/null; then
    step "nvidia-smi" 30 driver_version && note && driver=$(head -n 1 "$work/step.txt")
else
    say "      no nvidia-smi"
fi
case ${gpu,,} in
*simulat*) say "      SIMULATED: this proves the script, and no figure means anything" ;;
esac

for module in $tests; do
    step "tests of $module on $gpu" 150 test_module "$module"
    grep '^test result:' "$work/step.txt" | sed 's/^/    /' | tee -a "$summary"
done

sanitizer=$(find_sanitizer)
if [ -n "$sanitizer" ]; then
    step "compute-sanitizer memcheck" 60 sanitize memcheck
else
    say "      no compute-sanitizer"
fi

largest=${scale_factors##* }
step "bench device, scale factor $largest" 200 bench_device "$largest" && note
# Small ones first: they are quick, and their answers are checked against DuckDB's.
for scale_factor in $scale_factors; do
    step "bench tpch, scale factor $scale_factor" 400 bench_tpch "$scale_factor" && note 50
done
step "bench operators" 150 bench_operators && note
step "calibrate" 120 calibrate && note
if [ -n "$sanitizer" ] && [ $((seconds_max - reserve - SECONDS)) -gt 20 ]; then
    step "compute-sanitizer racecheck" 60 sanitize racecheck
fi
reserve=0
step "figures in one file" 30 collect && note

if [ "$failures" -gt 0 ]; then
    say "FAILED: $failures steps, on $gpu, after $SECONDS s"
    exit 1
fi
say "all steps succeeded on $gpu in $SECONDS s"
