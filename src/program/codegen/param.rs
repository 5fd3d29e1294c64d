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
    /// Address of the heap of new text.
    Text,
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
            Param::Text => "text".into(),
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
            | Param::Word(_) => "u64",
            Param::Control | Param::Tiles | Param::Slots | Param::Ranks | Param::Text => "u64*",
            Param::FromSlots => "const u64*",
            Param::ExponentMax | Param::FirstRows | Param::OutputValidity(_) => "u32*",
            Param::FromExponents => "const u32*",
            Param::Offsets(_) | Param::DictionaryOffsets(_) => "const i32*",
            Param::Heap | Param::Output(_) => "u8*",
            Param::Values(_) | Param::Validity(_) | Param::DictionaryBytes(_) | Param::Pool(_) => "const u8*",
        }
    }
}
