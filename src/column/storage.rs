//! How a column of an Arrow type lies in device memory.

use arrow::datatypes::DataType;

/// The layout of a column's values on a device; its validity is always an Arrow bitmap with offset 0, or absent.
///
/// The logical type of a value stays Arrow's [`DataType`] everywhere; `Storage` is what kernels load and store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// A bitmap, least significant bit first, offset 0.
    Bits,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// 16 bytes, little endian: decimals of more than 18 digits.
    I128,
    /// `rows + 1` offsets of 4 bytes from 0, and the bytes they cut; a chunk holds less than 2 GiB of them.
    Bytes,
    /// Keys of `key_bytes` bytes (signed or not, never negative) into a dictionary of [`Storage::Bytes`].
    Dictionary {
        key_bytes: u8,
    },
}

impl Storage {
    /// Returns the layout for `data_type`, or `None` where devices do not take the type.
    ///
    /// Decimals of up to 18 digits are narrowed to 8 bytes, which halves what a kernel reads; every other type
    /// keeps Arrow's own width. Strings and binaries of every Arrow flavour share [`Storage::Bytes`].
    pub fn of(data_type: &DataType) -> Option<Storage> {
        Some(match data_type {
            DataType::Boolean => Storage::Bits,
            DataType::Int8 => Storage::I8,
            DataType::Int16 => Storage::I16,
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) => Storage::I32,
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(_, _)
            | DataType::Duration(_) => Storage::I64,
            DataType::UInt8 => Storage::U8,
            DataType::UInt16 => Storage::U16,
            DataType::UInt32 => Storage::U32,
            DataType::UInt64 => Storage::U64,
            DataType::Float32 => Storage::F32,
            DataType::Float64 => Storage::F64,
            DataType::Decimal128(precision, _) if *precision <= 18 => Storage::I64,
            DataType::Decimal128(_, _) => Storage::I128,
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => Storage::Bytes,
            DataType::Dictionary(key, value) if Storage::of(value) == Some(Storage::Bytes) => {
                Storage::Dictionary { key_bytes: key.primitive_width()? as u8 }
            }
            _ => return None,
        })
    }

    /// Returns the bytes of one value; `None` for bitmaps and for strings, whose width varies.
    pub fn width(self) -> Option<usize> {
        Some(match self {
            Storage::I8 | Storage::U8 => 1,
            Storage::I16 | Storage::U16 => 2,
            Storage::I32 | Storage::U32 | Storage::F32 => 4,
            Storage::I64 | Storage::U64 | Storage::F64 => 8,
            Storage::I128 => 16,
            Storage::Dictionary { key_bytes } => key_bytes as usize,
            Storage::Bits | Storage::Bytes => return None,
        })
    }
}
