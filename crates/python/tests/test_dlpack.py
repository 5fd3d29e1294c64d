"""DLPack, both ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import arrays, check, ours

import swath as sw
from swath import array_api as xp


@given(arrays())
def test_from_numpy(x):
    writable = x.copy(order="K")
    check(xp.from_dlpack(writable), writable, exact=True)
    check(xp.from_dlpack(writable, copy=True), writable, exact=True)


@given(arrays())
def test_to_numpy(x):
    mine = ours(x)
    back = np.from_dlpack(mine)
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back, x)


def test_memory_is_shared():
    x = np.arange(6.0)
    mine = xp.from_dlpack(x)
    assert np.shares_memory(np.asarray(mine), x)
    assert np.shares_memory(np.from_dlpack(mine), x)
    assert not np.from_dlpack(mine).flags.writeable
    copied = np.from_dlpack(mine, copy=True)
    assert not np.shares_memory(copied, x) and copied.flags.writeable


def test_memory_outlives_its_owner():
    mine = xp.from_dlpack(np.arange(1000.0))
    back = np.from_dlpack(mine + 0)
    del mine
    np.testing.assert_array_equal(back, np.arange(1000.0))
    lazy = xp.from_dlpack(np.arange(10.0)) * 2
    assert lazy.tolist() == [2.0 * i for i in range(10)]


@given(
    st.sampled_from([{}, {"copy": True}, {"copy": False}, {"copy": None}]),
    st.sampled_from([{}, {"max_version": (0, 5)}, {"max_version": (1, 0)}, {"max_version": (2, 0)}, {"max_version": None}]),
    st.sampled_from([{}, {"dl_device": (1, 0)}, {"dl_device": None}, {"stream": None}]),
)
def test_capsules(copy, version, device):
    x = xp.ones((2, 3))
    capsule = x.__dlpack__(**copy, **version, **device)
    assert "dltensor" in repr(capsule)
    del capsule  # not taken by anybody: it gives its memory back itself
    assert tuple(x.__dlpack_device__()) == (1, 0)


class Holder:
    """A producer of one capsule."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **keywords):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


class OldProducer(Holder):
    """A producer from before version 1, which takes a stream alone."""

    def __dlpack__(self, *, stream=None):
        return self.capsule


@pytest.mark.parametrize("version", [None, (0, 8), (1, 0)])
@pytest.mark.parametrize("producer", [Holder, OldProducer])
def test_both_versions(version, producer):
    x = xp.reshape(xp.arange(6), (2, 3))
    assert xp.from_dlpack(producer(x.__dlpack__(max_version=version))).tolist() == x.tolist()


def test_a_capsule_is_taken_once():
    holder = Holder(xp.ones(2).__dlpack__())
    xp.from_dlpack(holder)
    with pytest.raises(ValueError):
        xp.from_dlpack(holder)


def test_views_keep_their_strides():
    x = np.arange(12.0).reshape(3, 4)
    for view in (x[::2, 1:], x.T, np.broadcast_to(x[0], (2, 4)), x[::-1]):
        check(xp.from_dlpack(np.asarray(view)) if view.flags.writeable else ours(view), view, exact=True)
    mine = xp.asarray(x)[::-1, ::2]
    np.testing.assert_array_equal(np.from_dlpack(mine), x[::-1, ::2])


def test_bfloat16_is_refused_where_the_peer_has_no_type():
    with pytest.raises((BufferError, RuntimeError, TypeError, ValueError)):
        np.from_dlpack(sw.ones(2, dtype=sw.bfloat16))


def test_bad_arguments():
    x = xp.ones(2)
    with pytest.raises(BufferError):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError):
        x.__dlpack__(stream=7)
    with pytest.raises((AttributeError, TypeError)):
        xp.from_dlpack([1, 2])


def test_torch():
    torch = pytest.importorskip("torch")
    x = torch.arange(6.0).reshape(2, 3)
    mine = xp.from_dlpack(x)
    assert mine.tolist() == x.tolist()
    back = torch.from_dlpack(mine)
    assert back.data_ptr() == x.data_ptr()
    short = torch.tensor([1.5, 2.0], dtype=torch.bfloat16)
    assert xp.from_dlpack(short).dtype.name == "bfloat16"
    assert torch.from_dlpack(xp.from_dlpack(short)).dtype == torch.bfloat16
