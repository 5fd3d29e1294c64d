//! The state of code generation: text, parameters, and the values already computed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::mem;

use arrow::datatypes::SchemaRef;

use crate::column::Storage;
use crate::error::{Error, Result};

use super::value::{Kind, Value};
use super::{Module, Param};
use crate::program::pipeline::{Origin, Pipeline, Probe, ProbeKind, Step};

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
    /// Decides predicates on dictionaries.
    Dictionary = 4,
}

/// Collects the source of a pipeline's modules.
pub struct Emitter {
    /// The pipeline's columns, and where each comes from.
    pub(super) input: SchemaRef,
    pub(super) origins: Vec<Origin>,
    /// Whether rows are numbered by an expansion, so that the input's row is `r.i`.
    pub(super) expands: bool,
    /// Whether step n may meet no row and go on: then its columns are null.
    pub(super) outer: Vec<bool>,
    /// Declarations outside of `P`, after the parameters.
    pub text: String,
    /// The members of `P`.
    pub functions: String,
    /// The entry points of each module, after `P`.
    entries: [Vec<(&'static str, String)>; 5],
    /// The statements that decide each predicate on a dictionary for value `i`.
    pub(super) dictionary_predicates: Vec<String>,
    params: Vec<(String, Param)>,
    pool: Vec<u8>,
    sites: Vec<String>,
    headers: Vec<&'static str>,
    pub(super) known: Vec<HashMap<String, Value>>,
    next: usize,
    indent: usize,
}

impl Emitter {
    pub fn new(input: &SchemaRef) -> Self {
        Emitter::over(input.clone(), (0..input.fields().len()).map(Origin::Input).collect())
    }

    /// Begins the code of `pipeline`.
    pub fn of(pipeline: &Pipeline) -> Self {
        let (columns, origins) = pipeline.columns();
        let mut emitter = Emitter::over(columns, origins);
        emitter.expands = matches!(pipeline.steps.first(), Some(Step::Expand(_)));
        let outer = |step: &Step| matches!(step, Step::Probe(Probe { kind: ProbeKind::Outer, .. }));
        emitter.outer = pipeline.steps.iter().map(outer).collect();
        emitter
    }

    fn over(input: SchemaRef, origins: Vec<Origin>) -> Self {
        Emitter {
            input,
            origins,
            expands: false,
            outer: vec![],
            text: String::new(),
            functions: String::new(),
            entries: [vec![], vec![], vec![], vec![], vec![]],
            dictionary_predicates: vec![],
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
    pub fn finish(mut self) -> (Vec<Module>, Vec<Param>, Vec<u8>, Vec<String>) {
        if !self.dictionary_predicates.is_empty() {
            self.need("dictionary");
            self.entry(ModuleOf::Dictionary, "dictionary", "match_dictionaries<P>");
            let predicates = mem::take(&mut self.dictionary_predicates).concat();
            let head = "    static __device__ __forceinline__ void dictionary(const Params& p, u64 i) {\n";
            self.functions.push_str(&format!("{head}{predicates}    }}\n"));
        }
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
        let text = name_columns(&expr.to_string(), &self.input);
        self.sites.push(text);
        let control = self.param(Param::Control);
        format!("fail({control}, row, {}, {code});", self.sites.len() - 1)
    }

    /// The number of the row that a column is read at; [`NONE`](super::join) where there may be none.
    pub(super) fn row_of(&self, column: usize) -> String {
        match self.origins[column] {
            Origin::Table { step, .. } => format!("r.j{step}"),
            _ if self.expands => "r.i".into(),
            _ => "row".into(),
        }
    }

    /// Whether the row that a column is read at may be none.
    pub(super) fn may_miss(&self, column: usize) -> bool {
        matches!(self.origins[column], Origin::Table { step, .. } if self.outer.get(step) == Some(&true))
    }

    /// Writes the fields of the struct `Row` that hold a column. Strings are read where they are used.
    pub fn declare_column(&mut self, column: usize, fields: &mut String) -> Result<()> {
        let storage = self.storage_of(column)?;
        if self.input.field(column).is_nullable() {
            let _ = writeln!(fields, "    bool k{column};");
        }
        let kind = match storage {
            Storage::Bytes => return Ok(()),
            Storage::Dictionary { key_bytes } => format!("u{}", 8 * key_bytes as usize),
            storage => Kind::of(storage).name().to_string(),
        };
        let _ = writeln!(fields, "    {kind} c{column};");
        Ok(())
    }

    fn storage_of(&self, column: usize) -> Result<Storage> {
        let field = self.input.field(column);
        Storage::of(field.data_type()).ok_or_else(|| {
            let (name, data_type) = (field.name(), field.data_type());
            Error::unsupported(format!("column '{name}' has type {data_type}, which devices do not take"))
        })
    }

    /// Returns the statements that load a column into the struct `Row`.
    pub fn load_column(&mut self, column: usize) -> Result<Vec<String>> {
        if !matches!(self.origins[column], Origin::Input(_) | Origin::Table { .. }) {
            // A step has put it there.
            return Ok(vec![]);
        }
        let storage = self.storage_of(column)?;
        let at = self.row_of(column);
        let may_miss = self.may_miss(column);
        let guard = if may_miss { format!("{at} != NONE && ") } else { String::new() };
        let mut lines = vec![];
        if self.input.field(column).is_nullable() {
            let validity = self.param(Param::Validity(column));
            lines.push(format!("r.k{column} = {guard}valid_at({validity}, {at});"));
        }
        let values = self.param(Param::Values(column));
        let kind = Kind::of(storage).name();
        let value = match storage {
            Storage::Bits => format!("bit({values}, {at})"),
            Storage::Bytes => {
                self.need("string");
                self.param(Param::Offsets(column));
                return Ok(lines);
            }
            Storage::Dictionary { key_bytes } => {
                self.need("string");
                self.param(Param::DictionaryBytes(column));
                self.param(Param::DictionaryOffsets(column));
                format!("((const u{}*){values})[{at}]", 8 * key_bytes as usize)
            }
            Storage::I128 => format!("narrow(((const Wide*){values})[{at}])"),
            _ => format!("((const {kind}*){values})[{at}]"),
        };
        lines.push(match may_miss {
            true => format!("if ({at} != NONE) r.c{column} = {value}; else r.c{column} = 0;"),
            false => format!("r.c{column} = {value};"),
        });
        Ok(lines)
    }
}

/// Puts the names of columns where expressions, which know them by number, say `#n`.
pub(super) fn name_columns(text: &str, input: &SchemaRef) -> String {
    // From the last on, so that #1 is not found in #12.
    let fields = input.fields().iter().enumerate().rev();
    fields.fold(text.to_string(), |text, (index, field)| text.replace(&format!("#{index}"), field.name()))
}

/// The device library, lower layers first.
const LIBRARY: &[(&str, &str)] = &[
    ("prelude", include_str!("../../../kernels/prelude.cuh")),
    ("decimal", include_str!("../../../kernels/decimal.cuh")),
    ("integer", include_str!("../../../kernels/integer.cuh")),
    ("string", include_str!("../../../kernels/string.cuh")),
    ("text", include_str!("../../../kernels/text.cuh")),
    ("regex", include_str!("../../../kernels/regex.cuh")),
    ("dictionary", include_str!("../../../kernels/dictionary.cuh")),
    ("temporal", include_str!("../../../kernels/temporal.cuh")),
    ("convert", include_str!("../../../kernels/convert.cuh")),
    ("fixed_sum", include_str!("../../../kernels/fixed_sum.cuh")),
    ("exact_sum", include_str!("../../../kernels/exact_sum.cuh")),
    ("key", include_str!("../../../kernels/key.cuh")),
    ("join", include_str!("../../../kernels/join.cuh")),
    ("scan_rows", include_str!("../../../kernels/scan_rows.cuh")),
    ("scan", include_str!("../../../kernels/scan.cuh")),
    ("materialize", include_str!("../../../kernels/materialize.cuh")),
    ("aggregate", include_str!("../../../kernels/aggregate.cuh")),
];
