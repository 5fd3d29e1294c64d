//! Aggregates over frames: differences of prefix sums, and trees (`kernels/window_sum.cu`, `kernels/window_tree.cu`).

use std::rc::Rc;
use std::sync::LazyLock;

use arrow::datatypes::DataType;

use crate::column::{DeviceColumn, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::layout::{Layout, column_words, storage_word};
use super::positions::take;
use super::spec::{WindowFunction, WindowKind};
use crate::operators::binding::{BLOCK, Control};
use crate::operators::fixed::launch;

/// Rows of a block of `window_prefix`, and the words of a tile's state: `PREFIX_TILE` and `PREFIX_WORDS` there.
const PREFIX_TILE: usize = BLOCK * 8;
const PREFIX_WORDS: usize = 5;

/// Nodes that are joined to one, levels that a launch builds, and the most levels that there can be: `NODE_FAN`,
/// log₄ of `NODE_TILE`, and `NODE_LEVELS` there.
const NODE_FAN: usize = 4;
const LEVELS_OF_LAUNCH: usize = 5;
const NODE_LEVELS: usize = 16;

static SUM_SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../../kernels/prelude.cuh"),
        include_str!("../../../kernels/decimal.cuh"),
        include_str!("../../../kernels/string.cuh"),
        include_str!("../../../kernels/scan.cuh"),
        include_str!("../../../kernels/column.cuh"),
        include_str!("../../../kernels/window_sum.cu"),
    ]
    .join("\n");
    KernelSource::new("window_sum", text, ["window_prefix", "window_sums"].map(String::from).to_vec())
});

/// One for each tree, in the order of [`Tree::ALL`].
static TREE_SOURCES: LazyLock<[KernelSource; 5]> = LazyLock::new(|| {
    Tree::ALL.map(|tree| {
        let kernels = format!("TREE({}, {tree:?})\n", tree.name());
        let text = [
            include_str!("../../../kernels/prelude.cuh"),
            include_str!("../../../kernels/decimal.cuh"),
            include_str!("../../../kernels/string.cuh"),
            include_str!("../../../kernels/fixed_sum.cuh"),
            include_str!("../../../kernels/column.cuh"),
            include_str!("../../../kernels/window_tree.cu"),
            &kernels,
        ]
        .join("\n");
        let entries = ["build", "query"].map(|step| format!("{step}_{}", tree.name()));
        KernelSource::new(format!("window_{}", tree.name()), text, entries.to_vec())
    })
});

/// What a tree's nodes are.
/// The names are those of the kernels' types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    FloatSum,
    WordExtreme,
    WideExtreme,
    StringExtreme,
    MomentSum,
}

impl Tree {
    const ALL: [Tree; 5] =
        [Tree::FloatSum, Tree::WordExtreme, Tree::WideExtreme, Tree::StringExtreme, Tree::MomentSum];

    fn name(self) -> &'static str {
        match self {
            Tree::FloatSum => "float_sum",
            Tree::WordExtreme => "word_extreme",
            Tree::WideExtreme => "wide_extreme",
            Tree::StringExtreme => "string_extreme",
            Tree::MomentSum => "moment_sum",
        }
    }

    fn source(self) -> &'static KernelSource {
        &TREE_SOURCES[self as usize]
    }

    fn node_bytes(self) -> usize {
        match self {
            Tree::StringExtreme => 4,
            Tree::WordExtreme => 8,
            Tree::FloatSum | Tree::WideExtreme => 16,
            Tree::MomentSum => 24,
        }
    }
}

/// What aggregates of one column share.
#[derive(Default)]
pub(super) struct Shared {
    /// By column: prefix sums.
    prefixes: Vec<(usize, Rc<DeviceBuffer>)>,
    trees: Vec<BuiltTree>,
}

/// A tree over one column.
struct BuiltTree {
    tree: Tree,
    column: usize,
    largest: bool,
    /// `TreeParams` there.
    parameters: Vec<u64>,
    /// What the parameters point into.
    _nodes: DeviceBuffer,
}

impl Shared {
    /// Computes one aggregate of a column for the frame of every row.
    pub fn column(
        &mut self,
        task: &mut Task<'_>,
        layout: &mut Layout<'_>,
        function: &WindowFunction,
        arg: usize,
    ) -> Result<DeviceColumn> {
        use WindowKind::*;
        let storage = layout.chunk.columns[arg].storage;
        let is_float = matches!(storage, Storage::F32 | Storage::F64);
        match (&function.kind, storage) {
            (Sum, _) if is_float => self.query(task, layout, function, arg, Tree::FloatSum, 0),
            (Avg, _) if is_float => self.query(task, layout, function, arg, Tree::FloatSum, 1),
            (Sum | Avg, _) => self.sum(task, layout, function, arg),
            (Min | Max, Storage::Bytes) => self.query(task, layout, function, arg, Tree::StringExtreme, 2),
            (Min | Max, Storage::I128) => self.query(task, layout, function, arg, Tree::WideExtreme, 2),
            (Min | Max, _) => self.query(task, layout, function, arg, Tree::WordExtreme, 2),
            (VarianceSample, _) => self.query(task, layout, function, arg, Tree::MomentSum, 3),
            (VariancePopulation, _) => self.query(task, layout, function, arg, Tree::MomentSum, 4),
            (StddevSample, _) => self.query(task, layout, function, arg, Tree::MomentSum, 5),
            (StddevPopulation, _) => self.query(task, layout, function, arg, Tree::MomentSum, 6),
            (kind, _) => Err(Error::bug(format!("{kind:?} is no aggregate of a column"))),
        }
    }

    /// Sums and averages of integers and decimals.
    fn sum(
        &mut self,
        task: &mut Task<'_>,
        layout: &mut Layout<'_>,
        function: &WindowFunction,
        arg: usize,
    ) -> Result<DeviceColumn> {
        let rows = layout.chunk.rows;
        let column = &layout.chunk.columns[arg];
        // Sums of integers wrap at 8 bytes, those of decimals at 16.
        let wide = matches!(column.data_type, DataType::Decimal128(..));
        let prefix = self.prefix(task, layout, arg, wide)?;
        let valid = layout.valid_words(task, arg)?;
        let frame = layout.frame(task, &function.frame)?;
        let (storage, values, validity) = output(task, function, rows)?;
        let average = match (&function.kind, &column.data_type, function.output.data_type()) {
            (WindowKind::Avg, DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
                Some((10i128.pow((*to - *from).max(0) as u32), 10i128.pow(u32::from(*precision))))
            }
            (WindowKind::Avg, from, _) => {
                return Err(Error::bug(format!("an average of {from} from prefix sums")));
            }
            _ => None,
        };
        let (scale, limit) = average.unwrap_or_default();
        let control = Control::new(task)?;
        let mut parameters = vec![rows as u64, frame.begins.address(), frame.ends.address()];
        parameters.extend(valid);
        parameters.extend([prefix.address(), wide.into(), average.is_some().into()]);
        for value in [scale, limit] {
            parameters.extend([value as u64, (value >> 64) as u64]);
        }
        parameters.extend([storage_word(storage), values.address(), validity.address(), control.address()]);
        launch(task, &SUM_SOURCE, "window_sums", rows.div_ceil(BLOCK), &parameters)?;
        if average.is_some() {
            control.read(task, &[function.output.name().clone()])?;
        }
        DeviceColumn::fixed(function.output.data_type().clone(), storage, rows, values, Some(validity))
    }

    fn prefix(
        &mut self,
        task: &mut Task<'_>,
        layout: &Layout<'_>,
        arg: usize,
        wide: bool,
    ) -> Result<Rc<DeviceBuffer>> {
        if let Some((_, known)) = self.prefixes.iter().find(|(column, _)| *column == arg) {
            return Ok(known.clone());
        }
        let rows = layout.chunk.rows;
        let sums = Rc::new(task.alloc((rows + 1) * if wide { 16 } else { 8 })?);
        let grid = rows.div_ceil(PREFIX_TILE);
        let tiles = task.alloc_filled(grid * PREFIX_WORDS * 8, 0)?;
        let control = Control::new(task)?;
        let mut parameters = vec![rows as u64];
        parameters.extend(column_words(&layout.chunk.columns[arg]));
        parameters.extend([wide.into(), sums.address(), tiles.address(), control.address()]);
        launch(task, &SUM_SOURCE, "window_prefix", grid, &parameters)?;
        self.prefixes.push((arg, sums.clone()));
        Ok(sums)
    }

    /// Aggregates that are put together from a tree's nodes; `kind` is one of the kernel's `QUERY_`.
    fn query(
        &mut self,
        task: &mut Task<'_>,
        layout: &mut Layout<'_>,
        function: &WindowFunction,
        arg: usize,
        tree: Tree,
        kind: u64,
    ) -> Result<DeviceColumn> {
        let rows = layout.chunk.rows;
        let largest = function.kind == WindowKind::Max;
        let valid = layout.valid_words(task, arg)?;
        let frame = layout.frame(task, &function.frame)?;
        let mut parameters = self.tree(task, layout, arg, tree, largest)?;
        parameters.extend([frame.begins.address(), frame.ends.address()]);
        parameters.extend(valid);
        parameters.push(kind);
        let entry = format!("query_{}", tree.name());
        let grid = rows.div_ceil(BLOCK);
        if tree == Tree::StringExtreme {
            let sources = task.alloc(rows * 4)?;
            parameters.extend([storage_word(Storage::U32), sources.address(), 0]);
            launch(task, tree.source(), &entry, grid, &parameters)?;
            return take(task, layout, function, arg, &sources);
        }
        let (storage, values, validity) = output(task, function, rows)?;
        parameters.extend([storage_word(storage), values.address(), validity.address()]);
        launch(task, tree.source(), &entry, grid, &parameters)?;
        DeviceColumn::fixed(function.output.data_type().clone(), storage, rows, values, Some(validity))
    }

    /// The parameters of a column's tree (`TreeParams` there), which is built at the first use.
    fn tree(
        &mut self,
        task: &mut Task<'_>,
        layout: &Layout<'_>,
        arg: usize,
        tree: Tree,
        largest: bool,
    ) -> Result<Vec<u64>> {
        let known = |built: &&BuiltTree| (built.tree, built.column, built.largest) == (tree, arg, largest);
        if let Some(built) = self.trees.iter().find(known) {
            return Ok(built.parameters.clone());
        }
        let rows = layout.chunk.rows;
        let mut counts = vec![rows];
        let mut begins = vec![0, 0];
        while let Some(below) = counts.last().copied().filter(|count| *count > 1) {
            let count = below.div_ceil(NODE_FAN);
            counts.push(count);
            begins.push(begins[begins.len() - 1] + count);
        }
        let levels = counts.len() - 1;
        let nodes = task.alloc(begins[levels + 1] * tree.node_bytes())?;
        counts.resize(NODE_LEVELS + 1, 0);
        begins.resize(NODE_LEVELS + 1, 0);
        let mut parameters = vec![rows as u64];
        parameters.extend(column_words(&layout.chunk.columns[arg]));
        parameters.extend([largest.into(), nodes.address()]);
        let level_at = parameters.len();
        parameters.extend([0, levels as u64]);
        parameters.extend(begins.iter().chain(&counts).map(|word| *word as u64));
        let mut level = 0;
        while level < levels {
            parameters[level_at] = level as u64;
            let grid = counts[level].div_ceil(BLOCK * NODE_FAN);
            launch(task, tree.source(), &format!("build_{}", tree.name()), grid, &parameters)?;
            level += LEVELS_OF_LAUNCH;
        }
        let built = BuiltTree { tree, column: arg, largest, parameters: parameters.clone(), _nodes: nodes };
        self.trees.push(built);
        Ok(parameters)
    }
}

/// Memory for a column of fixed width that can be null.
fn output(
    task: &mut Task<'_>,
    function: &WindowFunction,
    rows: usize,
) -> Result<(Storage, DeviceBuffer, DeviceBuffer)> {
    let data_type = function.output.data_type();
    let storage = Storage::of(data_type)
        .ok_or_else(|| Error::unsupported(format!("a window function that answers {data_type}")))?;
    let bytes = storage.width().map_or(rows.div_ceil(8), |width| rows * width);
    Ok((storage, task.alloc(bytes)?, task.alloc(rows.div_ceil(8))?))
}
