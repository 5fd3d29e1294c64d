//! The npy format of NumPy: a header that says type, order and shape, and then the elements.
//!
//! # Source
//! NEP 1, and the documentation of `numpy.lib.format`: versions 1.0, 2.0 and 3.0 are read; 1.0 is written, 2.0 where
//! the header does not fit it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::storage::file::{DataFile, NewFile, failed};
use crate::storage::flat::{Flat, FlatSink, Layout, Order};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// No header of an array that we can read is as long; what says so is damaged.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Elements begin at a multiple of this many bytes.
const ALIGNMENT: usize = 64;

/// Opens a file; its header is read and checked now, values when they are needed.
pub(super) fn open(path: &Path) -> Result<Flat> {
    let file = DataFile::open(path)?;
    let layout = read_header(&mut Cursor { file: &file, at: 0 }, path)?;
    Flat::new("npy", None, file, layout)
}

/// Writes one array.
pub(super) fn save(path: &Path, array: &Array, runner: &Runner) -> Result<()> {
    let new = write(path, array, runner)?;
    new.finish()
}

/// Writes one array to a file that does not have its name yet.
pub(super) fn write(path: &Path, array: &Array, runner: &Runner) -> Result<NewFile> {
    let header = header(array.dtype(), array.shape())?;
    let layout = Layout::plain(array.dtype(), array.shape(), header.len() as u64);
    let bytes = layout.bytes().map_err(|why| failed("write", path, why))?;
    let new = NewFile::create(path, header.len() as u64 + bytes)?;
    new.write_at(&header, 0)?;
    runner.write(array, &FlatSink::new(&new, layout))?;
    Ok(new)
}

/// Reads from the beginning of a file.
struct Cursor<'a> {
    file: &'a DataFile,
    at: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let left = self.file.len().saturating_sub(self.at).min(bytes.len() as u64) as usize;
        self.file.read_at(&mut bytes[..left], self.at).map_err(std::io::Error::other)?;
        self.at += left as u64;
        Ok(left)
    }
}

/// Reads a header, up to the first element; errors name `path`.
pub(super) fn read_header(from: &mut dyn Read, path: &Path) -> Result<Layout> {
    let mut take = |bytes: &mut [u8], what: &str| {
        from.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                failed("read", path, format!("it is truncated: it ends within the npy {what}"))
            }
            _ => failed("read", path, error),
        })
    };
    let mut start = [0; 8];
    take(&mut start, "magic number")?;
    if &start[..6] != MAGIC {
        return Err(failed("read", path, "it is not an npy file: it does not begin with '\\x93NUMPY'"));
    }
    let (major, minor) = (start[6], start[7]);
    let (header_bytes, before) = match major {
        1 => {
            let mut bytes = [0; 2];
            take(&mut bytes, "header's length")?;
            (u16::from_le_bytes(bytes) as usize, 10)
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            take(&mut bytes, "header's length")?;
            (u32::from_le_bytes(bytes) as usize, 12)
        }
        _ => {
            let why = format!("npy version {major}.{minor} is not known; 1.0, 2.0 and 3.0 are");
            return Err(failed("read", path, why));
        }
    };
    if header_bytes > HEADER_BYTES_MAX {
        let why = format!(
            "its npy header says it has {header_bytes} bytes; no array's has more than {HEADER_BYTES_MAX}"
        );
        return Err(failed("read", path, why));
    }
    let mut header = vec![0; header_bytes];
    take(&mut header, "header")?;
    let fields = Fields::parse(&header)
        .map_err(|why| failed("read", path, format!("its npy header is damaged: {why}")))?;
    let (dtype, big_endian) = dtype_of(&fields.descr, path)?;
    let order = if fields.fortran_order { Order::ColumnMajor } else { Order::RowMajor };
    let layout =
        Layout { dtype, shape: fields.shape, order, big_endian, offset: (before + header_bytes) as u64 };
    layout.bytes().map_err(|why| failed("read", path, why))?;
    Ok(layout)
}

/// The header of a row-major little-endian array.
pub(super) fn header(dtype: DType, shape: &[usize]) -> Result<Vec<u8>> {
    let descr = match dtype {
        DType::Bool => "|b1",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::C64 => "<c8",
        DType::C128 => "<c16",
        DType::BF16 => {
            return Err(Error::dtype(
                "npy files have no bfloat16: cast to float32, or save as .safetensors or .zarr",
            ));
        }
    };
    let shape = crate::error::show_shape(shape);
    let fields = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The length has two bytes in version 1.0, four in 2.0.
    let version = |before: usize| {
        let bytes = (before + fields.len() + 1).next_multiple_of(ALIGNMENT) - before;
        format!("{fields:<width$}\n", width = bytes - 1)
    };
    let mut header = MAGIC.to_vec();
    let text = version(10);
    match u16::try_from(text.len()) {
        Ok(bytes) => {
            header.extend([1, 0]);
            header.extend(bytes.to_le_bytes());
            header.extend(text.bytes());
        }
        Err(_) => {
            let text = version(12);
            header.extend([2, 0]);
            header.extend((text.len() as u32).to_le_bytes());
            header.extend(text.bytes());
        }
    }
    Ok(header)
}

/// Type, and whether it is big-endian, of a NumPy type string.
fn dtype_of(descr: &Descr, path: &Path) -> Result<(DType, bool)> {
    let no = |why: String| Err(Error::dtype(format!("cannot read '{}': {why}", path.display())));
    let Descr::Plain(text) = descr else {
        return no("it holds records (a structured dtype); save each field as an array of its own".into());
    };
    let (order, code) = match text.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &text[1..]),
        _ => ('=', text.as_str()),
    };
    let dtype = match code {
        "b1" | "?" | "bool" => DType::Bool,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::C64,
        "c16" => DType::C128,
        _ => {
            let kind = match code.chars().next() {
                Some('O') => "Python objects, which would have to be unpickled",
                Some('S' | 'a' | 'U') => "strings",
                Some('M' | 'm') => "times",
                Some('V') => "raw bytes",
                Some('f' | 'c' | 'g' | 'G') => "numbers of a precision that is not supported",
                _ => "a type that is not known",
            };
            return no(format!(
                "it holds {kind} (dtype '{text}'); bool, int, uint, float16/32/64, complex64/128 can be read"
            ));
        }
    };
    Ok((dtype, order == '>' || (order == '=' && cfg!(target_endian = "big"))))
}

/// What a header says.
struct Fields {
    descr: Descr,
    fortran_order: bool,
    shape: Vec<usize>,
}

enum Descr {
    Plain(String),
    /// A list of fields, or a type with a shape of its own.
    Structured,
}

impl Fields {
    /// Parses the literal of a Python dictionary with these three keys.
    fn parse(header: &[u8]) -> Result<Fields, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut text = Literal { bytes: header, at: 0 };
        text.expect(b'{')?;
        while !text.take(b'}') {
            let key = text.string()?;
            text.expect(b':')?;
            match key.as_str() {
                "descr" => match text.peek() {
                    Some(b'[' | b'(') => {
                        text.skip_brackets()?;
                        descr = Some(Descr::Structured);
                    }
                    _ => descr = Some(Descr::Plain(text.string()?)),
                },
                "fortran_order" => fortran_order = Some(text.boolean()?),
                "shape" => shape = Some(text.lengths()?),
                _ => {
                    return Err(format!(
                        "it has a key '{key}'; 'descr', 'fortran_order' and 'shape' are known"
                    ));
                }
            }
            if !text.take(b',') {
                text.expect(b'}')?;
                break;
            }
        }
        if let Some(byte) = text.peek() {
            return Err(format!("there is {} behind its end", show_byte(byte)));
        }
        let missing = |key: &str| format!("it does not have '{key}'");
        Ok(Fields {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// A Python literal that is being parsed.
struct Literal<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Literal<'_> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// Takes this byte if it is the next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += is_next as usize;
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&show_byte(byte))) }
    }

    fn unexpected(&mut self, wanted: &str) -> String {
        match self.peek() {
            Some(byte) => format!("expected {wanted} at byte {}, found {}", self.at, show_byte(byte)),
            None => format!("expected {wanted} at byte {}, where it ends", self.at),
        }
    }

    /// `'…'` or `"…"`, without escapes.
    fn string(&mut self) -> Result<String, String> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.unexpected("a string")),
        };
        let rest = &self.bytes[self.at + 1..];
        let len = rest.iter().position(|&byte| byte == quote).ok_or("a string does not end")?;
        self.at += len + 2;
        Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
    }

    fn word(&mut self) -> &[u8] {
        self.peek();
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.word() {
            b"True" => Ok(true),
            b"False" => Ok(false),
            other => Err(format!(
                "'fortran_order' is '{}', neither True nor False",
                String::from_utf8_lossy(other)
            )),
        }
    }

    /// `(2, 3)`; Python 2 wrote `(2L, 3L)`.
    fn lengths(&mut self) -> Result<Vec<usize>, String> {
        self.expect(b'(')?;
        let mut lengths = vec![];
        while !self.take(b')') {
            let word = String::from_utf8_lossy(self.word()).into_owned();
            let number = word.strip_suffix('L').unwrap_or(&word);
            if number.is_empty() {
                return Err(self.unexpected("the length of an axis"));
            }
            let length = number.parse().map_err(|_| format!("'{word}' is not the length of an axis"))?;
            lengths.push(length);
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(lengths)
    }

    /// Passes over brackets and what is between them.
    fn skip_brackets(&mut self) -> Result<(), String> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'[' | b'(') => depth += 1,
                Some(b']' | b')') => depth -= 1,
                Some(b'\'' | b'"') => {
                    self.string()?;
                    continue;
                }
                Some(_) => {}
                None => return Err("a bracket is not closed".into()),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

fn show_byte(byte: u8) -> String {
    format!("'{}'", byte.escape_ascii())
}
