//! What comes back is what was saved, bit for bit, of every type and by any region; what is damaged is an error.

mod damaged;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use num_complex::Complex;

use super::*;
use crate::dispatch;
use crate::dtype::{DType, Scalar};
use crate::error::ErrorKind;
use crate::graph::Region;
use crate::run::Sink;
use crate::storage::flat::{FlatSink, Layout};
use crate::tensor::{Slice, Tensor};

const SHAPES: [&[usize]; 7] = [&[], &[1], &[5], &[0], &[3, 0, 2], &[4, 6], &[3, 4, 5]];

/// Values of a type, NaN, infinities and -0.0 among them.
fn sample(dtype: DType, shape: &[usize]) -> Tensor {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    let value = |i: usize| match special.get(i % 11) {
        Some(&special) if dtype.is_complex() => Scalar::Complex(Complex::new(i as f64, special)),
        Some(&special) if dtype.is_float() => Scalar::Float(special),
        _ if dtype.is_complex() => Scalar::Complex(Complex::new(i as f64 * 0.5, -(i as f64))),
        _ if dtype.is_bool() => Scalar::Bool(i % 3 == 1),
        _ => Scalar::Int(i as i128 * 7 - 50),
    };
    let count = shape.iter().product();
    dispatch!(dtype, T => {
        let values = (0..count).map(|i| <T as crate::dtype::Element>::from_scalar(value(i))).collect();
        Tensor::from_vec::<T>(values, shape).unwrap()
    })
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.contiguous().unwrap().as_bytes().unwrap().to_vec()
}

#[track_caller]
fn assert_same(tensor: &Tensor, expected: &Tensor) {
    assert_eq!((tensor.dtype(), tensor.shape()), (expected.dtype(), expected.shape()));
    assert_eq!(bytes(tensor), bytes(expected));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn entries(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn save_one(path: &str, tensor: &Tensor, options: &SaveOptions) -> Result<()> {
    save(
        path,
        &[(String::new(), Array::from_tensor(tensor.clone()))],
        options,
        &Runner::new().with_threads(2),
    )
}

/// The source of an array that was opened.
fn source(array: &Array) -> Arc<dyn Source> {
    match array.op() {
        crate::graph::Op::Source(source) => source.clone(),
        other => panic!("{other:?} is no source"),
    }
}

fn read_all(path: &str) -> Result<Tensor> {
    let array = open(path, &OpenOptions::default())?;
    source(&array).read(&Region::whole(array.shape()))
}

/// An npy file by hand.
fn npy_bytes(version: u8, fields: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    match version {
        1 => file.extend((fields.len() as u16).to_le_bytes()),
        _ => file.extend((fields.len() as u32).to_le_bytes()),
    }
    file.extend(fields.bytes());
    file.extend(data);
    file
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn region(&mut self, shape: &[usize]) -> Region {
        let start: Vec<usize> = shape.iter().map(|&len| self.below(len + 1)).collect();
        let shape = shape.iter().zip(&start).map(|(&len, &start)| self.below(len - start + 1)).collect();
        Region { start, shape }
    }
}

#[track_caller]
fn assert_regions(source: &dyn Source, whole: &Tensor) {
    let mut numbers = Numbers(7);
    assert_same(&source.read(&Region::whole(whole.shape())).unwrap(), whole);
    for _ in 0..200 {
        let region = numbers.region(whole.shape());
        assert_same(&source.read(&region).unwrap(), &whole.slice(&region.slices()));
    }
}

#[track_caller]
fn assert_error(result: Result<Tensor>, kind: ErrorKind, parts: &[&str]) {
    let error = result.expect_err("damaged");
    assert_eq!(error.kind(), kind, "{error}");
    parts.iter().for_each(|part| assert!(error.to_string().contains(part), "{error} does not say {part}"));
}

#[test]
fn every_type_and_shape_comes_back() -> Result<()> {
    let folder = Folder::new();
    for format in ["npy", "npz", "safetensors", "zarr"] {
        let path = folder.path(&format!("x.{format}"));
        for dtype in DType::ALL {
            for shape in SHAPES {
                let tensor = sample(dtype, shape);
                let missing =
                    matches!((format, dtype), ("npy" | "npz", DType::BF16) | ("safetensors", DType::C128));
                if missing {
                    let error = save_one(&path, &tensor, &SaveOptions::default()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Type, "{format} {dtype}: {error}");
                    continue;
                }
                save_one(&path, &tensor, &SaveOptions::default())?;
                let array = open(&path, &OpenOptions::default())?;
                assert_eq!((array.dtype(), array.shape()), (dtype, shape));
                assert_same(&read_all(&path)?, &tensor);
            }
        }
    }
    // Nothing half written is left.
    assert_eq!(folder.entries(), ["x.npy", "x.npz", "x.safetensors", "x.zarr"]);
    Ok(())
}

#[test]
fn views_are_saved_as_they_show() -> Result<()> {
    let folder = Folder::new();
    let tensor = sample(DType::F32, &[6, 5, 4]);
    let turned = tensor.permute(&[2, 0, 1]);
    let slices =
        [Slice { start: 3, count: 4, step: -1 }, Slice { start: 1, count: 2, step: 3 }, Slice::range(1, 3)];
    let spread = tensor.slice(&[Slice::range(2, 1), Slice::range(0, 5), Slice::range(1, 1)]);
    for view in [turned.slice(&slices), turned, spread.broadcast(&[3, 5, 2])] {
        for format in ["npy", "npz", "safetensors", "zarr"] {
            let path = folder.path(&format!("x.{format}"));
            save_one(&path, &view, &SaveOptions::default())?;
            assert_same(&read_all(&path)?, &view);
        }
    }
    Ok(())
}

#[test]
fn any_region_is_that_slice_of_the_whole() -> Result<()> {
    let folder = Folder::new();
    let options = |compression, chunks: Option<&[usize]>, shards: Option<&[usize]>| SaveOptions {
        compression,
        chunks: chunks.map(<[usize]>::to_vec),
        shards: shards.map(<[usize]>::to_vec),
    };
    for (dtype, shape) in [
        (DType::I16, &[17, 9, 5][..]),
        (DType::C64, &[40, 3]),
        (DType::Bool, &[31]),
        (DType::F64, &[2, 3, 4, 5, 2]),
        (DType::U64, &[]),
    ] {
        let tensor = sample(dtype, shape);
        let small: Vec<usize> = shape.iter().map(|&len: &usize| (len / 3).max(1)).collect();
        let shard: Vec<usize> = small.iter().map(|len| len * 2).collect();
        for (name, options) in [
            ("plain.npy", options(Compression::Default, None, None)),
            ("stored.npz", options(Compression::None, None, None)),
            ("packed.npz", options(Compression::Gzip(6), None, None)),
            ("plain.safetensors", options(Compression::Default, None, None)),
            ("plain.zarr", options(Compression::Default, None, None)),
            ("chunked.zarr", options(Compression::Zstd(1), Some(&small), None)),
            ("gzip.zarr", options(Compression::Gzip(1), Some(&small), None)),
            ("sharded.zarr", options(Compression::None, Some(&small), Some(&shard))),
        ] {
            let path = folder.path(name);
            save_one(&path, &tensor, &options)?;
            assert_regions(&*source(&open(&path, &OpenOptions::default())?), &tensor);
        }
    }
    Ok(())
}

#[test]
fn narrow_parts_of_large_files_are_read_in_spans() -> Result<()> {
    let folder = Folder::new();
    let (rows, columns) = (3000, 700);
    let tensor = Tensor::from_vec((0..rows * columns).map(|i| i as f64).collect(), &[rows, columns])?;
    let path = folder.path("x.npy");
    save_one(&path, &tensor, &SaveOptions::default())?;
    let source = source(&open(&path, &OpenOptions::default())?);
    for (start, shape) in
        [([0, 3], [3000, 1]), ([17, 699], [2983, 1]), ([1, 2], [2999, 300]), ([2999, 0], [1, 700])]
    {
        let region = Region { start: start.to_vec(), shape: shape.to_vec() };
        assert_same(&source.read(&region)?, &tensor.slice(&region.slices()));
    }
    Ok(())
}

#[test]
fn reads_column_major_and_big_endian_npy() -> Result<()> {
    let folder = Folder::new();
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
        for (version, shape) in [(1, &[3usize, 4, 5][..]), (2, &[6, 7]), (3, &[9]), (1, &[]), (2, &[2, 0])] {
            let tensor = sample(dtype, shape);
            let kind = match dtype {
                DType::Bool => 'b',
                _ if dtype.is_signed() => 'i',
                _ if dtype.is_unsigned() => 'u',
                _ if dtype.is_float() => 'f',
                _ => 'c',
            };
            let part = dtype.real().size();
            let little = |tensor: &Tensor| bytes(tensor);
            let big = |tensor: &Tensor| {
                let mut bytes = bytes(tensor);
                bytes.chunks_mut(part).for_each(<[u8]>::reverse);
                bytes
            };
            let axes: Vec<usize> = (0..shape.len()).rev().collect();
            let turned = tensor.permute(&axes);
            let show = crate::error::show_shape(shape);
            let size = dtype.size();
            for (descr, order, data) in [
                (format!("'<{kind}{size}'"), "False", little(&tensor)),
                (format!("\"<{kind}{size}\""), "True", little(&turned)),
                (format!("'>{kind}{size}'"), "False", big(&tensor)),
                (format!("'>{kind}{size}'"), "True", big(&turned)),
            ] {
                let fields = format!("{{'shape': {show}, \"fortran_order\":{order},\n'descr': {descr}}}  \n");
                let path = folder.put("x.npy", &npy_bytes(version, &fields, &data));
                assert_regions(&*source(&open(&path, &OpenOptions::default())?), &tensor);
            }
        }
    }
    Ok(())
}

#[test]
fn reads_what_older_pythons_wrote() -> Result<()> {
    let folder = Folder::new();
    let fields = "{'descr': '<i4', 'fortran_order': False, 'shape': (2L, 1L), }";
    let path = folder.put("x.npy", &npy_bytes(1, fields, &[1, 0, 0, 0, 255, 255, 255, 255]));
    assert_eq!(read_all(&path)?.to_vec::<i32>()?, [1, -1]);
    // Any byte but 0 is true.
    let fields = "{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}";
    let path = folder.put("x.npy", &npy_bytes(1, fields, &[0, 1, 2, 255]));
    assert_eq!(read_all(&path)?.to_vec::<bool>()?, [false, true, true, true]);
    Ok(())
}

#[test]
fn npy_headers_are_numpys() -> Result<()> {
    let header = super::npy::header(DType::F64, &[3, 4])?;
    assert_eq!(header.len() % 64, 0);
    assert!(header.starts_with(
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }"
    ));
    assert!(header.ends_with(b" \n"));
    Ok(())
}

#[test]
fn safetensors_by_hand() -> Result<()> {
    let folder = Folder::new();
    let header = br#"{"w":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[4,7]},"__metadata__":{"format":"pt"}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend([0x80, 0x3f, 0x00, 0xc0, 1, 2, 3]);
    let path = folder.put("x.safetensors", &file);
    assert_eq!(names(&path)?, ["w", "b"]);
    let named = |name: &str| OpenOptions { name: Some(name.to_string()), ..Default::default() };
    let array = open(&path, &named("w"))?;
    let values = source(&array).read(&Region::whole(&[2, 1]))?.to_vec::<half::bf16>()?;
    assert_eq!(values.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), [1.0, -2.0]);
    assert_error(open(&path, &named("b")).map(|_| unreachable!()), ErrorKind::Type, &["F8_E4M3", "'b'"]);
    assert_error(open(&path, &named("c")).map(|_| unreachable!()), ErrorKind::Io, &["'c'"]);
    assert_error(read_all(&path), ErrorKind::Value, &["w, b"]);
    Ok(())
}

#[test]
fn zarr_by_hand() -> Result<()> {
    let folder = Folder::new();
    // Version 3, big-endian, uncompressed, one chunk of two missing: its values are the fill value.
    let path = folder.path("hand");
    std::fs::create_dir_all(format!("{path}/c/0")).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"array","shape":[2,3],"data_type":"int16",
        "chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2,2]}},
        "chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":-7,
        "codecs":[{"name":"bytes","configuration":{"endian":"big"}}],"attributes":{"unit":"m"}}"#;
    std::fs::write(format!("{path}/zarr.json"), metadata).unwrap();
    std::fs::write(format!("{path}/c/0/0"), [0, 1, 0, 2, 0, 3, 255, 255]).unwrap();
    assert_eq!(read_all(&path)?.to_vec::<i16>()?, [1, 2, -7, 3, -1, -7]);
    assert_eq!(names(&path)?, [""]);
    // Version 2.
    let path = folder.path("two.zarr");
    std::fs::create_dir(&path).unwrap();
    let metadata = r#"{"zarr_format":2,"shape":[3],"chunks":[2],"dtype":"<f4","compressor":null,"fill_value":0.5,
        "order":"C","filters":null}"#;
    std::fs::write(format!("{path}/.zarray"), metadata).unwrap();
    std::fs::write(format!("{path}/0"), [0, 0, 128, 63, 0, 0, 0, 64]).unwrap();
    assert_eq!(read_all(&path)?.to_vec::<f32>()?, [1.0, 2.0, 0.5]);
    // A type that arrays do not have.
    let path = folder.path("text.zarr");
    std::fs::create_dir(&path).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"array","shape":[2],"data_type":"string",
        "chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2]}},
        "chunk_key_encoding":{"name":"default"},"fill_value":"","codecs":[{"name":"vlen-utf8"}]}"#;
    std::fs::write(format!("{path}/zarr.json"), metadata).unwrap();
    assert_error(read_all(&path), ErrorKind::Type, &["text.zarr", "string"]);
    Ok(())
}

#[test]
fn several_arrays_are_kept_under_their_names() -> Result<()> {
    let folder = Folder::new();
    let tensors = [
        ("b", sample(DType::U8, &[3])),
        ("a/deep/one", sample(DType::F64, &[2, 2])),
        ("a/two", sample(DType::I64, &[])),
    ];
    let arrays: Vec<(String, Array)> =
        tensors.iter().map(|(name, tensor)| (name.to_string(), Array::from_tensor(tensor.clone()))).collect();
    for (format, expected) in [
        ("npz", ["b", "a/deep/one", "a/two"]),
        ("zarr", ["a/deep/one", "a/two", "b"]),
        ("safetensors", ["a/deep/one", "a/two", "b"]),
    ] {
        let path = folder.path(&format!("x.{format}"));
        save(&path, &arrays, &SaveOptions::default(), &Runner::new())?;
        assert_eq!(names(&path)?, expected);
        for (name, tensor) in &tensors {
            let array = open(&path, &OpenOptions { name: Some(name.to_string()), ..Default::default() })?;
            assert_same(&source(&array).read(&Region::whole(array.shape()))?, tensor);
        }
        assert_error(read_all(&path), ErrorKind::Value, &["3 arrays", "a/two"]);
    }
    Ok(())
}

#[test]
fn sinks_take_regions_in_any_order() -> Result<()> {
    let folder = Folder::new();
    let path = PathBuf::from(folder.path("x.bin"));
    let tensor = sample(DType::I32, &[5, 7, 3]);
    for big_endian in [false, true] {
        let file = super::file::NewFile::create(&path, 3 + 5 * 7 * 3 * 4)?;
        let layout = Layout { big_endian, ..Layout::plain(DType::I32, &[5, 7, 3], 3) };
        let sink = FlatSink::new(&file, layout.clone());
        for (start, shape) in
            [([2, 0, 0], [3, 7, 3]), ([0, 3, 1], [2, 4, 2]), ([0, 0, 0], [2, 3, 3]), ([0, 3, 0], [2, 4, 1])]
        {
            let region = Region { start: start.to_vec(), shape: shape.to_vec() };
            sink.write(&region, &tensor.slice(&region.slices()))?;
        }
        let outside = Region { start: vec![4, 0, 0], shape: vec![2, 7, 3] };
        assert_eq!(sink.write(&outside, &tensor).unwrap_err().kind(), ErrorKind::Bug);
        file.finish()?;
        let flat = super::flat::Flat::new("bin", None, super::file::DataFile::open(&path)?, layout)?;
        assert_same(&flat.read(&Region::whole(&[5, 7, 3]))?, &tensor);
    }
    Ok(())
}

#[test]
fn large_arrays_are_written_in_parallel() -> Result<()> {
    let folder = Folder::new();
    let tensor = Tensor::from_vec((0..900 * 1300).map(|i| i as f32).collect(), &[900, 1300])?;
    // In chunks that no file likes.
    let array = Array::from_tensor(tensor.clone()).with_chunks(vec![101, 33]);
    for (format, options) in [
        ("npy", SaveOptions::default()),
        ("npz", SaveOptions::default()),
        ("safetensors", SaveOptions::default()),
        ("zarr", SaveOptions::default()),
        (
            "zarr",
            SaveOptions { chunks: Some(vec![50, 70]), shards: Some(vec![200, 140]), ..Default::default() },
        ),
    ] {
        let path = folder.path(&format!("x.{format}"));
        save(&path, &[(String::new(), array.clone())], &options, &Runner::new().with_threads(4))?;
        assert_same(&read_all(&path)?, &tensor);
    }
    Ok(())
}

#[test]
fn many_files_are_one_array() -> Result<()> {
    let folder = Folder::new();
    let whole = sample(DType::F32, &[70, 3, 4]);
    let part = |start: usize, count: usize| {
        whole.slice(&[Slice::range(start, count), Slice::range(0, 3), Slice::range(0, 4)])
    };
    // Of different lengths, one of them 0.
    for (i, (start, count)) in [(0, 10), (10, 0), (10, 25), (35, 1), (36, 34)].into_iter().enumerate() {
        save_one(&folder.path(&format!("c-{i}.npy")), &part(start, count), &SaveOptions::default())?;
    }
    let array = open(&folder.path("c-*.npy"), &OpenOptions::default())?;
    assert_regions(&*source(&array), &whole);
    // More than are held open.
    for i in 0..70 {
        save_one(
            &folder.path(&format!("s-{i:02}.safetensors")),
            &part(i, 1).reshape(&[3, 4])?,
            &SaveOptions::default(),
        )?;
    }
    for (axis, axes) in [(0, [0, 1, 2]), (1, [1, 0, 2]), (-1, [1, 2, 0])] {
        let options = OpenOptions { combine: Combine::Stack(axis), ..Default::default() };
        let array = open(&folder.path("s-??.safetensors"), &options)?;
        assert_regions(&*source(&array), &whole.permute(&axes));
    }
    // A list has its own order.
    let paths = [folder.path("c-3.npy"), folder.path("c-0.npy")];
    let array = open_files(&paths, &OpenOptions::default())?;
    assert_eq!(array.shape(), [11, 3, 4]);
    assert_same(&source(&array).read(&Region { start: vec![1, 0, 0], shape: vec![10, 3, 4] })?, &part(0, 10));
    let options = OpenOptions { combine: Combine::Concat(-1), ..Default::default() };
    let array = open_files(&[folder.path("s-05.safetensors"), folder.path("s-05.safetensors")], &options)?;
    assert_eq!(array.shape(), [3, 8]);
    Ok(())
}

#[test]
fn files_that_do_not_fit_are_named() -> Result<()> {
    let folder = Folder::new();
    let put = |name: &str, dtype, shape: &[usize]| {
        save_one(&folder.path(name), &sample(dtype, shape), &SaveOptions::default())
    };
    put("a-0.npy", DType::F32, &[2, 3])?;
    put("a-1.npy", DType::F32, &[5, 3])?;
    put("a-2.npy", DType::F32, &[5, 4])?;
    put("b-0.npy", DType::F32, &[2])?;
    put("b-1.npy", DType::F64, &[2])?;
    let open = |pattern: &str, combine| {
        open(&folder.path(pattern), &OpenOptions { combine, ..Default::default() }).map(|_| unreachable!())
    };
    assert_error(
        open("a-*.npy", Combine::Concat(0)),
        ErrorKind::Value,
        &["a-2.npy", "(5, 4)", "a-0.npy", "(2, 3)"],
    );
    assert_error(open("a-[01].npy", Combine::Stack(0)), ErrorKind::Value, &["a-1.npy", "(5, 3)"]);
    assert_error(open("b-*.npy", Combine::Concat(0)), ErrorKind::Type, &["b-1.npy", "float64", "float32"]);
    assert_error(open("a-[01].npy", Combine::Concat(2)), ErrorKind::Axis, &["2"]);
    assert_error(open("none-*.npy", Combine::Concat(0)), ErrorKind::Io, &["none-*.npy"]);
    assert_error(open("[.npy", Combine::Concat(0)), ErrorKind::Value, &["[.npy"]);
    let error = open_files(&[], &OpenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn a_file_that_changes_is_noticed() -> Result<()> {
    let folder = Folder::new();
    for i in 0..=super::glob::OPEN_FILES_MAX {
        save_one(&folder.path(&format!("{i:03}.npy")), &sample(DType::U8, &[4]), &SaveOptions::default())?;
    }
    let array = open(&folder.path("*.npy"), &OpenOptions::default())?;
    save_one(&folder.path("001.npy"), &sample(DType::U8, &[400]), &SaveOptions::default())?;
    let source = source(&array);
    assert!(source.read(&Region { start: vec![0], shape: vec![4] }).is_ok());
    assert_error(
        source.read(&Region { start: vec![4], shape: vec![4] }),
        ErrorKind::Io,
        &["001.npy", "changed"],
    );
    Ok(())
}
