//! One dictionary for a chunk, made from those of its batches.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::interleave;
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType, DataType};
use arrow::downcast_dictionary_array;

use super::bytes_source::BytesSource;
use crate::{Error, Result};

/// The distinct values of several dictionary arrays, and each array's keys into them.
pub(crate) struct MergedDictionary {
    /// The distinct values, in the order they first appear; none is null.
    pub(crate) values: ArrayRef,
    /// For each array, the new key for each old one; `None` where the old one stands for null.
    maps: Vec<Vec<Option<u32>>>,
}

impl MergedDictionary {
    /// Merges the dictionaries of `arrays`, which must be dictionary arrays from `key_type` to `value_type`, strings or
    /// binaries.
    ///
    /// Every value is kept, used or not, so the work is by the dictionaries' sizes and not by rows. Arrays that share
    /// a dictionary, as a reader's usually do, are merged once.
    ///
    /// # Errors
    /// `unsupported` where there are more values than keys of `key_type`.
    pub(super) fn merge(
        arrays: &[&ArrayRef],
        key_type: &DataType,
        value_type: &DataType,
    ) -> Result<MergedDictionary> {
        let dictionaries: Vec<&ArrayRef> =
            arrays.iter().map(|array| array.as_any_dictionary().values()).collect();
        MergedDictionary::merge_values(&dictionaries, key_type, value_type)
    }

    /// As [`merge`](MergedDictionary::merge), from the dictionaries themselves.
    pub(crate) fn merge_values(
        dictionaries: &[&ArrayRef],
        key_type: &DataType,
        value_type: &DataType,
    ) -> Result<MergedDictionary> {
        let sources = dictionaries
            .iter()
            .map(|values| BytesSource::of(values))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Error::bug("a dictionary of neither strings nor binaries"))?;
        let mut keys: HashMap<&[u8], u32> = HashMap::new();
        let mut first_seen: Vec<(usize, usize)> = Vec::new();
        let mut maps: Vec<Vec<Option<u32>>> = Vec::with_capacity(dictionaries.len());
        for (index, source) in sources.iter().enumerate() {
            if index > 0 && same_memory(dictionaries[index - 1], dictionaries[index]) {
                maps.push(maps[index - 1].clone());
                continue;
            }
            let map = (0..source.len()).map(|row| {
                if dictionaries[index].is_null(row) {
                    return None;
                }
                Some(*keys.entry(source.value(row)).or_insert_with(|| {
                    first_seen.push((index, row));
                    (first_seen.len() - 1) as u32
                }))
            });
            maps.push(map.collect());
        }
        if first_seen.len() > key_count_max(key_type) {
            return Err(Error::unsupported(format!(
                "the chunk's dictionary has {} values, more than keys of type {key_type} can tell apart",
                first_seen.len()
            )));
        }
        let is_first_whole = first_seen.iter().enumerate().all(|(at, seen)| *seen == (0, at));
        let values = match dictionaries.first() {
            _ if first_seen.is_empty() => new_empty_array(value_type),
            Some(first) if is_first_whole && first.len() == first_seen.len() => ArrayRef::clone(first),
            _ => {
                let arrays: Vec<&dyn Array> = dictionaries.iter().map(|values| values.as_ref()).collect();
                interleave(&arrays, &first_seen)
                    .map_err(|error| Error::bug(format!("merging dictionaries: {error}")))?
            }
        };
        Ok(MergedDictionary { values, maps })
    }

    /// The new key for each old one of dictionary `index`, or `None` where they are the same.
    pub(crate) fn new_keys(&self, index: usize) -> Option<Vec<u32>> {
        let map = &self.maps[index];
        let unchanged = map.iter().enumerate().all(|(old, new)| *new == Some(old as u32));
        (!unchanged).then(|| map.iter().map(|new| new.unwrap_or(0)).collect())
    }

    /// The values as a device keeps them: offsets of 4 bytes and bytes. An empty dictionary still has an entry, of no
    /// bytes: what key 0 beneath a null leads to.
    pub(crate) fn device_layout(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let source = BytesSource::of(&self.values)
            .ok_or_else(|| Error::bug("a dictionary of neither strings nor binaries"))?;
        let total = source.total_bytes();
        if i32::try_from(total).is_err() {
            return Err(Error::unsupported(format!(
                "{total} bytes of strings in one dictionary: 2³¹−1 is the limit"
            )));
        }
        let (mut ends, mut bytes) = (vec![0i32; source.len().max(1)], vec![0u8; total]);
        source.write(0, &mut ends[..source.len()], &mut bytes);
        let offsets = std::iter::once(0).chain(ends).flat_map(i32::to_le_bytes).collect();
        Ok((offsets, bytes))
    }

    /// Whether array `index` has rows that are null only through the dictionary.
    pub(super) fn maps_to_null(&self, index: usize) -> bool {
        self.maps[index].contains(&None)
    }

    /// Writes the new key of each row of array `index` to `target`; nulls get key 0, so that no key is out of range.
    pub(super) fn write_keys(&self, index: usize, array: &ArrayRef, target: &mut [u8]) {
        let map = &self.maps[index];
        let array = array.as_ref();
        downcast_dictionary_array!(
            array => write_keys(array, map, target),
            _ => unreachable!("merged from dictionary arrays alone")
        );
    }
}

fn write_keys<K: ArrowDictionaryKeyType>(
    array: &arrow::array::DictionaryArray<K>,
    map: &[Option<u32>],
    target: &mut [u8],
) {
    let keys = array.keys().values();
    let unchanged = map.iter().enumerate().all(|(old, new)| *new == Some(old as u32));
    if unchanged && array.keys().null_count() == 0 {
        target.copy_from_slice(keys.inner().as_slice());
        return;
    }
    let width = size_of::<K::Native>();
    let new_key = |row: usize, key: K::Native| match array.keys().is_null(row) {
        true => 0,
        false => map.get(key.as_usize()).copied().flatten().unwrap_or(0),
    };
    for (row, (key, bytes)) in keys.iter().zip(target.chunks_exact_mut(width)).enumerate() {
        bytes.copy_from_slice(&u64::from(new_key(row, *key)).to_le_bytes()[..width]);
    }
}

fn key_count_max(key_type: &DataType) -> usize {
    match key_type {
        DataType::Int8 => 1 << 7,
        DataType::UInt8 => 1 << 8,
        DataType::Int16 => 1 << 15,
        DataType::UInt16 => 1 << 16,
        _ => 1 << 31,
    }
}

fn same_memory(left: &ArrayRef, right: &ArrayRef) -> bool {
    std::sync::Arc::ptr_eq(left, right) || left.to_data().ptr_eq(&right.to_data())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int8Array, StringArray};
    use arrow::datatypes::Int8Type;

    use super::*;

    fn dictionary(keys: Vec<Option<i8>>, values: Vec<Option<&str>>) -> ArrayRef {
        Arc::new(
            DictionaryArray::<Int8Type>::try_new(Int8Array::from(keys), Arc::new(StringArray::from(values)))
                .unwrap(),
        )
    }

    #[test]
    fn repeated_and_null_values_collapse() {
        let left = dictionary(vec![Some(0), Some(1), None, Some(2)], vec![Some("b"), Some("a"), Some("b")]);
        let right = dictionary(vec![Some(2), Some(1), Some(0)], vec![Some("c"), None, Some("a")]);
        let merged = MergedDictionary::merge(&[&left, &right], &DataType::Int8, &DataType::Utf8).unwrap();
        assert_eq!(merged.values.as_string::<i32>(), &StringArray::from(vec!["b", "a", "c"]));
        assert!(!merged.maps_to_null(0) && merged.maps_to_null(1));
        let mut keys = [9u8; 4];
        merged.write_keys(0, &left, &mut keys);
        assert_eq!(keys, [0, 1, 0, 0]);
        merged.write_keys(1, &right, &mut keys[..3]);
        assert_eq!(keys[..3], [1, 0, 2]);
    }

    #[test]
    fn more_values_than_keys_is_unsupported() {
        let text: Vec<String> = (0..200).map(|value| value.to_string()).collect();
        let half = |range: std::ops::Range<usize>| {
            dictionary(vec![Some(0)], text[range].iter().map(|value| Some(value.as_str())).collect())
        };
        let (left, right) = (half(0..100), half(100..200));
        assert!(MergedDictionary::merge(&[&left, &left], &DataType::Int8, &DataType::Utf8).is_ok());
        assert!(
            MergedDictionary::merge(&[&left, &right], &DataType::Int8, &DataType::Utf8)
                .is_err_and(|error| error.is_unsupported())
        );
    }
}
