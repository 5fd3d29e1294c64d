//! Arrays in files: read by region where they are needed, written chunk by chunk.
