//! The state of code generation: text, parameters, and the values already computed.

use std::collections::HashMap;
use std::fmt::Write as _;

use arrow::datatypes::{DataType, SchemaRef};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::expr::{BinaryOp, Expr, Literal, Op};

use super::{Module, Param};

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

/// The modules of a pipeline. Each is compiled when it is first called: nobody waits for what a run does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleOf {
    /// Reads the input.
    Input = 0,
    /// Writes what was gathered.
    Output = 1,
    /// Reads the input before, for the exponents of float sums.
    Ranges = 2,
    /// Serves runs that are short of memory.
    Relief = 3,
}

/// Collects the source of a pipeline's modules.
pub struct Emitter {
    input: SchemaRef,
    /// Declarations outside of `P`, after the parameters.
    pub text: String,
    /// The members of `P`.
    pub functions: String,
    /// The entry points of each module, after `P`.
    entries: [Vec<(&'static str, String)>; 4],
    params: Vec<(String, Param)>,
    pool: Vec<u8>,
    sites: Vec<String>,
    headers: Vec<&'static str>,
    known: Vec<HashMap<String, Value>>,
    next: usize,
    indent: usize,
}

impl Emitter {
    pub fn new(input: &SchemaRef) -> Self {
        Emitter {
            input: input.clone(),
            text: String::new(),
            functions: String::new(),
            entries: [vec![], vec![], vec![], vec![]],
            params: vec![],
            pool: vec![],
            sites: vec![],
            headers: vec![],
            known: vec![HashMap::new()],
            next: 0,
            indent: 2,
        }
    }

    /// Marks a header of the device library as used; each is written once, in the order of the library's layers.
    pub fn need(&mut self, header: &'static str) {
        if !self.headers.contains(&header) {
            self.headers.push(header);
        }
    }

    /// Puts the parts together: the modules, parameters, pool and sites.
    pub fn finish(self) -> (Vec<Module>, Vec<Param>, Vec<u8>, Vec<String>) {
        let mut source = String::new();
        for (name, text) in LIBRARY {
            if *name == "prelude" || self.headers.contains(name) {
                source.push_str(text);
                source.push('\n');
            }
        }
        source.push_str("struct Params {\n");
        for (name, param) in &self.params {
            let _ = writeln!(source, "    {} {name};", param.c_type());
        }
        source.push_str("};\n");
        source.push_str(&self.text);
        source.push_str("struct P {\n    typedef ::Params Params;\n    typedef ::Row Row;\n");
        source.push_str(&self.functions);
        source.push_str("};\n");
        let modules = self.entries.into_iter().map(|entries| {
            let mut module = source.clone();
            for (name, body) in &entries {
                let _ = writeln!(
                    module,
                    "extern \"C\" __global__ void __launch_bounds__(BLOCK) {name}(const __grid_constant__ Params p) {{ {body}(p); }}"
                );
            }
            Module { source: module, entry_points: entries.iter().map(|(name, _)| name.to_string()).collect() }
        });
        let modules = modules.filter(|module| !module.entry_points.is_empty()).collect();
        (modules, self.params.into_iter().map(|(_, param)| param).collect(), self.pool, self.sites)
    }

    /// Adds the entry point `name`, which runs the template `body`, to a module.
    pub fn entry(&mut self, module: ModuleOf, name: &'static str, body: impl Into<String>) {
        self.entries[module as usize].push((name, body.into()));
    }

    /// Begins a member function of `P`: `head` is its return type, or `void`, and name.
    pub fn begin_function(&mut self, head: &str, args: &str) {
        let head = if head.contains(' ') { head.to_string() } else { format!("void {head}") };
        let _ = writeln!(self.functions, "    static __device__ __forceinline__ {head}({args}) {{");
        self.known = vec![HashMap::new()];
        self.indent = 2;
    }

    pub fn end_function(&mut self) {
        self.functions.push_str("    }\n");
    }

    /// Writes one line of the current function.
    pub fn line(&mut self, line: &str) {
        let _ = writeln!(self.functions, "{}{line}", "    ".repeat(self.indent));
    }

    /// Opens a block; what is computed inside is not known outside.
    pub fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.indent += 1;
        self.known.push(HashMap::new());
    }

    /// Closes a block and opens its alternative.
    pub fn otherwise(&mut self) {
        self.close_with("} else {");
        self.indent += 1;
        self.known.push(HashMap::new());
    }

    pub fn close(&mut self) {
        self.close_with("}");
    }

    fn close_with(&mut self, end: &str) {
        self.indent -= 1;
        self.known.pop();
        self.line(end);
    }

    /// Makes a name that is used nowhere else.
    pub fn fresh(&mut self, stem: &str) -> String {
        self.next += 1;
        format!("{stem}{}", self.next)
    }

    /// Computes `code` once, into a constant.
    pub fn bind(&mut self, kind: Kind, code: &str) -> String {
        let name = self.fresh("v");
        self.line(&format!("const {} {name} = {code};", kind.name()));
        name
    }

    /// Computes a condition once, into a constant; constants and names are passed through.
    pub fn bind_ok(&mut self, code: Option<String>) -> Option<String> {
        let code = code?;
        if code.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'.') {
            return Some(code);
        }
        let name = self.fresh("k");
        self.line(&format!("const bool {name} = {code};"));
        Some(name)
    }

    /// Declares a variable that blocks will assign.
    pub fn variable(&mut self, kind: Kind) -> String {
        let name = self.fresh("v");
        let zero = if kind == Kind::Str { "Str{0, 0, 0}" } else { "0" };
        self.line(&format!("{} {name} = {zero};", kind.name()));
        name
    }

    /// Makes a parameter and returns the code that reads it.
    pub fn param(&mut self, param: Param) -> String {
        let reusable = !matches!(param, Param::Word(_) | Param::Pool(_));
        if reusable && let Some((name, _)) = self.params.iter().find(|(_, known)| *known == param) {
            return format!("p.{name}");
        }
        let name = param.name(self.params.len());
        self.params.push((name.clone(), param));
        format!("p.{name}")
    }

    /// Puts `bytes` into the pool, 16-byte aligned, and returns the code of its address.
    pub fn pool(&mut self, bytes: &[u8]) -> String {
        let offset = self.pool.len().next_multiple_of(16);
        self.pool.resize(offset, 0);
        self.pool.extend_from_slice(bytes);
        self.param(Param::Pool(offset))
    }

    /// Returns the statement that records a failure of `expr`.
    pub fn failure(&mut self, expr: &impl std::fmt::Display, code: &str) -> String {
        // Expressions know columns by number; a message names them.
        let mut text = expr.to_string();
        for (index, field) in self.input.fields().iter().enumerate().rev() {
            text = text.replace(&format!("#{index}"), field.name());
        }
        self.sites.push(text);
        let control = self.param(Param::Control);
        format!("fail({control}, row, {}, {code});", self.sites.len() - 1)
    }

    /// Adds a column to the struct `Row`, and the code that loads it to `load`. Strings are read where they are used.
    pub fn declare_column(&mut self, column: usize, fields: &mut String, load: &mut String) -> Result<()> {
        let field = self.input.field(column);
        let name = field.name().clone();
        let nullable = field.is_nullable();
        let data_type = field.data_type().clone();
        let storage = Storage::of(&data_type).ok_or_else(|| {
            Error::unsupported(format!("column '{name}' has type {data_type}, which devices do not take"))
        })?;
        if nullable {
            let validity = self.param(Param::Validity(column));
            let _ = writeln!(fields, "    bool k{column};");
            let _ = writeln!(load, "        r.k{column} = valid_at({validity}, row);");
        }
        let values = self.param(Param::Values(column));
        let kind = Kind::of(storage);
        match storage {
            Storage::Bits => {
                let _ = writeln!(fields, "    bool c{column};");
                let _ = writeln!(load, "        r.c{column} = bit({values}, row);");
            }
            Storage::Bytes => {
                self.need("string");
                self.param(Param::Offsets(column));
            }
            Storage::Dictionary { key_bytes } => {
                self.need("string");
                self.param(Param::DictionaryBytes(column));
                self.param(Param::DictionaryOffsets(column));
                let key = format!("u{}", 8 * key_bytes as usize);
                let _ = writeln!(fields, "    {key} c{column};");
                let _ = writeln!(load, "        r.c{column} = ((const {key}*){values})[row];");
            }
            Storage::I128 => {
                let _ = writeln!(fields, "    i128 c{column};");
                let _ = writeln!(load, "        r.c{column} = narrow(((const Wide*){values})[row]);");
            }
            _ => {
                let kind = kind.name();
                let _ = writeln!(fields, "    {kind} c{column};");
                let _ = writeln!(load, "        r.c{column} = ((const {kind}*){values})[row];");
            }
        }
        Ok(())
    }

    /// Emits the computation of `expr`, unless it is known already, and returns its value.
    pub fn value(&mut self, expr: &Expr) -> Result<Value> {
        let key = format!("{expr:?}");
        if let Some(value) = self.known.iter().rev().find_map(|scope| scope.get(&key)) {
            return Ok(value.clone());
        }
        let value = self.compute(expr)?;
        if let Some(scope) = self.known.last_mut() {
            scope.insert(key, value.clone());
        }
        Ok(value)
    }

    fn compute(&mut self, expr: &Expr) -> Result<Value> {
        match &expr.op {
            Op::Column(index) => self.column(*index),
            Op::Literal(literal) => self.literal(literal, &expr.data_type),
            Op::Binary(op) => match op {
                BinaryOp::And | BinaryOp::Or => self.logic(*op, expr),
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
                    self.arithmetic(*op, expr)
                }
                BinaryOp::BitAnd
                | BinaryOp::BitOr
                | BinaryOp::BitXor
                | BinaryOp::ShiftLeft
                | BinaryOp::ShiftRight => self.bits(*op, expr),
                _ => self.comparison(*op, expr),
            },
            Op::Not => {
                let arg = self.value(&expr.args[0])?;
                Ok(Value { code: format!("(!{})", arg.code), ..arg })
            }
            Op::Negative => self.negative(expr),
            Op::IsNull | Op::IsNotNull => {
                let arg = self.value(&expr.args[0])?;
                let negate = if expr.op == Op::IsNull { "!" } else { "" };
                Ok(Value { code: format!("({negate}{})", arg.ok()), ok: None, kind: Kind::Bool, bound: 1 })
            }
            Op::Case { has_else } => self.case(expr, *has_else),
            Op::Coalesce => self.coalesce(expr),
            Op::NullIf => {
                let left = self.value(&expr.args[0])?;
                let right = self.value(&expr.args[1])?;
                let equal = compare_code(BinaryOp::Eq, &left, &right)?;
                let ok = format!("{} && !({} && {equal})", left.ok(), right.ok());
                let ok = self.bind_ok(Some(ok));
                Ok(Value { ok, ..left })
            }
            Op::Cast { safe } => self.cast(expr, *safe),
            Op::InList { list, negated } => self.in_list(expr, list, *negated),
            Op::Like { pattern, negated, case_insensitive } => {
                self.like(expr, pattern, *negated, *case_insensitive)
            }
            Op::Call(function) => self.call(*function, expr),
            Op::AddInterval { months, days, nanoseconds } => {
                self.add_interval(expr, *months, *days, *nanoseconds)
            }
        }
    }

    fn column(&mut self, index: usize) -> Result<Value> {
        let field = self.input.field(index);
        let data_type = field.data_type().clone();
        let nullable = field.is_nullable();
        let storage = Storage::of(&data_type).ok_or_else(|| {
            Error::unsupported(format!(
                "column '{}' has type {data_type}, which devices do not take",
                field.name()
            ))
        })?;
        let kind = Kind::of(storage);
        let ok = nullable.then(|| format!("r.k{index}"));
        let code = match storage {
            Storage::Bytes => {
                let (offsets, bytes) = (self.param(Param::Offsets(index)), self.param(Param::Values(index)));
                self.bind(Kind::Str, &format!("string_at({offsets}, {bytes}, row)"))
            }
            Storage::Dictionary { .. } => {
                let offsets = self.param(Param::DictionaryOffsets(index));
                let bytes = self.param(Param::DictionaryBytes(index));
                let read = format!("string_at({offsets}, {bytes}, r.c{index})");
                // A key under a null is garbage and must not be followed.
                let read = match &ok {
                    Some(ok) => format!("{ok} ? {read} : Str{{0, 0, 0}}"),
                    None => read,
                };
                self.bind(Kind::Str, &read)
            }
            _ => format!("r.c{index}"),
        };
        Ok(Value { code, ok, kind, bound: type_bound(&data_type, kind) })
    }

    fn literal(&mut self, literal: &Literal, data_type: &DataType) -> Result<Value> {
        let storage = Storage::of(data_type).ok_or_else(|| {
            Error::unsupported(format!("a constant of type {data_type}, which devices do not take"))
        })?;
        let kind = Kind::of(storage);
        let never_null = |code: String, kind: Kind, bound: u128| Value { code, ok: None, kind, bound };
        Ok(match literal {
            Literal::Null => {
                let code =
                    if kind == Kind::Str { "Str{0, 0, 0}".into() } else { format!("({})0", kind.name()) };
                Value { code, ok: Some("false".into()), kind, bound: 0 }
            }
            Literal::Boolean(value) => {
                let word = self.param(Param::Word(*value as u64));
                never_null(format!("({word} != 0)"), Kind::Bool, 1)
            }
            Literal::Float(value) => {
                let (word, code) = match kind {
                    Kind::F32 => ((*value as f32).to_bits() as u64, "__uint_as_float((u32)"),
                    _ => (value.to_bits(), "__longlong_as_double((i64)"),
                };
                let word = self.param(Param::Word(word));
                never_null(format!("{code}{word})"), kind, u128::MAX)
            }
            Literal::UInt(value) => {
                let word = self.param(Param::Word(*value));
                never_null(format!("(({}){word})", kind.name()), kind, type_bound(data_type, kind))
            }
            Literal::Int(value) => {
                // The bound is that of a class of magnitudes, so that most literals share a kernel.
                let magnitude = value.unsigned_abs();
                let of_type = type_bound(data_type, kind);
                let bound = [ten_to(3), ten_to(9), ten_to(18)].into_iter().find(|&class| magnitude <= class);
                let bound = bound.unwrap_or(of_type.max(magnitude)).min(of_type.max(magnitude));
                if bound > I64_BOUND {
                    let low = self.param(Param::Word(*value as u64));
                    let high = self.param(Param::Word((*value as u128 >> 64) as u64));
                    never_null(format!("narrow(Wide{{{low}, {high}}})"), Kind::I128, bound)
                } else {
                    let kind = if kind == Kind::I128 { Kind::I64 } else { kind };
                    let word = self.param(Param::Word(*value as i64 as u64));
                    never_null(format!("(({})(i64){word})", kind.name()), kind, bound)
                }
            }
            Literal::Bytes(bytes) => {
                self.need("string");
                let address = self.pool(bytes);
                let length = self.param(Param::Word(bytes.len() as u64));
                never_null(format!("Str{{{address}, (u32){length}, 0}}"), Kind::Str, u128::MAX)
            }
        })
    }

    fn logic(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        // The value that decides on its own: false for AND, true for OR.
        let decides = op == BinaryOp::Or;
        let (word, other) = if decides { ("true", "false") } else { ("false", "true") };
        let left = self.value(&expr.args[0])?;
        let result = self.fresh("v");
        let ok = self.fresh("k");
        let nullable = expr.nullable;
        self.line(&format!("bool {result} = {word};"));
        if nullable {
            self.line(&format!("bool {ok} = true;"));
        }
        let left_decides = if decides { left.code.clone() } else { format!("!{}", left.code) };
        self.open(&format!("if (!({} && {left_decides}))", left.ok()));
        let right = self.value(&expr.args[1])?;
        let right_decides = if decides { right.code.clone() } else { format!("!{}", right.code) };
        self.open(&format!("if (!({} && {right_decides}))", right.ok()));
        self.line(&format!("{result} = {other};"));
        if nullable {
            self.line(&format!("{ok} = {} && {};", left.ok(), right.ok()));
        }
        self.close();
        self.close();
        Ok(Value { code: result, ok: nullable.then_some(ok), kind: Kind::Bool, bound: 1 })
    }

    fn comparison(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        let left = self.value(&expr.args[0])?;
        let right = self.value(&expr.args[1])?;
        let distinct = matches!(op, BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom);
        let (code, ok) = if distinct {
            let equal = compare_code(BinaryOp::Eq, &left, &right)?;
            let (l, r) = (left.ok(), right.ok());
            let same = format!("(({l} == {r}) && (!{l} || {equal}))");
            (if op == BinaryOp::IsDistinctFrom { format!("!{same}") } else { same }, None)
        } else {
            (compare_code(op, &left, &right)?, all_ok(&[&left, &right]))
        };
        let code = self.bind(Kind::Bool, &code);
        let ok = self.bind_ok(ok);
        Ok(Value { code, ok, kind: Kind::Bool, bound: 1 })
    }

    fn case(&mut self, expr: &Expr, has_else: bool) -> Result<Value> {
        let branches = &expr.args[..expr.args.len() - has_else as usize];
        let otherwise = if has_else { expr.args.last() } else { None };
        let kind = self.kind_of_type(expr)?;
        let result = self.variable(kind);
        let ok = expr.nullable.then(|| self.fresh("k"));
        if let Some(ok) = &ok {
            self.line(&format!("bool {ok} = false;"));
        }
        let mut depth = 0;
        let mut bound = 0;
        for branch in branches.chunks_exact(2) {
            let condition = self.value(&branch[0])?;
            self.open(&format!("if ({})", condition.is_true()));
            bound = bound.max(self.assign(&branch[1], &result, ok.as_deref())?);
            self.otherwise();
            depth += 1;
        }
        if let Some(otherwise) = otherwise {
            bound = bound.max(self.assign(otherwise, &result, ok.as_deref())?);
        }
        for _ in 0..depth {
            self.close();
        }
        Ok(Value { code: result, ok, kind, bound })
    }

    fn coalesce(&mut self, expr: &Expr) -> Result<Value> {
        let kind = self.kind_of_type(expr)?;
        let result = self.variable(kind);
        let ok = self.fresh("k");
        self.line(&format!("bool {ok} = false;"));
        let mut bound = 0;
        for (index, arg) in expr.args.iter().enumerate() {
            if index > 0 {
                self.open(&format!("if (!{ok})"));
            }
            bound = bound.max(self.assign(arg, &result, Some(&ok))?);
        }
        for _ in 1..expr.args.len() {
            self.close();
        }
        Ok(Value { code: result, ok: expr.nullable.then_some(ok), kind, bound })
    }

    /// Computes `expr` into the variables `result` and `ok`; returns its bound.
    fn assign(&mut self, expr: &Expr, result: &str, ok: Option<&str>) -> Result<u128> {
        let value = self.value(expr)?;
        self.line(&format!("{result} = {};", value.code));
        if let Some(ok) = ok {
            self.line(&format!("{ok} = {};", value.ok()));
        }
        Ok(value.bound)
    }

    /// The register type for any value of the expression's type.
    pub fn kind_of_type(&self, expr: &Expr) -> Result<Kind> {
        let storage = Storage::of(&expr.data_type).ok_or_else(|| {
            Error::unsupported(format!("{expr} has type {}, which devices do not take", expr.data_type))
        })?;
        Ok(Kind::of(storage))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Literal], negated: bool) -> Result<Value> {
        let arg = self.value(&expr.args[0])?;
        let has_null = list.contains(&Literal::Null);
        let values: Vec<&Literal> = list.iter().filter(|literal| **literal != Literal::Null).collect();
        let count = self.param(Param::Word(values.len() as u64));
        self.need("string");
        let found = if arg.kind == Kind::Str {
            let address = self.pool(&pack_strings(&values)?);
            format!("in_strings({}, {address}, (u32){count})", arg.code)
        } else {
            let address = self.pool(&pack_words(&values, arg.kind)?);
            format!("in_words({}, {address}, (u32){count})", arg.ordered())
        };
        // Where a null is in the list, "not found" is unknown.
        let found = self.bind(Kind::Bool, &format!("{} && {found}", arg.ok()));
        let ok = match (arg.ok.clone(), has_null) {
            (_, true) => Some(found.clone()),
            (ok, false) => ok,
        };
        let code = if negated { format!("(!{found})") } else { found };
        Ok(Value { code, ok, kind: Kind::Bool, bound: 1 })
    }
}

fn pack_strings(values: &[&Literal]) -> Result<Vec<u8>> {
    let (mut offsets, mut bytes) = (vec![0u32], vec![]);
    for value in values {
        let Literal::Bytes(value) = value else {
            return Err(Error::unsupported(format!("{value} in a list of strings")));
        };
        bytes.extend_from_slice(value);
        offsets.push(bytes.len() as u32);
    }
    Ok(offsets.iter().flat_map(|offset| offset.to_le_bytes()).chain(bytes).collect())
}

/// The ordered words of numbers, as the device library's `ordered` makes them.
fn pack_words(values: &[&Literal], kind: Kind) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    for value in values {
        let word = match (value, kind) {
            (Literal::Boolean(value), Kind::Bool) => *value as u64,
            (Literal::UInt(value), _) => *value,
            (Literal::Int(value), Kind::I128) => {
                bytes.extend_from_slice(&(*value as u128 ^ (1 << 127)).to_le_bytes());
                continue;
            }
            (Literal::Int(value), kind) if kind.is_signed() => (*value as i64 as u64) ^ (1 << 63),
            (Literal::Int(value), _) => *value as u64,
            (Literal::Float(value), Kind::F32) => {
                let bits = (*value as f32 + 0.0).to_bits();
                (if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }) as u64
            }
            (Literal::Float(value), _) => {
                let bits = (value + 0.0).to_bits();
                if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
            }
            (value, _) => return Err(Error::unsupported(format!("{value} in a list of numbers"))),
        };
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

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

/// The code that compares two values of one type, nulls aside.
pub fn compare_code(op: BinaryOp, left: &Value, right: &Value) -> Result<String> {
    let (l, r) = (&left.code, &right.code);
    let symbol = match op {
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        _ => return Err(Error::bug(format!("{op} is no comparison"))),
    };
    Ok(match (left.kind, right.kind) {
        (Kind::Str, Kind::Str) => match op {
            BinaryOp::Eq => format!("equal({l}, {r})"),
            BinaryOp::Ne => format!("!equal({l}, {r})"),
            _ => format!("(compare({l}, {r}) {symbol} 0)"),
        },
        (a, b) if a == b && a.is_float() => format!("({} {symbol} {})", left.ordered(), right.ordered()),
        (a, b) if a == b || (a.is_signed() && b.is_signed()) => format!("({l} {symbol} {r})"),
        (a, b) => return Err(Error::unsupported(format!("a comparison of {a:?} with {b:?}"))),
    })
}

impl Param {
    fn name(&self, index: usize) -> String {
        match self {
            Param::Rows => "rows".into(),
            Param::RowBegin => "row_begin".into(),
            Param::FirstRow => "first_row".into(),
            Param::Control => "control".into(),
            Param::Tiles => "tiles".into(),
            Param::Slots => "slots".into(),
            Param::SlotMask => "slot_mask".into(),
            Param::SharedSlots => "shared_slots".into(),
            Param::ExponentMax => "exponent_max".into(),
            Param::FirstRows => "first_rows".into(),
            Param::Ranks => "ranks".into(),
            Param::FromSlots => "from_slots".into(),
            Param::FromMask => "from_mask".into(),
            Param::FromExponents => "from_exponents".into(),
            Param::Heap => "heap".into(),
            Param::Values(column) => format!("c{column}"),
            Param::Validity(column) => format!("c{column}_valid"),
            Param::Offsets(column) => format!("c{column}_offsets"),
            Param::DictionaryBytes(column) => format!("c{column}_dictionary"),
            Param::DictionaryOffsets(column) => format!("c{column}_dictionary_offsets"),
            Param::Word(_) => format!("literal{index}"),
            Param::Pool(_) => format!("pool{index}"),
            Param::Output(column) => format!("out{column}"),
            Param::OutputValidity(column) => format!("out{column}_valid"),
        }
    }

    fn c_type(&self) -> &'static str {
        match self {
            Param::Rows
            | Param::RowBegin
            | Param::FirstRow
            | Param::SlotMask
            | Param::SharedSlots
            | Param::FromMask
            | Param::Word(_) => "u64",
            Param::Control | Param::Tiles | Param::Slots | Param::Ranks => "u64*",
            Param::FromSlots => "const u64*",
            Param::ExponentMax | Param::FirstRows | Param::OutputValidity(_) => "u32*",
            Param::FromExponents => "const u32*",
            Param::Offsets(_) | Param::DictionaryOffsets(_) => "const i32*",
            Param::Heap | Param::Output(_) => "u8*",
            Param::Values(_) | Param::Validity(_) | Param::DictionaryBytes(_) | Param::Pool(_) => "const u8*",
        }
    }
}

/// The device library, lower layers first.
const LIBRARY: &[(&str, &str)] = &[
    ("prelude", include_str!("../../../kernels/prelude.cuh")),
    ("decimal", include_str!("../../../kernels/decimal.cuh")),
    ("string", include_str!("../../../kernels/string.cuh")),
    ("temporal", include_str!("../../../kernels/temporal.cuh")),
    ("fixed_sum", include_str!("../../../kernels/fixed_sum.cuh")),
    ("scan_rows", include_str!("../../../kernels/scan_rows.cuh")),
    ("scan", include_str!("../../../kernels/scan.cuh")),
    ("materialize", include_str!("../../../kernels/materialize.cuh")),
    ("aggregate", include_str!("../../../kernels/aggregate.cuh")),
];
