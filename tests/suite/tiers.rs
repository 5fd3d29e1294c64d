//! Memory tiers: what is stored comes back bit for bit from wherever it went, limits hold, and nothing is left.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use futures::executor::block_on;
use swath::Result;
use swath::column::{DeviceChunk, StagedChunk};
use swath::config::Config;
use swath::memory::Tier;
use swath::worker::{CancelToken, StoredChunk, Task, Worker, Workers};

use crate::generated::{Nulls, Rng, table};
use crate::simulator::{Exclusive, FAULTY, exclusive_with, kernel_folder};

/// More than any test of this module uses.
const PLENTY: u64 = 1 << 30;
/// Bytes of the smallest pinned buffer.
const PINNED_MIN: u64 = 64 << 10;

fn run<R: Send + 'static>(
    worker: &Worker,
    work: impl FnOnce(&mut Task<'_>) -> Result<R> + Send + 'static,
) -> Result<R> {
    block_on(worker.run("test", CancelToken::new(), work))
}

/// Limits of the device and the tiers below it, with files in `folder`.
fn limited(limits: [u64; 4], folder: &Path) -> Config {
    let [device, pinned, pageable, disk] = limits;
    Config {
        device_memory_limit: Some(device),
        pinned_memory_limit: Some(pinned),
        pageable_memory_limit: Some(pageable),
        spill_disk_limit: Some(disk),
        spill_dir: Some(folder.to_path_buf()),
        ..Config::default()
    }
}

/// A worker whose chunks can only go to `tier`.
fn only(tier: Tier, device_bytes: u64, lazy: bool, folder: &Path) -> Exclusive {
    let mut limits = [device_bytes, 0, 0, 0];
    limits[tier as usize] = PLENTY;
    exclusive_with(FAULTY, lazy, limited(limits, folder))
}

/// Files of chunks below `folder`, at any depth.
fn spill_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => spill_files(&path),
            false => usize::from(path.extension().is_some_and(|extension| extension == "chunk")),
        })
        .sum()
}

fn upload(task: &mut Task<'_>, batches: &[RecordBatch]) -> Result<DeviceChunk> {
    let staged = StagedChunk::stage(&batches[0].schema(), batches, task.pinned_pool())?;
    task.upload(staged)
}

fn numbers(rows: i64, first: i64) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let values: Int64Array = (first..first + rows).collect();
    RecordBatch::try_new(schema, vec![Arc::new(values)]).unwrap()
}

/// Stores `rows` numbers from `first` on.
fn store(task: &mut Task<'_>, rows: i64, first: i64) -> Result<StoredChunk> {
    let chunk = upload(task, &[numbers(rows, first)])?;
    task.store(chunk)
}

/// Asks for all the memory that there is, so that whatever can leave does, and gives it back.
fn push_out(task: &mut Task<'_>) -> Result<()> {
    let all = task.free_bytes();
    task.alloc(all as usize / 16 * 16).map(drop)
}

/// The raw bytes of every buffer of a chunk, as far as its rows reach.
fn raw(task: &mut Task<'_>, chunk: &DeviceChunk) -> Result<Vec<Vec<u8>>> {
    let mut all = vec![];
    for column in &chunk.columns {
        let rows = chunk.rows;
        let ends = match &column.offsets {
            Some(offsets) => {
                let bytes = task.read(offsets, 0, (rows + 1) * 4)?;
                let end = i32::from_le_bytes(bytes[rows * 4..].try_into().unwrap()) as usize;
                all.push(bytes);
                end
            }
            None => column.storage.width().map_or(rows.div_ceil(8), |width| rows * width),
        };
        all.push(task.read(&column.values, 0, ends)?);
        if let Some(validity) = &column.validity {
            all.push(task.read(validity, 0, rows.div_ceil(8))?);
        }
        if let Some(dictionary) = &column.dictionary {
            let bytes = task.read(&dictionary.offsets, 0, (dictionary.len + 1) * 4)?;
            let end = i32::from_le_bytes(bytes[dictionary.len * 4..].try_into().unwrap()) as usize;
            all.push(bytes);
            all.push(task.read(&dictionary.values, 0, end)?);
        }
    }
    Ok(all)
}

fn every_type_comes_back(lazy: bool) {
    for tier in Tier::BELOW_DEVICE {
        let folder = tempfile::tempdir().unwrap();
        let device = only(tier, 64 << 20, lazy, folder.path());
        let inputs =
            [(0, Nulls::None), (1, Nulls::None), (33, Nulls::Some), (65, Nulls::All), (3000, Nulls::Some)];
        for (seed, (rows, nulls)) in inputs.into_iter().enumerate() {
            let batches = table(seed as u64, rows, nulls);
            let what = format!("{tier}, seed {seed}, {rows} rows, lazy {lazy}");
            let stored = run(device.worker(), {
                let batches = batches.clone();
                move |task| {
                    let chunk = upload(task, &batches)?;
                    task.wait_for(&chunk)?;
                    let before = raw(task, &chunk)?;
                    let batch = task.download(&chunk)?;
                    Ok((task.store(chunk)?, before, batch))
                }
            });
            let (stored, before, batch) = stored.unwrap();
            assert_eq!(stored.tier(), Some(Tier::Device), "{what}");
            let out = run(device.worker(), |task| push_out(task).map(|()| task.stats())).unwrap();
            assert_eq!(stored.tier(), Some(tier), "{what}");
            assert_eq!(out.evictions, 1, "{what}");
            assert_eq!(device.worker().free_bytes(), 64 << 20, "{what}: it left the device");
            assert_eq!(spill_files(folder.path()), usize::from(tier == Tier::Disk), "{what}");
            let handle = stored.clone();
            let (after, fetched, stats) = run(device.worker(), move |task| {
                let chunk = task.fetch(&handle)?;
                let after = raw(task, &chunk)?;
                Ok((after, task.download(&chunk)?, task.stats()))
            })
            .unwrap();
            assert_eq!(before, after, "{what}");
            assert_eq!(batch, fetched, "{what}");
            assert_eq!(stored.tier(), Some(Tier::Device), "{what}");
            let count = |traffic: swath::worker::TierTraffic| match tier {
                Tier::Device => 0,
                Tier::Pinned => traffic.pinned_bytes,
                Tier::Pageable => traffic.pageable_bytes,
                Tier::Disk => traffic.disk_bytes,
            };
            assert!(count(out.spilled) > 0, "{what}");
            assert_eq!(count(out.spilled), count(stats.fetched), "{what}");
            assert_eq!(spill_files(folder.path()), 0, "{what}: it is back");
            drop(stored);
            assert_eq!(device.worker().free_bytes(), 64 << 20, "{what}");
            assert_eq!(device.worker().tier_bytes(tier), (0, PLENTY), "{what}");
        }
        assert_eq!(device.simulator.last_fault(), None);
    }
}

#[test]
fn every_type_comes_back_from_every_tier() {
    every_type_comes_back(false);
}

#[test]
fn every_type_comes_back_from_every_tier_lazily() {
    every_type_comes_back(true);
}

#[test]
fn large_chunks_go_through_staging_in_parts() {
    const ROWS: i64 = 3 << 20;
    for tier in Tier::BELOW_DEVICE {
        let folder = tempfile::tempdir().unwrap();
        let device = only(tier, 40 << 20, true, folder.path());
        let sums = run(device.worker(), |task| {
            let stored = store(task, ROWS, 7)?;
            push_out(task)?;
            let chunk = task.fetch(&stored)?;
            let batch = task.download(&chunk)?;
            Ok(batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        });
        assert!(sums.unwrap().into_iter().eq(7..7 + ROWS), "{tier}");
    }
}

#[test]
fn chunks_fill_the_tiers_in_order_and_keep_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    const CHUNK: u64 = 8000;
    // Two chunks in pinned memory, two in pageable memory, two on disk, two on the device.
    let limits = [2 * CHUNK + 100, 2 * PINNED_MIN, 2 * CHUNK + 100, 2 * CHUNK + 100];
    let device = exclusive_with(FAULTY, false, limited(limits, folder.path()));
    let mut all = vec![];
    for index in 0..8 {
        all.push(run(device.worker(), move |task| store(task, 1000, index * 1000)).unwrap());
        for tier in Tier::BELOW_DEVICE {
            let (used, limit) = device.worker().tier_bytes(tier);
            assert!(used <= limit, "{tier}: {used} of {limit}");
        }
    }
    let places: Vec<Tier> = all.iter().filter_map(StoredChunk::tier).collect();
    let expected = [Tier::Disk, Tier::Pageable, Tier::Pinned, Tier::Device].map(|tier| [tier; 2]).concat();
    assert_eq!(places, expected);
    assert_eq!(spill_files(folder.path()), 2);
    let error = run(device.worker(), |task| store(task, 1000, 0)).unwrap_err();
    assert!(error.is_out_of_memory());
    for part in [
        "device 1",
        "out of device memory",
        "8000 bytes asked",
        "pinned host memory (swath.pinned_memory_limit)",
        "pageable host memory (swath.pageable_memory_limit)",
        "disk (swath.spill_disk_limit)",
    ] {
        assert!(error.to_string().contains(part), "'{part}' in: {error}");
    }
    // None is lost for that. One gone makes room for the next.
    all.remove(3);
    all.push(run(device.worker(), |task| store(task, 1000, 8000)).unwrap());
    let expected_firsts = [0, 1000, 2000, 4000, 5000, 6000, 7000, 8000];
    for (stored, first) in all.iter().zip(expected_firsts) {
        let handle = stored.clone();
        let values = run(device.worker(), move |task| {
            let chunk = task.fetch(&handle)?;
            task.download(&chunk)
        });
        // Everything is full: fetching one needs another to take its place, which is what it leaves.
        match values {
            Ok(batch) => assert_eq!(batch, numbers(1000, first)),
            Err(error) => assert!(error.is_out_of_memory(), "{error}"),
        }
    }
    all.truncate(4);
    for (stored, first) in all.iter().zip(expected_firsts) {
        let handle = stored.clone();
        let batch = run(device.worker(), move |task| {
            let chunk = task.fetch(&handle)?;
            task.download(&chunk)
        });
        assert_eq!(batch.unwrap(), numbers(1000, first));
    }
    drop(all);
    assert_eq!(spill_files(folder.path()), 0);
    assert_eq!(device.worker().free_bytes(), device.worker().memory_limit());
    drop(device);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the folder goes with the worker");
}

#[test]
fn what_is_held_stays_and_what_is_shared_waits() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Pinned, 40_000, false, folder.path());
    run(device.worker(), |task| {
        let stored = store(task, 1000, 0)?;
        let held = task.fetch(&stored)?;
        assert!(task.alloc(40_000).is_err_and(|error| error.is_out_of_memory()));
        assert_eq!(stored.tier(), Some(Tier::Device));
        // Its column in another chunk holds it too.
        let other = DeviceChunk::new(held.schema.clone(), held.columns.clone(), held.rows)?;
        drop(held);
        assert!(task.alloc(40_000).is_err_and(|error| error.is_out_of_memory()));
        // Not where that one is stored as well: both go.
        let other = task.store(other)?;
        task.alloc(40_000)?;
        assert_eq!((stored.tier(), other.tier()), (Some(Tier::Pinned), Some(Tier::Pinned)));
        for stored in [stored, other] {
            let chunk = task.fetch(&stored)?;
            assert_eq!(task.download(&chunk)?, numbers(1000, 0));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(device.worker().free_bytes(), 40_000);
}

#[test]
fn chunks_of_one_dictionary_share_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Disk, 1 << 20, true, folder.path());
    let values: ArrayRef = Arc::new(StringArray::from(vec!["", "green", "Ünïcödé"]));
    let keys: DictionaryArray<Int32Type> =
        DictionaryArray::new((0..1000).map(|row| Some(row % 3)).collect(), values);
    let field = Field::new("d", keys.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(keys)]).unwrap();
    let expected = batch.clone();
    run(device.worker(), move |task| {
        let chunk = upload(task, &[batch])?;
        task.wait_for(&chunk)?;
        // As operators make them: other rows, the same dictionary.
        let column = Arc::new((*chunk.columns[0]).clone());
        let twin = DeviceChunk::new(chunk.schema.clone(), vec![column], chunk.rows)?;
        let stored = [task.store(chunk)?, task.store(twin)?];
        push_out(task)?;
        assert!(stored.iter().all(|chunk| chunk.tier() == Some(Tier::Disk)));
        let back = [task.fetch(&stored[0])?, task.fetch(&stored[1])?];
        let dictionary = |chunk: &DeviceChunk| chunk.columns[0].dictionary.clone().unwrap();
        assert!(Arc::ptr_eq(&dictionary(&back[0]), &dictionary(&back[1])));
        assert_eq!(task.download(&back[0])?, expected);
        assert_eq!(task.download(&back[1])?, expected);
        Ok(())
    })
    .unwrap();
    assert_eq!(device.worker().free_bytes(), 1 << 20);
}

#[test]
fn a_chunk_without_columns_keeps_its_rows() {
    for tier in Tier::BELOW_DEVICE {
        let folder = tempfile::tempdir().unwrap();
        let device = only(tier, 20_000, false, folder.path());
        let rows = run(device.worker(), |task| {
            let nothing = task.store(DeviceChunk::new(Arc::new(Schema::empty()), vec![], 42)?)?;
            let something = store(task, 1000, 0)?;
            push_out(task)?;
            task.fetch(&something)?;
            Ok(task.fetch(&nothing)?.rows)
        });
        assert_eq!(rows.unwrap(), 42, "{tier}");
    }
}

#[test]
fn single_buffers_move_with_what_was_last_written() {
    for tier in Tier::BELOW_DEVICE {
        let folder = tempfile::tempdir().unwrap();
        let device = only(tier, 20_000, true, folder.path());
        run(device.worker(), move |task| {
            let buffer = task.alloc_filled(9_999, 1)?;
            let stored = task.store_buffer(buffer)?;
            for round in 1..4 {
                push_out(task)?;
                assert_eq!(stored.tier(), Some(tier));
                let buffer = task.fetch_buffer(&stored)?;
                assert_eq!(task.read(&buffer, 0, 10_000)?, [round; 10_000], "{tier}");
                assert!(task.alloc(12_000).is_err_and(|error| error.is_out_of_memory()), "it is held");
                task.fill(&buffer, round + 1)?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(device.worker().free_bytes(), 20_000);
    }
}

#[test]
fn resident_tables_move_to_the_host_and_back() {
    use swath::column::DeviceTable;
    let folder = tempfile::tempdir().unwrap();
    let limits = [20_000, PINNED_MIN, 8_000, PLENTY];
    let device = exclusive_with(FAULTY, false, limited(limits, folder.path()));
    let worker = device.worker();
    for key in ["a", "b", "c", "d", "e"] {
        let first = i64::from(key.as_bytes()[0]);
        run(worker, move |task| {
            let chunk = upload(task, &[numbers(1000, first)])?;
            let schema = chunk.schema.clone();
            task.keep_resident(key, DeviceTable { schema, chunks: vec![Arc::new(chunk)] })?;
            Ok(())
        })
        .unwrap();
    }
    // Two on the device, one in each kind of host memory; the third to leave found no free room, and was dropped.
    assert!(["a", "b", "d", "e"].iter().all(|key| worker.has_resident(key)));
    assert!(!worker.has_resident("c"), "it can be loaded again, and nothing moves for it");
    assert_eq!(spill_files(folder.path()), 0, "a table is not written to disk");
    let rows = run(worker, |task| {
        let table = task.resident("a")?.expect("it is in host memory");
        task.download(&table.chunks[0])
    });
    assert_eq!(rows.unwrap(), numbers(1000, 97));
    // What stages leave has the better claim to host memory.
    let left = run(worker, |task| (0..4).map(|index| store(task, 1000, index)).collect::<Result<Vec<_>>>());
    let left = left.unwrap();
    assert!(left.iter().all(|stored| stored.tier().is_some()));
    assert!(worker.residents().is_empty(), "{:?}", worker.residents());
    drop(left);
    assert_eq!(worker.free_bytes(), 20_000);
}

#[test]
fn a_resident_table_larger_than_the_device_is_read_chunk_by_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Pinned, 20_000, true, folder.path());
    let worker = device.worker();
    run(worker, |task| {
        let stored = (0..10).map(|index| store(task, 1000, index * 1000)).collect::<Result<Vec<_>>>()?;
        let schema = stored[0].schema().clone();
        task.keep_resident_chunks("t", schema, stored);
        Ok(())
    })
    .unwrap();
    assert_eq!(worker.residents()[0].rows, 10_000);
    let (rows, stats) = run(worker, |task| {
        assert!(task.resident("t").is_err_and(|error| error.is_out_of_memory()), "not all at once");
        let (_, chunks) = task.resident_chunks("t").expect("it is kept");
        let mut rows = vec![];
        for stored in &chunks {
            let chunk = task.fetch(stored)?;
            let batch = task.download(&chunk)?;
            rows.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
        Ok((rows, task.stats()))
    })
    .unwrap();
    assert!(rows.into_iter().eq(0..10_000));
    assert!(stats.fetched.pinned_bytes >= 8 * 8000 && stats.evictions >= 8, "{stats:?}");
    assert!(worker.drop_resident("t"));
    assert_eq!(worker.free_bytes(), 20_000);
}

#[test]
fn a_table_that_is_dropped_stays_for_whom_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Disk, 12_000, false, folder.path());
    run(device.worker(), |task| {
        let chunk = store(task, 1000, 5)?;
        task.keep_resident_chunks("t", chunk.schema().clone(), vec![chunk]);
        let (_, chunks) = task.resident_chunks("t").expect("it is kept");
        // A query is about to read it: it is not dropped, though it could be loaded again.
        push_out(task)?;
        assert_eq!(chunks[0].tier(), Some(Tier::Disk));
        Ok(chunks)
    })
    .and_then(|chunks| {
        assert!(device.worker().drop_resident("t"));
        run(device.worker(), move |task| {
            let chunk = task.fetch(&chunks[0])?;
            assert_eq!(task.download(&chunk)?, numbers(1000, 5));
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(spill_files(folder.path()), 0);
}

#[test]
fn a_lost_context_takes_what_was_in_it_and_nothing_else() {
    for lazy in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let limits = [12_000, PINNED_MIN, 8_000, PLENTY];
        let device = exclusive_with(FAULTY, lazy, limited(limits, folder.path()));
        let stored: Vec<StoredChunk> =
            (0..4).map(|index| run(device.worker(), move |task| store(task, 1000, index)).unwrap()).collect();
        let tiers: Vec<Tier> = stored.iter().filter_map(StoredChunk::tier).collect();
        assert_eq!(tiers, [Tier::Disk, Tier::Pageable, Tier::Pinned, Tier::Device]);
        device.simulator.lose_device(FAULTY);
        let lost = run(device.worker(), |task| task.alloc(16).and_then(|_| task.synchronize()));
        assert!(lost.unwrap_err().is_device_fault());
        assert_eq!(stored[3].tier(), None);
        let handle = stored[3].clone();
        let error = run(device.worker(), move |task| task.fetch(&handle)).unwrap_err();
        assert!(error.is_device_fault() && error.is_retryable(), "{error:?}");
        assert_eq!(device.worker().generation(), 1, "the new context is sound");
        for (index, chunk) in stored[..3].iter().enumerate() {
            let handle = chunk.clone();
            let back = run(device.worker(), move |task| {
                let chunk = task.fetch(&handle)?;
                task.download(&chunk)
            });
            assert_eq!(back.unwrap(), numbers(1000, index as i64), "lazy {lazy}");
        }
        drop(stored);
        assert_eq!(device.worker().free_bytes(), 12_000);
        assert_eq!(spill_files(folder.path()), 0);
    }
}

#[test]
fn a_disk_that_fails_is_named_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no such folder");
    let device = exclusive_with(FAULTY, false, limited([12_000, 0, 0, PLENTY], &missing));
    let stored = run(device.worker(), |task| store(task, 1000, 3)).unwrap();
    let error = run(device.worker(), |task| task.alloc(12_000).map(drop)).unwrap_err();
    assert!(error.is_out_of_memory(), "{error:?}");
    for part in ["no such folder", "swath.spill_dir", "12000 bytes asked"] {
        assert!(error.to_string().contains(part), "'{part}' in: {error}");
    }
    assert_eq!(stored.tier(), Some(Tier::Device));
    // It is mended: the next allocation succeeds.
    std::fs::create_dir(&missing).unwrap();
    run(device.worker(), |task| task.alloc(12_000).map(drop)).unwrap();
    assert_eq!(stored.tier(), Some(Tier::Disk));
    // A file that somebody takes away is an error that names it, not garbage.
    for entry in std::fs::read_dir(&missing).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let handle = stored.clone();
    let error = run(device.worker(), move |task| task.fetch(&handle)).unwrap_err();
    assert!(error.is_io() && error.to_string().contains(".chunk"), "{error:?}");
    assert_eq!(device.worker().free_bytes(), 12_000);
}

#[test]
fn another_workers_chunk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Pinned, 1 << 20, false, folder.path());
    let config = Config { cache_dir: Some(kernel_folder()), ..Config::default() };
    let others = Workers::start(&[FAULTY], &config).unwrap();
    let stored = run(others.first().unwrap(), |task| store(task, 10, 0)).unwrap();
    let handle = stored.clone();
    assert!(run(device.worker(), move |task| task.fetch(&handle)).unwrap_err().is_bug());
    // A handle may outlive its worker.
    drop(others);
    assert_eq!(stored.tier(), None);
    drop(stored);
}

#[test]
fn tasks_of_several_threads_share_the_store() {
    const THREADS: u64 = 4;
    for lazy in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let limits = [100_000, 2 * PINNED_MIN, 60_000, PLENTY];
        let device = exclusive_with(FAULTY, lazy, limited(limits, folder.path()));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let worker = device.worker();
                scope.spawn(move || {
                    let mut random = Rng(thread);
                    let mut kept: Vec<(i64, i64, StoredChunk)> = vec![];
                    for _ in 0..60 {
                        if kept.len() < 3 || (kept.len() < 8 && random.below(2) == 0) {
                            let (rows, first) = (1 + random.below(2000) as i64, random.below(1 << 40) as i64);
                            let stored = run(worker, move |task| store(task, rows, first)).unwrap();
                            kept.push((rows, first, stored));
                        } else {
                            let index = random.below(kept.len() as u64) as usize;
                            let (rows, first, stored) = kept[index].clone();
                            // The handle may go while the task runs, on another thread than the worker's.
                            if random.below(3) == 0 {
                                kept.swap_remove(index);
                            }
                            let batch = run(worker, move |task| {
                                let chunk = task.fetch(&stored)?;
                                drop(stored);
                                task.download(&chunk)
                            });
                            assert_eq!(batch.unwrap(), numbers(rows, first), "thread {thread}");
                        }
                    }
                });
            }
        });
        assert_eq!(device.worker().free_bytes(), 100_000, "lazy {lazy}");
        assert!(Tier::BELOW_DEVICE.iter().all(|tier| device.worker().tier_bytes(*tier).0 == 0));
        assert_eq!(spill_files(folder.path()), 0);
        assert_eq!(device.simulator.last_fault(), None);
    }
}

/// Stores five chunks where two have room, reads them all, and lets them go; answers what was read.
fn through_the_tiers(task: &mut Task<'_>, stored: &mut Vec<StoredChunk>) -> Result<Vec<RecordBatch>> {
    for index in 0..5 {
        stored.push(store(task, 1000, index)?);
    }
    let mut read = vec![];
    for handle in stored.iter().chain(stored.iter().rev()) {
        let chunk = task.fetch(handle)?;
        read.push(task.download(&chunk)?);
    }
    Ok(read)
}

#[test]
fn allocations_that_fail_while_chunks_move_lose_none() {
    for lazy in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let limits = [20_000, PINNED_MIN, 8_000, PLENTY];
        let device = exclusive_with(FAULTY, lazy, limited(limits, folder.path()));
        let worker = device.worker();
        let expected: Vec<RecordBatch> =
            (0..5).chain((0..5).rev()).map(|index| numbers(1000, index)).collect();
        let before = device.simulator.allocations(FAULTY);
        let read = run(worker, |task| through_the_tiers(task, &mut vec![])).unwrap();
        assert_eq!(read, expected);
        let count = device.simulator.allocations(FAULTY) - before;
        let live = device.simulator.live_allocations(FAULTY);
        let (mut failed, mut right) = (0, 0);
        for failing in [1, 3, u64::MAX] {
            for place in 1..=count {
                let what = format!("allocation {place} of {count}, {failing} in turn, lazy {lazy}");
                device.simulator.fail_allocations_in(FAULTY, place, failing);
                let (outcome, stored) = run(worker, |task| {
                    let mut stored = vec![];
                    let outcome = through_the_tiers(task, &mut stored);
                    Ok((outcome, stored))
                })
                .unwrap_or_else(|error| panic!("{what}: {error}"));
                device.simulator.fail_allocations_in(FAULTY, 0, 0);
                match outcome {
                    Ok(read) => {
                        right += 1;
                        assert_eq!(read, expected, "{what}");
                    }
                    Err(error) => {
                        failed += 1;
                        assert!(failing > 1 && error.is_out_of_memory(), "{what}: {error:?}");
                    }
                }
                // What was stored before is still there, wherever it lies.
                for (index, handle) in stored.into_iter().enumerate() {
                    let batch = run(worker, move |task| {
                        let chunk = task.fetch(&handle)?;
                        task.download(&chunk)
                    });
                    assert_eq!(batch.expect(&what), numbers(1000, index as i64), "{what}");
                }
                run(worker, |task| task.synchronize()).unwrap();
                assert_eq!(worker.free_bytes(), 20_000, "{what}");
                assert_eq!(device.simulator.live_allocations(FAULTY), live, "{what}");
                assert!(Tier::BELOW_DEVICE.iter().all(|tier| worker.tier_bytes(*tier).0 == 0), "{what}");
                assert_eq!(spill_files(folder.path()), 0, "{what}");
            }
        }
        assert!(failed > 0 && right as u64 >= count, "{failed} failed, {right} were right");
        assert_eq!((device.simulator.last_fault(), worker.generation()), (None, 0));
    }
}

#[test]
fn a_fault_while_chunks_move_loses_only_what_was_on_the_device() {
    for lazy in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let device = only(Tier::Disk, 12_000, lazy, folder.path());
        let worker = device.worker();
        let stored: Vec<StoredChunk> =
            (0..3).map(|index| run(worker, move |task| store(task, 1000, index)).unwrap()).collect();
        let handles = stored.clone();
        let simulator = device.simulator;
        let error = run(worker, move |task| {
            simulator.lose_device(FAULTY);
            // The third would have to leave for the first to come back.
            task.fetch(&handles[0])
        });
        assert!(error.unwrap_err().is_device_fault());
        let tiers: Vec<Option<Tier>> = stored.iter().map(StoredChunk::tier).collect();
        assert_eq!(tiers, [Some(Tier::Disk), Some(Tier::Disk), None], "lazy {lazy}");
        for (index, handle) in stored[..2].iter().cloned().enumerate() {
            let batch = run(worker, move |task| {
                let chunk = task.fetch(&handle)?;
                task.download(&chunk)
            });
            assert_eq!(batch.unwrap(), numbers(1000, index as i64), "lazy {lazy}");
        }
        drop(stored);
        assert_eq!(worker.free_bytes(), 12_000);
        assert_eq!(spill_files(folder.path()), 0);
    }
}

#[test]
fn a_task_that_is_cancelled_while_chunks_move_leaves_them_whole() {
    let folder = tempfile::tempdir().unwrap();
    let device = only(Tier::Disk, 12_000, false, folder.path());
    let worker = device.worker();
    let stored = run(worker, |task| store(task, 1000, 9)).unwrap();
    let cancel = CancelToken::new();
    let inner = cancel.clone();
    let cancelled = block_on(worker.run("cancelled", cancel, move |task| {
        inner.cancel();
        push_out(task)
    }));
    assert!(cancelled.unwrap_err().is_cancelled());
    let batch = run(worker, move |task| {
        let chunk = task.fetch(&stored)?;
        task.download(&chunk)
    });
    assert_eq!(batch.unwrap(), numbers(1000, 9));
}

/// Stores, fetches and drops chunks at random while memory runs out, allocations fail and the device is lost now and
/// then: what comes back is right, and only what was on a lost device is lost.
#[test]
fn random_work_with_faults_loses_only_what_a_lost_device_had() {
    for seed in 0..40 {
        let mut random = Rng(seed);
        let folder = tempfile::tempdir().unwrap();
        let room = |random: &mut Rng| random.below(5) * 8_000;
        let device_bytes = 24_000 + room(&mut random);
        let disk = if random.below(2) == 0 { PLENTY } else { room(&mut random) };
        let limits = [device_bytes, random.below(4) * PINNED_MIN, room(&mut random), disk];
        let device = exclusive_with(FAULTY, seed % 2 == 0, limited(limits, folder.path()));
        let worker = device.worker();
        let mut kept: Vec<(i64, i64, StoredChunk)> = vec![];
        let mut losses = 0;
        for step in 0..60 {
            let what = format!("seed {seed} step {step}");
            if random.below(6) == 0 {
                device.simulator.fail_allocations_in(FAULTY, 1 + random.below(8), 1 + random.below(6));
            }
            match random.below(20) {
                0 => {
                    let safe = |kept: &(i64, i64, StoredChunk)| kept.2.tier() != Some(Tier::Device);
                    let safe: Vec<bool> = kept.iter().map(safe).collect();
                    device.simulator.lose_device(FAULTY);
                    let lost = run(worker, |task| task.alloc(16).and_then(|_| task.synchronize()));
                    assert!(lost.is_err(), "{what}");
                    losses += 1;
                    for (safe, (.., stored)) in safe.iter().zip(&kept) {
                        // The allocation may have pushed some out before it met the fault: never the other way.
                        assert!(!safe || stored.tier() != Some(Tier::Device), "{what}");
                    }
                    kept.retain(|(.., stored)| stored.tier().is_some());
                }
                1..=7 => {
                    let (rows, first) = (1 + random.below(1500) as i64, random.below(1 << 40) as i64);
                    match run(worker, move |task| store(task, rows, first)) {
                        Ok(stored) => kept.push((rows, first, stored)),
                        Err(error) => assert!(error.is_out_of_memory(), "{what}: {error:?}"),
                    }
                }
                8..=10 if !kept.is_empty() => {
                    kept.swap_remove(random.below(kept.len() as u64) as usize);
                }
                11 | 12 => match run(worker, push_out) {
                    Ok(()) => {}
                    Err(error) => assert!(error.is_out_of_memory(), "{what}: {error:?}"),
                },
                _ if !kept.is_empty() => {
                    let (rows, first, stored) = kept[random.below(kept.len() as u64) as usize].clone();
                    let read = run(worker, move |task| {
                        let chunk = task.fetch(&stored)?;
                        task.download(&chunk)
                    });
                    match read {
                        Ok(batch) => assert_eq!(batch, numbers(rows, first), "{what}"),
                        Err(error) => assert!(error.is_out_of_memory(), "{what}: {error:?}"),
                    }
                }
                _ => {}
            }
            device.simulator.fail_allocations_in(FAULTY, 0, 0);
            assert_eq!(worker.generation(), losses, "{what}");
            assert!(kept.iter().all(|(.., stored)| stored.tier().is_some()), "{what}: one is lost");
            let on_disk = kept.iter().filter(|(.., stored)| stored.tier() == Some(Tier::Disk)).count();
            assert_eq!(spill_files(folder.path()), on_disk, "{what}");
            for tier in Tier::BELOW_DEVICE {
                let (used, limit) = worker.tier_bytes(tier);
                assert!(used <= limit, "{what}: {used} of {limit} in {tier}");
            }
        }
        kept.clear();
        assert_eq!(worker.free_bytes(), device_bytes, "seed {seed}");
        assert!(Tier::BELOW_DEVICE.iter().all(|tier| worker.tier_bytes(*tier).0 == 0), "seed {seed}");
    }
}

/// A query that needs the room of a pinned table: the receipt tells where the table went.
#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_tells_what_moved() {
    use swath::config::{Fallback, Placement};
    use swath::session::Session;
    crate::simulator::use_device();
    let folder = tempfile::tempdir().unwrap();
    let config = |device_memory_limit| Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        device_memory_limit: Some(device_memory_limit),
        cache_dir: Some(kernel_folder()),
        spill_dir: Some(folder.path().to_path_buf()),
        ..Config::default()
    };
    let schema = "SELECT value AS n, value % 7 AS k FROM generate_series(1, 50000)";
    for (device_bytes, moves) in [(64 << 20, false), (1_200_000, true)] {
        let session = Session::with_config(config(device_bytes)).unwrap();
        for table in ["pinned", "other"] {
            session.sql(&format!("CREATE TABLE {table} AS {schema}")).await.unwrap().collect().await.unwrap();
        }
        session.sql("PIN TABLE pinned").await.unwrap().collect().await.unwrap();
        let frame = session.sql("SELECT k, sum(n) AS s FROM other GROUP BY k ORDER BY k").await.unwrap();
        let receipt = frame.collect().await.unwrap().receipt;
        let text = receipt.to_string();
        assert_eq!(text.contains("pinned host memory: "), moves, "{text}");
        assert_eq!(receipt.totals.tiers.is_empty(), !moves, "{text}");
        if moves {
            let tier = &receipt.totals.tiers[0];
            assert_eq!((tier.tier.as_str(), tier.fetched_bytes), ("pinned host memory", 0));
            assert!(tier.spilled_bytes >= 2 * 8 * 50_000, "{text}");
        }
    }
}
