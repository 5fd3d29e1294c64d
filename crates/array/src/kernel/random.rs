//! Philox counters and the distributions made of them.
