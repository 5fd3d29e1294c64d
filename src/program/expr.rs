//! Scalar expressions of a device program.
//!
//! An expression is a typed tree over the columns of a pipeline's input. Types are Arrow's, given by the planner and
//! not derived again here, so that the device computes exactly the type that the CPU plan promises. Code generation
//! finds common subexpressions, so that sharing need not be expressed in the tree.

use std::fmt;

use arrow::datatypes::DataType;

/// A typed expression over the columns of a pipeline's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What is computed from `args`.
    pub op: Op,
    /// The operands, in the order that `op` documents.
    pub args: Vec<Expr>,
    /// The type of the value.
    pub data_type: DataType,
    /// Whether the value can be null.
    pub nullable: bool,
}

/// What an expression computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Column of the pipeline's input, by index; no operands.
    Column(usize),
    /// A constant; no operands. Its value is a kernel parameter, never source text.
    Literal(Literal),
    /// Two operands; see [`BinaryOp`].
    Binary(BinaryOp),
    /// Logical negation of one boolean; null stays null.
    Not,
    /// Arithmetic negation of one number, wrapping for integers.
    Negative,
    /// Whether the operand is null; never null itself.
    IsNull,
    /// Whether the operand is not null; never null itself.
    IsNotNull,
    /// `when₀, then₀, when₁, then₁, …[, else]`: the first branch whose condition is true and not null.
    /// Branches that are not taken are not evaluated.
    Case { has_else: bool },
    /// The field of a struct, by the names on the way to it. The plan puts a column in its place, which the host fills
    /// where it uploads the rows.
    Field(Vec<String>),
    /// The first operand that is not null.
    Coalesce,
    /// Null where the two operands are equal, else the first.
    NullIf,
    /// Converts the operand to the expression's type. What cannot be converted is an error, or null where `safe`.
    Cast { safe: bool },
    /// Whether the operand equals one of the literals; null if it does not and one of them is null.
    InList { list: Vec<Literal>, negated: bool },
    /// SQL `LIKE` with a constant pattern: `%` any run, `_` one character, `\` escapes.
    Like { pattern: String, negated: bool, case_insensitive: bool },
    /// A scalar function; operands as [`Function`] says.
    Call(Function),
    /// Which of `count` partitions the operands, as one key, are in: a hash, the same for equal keys of either side of
    /// a join, null equal to null. A `UInt8`, never null.
    PartitionOf { count: u8 },
    /// Moves one date or timestamp by a calendar interval (subtracting negates all three); months first, the day
    /// clipped to the month's end, then days, then nanoseconds.
    AddInterval { months: i32, days: i32, nanoseconds: i64 },
}

/// Operators of two operands. Operands of arithmetic and comparison have the types the planner coerced them to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// Wrapping for integers, checked for decimals.
    Add,
    Sub,
    Mul,
    /// Truncating for integers; division by zero is an error for integers and decimals.
    Div,
    /// The remainder, with the sign of the dividend.
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Equality in which null equals null.
    IsNotDistinctFrom,
    IsDistinctFrom,
    /// Three-valued; the right operand is not evaluated where the left decides.
    And,
    Or,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

/// Scalar functions, with the semantics of the SQL functions of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// Characters of a string.
    CharacterLength,
    /// Bytes of a string.
    OctetLength,
    /// What depends on the letters around it falls back: a lower-case sigma.
    Upper,
    Lower,
    /// A string; ASCII on the device.
    InitCap,
    /// String, prefix.
    StartsWith,
    EndsWith,
    Contains,
    /// String, one-based first character, optional count of characters.
    Substring,
    /// String, count of characters; all but so many where negative.
    Left,
    Right,
    /// String, delimiter, one-based part, from the end where negative.
    SplitPart,
    /// String, delimiter, count of occurrences, from the end where negative.
    SubstrIndex,
    /// String, what is looked for; its one-based character, 0 where it is not there.
    StrPos,
    /// String, optional set of characters; spaces without it.
    Trim(Ends),
    /// Strings; null where one is.
    ConcatStrict,
    /// Strings; nulls are left out.
    Concat,
    /// Separator, strings; nulls among the latter are left out.
    ConcatWithSeparator,
    /// String, what is replaced, by what.
    Replace,
    /// String, characters, what each becomes.
    Translate,
    Reverse,
    /// String, count.
    Repeat,
    /// String, count of characters, optional filling; spaces without it.
    PadLeft,
    PadRight,
    /// The first character of a string as a number.
    Ascii,
    /// The character of a number.
    Chr,
    /// String, pattern that is no constant: SQL `LIKE`, or `NOT LIKE`.
    Like {
        negated: bool,
    },
    /// String, constant pattern, flags included.
    RegexpLike,
    /// String, constant pattern, constant replacement, and whether every match is replaced, a constant.
    RegexpReplace,
    /// Date or timestamp.
    DatePart(DatePart),
    DateTrunc(DatePart),
    /// Year, month, day.
    MakeDate,
    /// Timestamp, constant positive step in its ticks: the multiple of the step that is not later.
    DateBin,
    Abs,
    Ceil,
    Floor,
    /// Number, optional power of ten that it is multiplied by before and divided by after; half away from zero.
    Round,
    /// Number, optional factor: a float is multiplied by it before and divided by it after, of a decimal it is the
    /// power of ten below which digits are cleared.
    Trunc,
    Signum,
    Sqrt,
    Exp,
    Ln,
    Log2,
    Log10,
    Power,
    Cbrt,
    Sin,
    Cos,
    Tan,
    Cot,
    Asin,
    Acos,
    Atan,
    /// Ordinate, abscissa.
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    /// Number; never true of one that is no float.
    IsNan,
    /// Values; nulls are left out. Floats are in total order, as in sorts.
    Greatest,
    Least,
    /// Two 64-bit integers; a result beyond them is an error.
    Gcd,
    Lcm,
    /// An integer from 0 to 20; others are an error.
    Factorial,
}

/// The ends of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ends {
    Left,
    Right,
    Both,
}

impl Function {
    /// Whether its first operand is a string, or its result.
    pub(crate) fn is_of_strings(self) -> bool {
        use Function::*;
        matches!(
            self,
            CharacterLength
                | OctetLength
                | Upper
                | Lower
                | InitCap
                | StartsWith
                | EndsWith
                | Contains
                | Substring
                | Left
                | Right
                | SplitPart
                | SubstrIndex
                | StrPos
                | Trim(_)
                | ConcatStrict
                | Concat
                | ConcatWithSeparator
                | Replace
                | Translate
                | Reverse
                | Repeat
                | PadLeft
                | PadRight
                | Ascii
                | Chr
                | Like { .. }
                | RegexpLike
                | RegexpReplace
        )
    }
}

/// Fields of a date, in the proleptic Gregorian calendar and UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatePart {
    Year,
    Quarter,
    Month,
    /// ISO week for a part; Monday for truncation.
    Week,
    Day,
    DayOfYear,
    /// Sunday is 0.
    DayOfWeek,
    /// The year that the ISO week belongs to.
    IsoYear,
    /// Monday is 1.
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    /// Seconds since 1970 as a float.
    Epoch,
}

/// A constant. Decimals, dates and timestamps are their unscaled integers.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Boolean(bool),
    /// Signed integers, dates, times, timestamps, decimals of any width.
    Int(i128),
    UInt(u64),
    Float(f64),
    /// Strings and binaries.
    Bytes(Vec<u8>),
}

impl Expr {
    /// Refers to column `index` of the pipeline's input.
    pub fn column(index: usize, data_type: DataType, nullable: bool) -> Self {
        Expr { op: Op::Column(index), args: vec![], data_type, nullable }
    }

    /// Makes a constant of `data_type`.
    pub fn literal(value: Literal, data_type: DataType) -> Self {
        let nullable = value == Literal::Null;
        Expr { op: Op::Literal(value), args: vec![], data_type, nullable }
    }

    /// Makes an expression that is null only where an operand is.
    pub fn new(op: Op, args: Vec<Expr>, data_type: DataType) -> Self {
        let nullable = match &op {
            Op::IsNull
            | Op::IsNotNull
            | Op::PartitionOf { .. }
            | Op::Binary(BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom) => false,
            Op::NullIf => true,
            Op::Cast { safe } => *safe || args.iter().any(|arg| arg.nullable),
            Op::Coalesce => args.iter().all(|arg| arg.nullable),
            Op::InList { list, .. } => args[0].nullable || list.contains(&Literal::Null),
            Op::Case { has_else } => {
                let thens = args.chunks_exact(2).map(|branch| &branch[1]);
                !has_else || thens.chain(args.last()).any(|value| value.nullable)
            }
            Op::Call(Function::Concat) => false,
            Op::Call(Function::Greatest | Function::Least) => args.iter().all(|arg| arg.nullable),
            Op::Call(Function::ConcatWithSeparator) => args[0].nullable,
            _ => args.iter().any(|arg| arg.nullable),
        };
        Expr { op, args, data_type, nullable }
    }

    /// Makes a comparison or logical expression of two operands.
    pub fn binary(op: BinaryOp, left: Expr, right: Expr, data_type: DataType) -> Self {
        Expr::new(Op::Binary(op), vec![left, right], data_type)
    }

    /// Replaces each column reference by `columns[index]`: this is how a projection is folded into what follows.
    pub fn substitute(&self, columns: &[Expr]) -> Expr {
        if let Op::Column(index) = self.op {
            return columns[index].clone();
        }
        let args = self.args.iter().map(|arg| arg.substitute(columns)).collect();
        Expr { op: self.op.clone(), args, data_type: self.data_type.clone(), nullable: self.nullable }
    }

    /// Replaces what `replace` answers something for, from the top down.
    pub fn replace(&self, replace: &impl Fn(&Expr) -> Option<Expr>) -> Expr {
        replace(self).unwrap_or_else(|| {
            let args = self.args.iter().map(|arg| arg.replace(replace)).collect();
            Expr { op: self.op.clone(), args, data_type: self.data_type.clone(), nullable: self.nullable }
        })
    }

    /// Calls `visit` on this expression and all below it.
    pub fn walk(&self, visit: &mut impl FnMut(&Expr)) {
        visit(self);
        for arg in &self.args {
            arg.walk(visit);
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, name: &str| {
            write!(f, "{name}(")?;
            for (index, arg) in self.args.iter().enumerate() {
                write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
            }
            write!(f, ")")
        };
        match &self.op {
            Op::Column(index) => write!(f, "#{index}"),
            Op::Literal(value) => write!(f, "{value}"),
            Op::Binary(op) => write!(f, "({} {op} {})", self.args[0], self.args[1]),
            Op::Not => write!(f, "NOT {}", self.args[0]),
            Op::Negative => write!(f, "-{}", self.args[0]),
            Op::IsNull => write!(f, "{} IS NULL", self.args[0]),
            Op::IsNotNull => write!(f, "{} IS NOT NULL", self.args[0]),
            Op::Case { .. } => list(f, "CASE"),
            Op::Field(path) => write!(f, "{}.{}", self.args[0], path.join(".")),
            Op::Coalesce => list(f, "coalesce"),
            Op::NullIf => list(f, "nullif"),
            Op::Cast { safe } => {
                write!(
                    f,
                    "{}({} AS {})",
                    if *safe { "TRY_CAST" } else { "CAST" },
                    self.args[0],
                    self.data_type
                )
            }
            Op::InList { list, negated } => {
                write!(f, "{} {}IN ({} values)", self.args[0], if *negated { "NOT " } else { "" }, list.len())
            }
            Op::Like { pattern, negated, .. } => {
                write!(f, "{} {}LIKE '{pattern}'", self.args[0], if *negated { "NOT " } else { "" })
            }
            Op::Call(function) => list(f, &format!("{function:?}").to_lowercase()),
            Op::PartitionOf { count } => list(f, &format!("partition of {count}")),
            Op::AddInterval { months, days, nanoseconds } => {
                write!(f, "({} + INTERVAL {months} mons {days} days {nanoseconds} ns)", self.args[0])
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Boolean(value) => write!(f, "{value}"),
            Literal::Int(value) => write!(f, "{value}"),
            Literal::UInt(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value}"),
            Literal::Bytes(bytes) => write!(f, "'{}'", String::from_utf8_lossy(bytes)),
        }
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::Eq => "=",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            BinaryOp::IsDistinctFrom => "IS DISTINCT FROM",
            BinaryOp::And => "AND",
            BinaryOp::Or => "OR",
            BinaryOp::BitAnd => "&",
            BinaryOp::BitOr => "|",
            BinaryOp::BitXor => "^",
            BinaryOp::ShiftLeft => "<<",
            BinaryOp::ShiftRight => ">>",
        })
    }
}
