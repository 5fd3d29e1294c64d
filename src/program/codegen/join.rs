//! Joins: the probe of a table within a pipeline, the expansion of a row to the pairs that it is in, and the build.

use crate::error::Result;
use crate::program::expr::Expr;
use crate::program::pipeline::{Expand, Group, Origin, Probe, ProbeKind};

use super::emitter::{Emitter, ModuleOf};
use super::key::{KeyWords, NullBits, put_key, words_of};
use super::scan::{Loaded, generate_scan};
use super::value::{Kind, Value};
use super::{CompiledSink, Param};

/// The template arguments that say how a key's words are compared: their count, and a bit for each that begins a string.
fn comparison(key: &KeyWords) -> String {
    let strings: u64 =
        key.keys.iter().filter(|key| key.kind == Kind::Str).fold(0, |bits, key| bits | (1 << key.at));
    format!("{}, {strings}ull", key.words)
}

fn null_bits(null_equals_null: bool) -> NullBits {
    if null_equals_null { NullBits::Always } else { NullBits::Never }
}

impl Emitter {
    fn need_joins(&mut self) {
        for header in ["string", "key", "join"] {
            self.need(header);
        }
    }

    /// The partition of a key.
    pub(super) fn partition_of(&mut self, expr: &Expr, count: u8) -> Result<Value> {
        self.need_joins();
        let words = self.fresh("partition");
        let key = put_key(self, &expr.args, NullBits::Always, &words, true)?;
        let code = format!("(u8)partition_of<{}>({words}, {count})", comparison(&key));
        let code = self.bind(Kind::U8, &code);
        Ok(Value { code, ok: None, kind: Kind::U8, bound: u8::MAX.into() })
    }

    /// Writes the look-up of a row: what becomes of it, and `r.jN`, the table's row.
    pub(super) fn probe(&mut self, number: usize, probe: &Probe, loaded: &mut Loaded) -> Result<()> {
        self.need_joins();
        let j = format!("r.j{number}");
        let head = self.find(number, probe)?;
        let one_at_most = matches!(probe.kind, ProbeKind::Inner | ProbeKind::Outer | ProbeKind::Count);
        match &probe.residual {
            None => {
                self.line(&format!("{j} = {head};"));
                if probe.marks {
                    self.mark_row(number);
                }
            }
            Some(residual) if one_at_most => {
                self.line(&format!("{j} = {head};"));
                self.open(&format!("if ({j} != NONE)"));
                loaded.inside().load(self, [residual])?;
                let value = self.value(residual)?;
                self.line(&format!("if (!({})) {j} = NONE;", value.is_true()));
                self.close();
                if probe.marks {
                    self.mark_row(number);
                }
            }
            Some(residual) => self.any_of_group(number, probe, &head, residual, loaded)?,
        }
        match probe.kind {
            ProbeKind::Inner | ProbeKind::Semi => self.line(&format!("if ({j} == NONE) return false;")),
            ProbeKind::Anti => self.line(&format!("if ({j} != NONE) return false;")),
            ProbeKind::Outer => {}
            ProbeKind::Mark => {
                let mark = self.made(Origin::Mark { step: number });
                self.line(&format!("r.c{mark} = {j} != NONE;"));
            }
            ProbeKind::Count => {
                let begin = self.made(Origin::GroupBegin { step: number });
                let count = self.made(Origin::GroupCount { step: number });
                let begins = self.param(Param::TableBegins(number));
                let ends = self.param(Param::TableEnds(number));
                self.line(&format!("r.c{begin} = {j} == NONE ? 0 : {begins}[{j}];"));
                self.line(&format!("r.c{count} = {j} == NONE ? 0 : {ends}[{j}] - {begins}[{j}];"));
            }
        }
        Ok(())
    }

    /// Returns the code of the first row of the table that has the row's key, or `NONE`.
    fn find(&mut self, number: usize, probe: &Probe) -> Result<String> {
        if probe.keys.is_empty() {
            let size = self.param(Param::TableSize(number));
            return Ok(format!("{size} ? 0 : NONE"));
        }
        let words = format!("key{number}");
        let key = put_key(self, &probe.keys, null_bits(probe.null_equals_null), &words, true)?;
        let slots = self.param(Param::TableSlots(number));
        let mask = self.param(Param::TableMask(number));
        let keys = self.param(Param::TableKeys(number));
        let find = format!("find_row<{}>({slots}, {mask}, {keys}, {words})", comparison(&key));
        Ok(match (&key.ok, probe.null_equals_null) {
            (Some(ok), false) => format!("{ok} ? {find} : NONE"),
            _ => find,
        })
    }

    /// Writes the search of a group for a row of which the residual is true; all are found where they are marked.
    fn any_of_group(
        &mut self,
        number: usize,
        probe: &Probe,
        head: &str,
        residual: &Expr,
        loaded: &Loaded,
    ) -> Result<()> {
        let j = format!("r.j{number}");
        let (begin, end, at) = (format!("begin{number}"), format!("end{number}"), format!("at{number}"));
        let found = format!("found{number}");
        self.line(&format!("bool {found} = false;"));
        if probe.keys.is_empty() {
            let size = self.param(Param::TableSize(number));
            self.line(&format!("const u32 {begin} = 0, {end} = (u32){size};"));
        } else {
            let begins = self.param(Param::TableBegins(number));
            let ends = self.param(Param::TableEnds(number));
            self.line(&format!("const u32 head{number} = {head};"));
            // A table in which no two rows have the same key has no groups.
            let of_group = |all: &str, one: &str| {
                format!("head{number} == NONE ? 0 : {all} ? {all}[head{number}] : {one}")
            };
            let (first, last) = (of_group(&begins, "0"), of_group(&ends, "1"));
            self.line(&format!("const u32 {begin} = {first}, {end} = {last};"));
        }
        let until = if probe.marks { String::new() } else { format!(" && !{found}") };
        self.open(&format!("for (u32 {at} = {begin}; {at} < {end}{until}; {at}++)"));
        if probe.keys.is_empty() {
            self.line(&format!("{j} = {at};"));
        } else {
            let rows = self.param(Param::TableRows(number));
            self.line(&format!("{j} = {rows} ? {rows}[{at}] : head{number};"));
        }
        loaded.inside().load(self, [residual])?;
        let value = self.value(residual)?;
        self.open(&format!("if ({})", value.is_true()));
        self.line(&format!("{found} = true;"));
        if probe.marks {
            self.mark_row(number);
        }
        self.close();
        self.close();
        self.line(&format!("{j} = {found} ? 0 : NONE;"));
        Ok(())
    }

    fn mark_row(&mut self, number: usize) {
        let marks = self.param(Param::TableMarks(number));
        self.line(&format!("if (r.j{number} != NONE) mark_row({marks}, r.j{number});"));
    }

    fn made(&self, origin: Origin) -> usize {
        // Every step's columns are among the pipeline's.
        self.origins.iter().position(|other| *other == origin).unwrap_or(usize::MAX)
    }

    /// Writes which pair of rows number `row` is: `r.i` of the input, `r.j0` of the table.
    pub(super) fn expand_row(&mut self, expand: &Expand, loaded: &mut Loaded) -> Result<()> {
        self.need_joins();
        match expand.group {
            None => {
                let size = self.param(Param::TableSize(0));
                self.line(&format!("r.i = row / {size};"));
                self.line(&format!("r.j0 = (u32)(row % {size});"));
            }
            Some(Group { begin, .. }) => {
                let offsets = self.param(Param::ExpandOffsets);
                let rows = self.param(Param::ExpandRows);
                let of_table = self.param(Param::TableRows(0));
                let field = self.input.field(begin);
                let column = Expr::column(begin, field.data_type().clone(), field.is_nullable());
                self.line(&format!("r.i = expanded_row({offsets}, {rows}, row);"));
                loaded.load(self, [&column])?;
                // A table without groups has its rows in their own order.
                self.line(&format!("const u32 place = r.c{begin} + (u32)(row - {offsets}[r.i]);"));
                self.line(&format!("r.j0 = {of_table} ? {of_table}[place] : place;"));
            }
        }
        Ok(())
    }

    /// Writes what decides whether a pair goes on; its residual's columns are loaded.
    pub(super) fn keep_pair(&mut self, expand: &Expand) -> Result<()> {
        if let Some(residual) = &expand.residual {
            let value = self.value(residual)?;
            self.line(&format!("if (!({})) return false;", value.is_true()));
        }
        if expand.marks {
            let marks = self.param(Param::TableMarks(0));
            self.line(&format!("mark_row({marks}, r.j0);"));
        }
        if expand.marks_input {
            let marks = self.param(Param::ExpandMarks);
            self.line(&format!("mark_row({marks}, r.i);"));
        }
        Ok(())
    }
}

/// Generates the build of a table by `keys` over the columns of a chunk.
pub(super) fn generate_build(
    emitter: &mut Emitter,
    keys: &[Expr],
    null_equals_null: bool,
) -> Result<CompiledSink> {
    for param in [
        Param::Rows,
        Param::RowBegin,
        Param::Control,
        Param::Slots,
        Param::SlotMask,
        Param::Keys,
        Param::SlotOf,
    ] {
        emitter.param(param);
    }
    emitter.need_joins();
    generate_scan(emitter, &[], &keys.iter().collect::<Vec<_>>())?;
    emitter.begin_function("bool key", "const Params& p, const Row& r, u64 row, u64* words");
    let key = put_key(emitter, keys, null_bits(null_equals_null), "words", false)?;
    let ok = if null_equals_null { None } else { key.ok.as_deref() };
    emitter.line(&format!("return {};", ok.unwrap_or("true")));
    emitter.end_function();
    debug_assert!(key.words == key.null_words + key.keys.iter().map(|key| words_of(key.kind)).sum::<usize>());
    emitter.entry(ModuleOf::Input, "build", format!("build_table<P, {}>", comparison(&key)));
    Ok(CompiledSink::Build { key_words: key.words })
}
