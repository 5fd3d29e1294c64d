//! Damaged files, and saving that fails.

use super::*;

#[test]
fn damaged_npy_files_say_what_is_wrong() {
    let folder = Folder::new();
    let check = |version: u8, fields: &str, kind: ErrorKind, parts: &[&str]| {
        let path = folder.put("bad.npy", &npy_bytes(version, fields, &[0; 64]));
        assert_error(read_all(&path), kind, &[parts, &["bad.npy"]].concat());
    };
    let with = |descr: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
    };
    check(1, &with("'|O'", "(2,)"), ErrorKind::Type, &["Python objects"]);
    check(1, &with("'<U5'", "(2,)"), ErrorKind::Type, &["strings"]);
    check(1, &with("'<M8[ns]'", "(2,)"), ErrorKind::Type, &["times"]);
    check(1, &with("'<f16'", "(2,)"), ErrorKind::Type, &["<f16"]);
    check(1, &with("[('a', '<f4'), ('b', '<i4', (2, 2))]", "(2,)"), ErrorKind::Type, &["records"]);
    check(1, &with("'<f8'", "(9,)"), ErrorKind::Io, &["truncated", "(9,)", "72 bytes"]);
    check(1, &with("'<f8'", "(4294967296, 4294967296)"), ErrorKind::Io, &["too large"]);
    check(1, &with("'<f8'", "(2305843009213693952,)"), ErrorKind::Io, &["too large"]);
    check(1, &with("'<f8'", "(99999999999999999999999,)"), ErrorKind::Io, &["length of an axis"]);
    check(1, &with("'<f8'", "(-1,)"), ErrorKind::Io, &["length of an axis"]);
    check(1, &with("'<f8'", &format!("({})", "1,".repeat(100))), ErrorKind::Io, &["100 axes"]);
    check(1, "{'descr': '<f8', 'shape': (1,)}", ErrorKind::Io, &["'fortran_order'"]);
    check(1, "{'descr': '<f8'", ErrorKind::Io, &["expected '}'"]);
    check(1, "", ErrorKind::Io, &["expected '{'"]);
    check(9, &with("'<f8'", "(1,)"), ErrorKind::Io, &["version 9.0"]);
    let path = folder.put("bad.npy", b"PK\x03\x04 is a zip");
    assert_error(read_all(&path), ErrorKind::Io, &["not an npy file"]);
    let path = folder.put("bad.npy", b"");
    assert_error(read_all(&path), ErrorKind::Io, &["truncated"]);
    assert_error(read_all(&folder.path("none.npy")), ErrorKind::Io, &["none.npy", "No such file"]);
    assert_error(read_all(&folder.path("x.txt")), ErrorKind::Value, &["x.txt", ".npy"]);
    std::fs::create_dir(folder.path("folder.npy")).unwrap();
    assert_error(read_all(&folder.path("folder.npy")), ErrorKind::Io, &["folder"]);
}

/// Opens and reads all that is small; no more is asked than that nothing panics.
fn try_everything(path: &str) {
    let Ok(names) = names(path) else { return };
    for name in names {
        let options = OpenOptions { name: Some(name), ..Default::default() };
        let Ok(array) = open(path, &options) else { continue };
        if array.bytes() < 1 << 20 {
            let _ = source(&array).read(&Region::whole(array.shape()));
        }
    }
}

#[test]
fn damaged_bytes_never_panic() -> Result<()> {
    let folder = Folder::new();
    let arrays = [
        ("a".to_string(), Array::from_tensor(sample(DType::I32, &[3, 2]))),
        ("b".to_string(), Array::from_tensor(sample(DType::Bool, &[5]))),
    ];
    let runner = Runner::new();
    for (name, arrays, compression) in [
        ("x.npy", &arrays[..1], Compression::None),
        ("x.npz", &arrays[..], Compression::None),
        ("packed.npz", &arrays[..], Compression::Gzip(9)),
        ("x.safetensors", &arrays[..], Compression::None),
    ] {
        let path = folder.path(name);
        save(&path, arrays, &SaveOptions { compression, ..Default::default() }, &runner)?;
        damage(Path::new(&path), &path);
    }
    let path = folder.path("x.zarr");
    let chunks = SaveOptions { chunks: Some(vec![2, 2]), ..Default::default() };
    save(&path, &arrays[..1], &chunks, &runner)?;
    for file in ["zarr.json", "a/zarr.json", "a/c/0/0"] {
        damage(&Path::new(&path).join(file), &path);
    }
    let shards = SaveOptions { chunks: Some(vec![2, 1]), shards: Some(vec![2, 2]), ..Default::default() };
    save(&path, &arrays[..1], &shards, &runner)?;
    for file in ["a/zarr.json", "a/c/0/0"] {
        damage(&Path::new(&path).join(file), &path);
    }
    Ok(())
}

/// Cuts a file at each byte, and sets each byte to several values; after each, opens `path`.
fn damage(file: &Path, path: &str) {
    let whole = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let try_with = |bytes: &[u8]| {
        std::fs::write(file, bytes).unwrap();
        try_everything(path);
    };
    for len in 0..whole.len() {
        try_with(&whole[..len]);
    }
    for at in 0..whole.len() {
        for value in [b'9', 0xff, whole[at] ^ 0x80] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            try_with(&bytes);
        }
    }
    std::fs::write(file, whole).unwrap();
}

#[test]
fn damaged_containers_are_errors() -> Result<()> {
    let folder = Folder::new();
    assert_error(read_all(&folder.put("x.npz", b"PK\x03\x04 and no more")), ErrorKind::Io, &["x.npz", "npz"]);
    assert_error(
        read_all(&folder.put("x.safetensors", b"1234")),
        ErrorKind::Io,
        &["x.safetensors", "4 bytes"],
    );
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend(b"{}");
    assert_error(read_all(&folder.put("x.safetensors", &long)), ErrorKind::Io, &["x.safetensors", "header"]);
    std::fs::create_dir(folder.path("x.zarr")).unwrap();
    assert_error(read_all(&folder.path("x.zarr")), ErrorKind::Io, &["x.zarr"]);
    // A tensor less than the header tells of.
    let path = folder.path("y.safetensors");
    save_one(&path, &sample(DType::BF16, &[4]), &SaveOptions::default())?;
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_error(read_all(&path), ErrorKind::Io, &["y.safetensors", "8 bytes"]);
    // A deflated member whose sum is wrong.
    let path = folder.path("y.npz");
    let gzip = SaveOptions { compression: Compression::Gzip(0), ..Default::default() };
    save_one(&path, &sample(DType::U8, &[64]), &gzip)?;
    let mut whole = std::fs::read(&path).unwrap();
    let at =
        whole.windows(3).position(|bytes| bytes == [6, 13, 20]).expect("the values lie there as they are");
    whole[at] ^= 1;
    std::fs::write(&path, whole).unwrap();
    assert_error(read_all(&path), ErrorKind::Io, &["y.npz[arr_0]", "checksum"]);
    Ok(())
}

#[test]
fn what_does_not_fit_a_format_is_refused() {
    let folder = Folder::new();
    let x = Array::from_tensor(sample(DType::F32, &[4, 4]));
    let named = |name: &str| (name.to_string(), x.clone());
    let runner = Runner::new();
    let plain = SaveOptions::default();
    let zstd = SaveOptions { compression: Compression::Zstd(1), ..Default::default() };
    let chunks = |lengths: &[usize]| SaveOptions { chunks: Some(lengths.to_vec()), ..Default::default() };
    let shards = SaveOptions { chunks: Some(vec![2, 2]), shards: Some(vec![3, 4]), ..Default::default() };
    for (name, arrays, options, part) in [
        ("x.npy", vec![named("a"), named("b")], &plain, "one array, not 2"),
        ("x.npy", vec![named("a")], &zstd, "compression"),
        ("x.npy", vec![named("a")], &chunks(&[2, 2]), "only Zarr"),
        ("x.npz", vec![named("a"), named("a")], &plain, "two arrays are called 'a'"),
        ("x.npz", vec![named("a")], &zstd, "zstd"),
        ("x.zarr", vec![named("a"), named("a/b")], &plain, "an array and a group"),
        ("x.zarr", vec![named("a//b")], &plain, "'a//b' cannot be the name"),
        ("x.zarr", vec![named("a")], &chunks(&[2]), "(2,)"),
        ("x.zarr", vec![named("a")], &chunks(&[2, 0]), "(2, 0)"),
        ("x.zarr", vec![named("a")], &shards, "(3, 4)"),
        ("x.dat", vec![named("a")], &plain, ".safetensors"),
    ] {
        let error = save(&folder.path(name), &arrays, options, &runner).unwrap_err();
        assert!(error.to_string().contains(part), "{name}: {error} does not say {part}");
    }
    std::fs::create_dir(folder.path("notes.zarr")).unwrap();
    std::fs::write(folder.path("notes.zarr/keep"), "me").unwrap();
    let error = save(&folder.path("notes.zarr"), &[named("")], &plain, &runner).unwrap_err();
    assert!(error.to_string().contains("not a Zarr store"), "{error}");
    assert_eq!(folder.entries(), ["notes.zarr"]);
    let error = save(&folder.path("none/x.npy"), &[named("")], &plain, &runner).unwrap_err();
    assert!(error.to_string().contains("no folder"), "{error}");
}

/// A source whose second half cannot be read.
#[derive(Debug)]
struct HalfBroken;

impl Source for HalfBroken {
    fn describe(&self) -> String {
        "half".into()
    }
    fn dtype(&self) -> DType {
        DType::U8
    }
    fn shape(&self) -> &[usize] {
        &[1 << 20]
    }
    fn chunks(&self) -> Vec<usize> {
        vec![1 << 10]
    }
    fn read(&self, region: &Region) -> Result<Tensor> {
        if region.start[0] + region.shape[0] > 1 << 19 {
            return Err(Error::io("the disk is gone"));
        }
        Ok(sample(DType::U8, &region.shape))
    }
}

#[test]
fn what_fails_half_way_leaves_what_was_there() -> Result<()> {
    let folder = Folder::new();
    let tensor = sample(DType::U8, &[5]);
    for format in ["npy", "npz", "safetensors", "zarr"] {
        let path = folder.path(&format!("x.{format}"));
        save_one(&path, &tensor, &SaveOptions::default())?;
        let broken = Array::from_source(Arc::new(HalfBroken));
        let error =
            save(&path, &[(String::new(), broken)], &SaveOptions::default(), &Runner::new()).unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        assert_same(&read_all(&path)?, &tensor);
    }
    assert_eq!(folder.entries(), ["x.npy", "x.npz", "x.safetensors", "x.zarr"]);
    Ok(())
}
