//! The worker: kernels run, memory is bounded, and no task's end is another's.

use std::sync::Arc;
use std::sync::mpsc::channel;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::executor::block_on;
use swath::column::{DeviceTable, StagedChunk};
use swath::config::Config;
use swath::device::{DeviceBuffer, KernelSource};
use swath::worker::{CancelToken, Kernel, Task, Worker, Workers};
use swath::{Error, Result};

use crate::simulator::{Exclusive, FAULTY, exclusive, exclusive_with, kernel_folder};

const BLOCK: u32 = 128;

/// Writes `first + index` to each of `count` numbers.
fn count_up() -> KernelSource {
    let text = r#"
        struct Params { long long* out; long long count; long long first; };
        extern "C" __global__ void count_up(const Params p) {
            long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            if (i < p.count) p.out[i] = p.first + i;
        }"#;
    KernelSource::new("count_up", text, vec!["count_up".to_string()])
}

fn launch_count_up(task: &mut Task<'_>, out: &DeviceBuffer, count: usize, first: i64) -> Result<()> {
    let kernel = task.kernel(&count_up())?;
    launch(task, &kernel, out, count, first)
}

fn launch(task: &mut Task<'_>, kernel: &Kernel, out: &DeviceBuffer, count: usize, first: i64) -> Result<()> {
    let parameters = [out.address() as i64, count as i64, first].map(i64::to_le_bytes).concat();
    let grid = (count as u32).div_ceil(BLOCK).max(1);
    task.launch(kernel.function("count_up")?, grid, BLOCK, 0, &parameters)
}

/// Fills a new buffer by a kernel and reads it back.
fn counted(task: &mut Task<'_>, count: usize, first: i64) -> Result<Vec<i64>> {
    let out = task.alloc(count * 8)?;
    launch_count_up(task, &out, count, first)?;
    let bytes = task.read(&out, 0, count * 8)?;
    Ok(bytes.chunks_exact(8).map(|value| i64::from_le_bytes(value.try_into().unwrap())).collect())
}

fn run<R: Send + 'static>(
    worker: &Worker,
    work: impl FnOnce(&mut Task<'_>) -> Result<R> + Send + 'static,
) -> Result<R> {
    block_on(worker.run("test", CancelToken::new(), work))
}

/// Asserts that the worker does its work.
fn assert_works(worker: &Worker) {
    let values = run(worker, |task| counted(task, 300, 7)).unwrap();
    assert_eq!(values, (7..307).collect::<Vec<i64>>());
}

fn table(task: &mut Task<'_>, rows: i64) -> Result<DeviceTable> {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let values: Int64Array = (0..rows).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]).unwrap();
    let staged = StagedChunk::stage(&schema, &[batch], task.pinned_pool())?;
    Ok(DeviceTable { schema, chunks: vec![Arc::new(task.upload(staged)?)] })
}

fn limited(bytes: u64) -> Exclusive {
    exclusive_with(FAULTY, false, Config { device_memory_limit: Some(bytes), ..Config::default() })
}

#[test]
fn a_kernel_runs_and_is_counted() {
    for lazy in [false, true] {
        let device = exclusive(FAULTY, lazy);
        let launched_before = device.simulator.launches(FAULTY);
        let (values, stats) = run(device.worker(), |task| {
            let values = counted(task, 1000, -5)?;
            counted(task, 1000, 5)?;
            task.synchronize()?;
            Ok((values, task.stats()))
        })
        .unwrap();
        assert_eq!(values, (-5..995).collect::<Vec<i64>>());
        assert_eq!(device.simulator.launches(FAULTY) - launched_before, 2);
        assert_eq!(stats.kernels_launched, 2);
        assert_eq!(stats.kernels_compiled + stats.cache_hits, 2);
        assert_eq!(stats.bytes_down, 16_000);
        assert!(stats.peak_bytes >= 8_000 && stats.peak_bytes < 16_000, "{}", stats.peak_bytes);
        assert!(!stats.kernel_time.is_zero());
    }
}

#[test]
fn small_data_goes_up_and_buffers_are_filled_and_copied() {
    let device = exclusive(FAULTY, true);
    let (written, filled) = run(device.worker(), |task| {
        let source = task.write(b"literals")?;
        let target = task.alloc_filled(20, 0xab)?;
        task.copy(&target, &source, 4)?;
        Ok((task.read(&source, 3, 5)?, task.read(&target, 0, 32)?))
    })
    .unwrap();
    assert_eq!(written, b"erals");
    assert_eq!(filled[..4], *b"lite");
    assert!(filled[4..].iter().all(|byte| *byte == 0xab), "the rounding is filled too");
}

#[test]
fn a_compiled_kernel_is_found_again_and_a_damaged_one_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let counts = || {
        let config = Config { cache_dir: Some(folder.path().to_path_buf()), ..Config::default() };
        let device = exclusive_with(FAULTY, false, config);
        assert_works(device.worker());
        let stats = run(device.worker(), |task| {
            task.kernel(&count_up())?;
            Ok(task.stats())
        });
        assert_eq!(stats.unwrap().cache_hits, 1, "loaded before");
        let first = device.workers.first().unwrap();
        (count_entries(folder.path()), first.cache_warning())
    };
    assert_eq!(counts(), (1, None));
    let compiled = |config: &Config| {
        let device = exclusive_with(FAULTY, false, config.clone());
        let stats = run(device.worker(), |task| {
            let values = counted(task, 10, 0)?;
            assert_eq!(values, (0..10).collect::<Vec<i64>>());
            Ok(task.stats())
        });
        stats.unwrap().kernels_compiled
    };
    let config = Config { cache_dir: Some(folder.path().to_path_buf()), ..Config::default() };
    assert_eq!(compiled(&config), 0, "found on disk");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(compiled(&config), 1, "damaged");
    assert_eq!(compiled(&config), 0, "replaced");
}

fn count_entries(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_folder_that_cannot_be_written_costs_only_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, b"").unwrap();
    let device = exclusive_with(FAULTY, false, Config { cache_dir: Some(file), ..Config::default() });
    assert_works(device.worker());
    assert!(device.worker().cache_warning().unwrap().contains("a file"));
}

#[test]
fn source_that_does_not_compile_is_a_bug_with_the_log() {
    let device = exclusive(FAULTY, false);
    let source =
        KernelSource::new("broken", "extern \"C\" __global__ void f() { undeclared(); }", vec!["f".into()]);
    let error = run(device.worker(), move |task| task.kernel(&source)).unwrap_err();
    assert!(error.is_bug());
    assert!(error.to_string().contains("broken") && error.to_string().contains("undeclared"), "{error}");
    assert_works(device.worker());
}

#[test]
fn parameters_have_a_limit() {
    let device = exclusive(FAULTY, false);
    let error = run(device.worker(), |task| {
        let kernel = task.kernel(&count_up())?;
        task.launch(kernel.function("count_up")?, 1, 32, 0, &[0; 4097])
    });
    assert!(error.unwrap_err().is_unsupported());
}

#[test]
fn memory_beyond_the_limit_is_refused_with_the_numbers() {
    let device = limited(1 << 20);
    let error = run(device.worker(), |task| task.alloc(2 << 20)).unwrap_err();
    assert!(error.is_out_of_memory());
    for part in ["device 1", "2097152 bytes asked", "1048576 free", "swath.device_memory_limit"] {
        assert!(error.to_string().contains(part), "'{part}' in: {error}");
    }
    assert_eq!(device.worker().memory_limit(), 1 << 20);
    assert_works(device.worker());
}

#[test]
fn a_device_with_less_memory_than_it_said_is_out_of_memory_cleanly() {
    let device = exclusive(FAULTY, false);
    device.simulator.set_memory_limit(FAULTY, 1 << 20);
    let error = run(device.worker(), |task| task.alloc(8 << 20)).unwrap_err();
    assert!(error.is_out_of_memory(), "{error:?}");
    assert_works(device.worker());
    device.simulator.set_memory_limit(FAULTY, 1 << 30);
    run(device.worker(), |task| task.alloc(8 << 20).map(drop)).unwrap();
    assert_eq!(device.worker().generation(), 0);
}

#[test]
fn one_failed_allocation_is_tried_again() {
    let device = exclusive(FAULTY, false);
    device.simulator.fail_allocation_in(FAULTY, 1);
    assert_works(device.worker());
}

#[test]
fn freed_memory_can_be_used_again_at_once() {
    for lazy in [false, true] {
        let config = Config { device_memory_limit: Some(1 << 20), ..Config::default() };
        let device = exclusive_with(FAULTY, lazy, config);
        run(device.worker(), |task| {
            for round in 0..50 {
                let values = counted(task, 100_000, round)?;
                assert_eq!(values[99_999], round + 99_999);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(device.worker().free_bytes(), 1 << 20);
    }
}

#[test]
fn buffers_may_be_dropped_on_any_thread() {
    let device = exclusive(FAULTY, false);
    let live_before = device.simulator.live_allocations(FAULTY);
    let buffers =
        run(device.worker(), |task| (0..10).map(|_| task.alloc(1000)).collect::<Result<Vec<_>>>()).unwrap();
    let free = device.worker().free_bytes();
    assert_eq!(device.simulator.live_allocations(FAULTY), live_before + 10);
    std::thread::spawn(move || drop(buffers)).join().unwrap();
    assert_eq!(device.worker().free_bytes(), free + 10 * 1008);
    run(device.worker(), |task| task.synchronize()).unwrap();
    assert_eq!(device.simulator.live_allocations(FAULTY), live_before);
}

#[test]
fn residents_are_evicted_oldest_first_and_never_in_use() {
    // No host memory to move them to: what can be loaded again is dropped.
    let config = Config {
        device_memory_limit: Some(1000 * 8 * 4),
        pinned_memory_limit: Some(0),
        pageable_memory_limit: Some(0),
        ..Config::default()
    };
    let device = exclusive_with(FAULTY, false, config);
    let worker = device.worker();
    run(worker, |task| {
        for key in ["a", "b", "c"] {
            let table = table(task, 1000)?;
            task.keep_resident(key, table)?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(worker.residents().iter().map(|resident| resident.rows).sum::<usize>(), 3000);
    let evictions = run(worker, |task| {
        let held = task.resident("b")?.unwrap();
        task.resident("a")?.unwrap();
        // Room for one is left, and the oldest, "b", is in use: "c" has to go, and then "a".
        task.alloc(1500 * 8)?;
        assert!(task.resident("c")?.is_none());
        let room_for_all_but_b = task.alloc(3000 * 8)?;
        assert!(task.resident("a")?.is_none());
        assert!(task.alloc(1000 * 8).is_err_and(|error| error.is_out_of_memory()));
        assert_eq!(held.rows(), 1000);
        drop(room_for_all_but_b);
        Ok(task.stats().evictions)
    });
    assert_eq!(evictions.unwrap(), 2);
    let back = run(worker, |task| {
        let table = task.resident("b")?.ok_or_else(|| Error::bug("it was in use"))?;
        task.download(&table.chunks[0])
    });
    assert_eq!(back.unwrap().column(0).as_primitive::<Int64Type>().value(999), 999);
    assert!(worker.has_resident("b") && worker.drop_resident("b") && !worker.drop_resident("b"));
    assert_eq!(worker.free_bytes(), worker.memory_limit());
}

#[test]
fn a_panic_fails_its_task_alone() {
    let device = exclusive(FAULTY, false);
    let error = run(device.worker(), |task| -> Result<()> {
        task.alloc(100)?;
        panic!("the number {}", 42)
    })
    .unwrap_err();
    assert!(error.is_bug());
    assert!(error.to_string().contains("the number 42"), "{error}");
    assert_works(device.worker());
    assert_eq!(device.worker().generation(), 0);
}

#[test]
fn a_failed_launch_ends_the_task_and_the_next_finds_a_new_context() {
    for lazy in [false, true] {
        let device = exclusive(FAULTY, lazy);
        let worker = device.worker();
        let survivor = run(worker, |task| {
            let table = table(task, 10)?;
            task.keep_resident("table", table)?;
            let buffer = task.alloc(800)?;
            let kernel = task.kernel(&count_up())?;
            Ok((buffer, kernel))
        });
        let (buffer, kernel) = survivor.unwrap();
        device.simulator.fail_launch_in(FAULTY, 1);
        let error = run(worker, |task| counted(task, 100, 0)).unwrap_err();
        assert!(error.is_device_fault() && error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains("device 1"), "{error}");
        assert_eq!(worker.generation(), 1);
        assert!(worker.residents().is_empty(), "residents are lost with the context");
        assert_works(worker);
        // What the old context had is refused, and dropping it harms nobody.
        assert_eq!(buffer.address(), 0);
        assert!(!buffer.is_alive());
        let error = run(worker, move |task| {
            let out = task.alloc(800)?;
            assert!(task.read(&buffer, 0, 8).is_err_and(|error| error.is_device_fault()));
            launch(task, &kernel, &out, 100, 0)
        });
        assert!(error.unwrap_err().is_device_fault());
        assert_eq!(worker.generation(), 1, "the new context is sound");
        assert_works(worker);
        assert_eq!(worker.free_bytes(), worker.memory_limit());
    }
}

#[test]
fn a_fault_that_the_work_does_not_notice_is_still_its_error() {
    let device = exclusive(FAULTY, true);
    device.simulator.fail_launch_in(FAULTY, 1);
    let answer = run(device.worker(), |task| {
        let out = task.alloc(800)?;
        launch_count_up(task, &out, 100, 0)?;
        Ok("all is well")
    });
    assert!(answer.unwrap_err().is_device_fault());
    assert_works(device.worker());
}

#[test]
fn a_fault_stays_for_the_rest_of_its_task() {
    let device = exclusive(FAULTY, false);
    device.simulator.fail_launch_in(FAULTY, 1);
    let noticed = run(device.worker(), |task| {
        assert!(counted(task, 100, 0).is_err());
        assert!(task.alloc(1).is_err_and(|error| error.is_device_fault()));
        Ok(())
    });
    assert!(noticed.unwrap_err().is_device_fault());
    assert_works(device.worker());
}

#[test]
fn a_lost_device_is_opened_again() {
    for lazy in [false, true] {
        let device = exclusive(FAULTY, lazy);
        device.simulator.lose_device(FAULTY);
        let error = run(device.worker(), |task| counted(task, 100, 0)).unwrap_err();
        assert!(error.is_device_fault(), "{error:?}");
        assert_works(device.worker());
        assert_eq!(device.worker().generation(), 1);
    }
}

#[test]
fn workers_that_share_a_device_survive_each_others_faults() {
    let device = exclusive(FAULTY, false);
    let config = Config { cache_dir: Some(kernel_folder()), ..Config::default() };
    let others = Workers::start(&[FAULTY], &config).unwrap();
    let other = others.first().unwrap();
    let buffer = run(other, |task| task.alloc(1000)).unwrap();
    device.simulator.fail_launch_in(FAULTY, 1);
    assert!(run(device.worker(), |task| counted(task, 100, 0)).unwrap_err().is_device_fault());
    assert!(!buffer.is_alive());
    assert_works(other);
    assert_works(device.worker());
    assert_eq!(other.generation(), 1);
}

#[test]
fn cancelled_work_stops_at_its_next_step() {
    let device = exclusive(FAULTY, false);
    let worker = device.worker();
    let cancel = CancelToken::new();
    let inner = cancel.clone();
    let running = worker.run("loop", cancel, move |task| -> Result<()> {
        inner.cancel();
        loop {
            task.alloc(16)?;
        }
    });
    assert!(block_on(running).unwrap_err().is_cancelled());
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let never = worker.run("never", cancelled, |_| -> Result<()> { panic!("it ran") });
    assert!(block_on(never).unwrap_err().is_cancelled());
    assert_works(worker);
}

#[test]
fn dropping_the_future_stops_the_work() {
    let device = exclusive(FAULTY, false);
    let (started, has_started) = channel();
    let (ended, has_ended) = channel();
    let running = device.worker().run("loop", CancelToken::new(), move |task| -> Result<()> {
        started.send(()).unwrap();
        loop {
            if let Err(error) = task.alloc(16) {
                ended.send(error.is_cancelled()).unwrap();
                return Err(error);
            }
        }
    });
    has_started.recv().unwrap();
    drop(running);
    assert!(has_ended.recv().unwrap());
    assert_works(device.worker());
}

#[test]
fn work_is_done_in_the_order_it_was_queued() {
    let device = exclusive(FAULTY, false);
    let (report, reports) = channel();
    let answers: Vec<_> = (0..20)
        .map(|number| {
            let report = report.clone();
            device.worker().run("numbered", CancelToken::new(), move |_| {
                report.send(number).unwrap();
                Ok(number)
            })
        })
        .collect();
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(block_on(answer).unwrap(), number);
    }
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_device_that_does_not_exist_is_a_user_error() {
    let _device = exclusive(FAULTY, false);
    let error = Workers::start(&[99], &Config::default()).unwrap_err();
    assert!(error.is_user(), "{error:?}");
}
