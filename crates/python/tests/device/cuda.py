"""Another library that uses the device: it calls the driver by itself, and speaks DLPack."""

import ctypes
import os

driver = ctypes.CDLL(os.environ["SWATH_DRIVER"])
api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
driver.cudasim_memory_used.restype = ctypes.c_size_t
driver.cudasim_live_allocations.restype = ctypes.c_size_t

CUDA = 2


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


class Plain(ctypes.Structure):
    _fields_ = [("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def call(name, *arguments):
    status = getattr(driver, name)(*arguments)
    assert status == 0, f"{name}: {status}"


def use(device=0):
    """Makes the primary context of a device current."""
    context = ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)


def stream():
    made = ctypes.c_void_p()
    call("cuStreamCreate", ctypes.byref(made), 1)
    return made


def live(device=0):
    return driver.cudasim_live_allocations(device)


def lazy(is_lazy):
    driver.cudasim_set_lazy(int(is_lazy))


class Memory:
    """Device memory with these bytes."""

    def __init__(self, values, device=0):
        use(device)
        self.bytes, self.address = len(values), ctypes.c_uint64()
        call("cuMemAlloc_v2", ctypes.byref(self.address), ctypes.c_size_t(len(values)))
        call("cuMemcpyHtoD_v2", self.address, values, ctypes.c_size_t(len(values)))

    def read(self):
        values = ctypes.create_string_buffer(self.bytes)
        call("cuMemcpyDtoH_v2", values, self.address, ctypes.c_size_t(self.bytes))
        return values.raw

    def free(self):
        call("cuMemFree_v2", self.address)


def exported(x, **how):
    """What `x` hands out, as a capsule and its content."""
    how.setdefault("max_version", (1, 0))
    capsule = x.__dlpack__(**how)
    is_versioned = "dltensor_versioned" in repr(capsule)
    kind, name = (Versioned, b"dltensor_versioned") if is_versioned else (Plain, b"dltensor")
    return capsule, kind.from_address(api.PyCapsule_GetPointer(capsule, name))


class Producer:
    """Offers device memory by DLPack, and counts how often it was given back."""

    def __init__(self, address, shape, strides=None, *, code=2, bits=64, device=(CUDA, 0), said=None, offset=0):
        self.said, self.calls, self.returned = said or device, [], 0
        count = len(shape)
        self.shape = (ctypes.c_int64 * count)(*shape)
        self.strides = (ctypes.c_int64 * count)(*strides) if strides is not None else None
        self.tensor = Tensor(address, *device, count, code, bits, 1, self.shape, self.strides, offset)
        self.deleter = Deleter(self._give_back)
        self.managed = None

    def _give_back(self, _):
        self.returned += 1

    def __dlpack_device__(self):
        return self.said

    def __dlpack__(self, **how):
        self.calls.append(how)
        deleter = ctypes.cast(self.deleter, ctypes.c_void_p)
        self.managed = Versioned(1, 0, None, deleter, 0, self.tensor)
        return api.PyCapsule_New(ctypes.addressof(self.managed), b"dltensor_versioned", None)


class OldProducer(Producer):
    """One from before version 1."""

    def __dlpack__(self, *, stream=None):
        self.calls.append({"stream": stream})
        self.managed = Plain(self.tensor, None, ctypes.cast(self.deleter, ctypes.c_void_p))
        return api.PyCapsule_New(ctypes.addressof(self.managed), b"dltensor", None)


class Reader:
    """Hands an array of ours on, as if it were another library's."""

    def __init__(self, array, **how):
        self.array, self.how = array, how

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **how):
        return self.array.__dlpack__(**{**how, **self.how})
