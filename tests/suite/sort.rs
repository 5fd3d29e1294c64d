//! Rows are sorted on the simulated device as Arrow does on the host.
//!
//! A failure names the seed of its input.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use arrow::record_batch::RecordBatch;
use swath::operators::sort::{KeyWidth, SortKey, radix_sort, sort};

use crate::column::{Nulls, Random, batch, schema};
use crate::task::{on_device, read_rows, upload};

/// Sorts on the device and on the host by the low `bits` bits.
fn check_radix_sort(keys: Vec<u64>, width: KeyWidth, bits: u32, passes_max: u64, what: String) {
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
    expected.sort_by_key(|row| keys[*row as usize] & mask);
    let (rows, launched) = on_device(move |task| {
        let bytes: Vec<u8> =
            keys.iter().flat_map(|key| key.to_le_bytes()[..width.bytes()].to_vec()).collect();
        let words = task.write(&bytes)?;
        let rows = radix_sort(task, &words, width, bits, keys.len())?;
        Ok((read_rows(task, &rows, keys.len())?, task.stats().kernels_launched))
    })
    .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(rows, expected, "{what}");
    assert!(launched > 0 || rows.is_empty(), "{what}");
    assert!(launched <= passes_max + 1, "{what}: {launched} kernels");
}

#[test]
fn words_are_sorted() {
    for (seed, rows) in [0, 1, 2, 33, 4095, 4096, 4097, 9000].into_iter().enumerate() {
        for (width, bits) in [
            (KeyWidth::Bits32, 32u32),
            (KeyWidth::Bits32, 11),
            (KeyWidth::Bits64, 64),
            (KeyWidth::Bits64, 37),
            (KeyWidth::Bits64, 1),
        ] {
            let random = &mut Random(seed as u64);
            let keys = (0..rows).map(|_| random.next()).collect();
            let passes = u64::from(bits.div_ceil(8));
            check_radix_sort(keys, width, bits, passes, format!("seed {seed}, {rows} rows, {bits} bits"));
        }
    }
}

#[test]
fn digits_in_which_no_rows_differ_take_no_pass() {
    let random = &mut Random(3);
    let rows = 10_000u64;
    let equal = vec![0x1234_5678_9abc_def0; rows as usize];
    check_radix_sort(equal, KeyWidth::Bits64, 64, 1, "all equal".into());
    let skewed = (0..rows).map(|_| [7 << 40, 7 << 40, 9 << 40, u64::MAX >> 8][random.below(4)]).collect();
    check_radix_sort(skewed, KeyWidth::Bits64, 64, 7, "skewed".into());
    check_radix_sort((0..rows).collect(), KeyWidth::Bits64, 64, 2, "sorted".into());
    check_radix_sort(
        (0..rows).rev().map(|key| key << 20).collect(),
        KeyWidth::Bits64,
        64,
        3,
        "reversed".into(),
    );
}

/// Sorts on the host; the row's number is the last key, which makes it stable.
fn sorted_on_host(batch: &RecordBatch, keys: &[SortKey]) -> Vec<u32> {
    let mut columns: Vec<SortColumn> = keys
        .iter()
        .map(|key| SortColumn {
            values: Arc::clone(batch.column(key.column)),
            options: Some(SortOptions { descending: key.descending, nulls_first: key.nulls_first }),
        })
        .collect();
    let rows: UInt32Array = (0..batch.num_rows() as u32).collect();
    columns.push(SortColumn { values: Arc::new(rows), options: None });
    lexsort_to_indices(&columns, None).unwrap().values().to_vec()
}

/// Keys, and how many rows are wanted.
type Case = (Vec<SortKey>, Option<usize>);

/// Sorts `batch` on the device and on the host for each case; returns how many kernels each took.
fn check_sorts(batch: &RecordBatch, cases: &[Case], what: &str) -> Vec<u64> {
    let (input, input_cases) = (batch.clone(), cases.to_vec());
    let sorted = on_device(move |task| {
        let chunk = upload(task, &input)?;
        let mut outputs = vec![];
        for (keys, fetch) in &input_cases {
            let before = task.stats().kernels_launched;
            let sorted = sort(task, &chunk, keys, *fetch)?;
            let launched = task.stats().kernels_launched - before;
            outputs.push((read_rows(task, &sorted.rows, sorted.count)?, launched));
        }
        Ok(outputs)
    })
    .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let mut all_launched = vec![];
    for ((keys, fetch), (rows, launched)) in cases.iter().zip(sorted) {
        let mut expected = sorted_on_host(batch, keys);
        expected.truncate(fetch.unwrap_or(usize::MAX));
        if rows != expected {
            let at = rows.iter().zip(&expected).position(|(row, expected)| row != expected);
            let (rows, expected) = (rows.len(), expected.len());
            panic!("{what}, {keys:?}, fetch {fetch:?}: {rows} rows for {expected}, which differ at {at:?}");
        }
        assert!(launched > 0 || rows.is_empty(), "{what}, {keys:?}");
        assert!(launched < 150, "{what}, {keys:?}: {launched} kernels");
        all_launched.push(launched);
    }
    all_launched
}

fn check_sort(batch: &RecordBatch, keys: &[SortKey], fetch: Option<usize>, what: &str) -> u64 {
    check_sorts(batch, &[(keys.to_vec(), fetch)], what)[0]
}

fn key(column: usize, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { column, descending, nulls_first }
}

fn random_key(columns: usize, random: &mut Random) -> SortKey {
    key(random.below(columns), random.below(2) == 0, random.below(2) == 0)
}

#[test]
fn every_type_is_sorted() {
    let schema = schema();
    for (seed, nulls) in [Nulls::None, Nulls::Random].into_iter().enumerate() {
        let random = &mut Random(seed as u64);
        let batch = batch(&schema, 2100, nulls, random);
        let cases: Vec<Case> = (0..schema.fields().len())
            .map(|column| (vec![key(column, random.below(2) == 0, random.below(2) == 0)], None))
            .collect();
        check_sorts(&batch, &cases, &format!("seed {seed}"));
        check_sorts(&batch.slice(0, 500), &cases, &format!("seed {seed}, 500 rows"));
    }
}

#[test]
fn several_keys_are_sorted() {
    let schema = schema();
    for (seed, rows) in [0, 1, 2, 31, 33, 255, 2047, 2048, 2049, 2500, 4096, 4097].into_iter().enumerate() {
        let random = &mut Random(seed as u64 + 50);
        let nulls = [Nulls::None, Nulls::All, Nulls::Random, Nulls::Random][random.below(4)];
        let batch = batch(&schema, rows, nulls, random);
        let fetches = [None, Some(0), Some(1), Some(10), Some(rows), Some(rows / 5)];
        let cases: Vec<Case> = (0..8)
            .map(|_| {
                let keys = 1 + random.below(4);
                let keys = (0..keys).map(|_| random_key(schema.fields().len(), random)).collect();
                (keys, fetches[random.below(6)])
            })
            .collect();
        check_sorts(&batch, &cases, &format!("seed {}, {rows} rows, nulls {nulls:?}", seed + 50));
    }
}

/// Few values in each column, so that there are many ties.
fn few_values(rows: usize, random: &mut Random) -> RecordBatch {
    let floats = [
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        -1.5,
        f64::MAX,
        f64::MIN,
    ];
    let int: Int32Array =
        (0..rows).map(|_| (random.below(9) > 0).then(|| random.below(7) as i32 - 3)).collect();
    let float: Float64Array = (0..rows).map(|_| Some(floats[random.below(floats.len())])).collect();
    let single: Float32Array = (0..rows).map(|_| Some(floats[random.below(floats.len())] as f32)).collect();
    let wide: Decimal128Array =
        (0..rows).map(|_| Some(random.below(5) as i128 * (1 << 70) - (1 << 71))).collect();
    let wide = wide.with_precision_and_scale(38, 2).unwrap();
    let texts = ["", "a", "a\0", "a\0\0", "aaaaaaaa", "aaaaaaaab", "é", "街道", "\u{ff}"];
    let text: StringArray =
        (0..rows).map(|_| (random.below(9) > 0).then(|| texts[random.below(texts.len())])).collect();
    let flag: BooleanArray = (0..rows).map(|_| (random.below(9) > 0).then(|| random.below(2) == 0)).collect();
    let equal: Int64Array = (0..rows).map(|_| Some(i64::MIN)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("int", Arc::new(int) as ArrayRef, true),
        ("float", Arc::new(float), true),
        ("single", Arc::new(single), true),
        ("wide", Arc::new(wide), true),
        ("text", Arc::new(text), true),
        ("flag", Arc::new(flag), true),
        ("equal", Arc::new(equal), true),
    ])
    .unwrap()
}

#[test]
fn ties_keep_their_order() {
    for (seed, rows) in [33, 1000, 2048, 2049, 6000].into_iter().enumerate() {
        let random = &mut Random(seed as u64 + 80);
        let batch = few_values(rows, random);
        let mut cases: Vec<Case> = (0..batch.num_columns())
            .map(|column| (vec![key(column, random.below(2) == 0, random.below(2) == 0)], None))
            .collect();
        for _ in 0..12 {
            let keys = (0..3).map(|_| random_key(batch.num_columns(), random)).collect();
            cases.push((keys, [None, Some(7), Some(rows / 10)][random.below(3)]));
        }
        check_sorts(&batch, &cases, &format!("seed {}, {rows} rows", seed + 80));
    }
}

#[test]
fn short_keys_share_a_word() {
    let random = &mut Random(90);
    let batch = few_values(5000, random);
    // Two bits and a null, one bit and a null: one digit, whatever the types' widths.
    let launched = check_sort(&batch, &[key(0, false, true), key(5, true, false)], None, "seed 90");
    // Ranges, words, histogram, one pass.
    assert_eq!(launched, 4);
    // Rows that are all equal need neither words nor passes.
    assert_eq!(check_sort(&batch, &[key(6, true, true)], None, "seed 90"), 2);
    // Few rows are sorted by one kernel.
    assert_eq!(
        check_sort(&batch.slice(7, 2048), &[key(4, true, true), key(1, false, true)], None, "seed 90"),
        1
    );
}

#[test]
fn sorted_and_reversed_rows_are_sorted() {
    for rows in [2048i64, 2049, 9000] {
        let rising: Int64Array = (0..rows).map(|row| Some(row * 1_000_003 - 4_000_000)).collect();
        let falling: Int64Array = (0..rows).rev().map(Some).collect();
        let batch = RecordBatch::try_from_iter([
            ("rising", Arc::new(rising) as ArrayRef),
            ("falling", Arc::new(falling)),
        ])
        .unwrap();
        let cases = [(0, false), (0, true), (1, false), (1, true)]
            .map(|(column, descending)| (vec![key(column, descending, false)], None));
        check_sorts(&batch, &cases, &format!("{rows} rows"));
    }
}

fn text_batch(texts: impl IntoIterator<Item = Option<String>>, random: &mut Random) -> RecordBatch {
    let texts: StringArray = texts.into_iter().collect();
    let number: Int32Array = (0..texts.len()).map(|_| Some(random.below(3) as i32)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("text", Arc::new(texts) as ArrayRef, true),
        ("number", Arc::new(number), true),
    ])
    .unwrap()
}

#[test]
fn strings_with_a_common_prefix_are_sorted_by_words() {
    let random = &mut Random(11);
    let texts: Vec<_> = (0..5000).map(|_| Some(format!("Customer#{:09}", 1 + random.below(3000)))).collect();
    let batch = text_batch(texts, random);
    let launched = check_sort(&batch, &[key(0, false, false)], None, "seed 11");
    // Lengths, prefix, ranges, words, histogram and a pass for each byte in which the numbers differ.
    assert!(launched <= 5 + 4, "{launched} kernels");
    check_sort(&batch, &[key(1, true, false), key(0, true, false)], None, "seed 11");
    check_sort(&batch, &[key(0, true, false), key(1, false, false)], Some(20), "seed 11");
}

#[test]
fn many_wide_keys_take_few_kernels() {
    let random = &mut Random(60);
    // Three values a column, so that every column decides about some rows.
    let columns = (0..9).map(|column| {
        let values: Vec<String> =
            (0..3).map(|_| format!("{:016x}{:016x}", random.next(), random.next())).collect();
        let texts: StringArray = (0..4000).map(|_| Some(&values[random.below(3)])).collect();
        (format!("c{column}"), Arc::new(texts) as ArrayRef, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap();
    let keys: Vec<SortKey> = (0..9).map(|column| key(column, column % 2 == 0, false)).collect();
    let launched = check_sort(&batch, &keys, None, "seed 60");
    assert!(launched < 70, "{launched} kernels");
}

#[test]
fn long_strings_are_sorted() {
    for seed in 20..24 {
        let random = &mut Random(seed);
        // Words do not tell these apart.
        let stems = ["", "x", &"long common prefix of them all ".repeat(4), &"é街".repeat(30), "y\0\0"];
        let texts: Vec<Option<String>> = (0..3000)
            .map(|_| {
                (random.below(10) > 0).then(|| {
                    let (stem, other) = (stems[random.below(stems.len())], stems[random.below(stems.len())]);
                    format!("{stem}{other}{}", random.below(30))
                })
            })
            .collect();
        let batch = text_batch(texts, random);
        let what = format!("seed {seed}");
        let (descending, nulls_first) = (random.below(2) == 0, random.below(2) == 0);
        let text = key(0, descending, nulls_first);
        let cases = [
            (vec![text], None),
            (vec![text, key(1, true, false)], None),
            (vec![key(1, false, false), text], None),
            (vec![text, key(1, true, false)], Some(40)),
        ];
        check_sorts(&batch, &cases, &what);
    }
}

#[test]
fn very_long_strings_are_sorted() {
    let random = &mut Random(30);
    let long = "0123456789".repeat(10_000);
    let mut texts: Vec<Option<String>> = (0..3000).map(|row| Some((row % 700).to_string())).collect();
    for (number, row) in [5, 6, 900, 1500, 1501, 2999].into_iter().enumerate() {
        texts[row] = Some(format!("{long}{}", ["b", "a", "", "b", "aa", ""][number]));
    }
    let all_long: Vec<Option<String>> = (0..40).map(|row| Some(format!("{long}{}", row * 7 % 40))).collect();
    let batch = text_batch(texts, random);
    check_sort(&batch, &[key(0, false, false)], None, "mostly short");
    check_sort(&batch, &[key(0, true, false), key(1, false, false)], None, "mostly short");
    check_sort(&text_batch(all_long.clone(), random), &[key(0, true, false)], None, "all long");
    // More rows than are compared at once: the common prefix of 100,000 bytes is left out.
    let many: Vec<Option<String>> =
        (0..2100).map(|row| Some(format!("{}{}", &long[..9000], row * 7 % 900))).collect();
    check_sort(&text_batch(many, random), &[key(0, false, false)], None, "all long");
}

#[test]
fn fetched_rows_are_the_first_of_all() {
    for seed in 40..46 {
        let random = &mut Random(seed);
        let rows = 20_000;
        let spread: Int64Array = (0..rows).map(|_| Some(random.next() as i64 >> random.below(60))).collect();
        let money: Float64Array = (0..rows)
            .map(|_| (random.below(50) > 0).then(|| random.below(1_000_000) as f64 / 100.0))
            .collect();
        let skewed: Int32Array =
            (0..rows).map(|_| Some(if random.below(3) > 0 { 1 } else { random.below(100) as i32 })).collect();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("spread", Arc::new(spread) as ArrayRef, true),
            ("money", Arc::new(money), true),
            ("skewed", Arc::new(skewed), true),
        ])
        .unwrap();
        let cases = [1, 10, 3000, 4999].map(|fetch| {
            let keys = 1 + random.below(3);
            ((0..keys).map(|_| random_key(3, random)).collect(), Some(fetch))
        });
        check_sorts(&batch, &cases, &format!("seed {seed}"));
    }
}
