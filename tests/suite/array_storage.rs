//! Arrays as tables of chunks in Arrow and Parquet files.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type, UInt64Type};
use half::{bf16, f16};
use swath::array::storage::{names, open, open_files, save};
use swath_array::dtype::{Element, Scalar};
use swath_array::error::ErrorKind;
use swath_array::graph::{Array, Op, Region, Source};
use swath_array::run::Runner;
use swath_array::storage::{Combine, Compression, OpenOptions, SaveOptions};
use swath_array::tensor::Slice;
use swath_array::{DType, Result, Tensor, dispatch};

fn complex(re: f64, im: f64) -> Scalar {
    let mut number = Scalar::Float(re).as_complex();
    number.im = im;
    Scalar::Complex(number)
}

/// Values of a type, NaN and -0.0 among them.
fn sample(dtype: DType, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    dispatch!(dtype, T => {
        let value = |i: usize| match i % 5 {
            0 if dtype.is_inexact() => T::from_scalar(Scalar::Float(f64::NAN)),
            1 if dtype.is_inexact() => T::from_scalar(Scalar::Float(-0.0)),
            _ if dtype.is_bool() => T::from_scalar(Scalar::Bool(i % 3 == 1)),
            _ if dtype.is_complex() => T::from_scalar(complex(i as f64, -0.5)),
            _ => T::from_scalar(Scalar::Int(i as i128 * 3 - 20)),
        };
        Tensor::from_vec::<T>((0..count).map(value).collect(), shape).expect("it fits")
    })
}

#[track_caller]
fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!((found.dtype(), found.shape()), (expected.dtype(), expected.shape()));
    let bytes = |tensor: &Tensor| tensor.contiguous().expect("memory").as_bytes().map(<[u8]>::to_vec);
    assert_eq!(bytes(found), bytes(expected));
}

fn source(array: &Array) -> Arc<dyn Source> {
    match array.op() {
        Op::Source(source) => source.clone(),
        other => panic!("{other:?} is no source"),
    }
}

fn read_all(path: &str) -> Result<Tensor> {
    let array = open(path, &OpenOptions::default())?;
    source(&array).read(&Region::whole(array.shape()))
}

fn save_one(path: &str, tensor: &Tensor, options: &SaveOptions) -> Result<()> {
    save(
        path,
        &[(String::new(), Array::from_tensor(tensor.clone()))],
        options,
        &Runner::new().with_threads(4),
    )
}

fn chunks(lengths: &[usize]) -> SaveOptions {
    SaveOptions { chunks: Some(lengths.to_vec()), ..Default::default() }
}

#[test]
fn chunk_tables_hold_every_type_and_shape() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["x.arrow", "x.parquet"] {
        let path = folder.path().join(name);
        let path = path.to_str().expect("text");
        for dtype in DType::ALL {
            for (shape, chunk) in [
                (&[][..], &[][..]),
                (&[0], &[1]),
                (&[3, 0, 2], &[2, 1, 1]),
                (&[7], &[3]),
                (&[5, 7, 3], &[2, 7, 2]),
            ] {
                let tensor = sample(dtype, shape);
                save_one(path, &tensor, &chunks(chunk))?;
                let array = open(path, &OpenOptions::default())?;
                assert_eq!((array.dtype(), array.shape()), (dtype, shape), "{name}");
                assert_same(&read_all(path)?, &tensor);
                if shape.len() == 3 && !tensor.is_empty() {
                    let region = Region { start: vec![1, 2, 1], shape: vec![3, 4, 2] };
                    assert_same(&source(&array).read(&region)?, &tensor.slice(&region.slices()));
                }
            }
        }
        assert_eq!(names(path)?, [""]);
    }
    Ok(())
}

#[test]
fn chunk_tables_are_tables() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = sample(DType::C64, &[3, 4]);
    let ipc = folder.path().join("x.arrow");
    save_one(ipc.to_str().expect("text"), &tensor, &chunks(&[2, 4]))?;
    let reader = arrow::ipc::reader::FileReader::try_new(std::fs::File::open(&ipc).expect("the file"), None);
    let reader = reader.expect("an Arrow file");
    let schema = reader.schema();
    let extension = schema.field(1).metadata().get("ARROW:extension:name").map(String::as_str);
    assert_eq!(extension, Some("arrow.variable_shape_tensor"));
    let mut batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("batches");
    let first = |batch: &RecordBatch| {
        batch.column(0).as_fixed_size_list().value(0).as_primitive::<UInt64Type>().value(0)
    };
    batches.sort_by_key(first);
    assert_eq!(batches.iter().map(first).collect::<Vec<_>>(), [0, 1]);
    let tensors = batches[1].column(1).as_struct();
    let shape = tensors.column(1).as_fixed_size_list().value(0);
    assert_eq!(shape.as_primitive::<Int32Type>().values()[..], [1, 4, 2]);
    let data = tensors.column(0).as_list::<i32>().value(0);
    let last_row: Vec<f32> = data.as_primitive::<Float32Type>().values().to_vec();
    assert_eq!(last_row[..2], [8.0, -0.5]);
    Ok(())
}

#[test]
fn chunk_tables_are_written_in_parallel_and_compressed() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = Tensor::from_vec((0..600 * 500).map(|i| (i / 7) as f32).collect(), &[600, 500])?;
    for (name, compression) in [
        ("x.arrow", Compression::None),
        ("x.parquet", Compression::Default),
        ("y.parquet", Compression::Gzip(2)),
        ("z.parquet", Compression::None),
    ] {
        let path = folder.path().join(name);
        let path = path.to_str().expect("text");
        save_one(path, &tensor, &SaveOptions { compression, ..chunks(&[64, 100]) })?;
        assert_same(&read_all(path)?, &tensor);
        let computed = Runner::new().compute(&open(path, &OpenOptions::default())?)?;
        assert_same(&computed, &tensor);
    }
    let zstd = SaveOptions { compression: Compression::Zstd(1), ..Default::default() };
    let error = save_one(folder.path().join("z.arrow").to_str().expect("text"), &tensor, &zstd).unwrap_err();
    assert!(error.to_string().contains("compression"), "{error}");
    assert!(!folder.path().join("z.arrow").exists());
    Ok(())
}

#[test]
fn many_chunk_tables_are_one_array() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = sample(DType::F16, &[6, 4]);
    assert_eq!(whole.get::<f16>(&[0, 2]).to_f64(), -14.0);
    let mut paths = vec![];
    for i in 0..3 {
        let path = folder.path().join(format!("part-{i}.parquet")).to_str().expect("text").to_string();
        save_one(&path, &whole.slice(&[Slice::range(2 * i, 2), Slice::range(0, 4)]), &chunks(&[1, 4]))?;
        paths.push(path);
    }
    let pattern = folder.path().join("part-*.parquet");
    let array = open(pattern.to_str().expect("text"), &OpenOptions::default())?;
    assert_same(&source(&array).read(&Region::whole(&[6, 4]))?, &whole);
    let stacked = OpenOptions { combine: Combine::Stack(1), ..Default::default() };
    let array = open_files(&paths[..2], &stacked)?;
    assert_eq!(array.shape(), [2, 2, 4]);
    // The formats that the array crate knows go through the same door.
    let path = folder.path().join("x.npy").to_str().expect("text").to_string();
    save_one(&path, &sample(DType::I8, &[3]), &SaveOptions::default())?;
    assert_same(&read_all(&path)?, &sample(DType::I8, &[3]));
    let error = open_files(&[paths[0].clone(), path], &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("x.npy"), "{error}");
    Ok(())
}

#[test]
fn damaged_chunk_tables_are_errors() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let tensor = sample(DType::BF16, &[4, 3]);
    assert_eq!(tensor.get::<bf16>(&[1, 0]).to_f64(), -11.0);
    for name in ["x.arrow", "x.parquet"] {
        let path = folder.path().join(name);
        let shown = path.to_str().expect("text");
        save_one(shown, &tensor, &chunks(&[2, 3]))?;
        let whole = std::fs::read(&path).expect("the file");
        for len in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..len]).expect("written");
            let error = read_all(shown).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            std::fs::write(&path, damaged).expect("written");
            // Whether it is seen or not, nothing panics.
            let _ = read_all(shown);
        }
    }
    Ok(())
}

#[test]
fn a_table_that_is_no_array_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("table.arrow");
    let column: arrow::array::ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("a", column)]).expect("a batch");
    let mut writer = arrow::ipc::writer::FileWriter::try_new(
        std::fs::File::create(&path).expect("a file"),
        &batch.schema(),
    )
    .expect("a writer");
    writer.write(&batch).expect("written");
    writer.finish().expect("written");
    let error = read_all(path.to_str().expect("text")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(error.to_string().contains("read it as a frame"), "{error}");
}
