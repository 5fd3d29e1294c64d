//! Decompositions and solvers of matrices.
