"""Linear algebra with NumPy's names and order of arguments."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from swath import _swath
from swath import array_api as xp
from swath._swath import Array, LinAlgError
from swath.array_api import linalg as _standard
from swath.array_api.linalg import (
    EighResult,
    QRResult,
    SlogdetResult,
    SVDResult,
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    matmul,
    matrix_norm,
    matrix_power,
    matrix_transpose,
    slogdet,
    solve,
    svdvals,
    vector_norm,
)

__all__ = [
    "EigResult",
    "EighResult",
    "LinAlgError",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The norm of vectors or matrices, by how many axes there are.

    >>> float(norm([3.0, 4.0]))
    5.0
    """
    x = _swath.asarray(x)
    if axis is None and ord is None:
        return _standard.vector_norm(x, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1:
        return _standard.vector_norm(x, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"a norm of order {ord} over {len(axes)} axes")
    if ord is None:
        return _standard.vector_norm(x, axis=axes, keepdims=keepdims)
    found = _standard.matrix_norm(_swath.moveaxis(x, axes, (-2, -1)), keepdims=keepdims, ord=ord)
    return _swath.moveaxis(found, (-2, -1), axes) if keepdims else found


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Array
    eigenvectors: Array


def eig(a: Any) -> EigResult:
    """The eigenvalues of square matrices, complex and in no order, and eigenvectors of length 1, as columns.

    >>> abs(eig([[0.0, -1.0], [1.0, 0.0]]).eigenvalues).tolist()
    [1.0, 1.0]
    """
    return EigResult(*_swath.parts_of_matrix("eig", a, False))


def eigvals(a: Any) -> Array:
    """The eigenvalues of square matrices, complex and in no order.

    >>> eigvals([[2.0, 0.0], [0.0, 2.0]]).tolist()
    [(2+0j), (2+0j)]
    """
    return _swath.of_matrix("eigvals", a)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Matrices as products of orthonormal columns and upper triangular matrices; these alone with mode "r".

    >>> qr([[1.0], [2.0]]).R.shape
    (1, 1)
    """
    if mode == "r":
        return _standard.qr(_swath.asarray(a)).R
    return _standard.qr(_swath.asarray(a), mode=mode)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decompositions of matrices.

    >>> svd([[2.0]], compute_uv=False).tolist()
    [2.0]
    """
    if not compute_uv:
        return _standard.svdvals(_swath.asarray(a))
    return _standard.svd(_swath.asarray(a), full_matrices=full_matrices)


def pinv(a: Any, rtol: Any = None) -> Array:
    """The pseudo-inverses of matrices.

    >>> pinv([[2.0]]).shape
    (1, 1)
    """
    return _standard.pinv(_swath.asarray(a), rtol=rtol)


def matrix_rank(A: Any, rtol: Any = None) -> Array:
    """How many singular values are greater than `rtol` times the greatest.

    >>> int(matrix_rank([[1.0, 0.0], [0.0, 1.0]]))
    2
    """
    return _standard.matrix_rank(_swath.asarray(A), rtol=rtol)


def cross(a: Any, b: Any, axis: int = -1) -> Array:
    """The cross products of vectors.

    >>> cross([1, 0, 0], [0, 1, 0]).tolist()
    [0, 0, 1]
    """
    return _swath.cross(a, b, axis)


def diagonal(x: Any, offset: int = 0) -> Array:
    """The diagonals of matrices.

    >>> diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    return _swath.diagonal(x, offset)


def trace(x: Any, offset: int = 0, dtype: Any = None) -> Array:
    """The sums along diagonals of matrices.

    >>> int(trace([[1, 2], [3, 4]]))
    5
    """
    return _swath.trace(x, offset, dtype)


def outer(a: Any, b: Any) -> Array:
    """The products of each element of one vector with each of another.

    >>> outer([1, 2], [3, 4]).tolist()
    [[3, 4], [6, 8]]
    """
    return _swath.outer(a, b)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    """The sum of products over pairs of axes.

    >>> int(tensordot([1, 2], [3, 4], 1))
    11
    """
    return _swath.tensordot(a, b, axes)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Array:
    """The dot product of vectors along an axis; the first is conjugated.

    >>> int(vecdot([1, 2], [3, 4]))
    11
    """
    return _swath.vecdot(x1, x2, axis)


def multi_dot(arrays: Any) -> Array:
    """The product of several matrices, from the left.

    >>> multi_dot([[[2]], [[3]], [[4]]]).tolist()
    [[24]]
    """
    first, *rest = arrays
    product = _swath.asarray(first)
    for array in rest:
        product = _swath.matmul(product, array)
    return product


def cond(x: Any, p: Any = None) -> Array:
    """The condition numbers of matrices: the norm times that of the inverse.

    >>> float(cond([[2.0, 0.0], [0.0, 1.0]]))
    2.0
    """
    x = _swath.asarray(x)
    if p in (None, 2, -2):
        values = _standard.svdvals(x)
        most, least = values[..., 0], values[..., -1]
        return least / most if p == -2 else most / least
    return _standard.matrix_norm(x, ord=p) * _standard.matrix_norm(_standard.inv(x), ord=p)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The least vectors x that make |b − a·x| least: x, the sums of squares that are left where the columns of `a` are
    independent and fewer than its rows, the rank, and the singular values; those below `rcond` times the greatest count
    as 0. The decomposition is computed at once.

    Source: Golub and Van Loan, Matrix Computations (2013), 5.5: by the singular value decomposition.

    >>> x, rest, rank, values = lstsq([[1.0], [1.0]], [1.0, 3.0])
    >>> round(float(x[0]), 12), int(rank)
    (2.0, 1)
    """
    a, b = _swath.asarray(a), _swath.asarray(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise LinAlgError(f"least squares of shapes {a.shape} and {b.shape}")
    if not xp.isdtype(a.dtype, ("real floating", "complex floating")):
        a = a.astype(_swath.float64)
    u, values, vh = _swath.compute_all(list(_standard.svd(a, full_matrices=False)))
    rcond = float(xp.finfo(values.dtype).eps) * max(a.shape) if rcond is None else rcond
    is_used = values > rcond * values[:1]
    rank = _swath.reduction("count_nonzero", is_used)
    inverse = xp.where(is_used, 1.0 / xp.where(is_used, values, 1.0), 0.0)
    columns = b[:, None] if b.ndim == 1 else b
    along = _swath.matmul(matrix_transpose(xp.conj(u)), columns.astype(_swath.promote_types(a.dtype, b.dtype)))
    x = _swath.matmul(matrix_transpose(xp.conj(vh)), inverse[:, None] * along)
    if int(rank) == a.shape[1] < a.shape[0]:
        left = xp.abs(columns - _swath.matmul(a, x))
        rest = _swath.reduction("sum", left * left, 0)
    else:
        rest = _swath.full((0,), 0.0, values.dtype)
    return (x[:, 0] if b.ndim == 1 else x), rest, rank, values


def tensorsolve(a: Any, b: Any) -> Array:
    """The x whose product with a tensor, over as many last axes as x has, is b.

    >>> tensorsolve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0]).tolist()
    [1.0, 1.0]
    """
    a, b = _swath.asarray(a), _swath.asarray(b)
    shape, count = a.shape[b.ndim :], prod(b.shape)
    if prod(shape) != count:
        raise LinAlgError(f"a tensor of shape {a.shape} does not go from {shape} to {b.shape} one to one")
    return _swath.reshape(_standard.solve(_swath.reshape(a, (count, count)), _swath.reshape(b, (count,))), shape)


def tensorinv(a: Any, ind: int = 2) -> Array:
    """The tensor whose product with another gives the identity, which has `ind` first axes to come back to.

    >>> tensorinv([[2.0]], 1).tolist()
    [[0.5]]
    """
    a = _swath.asarray(a)
    if ind < 1:
        raise ValueError(f"ind is 1 or more, not {ind}")
    rows = prod(a.shape[:ind])
    if rows != prod(a.shape[ind:]):
        raise LinAlgError(f"a tensor of shape {a.shape} is not square after {ind} axes")
    inverse = _standard.inv(_swath.reshape(a, (rows, rows)))
    return _swath.reshape(inverse, a.shape[ind:] + a.shape[:ind])
