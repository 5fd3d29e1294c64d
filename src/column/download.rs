//! Arrow down: arrays made of a chunk's bytes.

/// A chunk's bytes in host memory.
pub struct HostChunk {}
