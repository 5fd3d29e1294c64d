//! What to compute over which windows.

use arrow::datatypes::{DataType, FieldRef, Schema};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::operators::sort::SortKey;
use crate::program::Literal;

/// Window functions that share partitions and order.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// Columns whose equal values make a partition; none make one of all rows.
    pub partition: Vec<usize>,
    /// Columns that order the rows of a partition; rows that are equal in all of them are peers.
    pub order: Vec<SortKey>,
    /// What is appended, in this order.
    pub functions: Vec<WindowFunction>,
}

/// One column of the output.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowFunction {
    pub kind: WindowKind,
    /// Columns of the chunk; none for functions of positions and `count(*)`, else one.
    pub args: Vec<usize>,
    /// The rows that it sees; functions of positions see the whole partition.
    pub frame: WindowFrame,
    /// Rows where the argument is null do not count, for functions that take a row's value.
    pub ignore_nulls: bool,
    /// Name, type and nullability of the column.
    pub output: FieldRef,
}

/// What a window function computes, as SQL's function of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowKind {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    /// Numbers of buckets, at least one.
    Ntile(u64),
    /// The value some rows before, or where there is no such row the default.
    Lag {
        offset: i64,
        default: Literal,
    },
    Lead {
        offset: i64,
        default: Literal,
    },
    FirstValue,
    LastValue,
    /// From 1, or from the frame's end where it is negative; 0 is always null.
    NthValue(i64),
    Count,
    Sum,
    Avg,
    Min,
    Max,
    VarianceSample,
    VariancePopulation,
    StddevSample,
    StddevPopulation,
}

/// The rows around each row.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowFrame {
    pub units: FrameUnits,
    pub start: FrameBound,
    pub end: FrameBound,
}

/// What a frame's bounds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnits {
    Rows,
    /// Distances between values of the one order key.
    Range,
    /// Groups of peers.
    Groups,
}

/// Where a frame begins or ends. Offsets are `UInt` for rows and groups. For ranges they are in the units in which the
/// key is stored: `Int` or `UInt` for integers, decimals (at the key's scale), dates (days) and timestamps (ticks),
/// `Float` for floats; not negative.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Literal),
    CurrentRow,
    Following(Literal),
    UnboundedFollowing,
}

impl FrameBound {
    pub(super) fn offset(&self) -> Option<&Literal> {
        match self {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
            _ => None,
        }
    }
}

impl WindowFrame {
    /// All rows of the partition.
    pub fn whole_partition() -> WindowFrame {
        WindowFrame {
            units: FrameUnits::Rows,
            start: FrameBound::UnboundedPreceding,
            end: FrameBound::UnboundedFollowing,
        }
    }

    /// Whether a bound is a distance from the order key's value.
    pub(super) fn measures_key(&self) -> bool {
        self.units == FrameUnits::Range && (self.start.offset().is_some() || self.end.offset().is_some())
    }
}

impl WindowKind {
    /// Whether the result depends on a frame.
    pub(super) fn uses_frame(&self) -> bool {
        use WindowKind::*;
        !matches!(
            self,
            RowNumber | Rank | DenseRank | PercentRank | CumeDist | Ntile(_) | Lag { .. } | Lead { .. }
        )
    }
}

impl WindowSpec {
    /// Makes sure that the device can compute this over a chunk of `input`; the plan asks before it puts a window on
    /// the device.
    ///
    /// # Errors
    /// Unsupported, naming the function and why.
    pub fn check(&self, input: &Schema) -> Result<()> {
        let keys = self.partition.iter().copied().chain(self.order.iter().map(|key| key.column));
        for column in keys.chain(self.functions.iter().flat_map(|function| function.args.iter().copied())) {
            let field = input.fields().get(column).ok_or_else(|| {
                Error::bug(format!("a window reads column {column} of {}", input.fields().len()))
            })?;
            if Storage::of(field.data_type()).is_none() {
                return Err(Error::unsupported(format!(
                    "a window over a column of type {}",
                    field.data_type()
                )));
            }
        }
        self.functions.iter().try_for_each(|function| self.check_function(function, input))
    }

    fn check_function(&self, function: &WindowFunction, input: &Schema) -> Result<()> {
        use WindowKind::*;
        let name = function.output.name();
        let refuse =
            |reason: String| Err(Error::unsupported(format!("'{name}': no device form of {reason}")));
        let output = function.output.data_type();
        let arg = match (function.args.as_slice(), &function.kind) {
            ([], RowNumber | Rank | DenseRank | PercentRank | CumeDist | Ntile(_) | Count) => None,
            ([arg], kind) if kind.uses_frame() || matches!(kind, Lag { .. } | Lead { .. }) => {
                Some(input.field(*arg).data_type())
            }
            (args, kind) => return Err(Error::bug(format!("{kind:?} of {} arguments", args.len()))),
        };
        let integer = |kind: &DataType| kind.is_signed_integer() || kind.is_unsigned_integer();
        let fits = match (&function.kind, arg, output) {
            (RowNumber | Rank | DenseRank | Ntile(_), _, DataType::UInt64) => true,
            (PercentRank | CumeDist, _, DataType::Float64) => true,
            (Count, _, DataType::Int64) => true,
            (FirstValue | LastValue | NthValue(_), Some(arg), output) => arg == output,
            (Lag { default, .. } | Lead { default, .. }, Some(arg), output) => {
                if matches!(arg, DataType::Dictionary(..)) && *default != Literal::Null {
                    return refuse("a default beside dictionary values".into());
                }
                arg == output
            }
            (Min | Max, Some(arg), output) => {
                arg == output && !matches!(Storage::of(arg), Some(Storage::Dictionary { .. }))
            }
            (Sum, Some(arg), DataType::Int64) => arg.is_signed_integer(),
            (Sum, Some(arg), DataType::UInt64) => arg.is_unsigned_integer(),
            (Sum, Some(DataType::Decimal128(_, from)), DataType::Decimal128(_, to)) => from == to,
            (Avg, Some(DataType::Decimal128(_, from)), DataType::Decimal128(_, to)) => from <= to,
            (Sum | Avg, Some(DataType::Float32 | DataType::Float64), DataType::Float64) => true,
            (
                VarianceSample | VariancePopulation | StddevSample | StddevPopulation,
                Some(DataType::Float64),
                DataType::Float64,
            ) => true,
            _ => false,
        };
        if !fits {
            let of = arg.map_or(String::new(), |arg| format!(" of {arg}"));
            return refuse(format!("{:?}{of} that answers {output}", function.kind));
        }
        if function.kind.uses_frame() && function.frame.measures_key() {
            let [key] = self.order.as_slice() else {
                return refuse(format!("a RANGE with offsets over {} order keys", self.order.len()));
            };
            let of = input.field(key.column).data_type();
            let measured = integer(of)
                || matches!(
                    of,
                    DataType::Float32
                        | DataType::Float64
                        | DataType::Decimal128(..)
                        | DataType::Date32
                        | DataType::Timestamp(..)
                );
            if !measured {
                return refuse(format!("a RANGE with offsets over an order key of type {of}"));
            }
        }
        Ok(())
    }
}
