//! Kernels of the library that are templates over the element type, or over an element's size.

use swath_array::DType;
use swath_array::program::ReduceOp;
use swath_array::tensor::{Axis, coalesce};

use super::reduce::reduction;
use super::{
    GATHER, MATMUL, NUMBERS, PLACE, PRELUDE, REDUCE, SCAN, SCATTER, SEARCH, SORT, TENSOR, TRANSPOSE,
    TensorKernel, headers, type_name,
};
use crate::error::{Error, Result};

/// Axes that these kernels walk, as in `Batch`.
const BATCH_AXES: usize = 6;

/// The words of a `Batch`: the axes joined where all operands allow.
///
/// # Errors
/// `unsupported` where more axes are left than the kernels walk.
pub fn batch_words(shape: &[usize], operands: &[&[isize]]) -> Result<Vec<u64>> {
    let axes = coalesce(shape, operands);
    if axes.len() > BATCH_AXES {
        return Err(Error::unsupported(format!(
            "strides that take {} axes to walk: {BATCH_AXES} is the limit",
            axes.len()
        )));
    }
    let padded = |value: &dyn Fn(&Axis) -> u64| -> Vec<u64> {
        let mut words: Vec<u64> = axes.iter().map(value).collect();
        words.resize(BATCH_AXES, 0);
        words
    };
    let mut words = vec![axes.len() as u64];
    words.extend(padded(&|axis| axis.len as u64));
    for operand in 0..operands.len() {
        words.extend(padded(&|axis| axis.strides[operand] as u64));
    }
    Ok(words)
}

/// A kernel that calls a template with the parameters alone.
fn entry(name: &str, parameters: &str, call: &str) -> String {
    format!(
        "extern \"C\" __global__ void __launch_bounds__(BLOCK) {name}(const __grid_constant__ {parameters} p) {{\n    \
         {call}(p);\n}}\n"
    )
}

/// The unsigned type of an element's size.
fn moved_name(size: usize) -> &'static str {
    match size {
        1 => "u8",
        2 => "u16",
        4 => "u32",
        8 => "u64",
        _ => "Sixteen",
    }
}

/// Copies that turn axes around, of elements of `size` bytes.
pub fn transpose_kernel(size: usize) -> TensorKernel {
    let body = entry("tensor_transpose", "TransposeParams", &format!("transpose<{}>", moved_name(size)));
    TensorKernel {
        name: "tensor_transpose",
        entries: &["tensor_transpose"],
        headers: vec![PRELUDE, TENSOR, TRANSPOSE],
        body,
    }
}

/// Axes that there may be indices for; `INDEXED_AXES` in the source.
pub const INDEXED_AXES: usize = 6;

/// Elements by their numbers; an entry point for each size of an element.
pub fn gather_kernel() -> TensorKernel {
    TensorKernel {
        name: "tensor_gather",
        entries: &[
            "tensor_gather_1",
            "tensor_gather_2",
            "tensor_gather_4",
            "tensor_gather_8",
            "tensor_gather_16",
        ],
        headers: vec![PRELUDE, TENSOR, NUMBERS, GATHER],
        body: String::from("// tensor_gather\n"),
    }
}

/// Values put by number; an entry point for each size of an element, and one that finds the last value of each.
pub fn scatter_kernel() -> TensorKernel {
    TensorKernel {
        name: "tensor_scatter",
        entries: &[
            "tensor_scatter_mark",
            "tensor_scatter_1",
            "tensor_scatter_2",
            "tensor_scatter_4",
            "tensor_scatter_8",
            "tensor_scatter_16",
        ],
        headers: vec![PRELUDE, TENSOR, NUMBERS, SCATTER],
        body: String::from("// tensor_scatter\n"),
    }
}

/// Strided copies to strided places; an entry point for each size of an element.
pub fn place_kernel() -> TensorKernel {
    TensorKernel {
        name: "tensor_place",
        entries: &["tensor_place_1", "tensor_place_2", "tensor_place_4", "tensor_place_8", "tensor_place_16"],
        headers: vec![PRELUDE, TENSOR, PLACE],
        body: String::from("// tensor_place\n"),
    }
}

/// Sides of the squares of a product that a block makes, and how much of the inner axis it takes at once.
pub const MATMUL_TILE: usize = 64;
pub const MATMUL_TILE_LARGE: usize = 128;

/// Matrix products, for small results and for large ones.
pub fn matmul_kernel(dtype: DType) -> TensorKernel {
    let name = type_name(dtype);
    let mut body = entry("tensor_matmul", "MatmulParams", &format!("matmul<{name}, {MATMUL_TILE}, 16>"));
    // What is wider has too few registers for larger squares.
    let entries: &[&str] = match has_large_tiles(dtype) {
        true => {
            let call = format!("matmul<{name}, {MATMUL_TILE_LARGE}, 8>");
            body.push_str(&entry("tensor_matmul_large", "MatmulParams", &call));
            &["tensor_matmul", "tensor_matmul_large"]
        }
        false => &["tensor_matmul"],
    };
    let headers = headers(dtype.is_complex(), false).into_iter().chain([MATMUL]).collect();
    TensorKernel { name: "tensor_matmul", entries, headers, body }
}

/// Whether there is an entry point for large squares.
pub fn has_large_tiles(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

/// Inclusive scans.
pub fn scan_kernel(op: ReduceOp, dtype: DType) -> TensorKernel {
    let (reduction, name) = (reduction(op, dtype), type_name(dtype));
    let mut body = entry("tensor_scan", "TensorScanParams", &format!("scan_tile<{reduction}, {name}, true>"));
    let totals = format!("scan_tile<{reduction}, {name}, false>");
    body.push_str(&entry("tensor_scan_tiles", "TensorScanParams", &totals));
    body.push_str(&entry("tensor_scan_totals", "TensorScanParams", &format!("scan_totals<{reduction}>")));
    let headers = headers(dtype.is_complex(), false).into_iter().chain([REDUCE, SCAN]).collect();
    TensorKernel {
        name: "tensor_scan",
        entries: &["tensor_scan", "tensor_scan_tiles", "tensor_scan_totals"],
        headers,
        body,
    }
}

/// Words of a sort, and what its order makes.
pub fn sort_kernel(dtype: DType) -> TensorKernel {
    let name = type_name(dtype);
    let mut body = entry("tensor_sort_words", "TensorSortParams", &format!("sort_words<{name}>"));
    body.push_str(&entry("tensor_sorted", "TensorSortedParams", &format!("sorted<{name}>")));
    let headers = headers(dtype.is_complex(), false).into_iter().chain([SORT]).collect();
    TensorKernel { name: "tensor_sort", entries: &["tensor_sort_words", "tensor_sorted"], headers, body }
}

/// Places of values in a vector that is in order.
pub fn search_kernel(dtype: DType) -> TensorKernel {
    let body = entry("tensor_search", "TensorSearchParams", &format!("search<{}>", type_name(dtype)));
    let headers = headers(dtype.is_complex(), false).into_iter().chain([SORT, SEARCH]).collect();
    TensorKernel { name: "tensor_search", entries: &["tensor_search"], headers, body }
}
