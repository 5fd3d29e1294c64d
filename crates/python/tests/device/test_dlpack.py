"""DLPack of device memory, both ways."""

import ctypes
import gc
import itertools

import cuda
import numpy as np
import pytest
from cuda import CUDA, OldProducer, Producer, Reader, exported

import swath as sw
from swath import array_api as xp

VALUES = np.arange(12.0).reshape(3, 4)


def kept(values=VALUES):
    """An array whose values lie on the device."""
    array = (xp.asarray(values) + 1).persist()
    assert array.__dlpack_device__() == (CUDA, 0)
    return array


def settle():
    """Has the worker do what is left to do, and free what is free."""
    gc.collect()
    cuda.use()
    float((xp.ones(3) + 1).sum())
    cuda.call("cuCtxSynchronize")


@pytest.fixture(autouse=True)
def nothing_is_left():
    settle()
    before = cuda.live()
    yield
    settle()
    assert cuda.live() == before


def seen(tensor, dtype=np.float64):
    """What a reader sees; simulated device memory is the host's."""
    shape, strides = tensor.shape[: tensor.ndim], tensor.strides[: tensor.ndim]
    size = np.dtype(dtype).itemsize
    first = (ctypes.c_char * size).from_address(tensor.data + tensor.byte_offset)
    start = np.frombuffer(first, dtype)
    return np.lib.stride_tricks.as_strided(start, shape, [size * stride for stride in strides]).copy()


def test_values_are_handed_out_where_they_lie():
    x = kept()
    assert x.device == "cpu"
    for view, expected in [
        (x, VALUES + 1),
        (x[1:, ::2], (VALUES + 1)[1:, ::2]),
        (x.T, (VALUES + 1).T),
        (xp.reshape(x, (2, 6)), (VALUES + 1).reshape(2, 6)),
        (xp.broadcast_to(x[0], (2, 4)), np.broadcast_to((VALUES + 1)[0], (2, 4))),
    ]:
        assert view.__dlpack_device__() == (CUDA, 0)
        capsule, managed = exported(view)
        tensor = managed.tensor
        assert (managed.major, managed.flags) == (1, 1), "version 1, to be read only"
        assert (tensor.device_type, tensor.device_id) == (CUDA, 0)
        assert (tensor.code, tensor.bits, tensor.lanes) == (2, 64, 1)
        np.testing.assert_array_equal(seen(tensor), expected)
        del capsule
    base = exported(x)[1].tensor.data
    assert exported(x[1])[1].tensor.data == base + 4 * 8


def test_older_readers_get_what_they_know():
    x = kept()
    capsule, plain = exported(x, max_version=None)
    assert "versioned" not in repr(capsule)
    np.testing.assert_array_equal(seen(plain.tensor), VALUES + 1)


def test_strides_backwards_are_copied_on_the_device():
    x = kept()
    capsule, managed = exported(x[::-1])
    assert managed.flags == 2 and managed.tensor.strides[0] == 4
    np.testing.assert_array_equal(seen(managed.tensor), (VALUES + 1)[::-1])
    capsule, managed = exported(x[::-1], copy=False)
    assert managed.flags == 1 and managed.tensor.strides[0] == -4
    np.testing.assert_array_equal(seen(managed.tensor), (VALUES + 1)[::-1])


def test_copies():
    x = kept()
    base = exported(x)[1].tensor.data
    capsule, managed = exported(x, copy=True)
    assert managed.flags == 2 and managed.tensor.data != base
    np.testing.assert_array_equal(seen(managed.tensor), VALUES + 1)
    del x
    settle()
    np.testing.assert_array_equal(seen(managed.tensor), VALUES + 1)


@pytest.mark.parametrize("stream", [None, -1, 1, 2, "own"])
def test_streams(stream):
    x = kept()
    stream = cuda.stream().value if stream == "own" else stream
    capsule, managed = exported(x, stream=stream)
    np.testing.assert_array_equal(seen(managed.tensor), VALUES + 1)


def test_what_is_refused():
    x = kept()
    for stream in [0, -2, "1"]:
        with pytest.raises(ValueError, match="stream"):
            x.__dlpack__(stream=stream)
    for device in [(CUDA, 1), (10, 0)]:
        with pytest.raises(BufferError, match="device"):
            x.__dlpack__(dl_device=device)
    with pytest.raises(BufferError, match="copy=False"):
        x.__dlpack__(dl_device=(1, 0), copy=False)
    host = xp.ones(3)
    assert host.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        host.__dlpack__(dl_device=(CUDA, 0))


def test_the_host_gets_a_copy():
    x = kept()
    capsule, managed = exported(x, dl_device=(1, 0))
    assert managed.tensor.device_type == 1
    np.testing.assert_array_equal(seen(managed.tensor), VALUES + 1)
    np.testing.assert_array_equal(np.from_dlpack(Reader(x, dl_device=(1, 0))), VALUES + 1)
    np.testing.assert_array_equal(np.asarray(x), VALUES + 1)


def test_a_round_trip_moves_nothing():
    x = kept()
    before = cuda.live()
    y = xp.from_dlpack(Reader(x[1:, ::2]))
    assert cuda.live() == before
    assert exported(y)[1].tensor.data == exported(x)[1].tensor.data + 4 * 8
    assert y.persist().__dlpack_device__() == (CUDA, 0)
    np.testing.assert_array_equal(np.asarray(y), (VALUES + 1)[1:, ::2])
    np.testing.assert_array_equal(np.asarray(xp.sum(y * 2, axis=0)), ((VALUES + 1)[1:, ::2] * 2).sum(0))
    np.testing.assert_array_equal(np.asarray(y.T @ y), (VALUES + 1)[1:, ::2].T @ (VALUES + 1)[1:, ::2])


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_of_ends(order, is_lazy):
    settle()
    before = cuda.live()
    cuda.lazy(is_lazy)
    x = kept()
    capsule, managed = exported(x)
    holders = [x, capsule, xp.from_dlpack(Reader(x))]
    del x, capsule
    address = managed.tensor.data
    for number in order:
        living = next(holder for holder in holders if holder is not None)
        if not isinstance(living, type(exported)) and hasattr(living, "shape"):
            np.testing.assert_array_equal(np.asarray(living), VALUES + 1)
        holders[number] = None
        del living
    cuda.lazy(False)
    settle()
    assert cuda.live() == before, hex(address)


def test_readers_may_give_back_what_they_still_read():
    cuda.use()
    target = cuda.Memory(bytes(96))
    own = cuda.stream()
    cuda.lazy(True)
    x = kept()
    capsule, managed = exported(x, stream=own.value)
    address = ctypes.c_uint64(managed.tensor.data)
    cuda.call("cuMemcpyDtoDAsync_v2", target.address, address, ctypes.c_size_t(96), own)
    del x, capsule
    settle()
    cuda.lazy(False)
    cuda.call("cuStreamSynchronize", own)
    np.testing.assert_array_equal(np.frombuffer(target.read()).reshape(3, 4), VALUES + 1)
    target.free()


@pytest.mark.parametrize("kind", [Producer, OldProducer])
def test_memory_of_others_is_read_where_it_lies(kind):
    memory = cuda.Memory(VALUES.tobytes())
    base = memory.address.value
    for address, shape, strides, offset, expected in [
        (base, (3, 4), None, 0, VALUES),
        (base, (2, 2), (4, 2), 4 * 8, VALUES[1:, ::2]),
        (base + 11 * 8, (3, 4), (-4, -1), 0, VALUES[::-1, ::-1]),
        (base, (4, 3), (1, 4), 0, VALUES.T),
        (base + 8, (5,), (0,), 0, np.full(5, 1.0)),
        (base + 40, (), (), 0, np.array(5.0)),
    ]:
        producer = kind(address, shape, strides, offset=offset)
        before = cuda.live()
        x = xp.from_dlpack(producer)
        assert cuda.live() == before and producer.calls[-1]["stream"] > 2
        assert x.__dlpack_device__() == (CUDA, 0) and x.shape == shape
        np.testing.assert_array_equal(np.asarray(x), expected)
        np.testing.assert_array_equal(np.asarray(x * 2 + 1), expected * 2 + 1)
        assert producer.returned == 0
        later = x * 2
        del x
        np.testing.assert_array_equal(np.asarray(later), expected * 2)
        del later
        settle()
        assert producer.returned == 1
    memory.free()


def test_what_others_still_write_is_waited_for():
    source = cuda.Memory((VALUES * 3).tobytes())
    memory = cuda.Memory(VALUES.tobytes())
    own = cuda.stream()

    class Writing(Producer):
        def __dlpack__(self, *, stream, max_version):
            event = ctypes.c_void_p()
            cuda.call("cuEventCreate", ctypes.byref(event), 2)
            cuda.call("cuMemcpyDtoDAsync_v2", memory.address, source.address, ctypes.c_size_t(96), own)
            cuda.call("cuEventRecord", event, own)
            cuda.call("cuStreamWaitEvent", ctypes.c_void_p(stream), event, 0)
            return super().__dlpack__(stream=stream, max_version=max_version)

    cuda.lazy(True)
    x = xp.from_dlpack(Writing(memory.address.value, (3, 4)))
    doubled = np.asarray(x * 2)
    cuda.lazy(False)
    np.testing.assert_array_equal(doubled, VALUES * 6)
    del x
    settle()
    memory.free()
    source.free()


@pytest.mark.parametrize("kind", [Producer, OldProducer])
def test_copies_of_others(kind):
    memory = cuda.Memory(VALUES.tobytes())
    producer = kind(memory.address.value, (3, 4))
    x = xp.from_dlpack(producer, copy=True)
    settle()
    assert producer.returned == 1 and "copy" not in producer.calls[-1], "CuPy copies to the host alone"
    memory.free()
    assert x.__dlpack_device__() == (CUDA, 0)
    np.testing.assert_array_equal(np.asarray(x), VALUES)


def test_memory_that_cannot_be_used_is_given_back():
    memory, there = cuda.Memory(bytes(96)), cuda.Memory(bytes(96), device=1)
    host = np.zeros(4)
    for producer, error, said in [
        (Producer(memory.address.value + 4, (2,)), BufferError, "aligned"),
        (Producer(memory.address.value + 8, (2,), code=5, bits=128), BufferError, "aligned"),
        (Producer(host.ctypes.data, (2,)), BufferError, "no memory of device 0"),
        (Producer(there.address.value, (2,)), BufferError, "no memory of device 0"),
        (Producer(memory.address.value, (2,), device=(CUDA, 1), said=(CUDA, 0)), BufferError, "came on"),
        (Producer(memory.address.value, (2,), code=2, bits=128), TypeError, "type code"),
        (Producer(memory.address.value, (3, 3), (2**60, 2**60)), BufferError, "strides"),
        (Producer(memory.address.value, (-1,)), ValueError, "axis"),
    ]:
        with pytest.raises(error, match=said):
            xp.from_dlpack(producer)
        settle()
        assert producer.returned == 1, said
    there.free()
    memory.free()


def test_nothing_has_no_place():
    x = xp.from_dlpack(Producer(None, (0, 3)))
    assert x.shape == (0, 3) and x.__dlpack_device__() == (1, 0)


def test_other_devices_and_the_host_are_asked_for_a_copy():
    def on_host(**how):
        assert how["dl_device"] == (1, 0)
        return np.arange(3.0).__dlpack__(max_version=(1, 0))

    producer = Producer(None, (3,), said=(CUDA, 1))
    producer.__class__ = type("Elsewhere", (Producer,), {"__dlpack__": lambda self, **how: on_host(**how)})
    assert xp.from_dlpack(producer).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(BufferError, match="copy=False"):
        xp.from_dlpack(producer, copy=False)
    producer.said = (CUDA, 0)
    assert xp.from_dlpack(producer, device="cpu").tolist() == [0.0, 1.0, 2.0]
    sw.options.placement = "host"
    assert xp.from_dlpack(producer).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("placement", ["auto", "host"])
def test_by_default_arrays_lie_on_the_host(placement):
    sw.options.placement = placement
    x = (xp.asarray(VALUES) + 1).persist()
    assert x.__dlpack_device__() == (1, 0) and x.device == "cpu"
    np.testing.assert_array_equal(np.from_dlpack(x), VALUES + 1)
