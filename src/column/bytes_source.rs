//! Strings and binaries of every Arrow flavour, read the same way.

use arrow::array::{Array, ArrayRef, AsArray, ByteView, OffsetSizeTrait};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, DataType, LargeBinaryType, LargeUtf8Type,
    StringViewType, Utf8Type,
};

use arrow::array::{GenericByteArray, GenericByteViewArray};

/// Borrowed strings or binaries.
pub(super) struct BytesSource<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum Values<'a> {
    Offsets(&'a [i32], &'a [u8]),
    LongOffsets(&'a [i64], &'a [u8]),
    Views(&'a [u128], &'a [arrow::buffer::Buffer]),
}

impl<'a> BytesSource<'a> {
    /// Reads `array`; `None` where it holds neither strings nor binaries.
    pub(super) fn of(array: &'a ArrayRef) -> Option<BytesSource<'a>> {
        fn short<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> Values<'_> {
            Values::Offsets(array.value_offsets(), array.value_data())
        }
        fn long<T: ByteArrayType<Offset = i64>>(array: &GenericByteArray<T>) -> Values<'_> {
            Values::LongOffsets(array.value_offsets(), array.value_data())
        }
        fn views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Values<'_> {
            Values::Views(array.views(), array.data_buffers())
        }
        let values = match array.data_type() {
            DataType::Utf8 => short(array.as_bytes::<Utf8Type>()),
            DataType::Binary => short(array.as_bytes::<BinaryType>()),
            DataType::LargeUtf8 => long(array.as_bytes::<LargeUtf8Type>()),
            DataType::LargeBinary => long(array.as_bytes::<LargeBinaryType>()),
            DataType::Utf8View => views(array.as_byte_view::<StringViewType>()),
            DataType::BinaryView => views(array.as_byte_view::<BinaryViewType>()),
            _ => return None,
        };
        Some(BytesSource { values, nulls: array.nulls() })
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        match self.values {
            Values::Offsets(offsets, _) => offsets.len() - 1,
            Values::LongOffsets(offsets, _) => offsets.len() - 1,
            Values::Views(views, _) => views.len(),
        }
    }

    /// Bytes of all values, as [`write`](BytesSource::write) lays them out.
    pub(super) fn total_bytes(&self) -> usize {
        match self.values {
            Values::Offsets(offsets, _) => span(offsets),
            Values::LongOffsets(offsets, _) => span(offsets),
            Values::Views(views, _) => (0..views.len()).map(|row| self.view_len(views, row)).sum(),
        }
    }

    /// The bytes of value `row`, which must not be null.
    pub(super) fn value(&self, row: usize) -> &'a [u8] {
        match self.values {
            Values::Offsets(offsets, bytes) => &bytes[offsets[row] as usize..offsets[row + 1] as usize],
            Values::LongOffsets(offsets, bytes) => &bytes[offsets[row] as usize..offsets[row + 1] as usize],
            Values::Views(views, buffers) => view_bytes(&views[row], buffers),
        }
    }

    /// Writes the end of each value, counted from `start`, to `ends`, and the bytes to `bytes`; returns how many bytes.
    ///
    /// `ends` has one element per value, and `bytes` room for [`total_bytes`](BytesSource::total_bytes), which together
    /// with `start` must fit 31 bits.
    pub(super) fn write(&self, start: usize, ends: &mut [i32], bytes: &mut [u8]) -> usize {
        match self.values {
            Values::Offsets(offsets, source) => copy_offsets(offsets, source, start, ends, bytes),
            Values::LongOffsets(offsets, source) => copy_offsets(offsets, source, start, ends, bytes),
            Values::Views(views, buffers) => {
                let mut written = 0;
                for (row, end) in ends.iter_mut().enumerate() {
                    let len = self.view_len(views, row);
                    if len > 0 {
                        bytes[written..written + len].copy_from_slice(view_bytes(&views[row], buffers));
                        written += len;
                    }
                    *end = (start + written) as i32;
                }
                written
            }
        }
    }

    /// Bytes of a view; none for a null, whose view may be garbage.
    fn view_len(&self, views: &[u128], row: usize) -> usize {
        match self.nulls {
            Some(nulls) if nulls.is_null(row) => 0,
            _ => views[row] as u32 as usize,
        }
    }
}

fn span<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => last.as_usize() - first.as_usize(),
        _ => 0,
    }
}

fn copy_offsets<O: OffsetSizeTrait>(
    offsets: &[O],
    source: &[u8],
    start: usize,
    ends: &mut [i32],
    bytes: &mut [u8],
) -> usize {
    let len = span(offsets);
    let first = offsets[0].as_usize();
    bytes[..len].copy_from_slice(&source[first..first + len]);
    for (end, offset) in ends.iter_mut().zip(&offsets[1..]) {
        *end = (start + offset.as_usize() - first) as i32;
    }
    len
}

fn view_bytes<'a>(view: &'a u128, buffers: &'a [arrow::buffer::Buffer]) -> &'a [u8] {
    /// Values up to this length lie in the view itself, behind its 4 bytes of length.
    const INLINE_BYTES_MAX: u32 = 12;
    let len = *view as u32;
    if len <= INLINE_BYTES_MAX {
        let start = std::ptr::from_ref(view).cast::<u8>();
        // SAFETY: a view is 16 bytes, and `4 + len` is at most 16; views are little endian, as arrow requires.
        return unsafe { std::slice::from_raw_parts(start.add(4), len as usize) };
    }
    let view = ByteView::from(*view);
    let start = view.offset as usize;
    &buffers[view.buffer_index as usize].as_slice()[start..start + len as usize]
}

/// Checks that `offsets` start at 0, never fall and end within `bytes`.
pub(super) fn checked_offsets(offsets: &[i32], bytes: usize) -> Option<OffsetBuffer<i32>> {
    let rising = offsets.windows(2).fold(true, |rising, pair| rising & (pair[0] <= pair[1]));
    let ends_within =
        offsets.last().is_some_and(|last| usize::try_from(*last).is_ok_and(|last| last <= bytes));
    (rising && ends_within && offsets[0] == 0).then(|| OffsetBuffer::new(offsets.to_vec().into()))
}
