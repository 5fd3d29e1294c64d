//! Kernels of tensors: CUDA for the fused programs of `swath_array`, and the parameters that it takes.
//!
//! What comes out is text and words. Constants, lengths, strides, addresses and seeds are words, so that one kernel
//! serves all values and shapes of a kind.

mod elementwise;
mod emit;
mod library;
mod loops;
mod reduce;

use swath_array::DType;

use crate::error::{Error, Result};

pub use elementwise::{compile_elementwise, elementwise_words};
pub use library::{
    INDEXED_AXES, MATMUL_TILE, MATMUL_TILE_LARGE, batch_words, gather_kernel, has_large_tiles, matmul_kernel,
    place_kernel, scan_kernel, scatter_kernel, search_kernel, sort_kernel, transpose_kernel,
};
pub use loops::{Loops, Operand, length_words};
pub use reduce::{ReducePlan, compile_reduce, compile_reduce_finish};

/// Words that a kernel may be given.
const WORDS_MAX: usize = 512;

/// A kernel's source and the name of its entry point.
#[derive(Clone, Debug)]
pub struct TensorKernel {
    /// The operator's stem.
    pub name: &'static str,
    /// The functions that the host calls.
    pub entries: &'static [&'static str],
    /// The library's files that it stands on.
    pub headers: Vec<&'static str>,
    /// What was generated.
    pub body: String,
}

impl TensorKernel {
    /// The whole source.
    pub fn text(&self) -> String {
        let mut text = self.headers.join("\n");
        text.push('\n');
        text.push_str(&self.body);
        text
    }
}

const PRELUDE: &str = include_str!("../../../kernels/prelude.cuh");
const TENSOR: &str = include_str!("../../../kernels/tensor.cuh");
const OPS: &str = include_str!("../../../kernels/tensor_ops.cuh");
const COMPLEX: &str = include_str!("../../../kernels/tensor_complex.cuh");
const REDUCE: &str = include_str!("../../../kernels/tensor_reduce.cuh");
const TRANSPOSE: &str = include_str!("../../../kernels/tensor_transpose.cuh");
const MATMUL: &str = include_str!("../../../kernels/tensor_matmul.cuh");
const SCAN: &str = include_str!("../../../kernels/tensor_scan.cuh");
const NUMBERS: &str = include_str!("../../../kernels/tensor_numbers.cuh");
const GATHER: &str = include_str!("../../../kernels/tensor_gather.cu");
const SCATTER: &str = include_str!("../../../kernels/tensor_scatter.cu");
const PLACE: &str = include_str!("../../../kernels/tensor_place.cu");
const SORT: &str = include_str!("../../../kernels/tensor_sort.cuh");
const SEARCH: &str = include_str!("../../../kernels/tensor_search.cuh");
const RANDOM: &str = include_str!("../../../kernels/tensor_random.cuh");

/// The files of the library that elements are computed with.
fn headers(has_complex: bool, has_random: bool) -> Vec<&'static str> {
    let mut headers = vec![PRELUDE, TENSOR, OPS];
    headers.extend(has_complex.then_some(COMPLEX));
    headers.extend(has_random.then_some(RANDOM));
    headers
}

/// The name of an element type in the kernels.
pub(crate) fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::U8 => "u8",
        DType::U16 => "u16",
        DType::U32 => "u32",
        DType::U64 => "u64",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::C64 => "c64",
        DType::C128 => "c128",
    }
}

/// Checks that a kernel can be given as many words.
pub(crate) fn check_words(words: usize) -> Result<()> {
    match words <= WORDS_MAX {
        true => Ok(()),
        false => Err(Error::unsupported(format!(
            "a fused program with {words} words of parameters: a kernel takes {WORDS_MAX}"
        ))),
    }
}
