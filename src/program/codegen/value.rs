//! Values in registers: their C++ types, and what is known of their size.

use arrow::datatypes::DataType;

use crate::column::Storage;

/// The C++ type of a value in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    I128,
    Str,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::I8 => "i8",
            Kind::I16 => "i16",
            Kind::I32 => "i32",
            Kind::I64 => "i64",
            Kind::U8 => "u8",
            Kind::U16 => "u16",
            Kind::U32 => "u32",
            Kind::U64 => "u64",
            Kind::F32 => "f32",
            Kind::F64 => "f64",
            Kind::I128 => "i128",
            Kind::Str => "Str",
        }
    }

    /// The type of values of a storage; dictionaries are decoded.
    pub fn of(storage: Storage) -> Kind {
        match storage {
            Storage::Bits => Kind::Bool,
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
            Storage::I128 => Kind::I128,
            Storage::Bytes | Storage::Dictionary { .. } => Kind::Str,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    pub fn is_signed(self) -> bool {
        matches!(self, Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 | Kind::I128)
    }

    pub fn is_integer(self) -> bool {
        self.is_signed() || matches!(self, Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64)
    }

    /// The unsigned type in which arithmetic of this integer type wraps.
    pub fn unsigned(self) -> &'static str {
        match self {
            Kind::I8 | Kind::U8 => "u8",
            Kind::I16 | Kind::U16 => "u16",
            Kind::I32 | Kind::U32 => "u32",
            Kind::I128 => "u128",
            _ => "u64",
        }
    }

    /// The bounds of this integer type.
    pub fn limits(self) -> (i128, i128) {
        match self {
            Kind::I8 => (i8::MIN as i128, i8::MAX as i128),
            Kind::I16 => (i16::MIN as i128, i16::MAX as i128),
            Kind::I32 => (i32::MIN as i128, i32::MAX as i128),
            Kind::I64 => (i64::MIN as i128, i64::MAX as i128),
            Kind::U8 => (0, u8::MAX as i128),
            Kind::U16 => (0, u16::MAX as i128),
            Kind::U32 => (0, u32::MAX as i128),
            Kind::U64 => (0, u64::MAX as i128),
            _ => (i128::MIN, i128::MAX),
        }
    }
}

/// A computed value: C++ atoms, safe to repeat.
#[derive(Clone, Debug)]
pub struct Value {
    pub code: String,
    /// The atom that says whether it is not null; `None` where it never is.
    pub ok: Option<String>,
    pub kind: Kind,
    /// For integers and decimals, what the magnitude cannot exceed; `u128::MAX` where nothing is known.
    pub bound: u128,
}

impl Value {
    /// An atom or expression that is true where the value is not null.
    pub fn ok(&self) -> &str {
        self.ok.as_deref().unwrap_or("true")
    }

    /// For booleans: true where the value is true and not null.
    pub fn is_true(&self) -> String {
        match &self.ok {
            Some(ok) => format!("{ok} && {}", self.code),
            None => self.code.clone(),
        }
    }

    /// The unsigned word whose order is that of SQL comparisons of the value.
    pub fn ordered(&self) -> String {
        if self.kind.is_float() {
            format!("ordered(positive_zero({}))", self.code)
        } else {
            format!("ordered({})", self.code)
        }
    }
}

/// Makes the atom that says that all of `values` are not null.
pub fn all_ok(values: &[&Value]) -> Option<String> {
    let mut oks: Vec<&str> = values.iter().filter_map(|value| value.ok.as_deref()).collect();
    oks.dedup();
    (!oks.is_empty()).then(|| oks.join(" && "))
}

/// 10^n, or `u128::MAX` where it is larger.
pub fn ten_to(n: u32) -> u128 {
    10u128.checked_pow(n).unwrap_or(u128::MAX)
}

pub const I64_BOUND: u128 = i64::MAX as u128;
pub const I128_BOUND: u128 = i128::MAX as u128;

/// What the magnitude of a value of the type cannot exceed.
pub fn type_bound(data_type: &DataType, kind: Kind) -> u128 {
    match data_type {
        // Narrow decimals are checked against their precision as they go up; wide ones are not.
        DataType::Decimal128(precision, _) if *precision <= 18 => ten_to(*precision as u32) - 1,
        _ => match kind {
            Kind::Bool => 1,
            Kind::I128 | Kind::F32 | Kind::F64 | Kind::Str => u128::MAX,
            _ => {
                let (low, high) = kind.limits();
                low.unsigned_abs().max(high as u128)
            }
        },
    }
}
