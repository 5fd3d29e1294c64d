"""The standard's extension for linear algebra: products, decompositions, solvers, norms."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from swath import _swath
from swath._swath import Array, DType
from swath.array_api._linear_algebra import matmul, tensordot, vecdot
from swath.array_api._manipulation import matrix_transpose

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Array
    logabsdet: Array


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Array
    S: Array
    Vh: Array


def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """The triangular factor of positive definite matrices: ``x = L @ L^H``, or ``x = U^H @ U`` where `upper`.

    >>> cholesky(_swath.asarray([[4.0]])).tolist()
    [[2.0]]
    """
    return _swath.cholesky(x, upper)


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The cross products of vectors of three elements along an axis.

    >>> cross(_swath.asarray([1, 0, 0]), _swath.asarray([0, 1, 0])).tolist()
    [0, 0, 1]
    """
    return _swath.cross(x1, x2, axis)


def det(x: Array, /) -> Array:
    """The determinants of square matrices.

    >>> float(det(_swath.asarray([[2.0, 0.0], [0.0, 3.0]])))
    6.0
    """
    return _swath.of_matrix("det", x)


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices.

    >>> diagonal(_swath.asarray([[1, 2], [3, 4]])).tolist()
    [1, 4]
    """
    return _swath.diagonal(x, offset)


def eigh(x: Array, /) -> EighResult:
    """The eigenvalues, in ascending order, and eigenvectors of symmetric or Hermitian matrices.

    >>> eigh(_swath.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
    [1.0, 2.0]
    """
    return EighResult(*_swath.parts_of_matrix("eigh", x, False))


def eigvalsh(x: Array, /) -> Array:
    """The eigenvalues, in ascending order, of symmetric or Hermitian matrices.

    >>> eigvalsh(_swath.asarray([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    return _swath.of_matrix("eigvalsh", x)


def inv(x: Array, /) -> Array:
    """The inverses of square matrices.

    >>> inv(_swath.asarray([[2.0]])).tolist()
    [[0.5]]
    """
    return _swath.of_matrix("inv", x)


def matrix_norm(
    x: Array,
    /,
    *,
    keepdims: bool = False,
    ord: int | float | Literal["fro", "nuc"] | None = "fro",
) -> Array:
    """The norms of matrices: Frobenius, nuclear, 1, 2, infinity, and the least ones (-1, -2, -infinity).

    >>> float(matrix_norm(_swath.asarray([[3.0, 4.0]])))
    5.0
    """
    return _swath.matrix_norm(x, keepdims, "fro" if ord is None else ord)


def matrix_power(x: Array, n: int, /) -> Array:
    """Square matrices multiplied by themselves; for negative `n` their inverses.

    >>> matrix_power(_swath.asarray([[2.0]]), 3).tolist()
    [[8.0]]
    """
    return _swath.matrix_power(x, n)


def matrix_rank(x: Array, /, *, rtol: float | Array | None = None) -> Array:
    """How many singular values are greater than `rtol` times the greatest.

    >>> int(matrix_rank(_swath.asarray([[1.0, 2.0], [2.0, 4.0]])))
    1
    """
    return _swath.matrix_rank(x, rtol)


def outer(x1: Array, x2: Array, /) -> Array:
    """The products of each element of one vector with each of another.

    >>> outer(_swath.asarray([1, 2]), _swath.asarray([3, 4])).tolist()
    [[3, 4], [6, 8]]
    """
    return _swath.outer(x1, x2)


def pinv(x: Array, /, *, rtol: float | Array | None = None) -> Array:
    """The pseudo-inverses of matrices by Moore and Penrose.

    >>> pinv(_swath.asarray([[2.0], [0.0]])).shape
    (1, 2)
    """
    return _swath.pinv(x, rtol)


def qr(x: Array, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """Matrices as products of orthonormal columns and upper triangular matrices.

    >>> qr(_swath.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).Q.shape
    (3, 2)
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode is 'reduced' or 'complete', not {mode!r}")
    return QRResult(*_swath.parts_of_matrix("qr", x, mode == "complete"))


def slogdet(x: Array, /) -> SlogdetResult:
    """The signs of determinants and the logarithms of their magnitudes.

    >>> float(slogdet(_swath.asarray([[-1.0]])).sign)
    -1.0
    """
    return SlogdetResult(*_swath.parts_of_matrix("slogdet", x, False))


def solve(x1: Array, x2: Array, /) -> Array:
    """The solutions of systems of linear equations with square matrices.

    >>> solve(_swath.asarray([[2.0]]), _swath.asarray([6.0])).tolist()
    [3.0]
    """
    return _swath.solve(x1, x2)


def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decompositions of matrices: ``U @ diag(S) @ Vh``, `S` in descending order.

    >>> svd(_swath.asarray([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    return SVDResult(*_swath.parts_of_matrix("svd", x, full_matrices))


def svdvals(x: Array, /) -> Array:
    """The singular values of matrices in descending order.

    >>> svdvals(_swath.asarray([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0]
    """
    return _swath.of_matrix("svdvals", x)


def trace(x: Array, /, *, offset: int = 0, dtype: DType | None = None) -> Array:
    """The sums along diagonals of matrices.

    >>> int(trace(_swath.asarray([[1, 2], [3, 4]])))
    5
    """
    return _swath.trace(x, offset, dtype)


def vector_norm(
    x: Array,
    /,
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: Any = 2,
) -> Array:
    """The norms of vectors: the `ord`-th root of the sum of `ord`-th powers of magnitudes, or their extremes.

    >>> float(vector_norm(_swath.asarray([3.0, 4.0])))
    5.0
    """
    return _swath.vector_norm(x, axis, keepdims, ord)
