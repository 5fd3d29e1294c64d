//! The parameters of a kernel.

/// One word of a kernel's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Rows to read.
    Rows,
    /// The first of them in the chunk.
    RowBegin,
    /// The number of that row in the whole input.
    FirstRow,
    /// Address of the control block.
    Control,
    /// Address of the tiles of a prefix sum.
    Tiles,
    Slots,
    SlotMask,
    SharedSlots,
    ExponentMax,
    FirstRows,
    Ranks,
    FromSlots,
    FromMask,
    FromExponents,
    Heap,
    /// For an expansion: the address of the count of pairs before each input row and of all, the input's rows, and the
    /// address of their marks.
    ExpandOffsets,
    ExpandRows,
    ExpandMarks,
    /// Of the join table of a step: the address and mask of its slots, the addresses of its keys, of its rows by group,
    /// of each group's first place among them and of the place behind its last, of its marks, and its count of rows.
    TableSlots(usize),
    TableMask(usize),
    TableKeys(usize),
    TableRows(usize),
    TableBegins(usize),
    TableEnds(usize),
    TableMarks(usize),
    TableSize(usize),
    /// Of the join table that is built: the addresses of its keys and of the slot of each row.
    Keys,
    SlotOf,
    /// Address of the heap of new text.
    Text,
    /// Address of what predicate `number` says of each value of a column's dictionary, and how many values there are.
    Matches {
        number: usize,
        column: usize,
    },
    DictionarySize(usize),
    /// Addresses of an input column's parts; 0 where there is none.
    Values(usize),
    Validity(usize),
    Offsets(usize),
    DictionaryBytes(usize),
    DictionaryOffsets(usize),
    /// A constant.
    Word(u64),
    /// Address of a constant in the pool, by its offset.
    Pool(usize),
    /// Addresses of an output column's parts.
    Output(usize),
    OutputValidity(usize),
}

impl Param {
    pub(super) fn name(&self, index: usize) -> String {
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
            Param::ExpandOffsets => "expand_offsets".into(),
            Param::ExpandRows => "expand_rows".into(),
            Param::ExpandMarks => "expand_marks".into(),
            Param::TableSlots(step) => format!("t{step}_slots"),
            Param::TableMask(step) => format!("t{step}_mask"),
            Param::TableKeys(step) => format!("t{step}_keys"),
            Param::TableRows(step) => format!("t{step}_rows"),
            Param::TableBegins(step) => format!("t{step}_begins"),
            Param::TableEnds(step) => format!("t{step}_ends"),
            Param::TableMarks(step) => format!("t{step}_marks"),
            Param::TableSize(step) => format!("t{step}_size"),
            Param::Keys => "keys".into(),
            Param::SlotOf => "slot_of".into(),
            Param::Text => "text".into(),
            Param::Matches { number, .. } => format!("matches{number}"),
            Param::DictionarySize(column) => format!("c{column}_dictionary_size"),
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

    pub(super) fn c_type(&self) -> &'static str {
        match self {
            Param::Rows
            | Param::RowBegin
            | Param::FirstRow
            | Param::SlotMask
            | Param::SharedSlots
            | Param::FromMask
            | Param::ExpandRows
            | Param::TableMask(_)
            | Param::TableSize(_)
            | Param::DictionarySize(_)
            | Param::Word(_) => "u64",
            Param::Keys => "u64*",
            Param::TableSlots(_) | Param::TableKeys(_) | Param::ExpandOffsets => "const u64*",
            Param::TableRows(_) | Param::TableBegins(_) | Param::TableEnds(_) => "const u32*",
            Param::TableMarks(_) | Param::ExpandMarks | Param::SlotOf => "u32*",
            Param::Control | Param::Tiles | Param::Slots | Param::Ranks | Param::Text => "u64*",
            Param::FromSlots => "const u64*",
            Param::ExponentMax | Param::FirstRows | Param::OutputValidity(_) => "u32*",
            Param::FromExponents => "const u32*",
            Param::Offsets(_) | Param::DictionaryOffsets(_) => "const i32*",
            Param::Heap | Param::Output(_) => "u8*",
            Param::Values(_)
            | Param::Validity(_)
            | Param::DictionaryBytes(_)
            | Param::Matches { .. }
            | Param::Pool(_) => "const u8*",
        }
    }
}
