//! Sort keys: the fields of key columns, and how many bits they need (`kernels/sort_key.cuh`, `kernels/sort.cu`).

use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef};
use arrow::compute::sort_to_indices;

use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::BLOCK;
use super::fixed::{launch, read_words, write_words};

/// Strings of at most this many words of 8 bytes, behind what all of them share, are sorted by words alone; of longer
/// ones the first few words are, and what is left equal is compared.
const WHOLE_STRING_WORDS_MAX: usize = 4;
const LONG_STRING_WORDS: usize = 2;
/// Bits that rows are sorted by at most, which bounds the passes: one for each 8 bits. Columns beyond are compared. A
/// single column has fewer.
const PACKED_BITS_MAX: u32 = 384;
/// Blocks for each multiprocessor, in kernels that reduce all rows to little.
const BLOCKS_PER_SM: usize = 8;
pub(super) const WORD_BITS: u32 = 64;

pub(super) static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../kernels/prelude.cuh"),
        include_str!("../../kernels/scan.cuh"),
        include_str!("../../kernels/bytes.cuh"),
        include_str!("../../kernels/sort_key.cuh"),
        include_str!("../../kernels/sort.cu"),
    ]
    .join("\n");
    let entries = [
        "sort_lengths",
        "sort_prefixes",
        "sort_ranges",
        "sort_encode",
        "sort_ties",
        "sort_scatter",
        "sort_gather",
        "select_count",
        "select_rows",
    ];
    KernelSource::new("sort", text, entries.map(String::from).to_vec())
});

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// Its number in the chunk.
    pub column: usize,
    pub descending: bool,
    /// Whether nulls come before all values, descending or not.
    pub nulls_first: bool,
}

/// What a field is; as the source numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null = 0,
    Bits = 1,
    I8 = 2,
    I16 = 3,
    I32 = 4,
    I64 = 5,
    U8 = 6,
    U16 = 7,
    U32 = 8,
    U64 = 9,
    F32 = 10,
    F64 = 11,
    WideHigh = 12,
    WideLow = 13,
    StringWord = 14,
    StringLength = 15,
    StringRest = 16,
    Key1 = 17,
    Key2 = 18,
    Key4 = 19,
    Key8 = 20,
}

/// An unsigned number of every row, which compares as a part of a key column does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    kind: Kind,
    values: u64,
    validity: u64,
    offsets: u64,
    detail: u64,
    limit: u64,
    descending: bool,
    origin: u64,
    shift: u32,
    /// Bits of the number, once its range is known.
    pub bits: u32,
}

/// Words of a field's description.
const FIELD_WORDS: usize = 9;

impl Field {
    fn words(&self) -> [u64; FIELD_WORDS] {
        [
            self.kind as u64,
            self.values,
            self.validity,
            self.offsets,
            self.detail,
            self.limit,
            u64::from(self.descending),
            self.origin,
            u64::from(self.shift),
        ]
    }

    /// Lets the number begin at 0 and drops the low bits that all rows share; `range` is the least and the greatest
    /// value, the bits set in any and those set in all.
    fn narrow(&mut self, range: &[u64]) {
        let [least, greatest, any, all] = [range[0], range[1], range[2], range[3]];
        if least >= greatest {
            // One value, or none.
            self.bits = 0;
            return;
        }
        self.shift = (any & !all).trailing_zeros();
        self.origin = if self.descending { greatest } else { least };
        self.bits = WORD_BITS - ((greatest - least) >> self.shift).leading_zeros();
    }
}

/// Writes the descriptions of `fields` to the device.
pub(super) fn write_fields(task: &mut Task<'_>, fields: &[Field]) -> Result<DeviceBuffer> {
    let words: Vec<u64> = fields.iter().flat_map(Field::words).collect();
    write_words(task, &words)
}

/// How a string column becomes fields.
#[derive(Clone, Copy)]
enum StringForm {
    /// Compared as a whole.
    Compared,
    /// `words` words from `depth` on, and the length.
    Whole { depth: usize, words: usize },
    /// The same, but longer strings are left to be compared from behind the words on.
    Prefix { depth: usize, words: usize },
}

/// The key of a sort: what is packed into words, and what is compared where words are equal.
pub(super) struct Key {
    pub packed: Vec<Field>,
    pub compared: Vec<Field>,
    /// Ranks of dictionary values, which fields refer to.
    ranks: Vec<DeviceBuffer>,
}

impl Key {
    /// The key of `keys` for a sort by comparison alone.
    pub fn compared(task: &mut Task<'_>, chunk: &DeviceChunk, keys: &[SortKey]) -> Result<Key> {
        let mut key = Key { packed: vec![], compared: vec![], ranks: vec![] };
        for sort_key in keys {
            let fields = key.fields(task, chunk, sort_key, StringForm::Compared)?;
            key.compared.extend(fields);
        }
        Ok(key)
    }

    /// The key of `keys` for a sort by words, as far as these can tell rows apart. Looks at every row.
    pub fn packed(task: &mut Task<'_>, chunk: &DeviceChunk, keys: &[SortKey]) -> Result<Key> {
        let mut forms = string_forms(task, chunk, keys)?.into_iter();
        let mut key = Key { packed: vec![], compared: vec![], ranks: vec![] };
        // The packed fields of each column, and where a column's strings are left to be compared.
        let mut columns: Vec<(usize, Option<Field>)> = vec![];
        for sort_key in keys {
            let form = match column(chunk, sort_key)?.storage {
                Storage::Bytes => forms.next().ok_or_else(|| Error::bug("a string column without a form"))?,
                _ => StringForm::Compared,
            };
            let mut fields = key.fields(task, chunk, sort_key, form)?;
            let rest = fields.pop_if(|field| field.kind == Kind::StringRest);
            columns.push((fields.len(), rest));
            key.packed.extend(fields);
            if rest.is_some() {
                // From here on words cannot tell rows apart.
                break;
            }
        }
        narrow(task, &mut key.packed, chunk.rows)?;
        let (mut fields, mut bits, mut whole) = (0, 0, 0);
        for (count, rest) in columns {
            let of_column: u32 = key.packed[fields..fields + count].iter().map(|field| field.bits).sum();
            if bits + of_column > PACKED_BITS_MAX {
                break;
            }
            fields += count;
            bits += of_column;
            whole += 1;
            key.compared.extend(rest);
        }
        key.packed.truncate(fields);
        for sort_key in &keys[whole..] {
            let fields = key.fields(task, chunk, sort_key, StringForm::Compared)?;
            key.compared.extend(fields);
        }
        key.packed.retain(|field| field.bits > 0);
        Ok(key)
    }

    fn fields(
        &mut self,
        task: &mut Task<'_>,
        chunk: &DeviceChunk,
        key: &SortKey,
        form: StringForm,
    ) -> Result<Vec<Field>> {
        let column = column(chunk, key)?;
        let value = Field {
            kind: Kind::Null,
            values: column.values.address(),
            validity: column.validity.as_ref().map_or(0, |validity| validity.address()),
            offsets: column.offsets.as_ref().map_or(0, |offsets| offsets.address()),
            detail: 0,
            limit: 0,
            descending: key.descending,
            origin: if key.descending { u64::MAX } else { 0 },
            shift: 0,
            bits: WORD_BITS,
        };
        let mut fields = vec![];
        if column.validity.is_some() {
            let nulls_first = u64::from(key.nulls_first);
            fields.push(Field { detail: nulls_first, descending: false, origin: 0, ..value });
        }
        let of = |kind| Field { kind, ..value };
        let kind = match column.storage {
            Storage::Bits => Kind::Bits,
            Storage::I8 => Kind::I8,
            Storage::I16 => Kind::I16,
            Storage::I32 => Kind::I32,
            Storage::I64 => Kind::I64,
            Storage::U8 => Kind::U8,
            Storage::U16 => Kind::U16,
            Storage::U32 => Kind::U32,
            Storage::U64 => Kind::U64,
            Storage::F32 => Kind::F32,
            Storage::F64 => Kind::F64,
            Storage::I128 => {
                fields.extend([of(Kind::WideHigh), of(Kind::WideLow)]);
                return Ok(fields);
            }
            Storage::Bytes => {
                let (depth, words) = match form {
                    StringForm::Compared => {
                        fields.push(of(Kind::StringRest));
                        return Ok(fields);
                    }
                    StringForm::Whole { depth, words } | StringForm::Prefix { depth, words } => {
                        (depth, words)
                    }
                };
                for word in 0..words {
                    let detail = (depth + 8 * word) as u64;
                    fields.push(Field { detail, ..of(Kind::StringWord) });
                }
                let limit = 8 * words as u64 + 1;
                fields.push(Field { detail: depth as u64, limit, ..of(Kind::StringLength) });
                if matches!(form, StringForm::Prefix { .. }) {
                    let detail = (depth + 8 * words) as u64;
                    fields.push(Field { detail, ..of(Kind::StringRest) });
                }
                return Ok(fields);
            }
            Storage::Dictionary { key_bytes } => {
                let dictionary =
                    column.dictionary.as_ref().ok_or_else(|| Error::bug("keys without a dictionary"))?;
                let ranks = ranks(&dictionary.host)?;
                let ranks = task.write(&ranks)?;
                let detail = ranks.address();
                self.ranks.push(ranks);
                let kind = match key_bytes {
                    1 => Kind::Key1,
                    2 => Kind::Key2,
                    4 => Kind::Key4,
                    _ => Kind::Key8,
                };
                fields.push(Field { detail, ..of(kind) });
                return Ok(fields);
            }
        };
        fields.push(of(kind));
        Ok(fields)
    }
}

fn column<'a>(chunk: &'a DeviceChunk, key: &SortKey) -> Result<&'a DeviceColumn> {
    chunk.columns.get(key.column).map(AsRef::as_ref).ok_or_else(|| {
        Error::bug(format!("a sort by column {} of a chunk of {}", key.column, chunk.columns.len()))
    })
}

/// The rank of each value of a dictionary, 4 bytes each.
fn ranks(values: &ArrayRef) -> Result<Vec<u8>> {
    let order = sort_to_indices(values, None, None)
        .map_err(|error| Error::bug(format!("sorting a dictionary: {error}")))?;
    let mut ranks = vec![0u32; values.len()];
    for (rank, value) in order.values().iter().enumerate() {
        ranks[*value as usize] = rank as u32;
    }
    Ok(ranks.iter().flat_map(|rank| rank.to_le_bytes()).collect())
}

fn blocks_each(task: &Task<'_>, rows: usize) -> usize {
    rows.div_ceil(BLOCK).clamp(1, task.sm_count() as usize * BLOCKS_PER_SM)
}

/// Looks at the lengths and the common prefix of each string column among `keys`.
fn string_forms(task: &mut Task<'_>, chunk: &DeviceChunk, keys: &[SortKey]) -> Result<Vec<StringForm>> {
    let mut columns = vec![];
    for key in keys {
        let column = column(chunk, key)?;
        if column.storage == Storage::Bytes {
            columns.push(column);
        }
    }
    if columns.is_empty() {
        return Ok(vec![]);
    }
    // The first valid row, the greatest length, the common prefix.
    let results: Vec<u64> = columns.iter().flat_map(|_| [u64::MAX, 0, u64::MAX]).collect();
    let results = write_words(task, &results)?;
    let table: Vec<u64> = columns
        .iter()
        .enumerate()
        .flat_map(|(index, column)| {
            [
                column.values.address(),
                column.validity.as_ref().map_or(0, |validity| validity.address()),
                column.offsets.as_ref().map_or(0, |offsets| offsets.address()),
                results.address() + 24 * index as u64,
            ]
        })
        .collect();
    let table = write_words(task, &table)?;
    let blocks_each = blocks_each(task, chunk.rows);
    let words = [chunk.rows as u64, blocks_each as u64, table.address()];
    for entry in ["sort_lengths", "sort_prefixes"] {
        launch(task, &SOURCE, entry, blocks_each * columns.len(), &words)?;
    }
    let results = read_words(task, &results, 3 * columns.len())?;
    let forms = results.chunks_exact(3).map(|result| {
        let longest = result[1] as usize;
        let depth = if longest <= 8 { 0 } else { result[2] as usize };
        match (longest - depth).div_ceil(8) {
            words if words <= WHOLE_STRING_WORDS_MAX => StringForm::Whole { depth, words },
            _ => StringForm::Prefix { depth, words: LONG_STRING_WORDS },
        }
    });
    Ok(forms.collect())
}

/// Finds the range of each field over `rows` rows and narrows it to that.
fn narrow(task: &mut Task<'_>, fields: &mut [Field], rows: usize) -> Result<()> {
    let table = write_fields(task, fields)?;
    let ranges: Vec<u64> = fields.iter().flat_map(|_| [u64::MAX, 0, 0, u64::MAX]).collect();
    let ranges = write_words(task, &ranges)?;
    let blocks_each = blocks_each(task, rows);
    let words = [rows as u64, blocks_each as u64, table.address(), ranges.address()];
    launch(task, &SOURCE, "sort_ranges", blocks_each * fields.len(), &words)?;
    let ranges = read_words(task, &ranges, 4 * fields.len())?;
    for (field, range) in fields.iter_mut().zip(ranges.chunks_exact(4)) {
        field.narrow(range);
    }
    Ok(())
}
