//! Matrix products by cuBLAS, by the kernel and by the CPU. The library is the simulated one: what is tested is how it is
//! called, not what the real one answers.

use swath::array::{Watch, compute};
use swath::config::{Config, Placement};
use swath::operators::tensor::{DeviceTensor, MultipliedBy, Multiplier, run_product};
use swath::session::Session;
use swath::worker::Task;
use swath_array::build::linalg;
use swath_array::tensor::{Slice, TensorMut};
use swath_array::{Array, DType, Tensor};

use crate::simulator::{kernel_folder, mode, use_device};
use crate::task::on_device;
use crate::tensor::{self, assert_same, matmul_bound, multiplied_on_host};

const FLOATS: [DType; 6] = [DType::F16, DType::BF16, DType::F32, DType::F64, DType::C64, DType::C128];

/// A view of values that lie row by row: on a device, what is uploaded lies so, and views are made there.
#[derive(Clone)]
struct View {
    values: Tensor,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Slice(Vec<Slice>),
    Permute(Vec<usize>),
    Broadcast(Vec<usize>),
}

impl View {
    fn slice(mut self, slices: &[Slice]) -> View {
        self.steps.push(Step::Slice(slices.to_vec()));
        self
    }

    fn permute(mut self, axes: &[usize]) -> View {
        self.steps.push(Step::Permute(axes.to_vec()));
        self
    }

    fn broadcast(mut self, shape: &[usize]) -> View {
        self.steps.push(Step::Broadcast(shape.to_vec()));
        self
    }

    fn host(&self) -> Tensor {
        self.steps.iter().fold(self.values.clone(), |view, step| match step {
            Step::Slice(slices) => view.slice(slices),
            Step::Permute(axes) => view.permute(axes),
            Step::Broadcast(shape) => view.broadcast(shape),
        })
    }

    fn device(&self, task: &mut Task<'_>) -> swath::Result<DeviceTensor> {
        let values = DeviceTensor::upload(task, &self.values)?;
        Ok(self.steps.iter().fold(values, |view, step| match step {
            Step::Slice(slices) => view.slice(slices),
            Step::Permute(axes) => view.permute(axes),
            Step::Broadcast(shape) => view.broadcast(shape),
        }))
    }
}

fn numbers(dtype: DType, shape: &[usize], seed: u64) -> View {
    View { values: tensor::numbers(dtype, shape, seed), steps: vec![] }
}

/// Multiplies each pair by both, and compares with the CPU. Answers what was said of the library's part.
fn compare(pairs: Vec<(View, View)>) -> Vec<MultipliedBy> {
    let work = pairs.clone();
    let results = on_device(move |task| {
        let is_simulated = task.info().is_simulated();
        let mut results = Vec::new();
        for (a, b) in &work {
            let (a, b) = (a.device(task)?, b.device(task)?);
            let before = task.stats().kernels_launched;
            let by_library = run_product(task, &a, &b, Multiplier::Library)?;
            assert!(by_library.tensor.is_empty() || task.stats().kernels_launched > before);
            let by_kernel = run_product(task, &a, &b, Multiplier::Kernel)?;
            assert!(matches!(by_kernel.by, MultipliedBy::Kernel(_)));
            let by = match (is_simulated, by_library.by) {
                // A machine may have no cuBLAS.
                (false, MultipliedBy::Kernel(_)) => MultipliedBy::Library("none".to_string()),
                (_, by) => by,
            };
            results.push((by_library.tensor.download(task)?, by_kernel.tensor.download(task)?, by));
        }
        Ok(results)
    })
    .expect("the device multiplies");
    for ((a, b), (by_library, by_kernel, by)) in pairs.iter().zip(&results) {
        let (a, b) = (a.host(), b.host());
        let expected = on_host(&a, &b);
        let what = |i: usize| format!("{} {:?} · {:?}, {by} at {i}", a.dtype(), a.shape(), b.shape());
        assert_same(&expected, by_library, |_| matmul_bound(&a), what);
        assert_same(&expected, by_kernel, |_| matmul_bound(&a), what);
    }
    results.into_iter().map(|(_, _, by)| by).collect()
}

/// The CPU's product of each matrix, one after the other.
fn on_host(a: &Tensor, b: &Tensor) -> Tensor {
    let front = a.ndim() - 2;
    let (n, m) = (a.shape()[front], b.shape()[front + 1]);
    let shape = [&a.shape()[..front], &[n, m]].concat();
    let mut product = TensorMut::zeroed(a.dtype(), &shape).expect("there is memory");
    let target = product.target();
    for number in 0..a.shape()[..front].iter().product() {
        let mut rest: usize = number;
        let mut slices = Vec::new();
        for &len in a.shape()[..front].iter().rev() {
            slices.insert(0, Slice::range(rest % len, 1));
            rest /= len;
        }
        let matrix = |tensor: &Tensor| {
            let [rows, columns] = [tensor.shape()[front], tensor.shape()[front + 1]];
            let all = [&slices[..], &[Slice::range(0, rows), Slice::range(0, columns)]].concat();
            tensor.slice(&all).reshape(&[rows, columns]).expect("one matrix")
        };
        let one = multiplied_on_host(&matrix(a), &matrix(b));
        let one_shape = [&vec![1; front][..], &[n, m]].concat();
        let all = [&slices[..], &[Slice::range(0, n), Slice::range(0, m)]].concat();
        swath_array::tensor::copy(&one.reshape(&one_shape).expect("one matrix"), &mut target.slice(&all));
    }
    product.freeze()
}

fn all_by_library(by: &[MultipliedBy]) {
    for by in by {
        assert!(matches!(by, MultipliedBy::Library(_)), "{by}");
    }
}

/// Rows, columns, turned, backwards, every second, one repeated.
fn layouts(dtype: DType, n: usize, m: usize, seed: u64) -> Vec<View> {
    let back = |len: usize| Slice { start: len - 1, count: len, step: -1 };
    let even = |len: usize| Slice { start: 0, count: len, step: 2 };
    let all = |len: usize| Slice::range(0, len);
    vec![
        numbers(dtype, &[n, m], seed),
        numbers(dtype, &[m, n], seed).permute(&[1, 0]),
        numbers(dtype, &[n + 3, m + 5], seed).slice(&[Slice::range(2, n), Slice::range(1, m)]),
        numbers(dtype, &[m + 3, n + 5], seed)
            .permute(&[1, 0])
            .slice(&[Slice::range(4, n), Slice::range(3, m)]),
        numbers(dtype, &[n, m], seed).slice(&[back(n), all(m)]),
        numbers(dtype, &[n, m], seed).slice(&[all(n), back(m)]),
        numbers(dtype, &[n, 2 * m], seed).slice(&[all(n), even(m)]),
        numbers(dtype, &[2 * n, m], seed).slice(&[even(n), all(m)]),
        numbers(dtype, &[1, m], seed).broadcast(&[n, m]),
        numbers(dtype, &[n, 1], seed).broadcast(&[n, m]),
    ]
}

#[test]
fn every_type_is_multiplied_by_the_library() {
    let mut pairs = Vec::new();
    for dtype in FLOATS {
        for (n, k, m) in [(1, 1, 1), (5, 3, 4), (33, 17, 65), (1, 70, 9), (9, 70, 1), (40, 1, 20)] {
            pairs.push((numbers(dtype, &[n, k], 1), numbers(dtype, &[k, m], 2)));
        }
    }
    all_by_library(&compare(pairs));
}

#[test]
fn every_layout_is_multiplied_by_the_library() {
    let mut pairs = Vec::new();
    for a in layouts(DType::F32, 6, 7, 1) {
        for b in layouts(DType::F32, 7, 5, 2).into_iter().step_by(3) {
            pairs.push((a.clone(), b));
        }
    }
    pairs.extend(layouts(DType::C128, 6, 7, 1).into_iter().zip(layouts(DType::C128, 7, 5, 2)));
    all_by_library(&compare(pairs));
}

#[test]
fn batches_are_multiplied_by_the_library() {
    let x = |shape: &[usize], seed: u64| numbers(DType::F64, shape, seed);
    let back = Slice { start: 3, count: 4, step: -1 };
    let two = |n: usize, m: usize| [Slice::range(0, n), Slice::range(0, m)];
    let pairs = vec![
        (x(&[4, 3, 5], 1), x(&[4, 5, 2], 2)),
        (x(&[3, 5], 1).broadcast(&[4, 3, 5]), x(&[4, 5, 2], 2)),
        (x(&[2, 1, 3, 5], 1).broadcast(&[2, 4, 3, 5]), x(&[1, 4, 5, 2], 2).broadcast(&[2, 4, 5, 2])),
        (x(&[2, 3, 4, 6], 1), x(&[3, 2, 6, 5], 2).permute(&[1, 0, 2, 3])),
        (x(&[4, 3, 5], 1).slice(&[&[back][..], &two(3, 5)].concat()), x(&[4, 2, 5], 2).permute(&[0, 2, 1])),
        // Not laid out for the library, and repeated: the copy is not repeated.
        (
            x(&[3, 5], 1)
                .permute(&[1, 0])
                .slice(&[Slice { start: 4, count: 5, step: -1 }, Slice::range(0, 3)])
                .broadcast(&[4, 5, 3]),
            x(&[4, 3, 2], 2),
        ),
    ];
    all_by_library(&compare(pairs));
}

#[test]
fn what_the_library_does_not_multiply_the_kernel_does() {
    let mut pairs = vec![
        (numbers(DType::I32, &[4, 5], 1), numbers(DType::I32, &[5, 3], 2)),
        (numbers(DType::Bool, &[4, 5], 1), numbers(DType::Bool, &[5, 3], 2)),
        (numbers(DType::F32, &[4, 0], 1), numbers(DType::F32, &[0, 3], 2)),
        (numbers(DType::F32, &[0, 4], 1), numbers(DType::F32, &[4, 3], 2)),
        (numbers(DType::F32, &[2, 0, 4], 1), numbers(DType::F32, &[2, 4, 3], 2)),
        (numbers(DType::F32, &[0, 2, 4], 1), numbers(DType::F32, &[0, 4, 3], 2)),
    ];
    let strange = numbers(DType::F32, &[30, 10, 1, 1], 1).permute(&[1, 0, 2, 3]);
    pairs.push((strange, numbers(DType::F32, &[10, 30, 1, 1], 2)));
    let values = Tensor::from_vec(vec![f32::INFINITY, 1.0, 2.0, f32::NAN], &[2, 2]).expect("four numbers");
    pairs.push((View { values, steps: vec![] }, numbers(DType::F32, &[2, 3], 9)));
    let by = compare(pairs);
    assert!(by[..6].iter().all(|by| matches!(by, MultipliedBy::Kernel(_))), "{by:?}");
    assert!(by[6..].iter().all(|by| matches!(by, MultipliedBy::Library(_))), "{by:?}");
}

#[test]
fn small_products_do_not_start_the_library() {
    let (a, b) = (numbers(DType::F32, &[40, 50], 1), numbers(DType::F32, &[50, 60], 2));
    let (small, large) = on_device(move |task| {
        let (a, b) = (a.device(task)?, b.device(task)?);
        let small = run_product(task, &a, &b, Multiplier::Auto)?.by;
        let a = DeviceTensor::alloc(task, DType::F32, &[1 << 12, 1 << 6])?;
        let b = DeviceTensor::alloc(task, DType::F32, &[1 << 6, 1 << 6])?;
        let large = run_product(task, &a, &b, Multiplier::Auto)?.by;
        Ok((small, large))
    })
    .expect("the device multiplies");
    assert!(matches!(small, MultipliedBy::Kernel(reason) if reason.contains("too little")));
    assert!(!matches!(large, MultipliedBy::Kernel(reason) if reason.contains("too little")));
}

#[test]
fn the_receipt_says_what_multiplied() {
    use_device();
    let _mode = mode(false);
    let config =
        Config { placement: Placement::Device, cache_dir: Some(kernel_folder()), ..Config::default() };
    let session = Session::with_config(config).expect("a session opens");
    for (side, said) in [(20, "too little for cuBLAS"), (256, "by cuBLAS")] {
        let x = Array::from_tensor(tensor::numbers(DType::F64, &[side, side], 1));
        let square = linalg::matmul(&x, &x).expect("it is made");
        let computed = compute(&session, &[square], &Watch::default()).expect("the device takes it");
        let notes: Vec<_> = computed.receipt.operators.iter().filter_map(|one| one.note.clone()).collect();
        let is_there = notes.iter().any(|note| note.contains(said) || note.contains("no cuBLAS"));
        assert!(is_there, "{}", computed.receipt);
    }
}
