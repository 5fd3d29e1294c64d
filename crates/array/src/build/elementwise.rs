//! Functions of each element, promotion, broadcasting.
