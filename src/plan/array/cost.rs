//! What a stage of arrays costs on the CPU and on a device, by the constants that tables are placed by.

use swath_array::graph::{DeviceForm, Op, Region};
use swath_array::kernel::linalg::Decomposition;
use swath_array::run::fuse::weight;
use swath_array::run::region::input_regions;
use swath_array::run::stages::Stage;

use crate::operators::tensor::is_batched;
use crate::plan::cost::{CostModel, Seconds, speed_up};

/// Numbers that a core, or a device, multiplies and adds while it handles one row of an expression.
const FLOPS_PER_NODE: f64 = 16.0;

/// Bytes that a device reads for one element that it finds by a number: a sector.
const SECTOR_BYTES: f64 = 32.0;

/// A stage in units of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Bytes that the host has and the stage reads.
    pub up_bytes: f64,
    /// Bytes that it reads and that lie on the device.
    pub there_bytes: f64,
    /// Bytes that its result takes where it comes down.
    pub down_bytes: f64,
    /// Bytes that are read and written in turn, on either side.
    pub bytes: f64,
    /// Elements through one instruction of a program.
    pub nodes: f64,
    /// Elements that are sorted, and the bytes of them that a radix sort looks at.
    pub sorted: f64,
    pub sorted_bytes: f64,
    /// Elements that are found by number.
    pub gathered: f64,
    pub kernels: f64,
}

impl Work {
    /// Adds what the operator that ends a stage does, beside what it takes to have its operands.
    pub fn add_operator(&mut self, stage: &Stage, form: Option<&DeviceForm>) {
        let (array, elements) = (&stage.array, stage.region.len() as f64);
        self.bytes += elements * array.dtype().size() as f64;
        self.kernels += 1.0;
        let regions = input_regions(array, &stage.region);
        let read_of = |input: usize| regions.get(input).map_or(0, Region::len) as f64;
        let read = read_of(0);
        match (array.op(), form) {
            (Op::Reduce(..), _) => {
                let weight = weight(array.inputs()[0].op()).max(1);
                self.nodes += read * f64::from(weight);
            }
            (Op::MatMul, _) => {
                let depth = array.inputs()[0].shape().last().copied().unwrap_or(1);
                self.nodes += 2.0 * elements * depth as f64 / FLOPS_PER_NODE;
            }
            (_, Some(DeviceForm::Sort { .. })) => {
                let size = array.inputs()[0].dtype().size() as f64;
                self.sorted += read;
                self.sorted_bytes += read * size;
                self.kernels += 3.0 * size;
            }
            // Rows of several tiles are read twice.
            (_, Some(DeviceForm::Scan { .. })) => {
                self.nodes += read;
                self.bytes += read * array.dtype().size() as f64;
                self.kernels += 2.0;
            }
            (_, Some(DeviceForm::Take { .. } | DeviceForm::TakeRows)) => self.gathered += elements,
            // 5·n·log₂ n operations, and some passes over what does not fit in a multiprocessor.
            (_, Some(DeviceForm::Fourier { points, .. })) => {
                self.nodes += 5.0 * elements * (*points as f64).log2() / FLOPS_PER_NODE;
                self.bytes += 4.0 * read * array.inputs()[0].dtype().size() as f64;
                self.kernels += 3.0;
            }
            (_, Some(DeviceForm::Decompose { decomposition, start })) => {
                let inputs = input_regions(array, &stage.region);
                let matrix = |i: usize| inputs.get(i).map_or(&[][..], |input| &input.shape[start.len()..]);
                let right = matrix(1).last().copied().unwrap_or(0);
                let (operations, kernels) = decomposition_work(*decomposition, matrix(0), right);
                let count = inputs[0].shape[..start.len()].iter().product::<usize>();
                self.nodes += count as f64 * operations / FLOPS_PER_NODE;
                // Many small ones take a few kernels altogether.
                self.kernels += match is_batched(*decomposition, matrix(0), count) {
                    true => 4.0,
                    false => count as f64 * kernels,
                };
            }
            (_, Some(DeviceForm::Put { .. } | DeviceForm::PutRows)) => {
                self.gathered += read_of(1);
                self.kernels += 1.0;
            }
            // All but the last elements that are looked at are in caches.
            (_, Some(DeviceForm::Search { .. })) => {
                self.gathered += elements;
                self.nodes += elements * (read_of(1) + 1.0).log2();
            }
            _ => {}
        }
    }

    /// The seconds on so many cores, and on the device.
    pub fn seconds(&self, model: &CostModel, cores: usize) -> (f64, f64) {
        let CostModel { host, device, .. } = model;
        // A radix sort reads and writes each element once for each of its bytes.
        let sorted = 2.0 * self.sorted_bytes * (self.sorted_bytes / self.sorted.max(1.0));
        let here = (self.bytes / host.copy_bytes_per_s).max(self.nodes / host.nodes_per_s)
            + sorted / host.copy_bytes_per_s
            + self.gathered / host.nodes_per_s;
        // What lies on the device has to come down first, and memory is no faster for more cores.
        let here = here / speed_up(host, cores) + self.there_bytes / device.download_bytes_per_s;
        let there = (self.up_bytes / device.upload_bytes_per_s)
            .max((self.bytes + self.gathered * SECTOR_BYTES) / device.bytes_per_s)
            .max(self.nodes / device.nodes_per_s)
            + self.sorted / device.sort_keys_per_s
            + self.down_bytes / device.download_bytes_per_s
            + device.task_s
            + self.kernels * device.launch_s;
        (here, there)
    }
}

/// The operations of a decomposition of one matrix (Golub and Van Loan, Matrix Computations), and the kernels that cuSOLVER
/// takes for it: estimated, not measured.
fn decomposition_work(decomposition: Decomposition, matrix: &[usize], right: usize) -> (f64, f64) {
    let &[rows, columns] = matrix else { return (0.0, 0.0) };
    let (long, n, right) = (rows.max(columns) as f64, rows.min(columns) as f64, right as f64);
    // Blocked factorizations take some kernels for each panel; those that go column by column some for each.
    let (panels, every) = (8.0 + n / 8.0, 8.0 + 3.0 * n);
    match decomposition {
        Decomposition::Cholesky { .. } => (n * n * n / 3.0, panels),
        Decomposition::Determinant | Decomposition::SignAndLogarithm => (2.0 / 3.0 * n * n * n, panels),
        Decomposition::Inverse => (2.0 * n * n * n, 2.0 * panels),
        Decomposition::Solve => (2.0 / 3.0 * n * n * n + 2.0 * n * n * right, 2.0 * panels),
        Decomposition::QrTriangle => (2.0 * long * n * n, panels),
        Decomposition::Qr { .. } => (4.0 * long * n * n, 2.0 * panels),
        Decomposition::QrTimes => (4.0 * long * n * n + 2.0 * long * n * right, 2.0 * panels),
        Decomposition::SingularValues => (4.0 * long * n * n, every),
        Decomposition::Svd { .. } => (14.0 * long * n * n + 8.0 * n * n * n, 2.0 * every),
        Decomposition::SelfAdjointEigenvalues => (4.0 / 3.0 * n * n * n, every),
        Decomposition::SelfAdjointEigen => (9.0 * n * n * n, 2.0 * every),
        Decomposition::Eigen | Decomposition::Eigenvalues => (25.0 * n * n * n, every),
    }
}

/// Why the CPU runs what the device would have taken longer for.
pub fn sooner_on_host(host_s: f64, device_s: f64) -> String {
    format!("the CPU is expected to take {}, the device {}", Seconds(host_s), Seconds(device_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_work_stays_and_large_work_goes() {
        let model = CostModel::default();
        let small = Work { up_bytes: 8e3, bytes: 16e3, nodes: 3e3, kernels: 1.0, ..Work::default() };
        let (host, device) = small.seconds(&model, 8);
        assert!(host < device);
        // What lies there already is sorted there, even if the CPU has many cores.
        let there = Work {
            there_bytes: 8e8,
            bytes: 16e8,
            sorted: 1e8,
            sorted_bytes: 8e8,
            kernels: 25.0,
            ..Work::default()
        };
        let (host, device) = there.seconds(&model, 64);
        assert!(host > device);
    }
}
