//! ClickBench.
