"""From the text of loops to machine code, with Numba, and from machine code to a function, without it.

A text defines `kernel`, a function of pointers and numbers: for each array its data, lengths and strides
(in bytes), then the numbers in double precision. Two functions are put around it. `entry` takes arrays as
NumPy's objects, and reads the pointers where NumPy's C interface has them; `call` is what Python calls,
with arrays and floats, and runs without the interpreter lock. A call costs half of one of Numba's; to load
the code takes milliseconds, where Numba's own start takes a third of a second.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_PYTHON = (
    *("PyFloat_AsDouble", "PyErr_BadArgument", "Py_IncRef"),
    *("PyEval_SaveThread", "PyEval_RestoreThread"),
)
KERNEL = "\nARRAYS, NUMBERS = "
"""Where in a text its own part begins, after what many begin with: its arrays' dtypes, how many numbers."""

_HEAD = object.__basicsize__  # of every object; NumPy's arrays go on with data, ndim, lengths, strides
_PLACES = {"data": 0, "lengths": 16, "strides": 24}


def require_layout() -> None:
    """Raises RuntimeError unless arrays lie in memory as NumPy's C interface says."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise RuntimeError("kernels need CPython, of 64 bits")
    array = np.zeros((3, 5))
    seen = {
        name: ctypes.c_void_p.from_address(id(array) + _HEAD + place).value or 0
        for name, place in _PLACES.items()
    }
    two = ctypes.c_ssize_t * 2
    if (
        seen["data"] != array.__array_interface__["data"][0]
        or tuple(two.from_address(seen["lengths"])) != array.shape
        or tuple(two.from_address(seen["strides"])) != array.strides
    ):
        raise RuntimeError("kernels need arrays that lie in memory as NumPy's C interface says")


def made(digest: str, text: str, processor: str, features: str) -> bytes:
    """The machine code of a text, whose functions have names with `digest`.

    Raises:
        Exception: Numba cannot compile it.
    """
    compiler: Any = importlib.import_module("numba.core.compiler")
    target: Any = importlib.import_module("numba.core.registry").cpu_target
    kinds: Any = importlib.import_module("numba").types
    binding: Any = importlib.import_module("llvmlite.binding")
    head, mark, rest = text.partition(KERNEL)
    names: dict[str, Any] = _head(head) | {"__name__": f"xpnet_kernel_{digest}"}
    exec(compile(mark + rest, "<xpnet kernel>", "exec"), names)
    arrays, numbers = names["ARRAYS"], names["NUMBERS"]
    signature = [
        kinds.CPointer(kind) for dtype in arrays for kind in (getattr(kinds, dtype), kinds.intp, kinds.intp)
    ]
    signature += [kinds.float64] * numbers
    flags = compiler.Flags()
    flags.nrt = flags.enable_pyobject = False
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.noalias = True  # arrays lie apart; where one may overlap with another, there are no vectors
    flags.no_compile = True  # to machine code; that is done here
    target.typing_context.refresh()
    target.target_context.refresh()
    result = compiler.compile_extra(
        target.typing_context,
        target.target_context,
        names["kernel"],
        tuple(signature),
        kinds.none,
        flags,
        {},
    )
    inner = result.fndesc.llvm_func_name
    ours = _around(inner, digest, len(arrays), numbers)
    with importlib.import_module("numba.core.compiler_lock").global_compiler_lock:
        result.library.finalize()
    module = binding.parse_assembly(result.library.get_llvm_str())
    machine = _machine(binding, processor, features)
    module.link_in(binding.parse_assembly(f'target triple = "{module.triple}"\n{ours}'))
    for function in module.functions:
        if not function.is_declaration:  # names that Numba gives are not the only ones of their kind
            if not function.name.startswith("xpnet_"):
                function.linkage = "internal"
        # what only Numba has is not there when the code is loaded again
        elif not re.fullmatch(r"llvm\..*|[a-z0-9]+|Py\w+", function.name):
            raise RuntimeError(f"it calls {function.name}, which is no function of C")
    for variable in module.global_variables:
        if variable.linkage == binding.Linkage.common:
            variable.linkage = "internal"
    return machine.emit_object(module)


@functools.cache
def _head(text: str) -> dict[str, Any]:
    """What the start of a text defines: what it calls need not be compiled for each kernel again."""
    names: dict[str, Any] = {"__name__": "xpnet_kernel_head"}
    exec(compile(text, "<xpnet kernel>", "exec"), names)
    return names


def _around(inner: str, digest: str, arrays: int, numbers: int) -> str:
    """`entry` and `call`, around the function `inner`, in the language of LLVM."""
    lines, given = ["%result = alloca ptr", "%error = alloca ptr"], ["ptr %result", "ptr %error"]
    for k in range(arrays):
        lines.append(f"%p{k} = getelementptr ptr, ptr %arrays, i64 {k}")
        lines.append(f"%o{k} = load ptr, ptr %p{k}")
        for name, place in _PLACES.items():
            lines.append(f"%q{k}{name} = getelementptr i8, ptr %o{k}, i64 {_HEAD + place}")
            lines.append(f"%{name}{k} = load ptr, ptr %q{k}{name}")
            given.append(f"ptr %{name}{k}")
    converted: list[str] = []
    for k in range(numbers):
        lines.append(f"%r{k} = getelementptr double, ptr %numbers, i64 {k}")
        lines.append(f"%n{k} = load double, ptr %r{k}")
        given.append(f"double %n{k}")
        converted.append(f"%p{k} = getelementptr ptr, ptr %arguments, i64 {arrays + k}")
        converted.append(f"%o{k} = load ptr, ptr %p{k}")
        converted.append(f"%n{k} = call double @PyFloat_AsDouble(ptr %o{k})")
        converted.append(f"%r{k} = getelementptr double, ptr %numbers, i64 {k}")
        converted.append(f"store double %n{k}, ptr %r{k}")
    kinds = ", ".join(own.split()[0] for own in given)
    return "\n".join(
        [
            f"declare i32 @{inner}({kinds})",
            "declare double @PyFloat_AsDouble(ptr)",
            "declare ptr @PyEval_SaveThread()",
            "declare void @PyEval_RestoreThread(ptr)",
            "declare void @Py_IncRef(ptr)",
            "declare i32 @PyErr_BadArgument()",
            f"define void @xpnet_entry_{digest}(ptr %arrays, ptr %numbers) {{",
            *lines,
            f"call i32 @{inner}({', '.join(given)})",
            "ret void",
            "}",
            f"define ptr @xpnet_call_{digest}(ptr %none, ptr %arguments, i64 %count) {{",
            f"%right = icmp eq i64 %count, {arrays + numbers}",
            "br i1 %right, label %go, label %refuse",
            "refuse:",
            "call i32 @PyErr_BadArgument()",
            "ret ptr null",
            "go:",
            f"%numbers = alloca double, i64 {max(1, numbers)}",
            *converted,
            "%state = call ptr @PyEval_SaveThread()",
            f"call void @xpnet_entry_{digest}(ptr %arguments, ptr %numbers)",
            "call void @PyEval_RestoreThread(ptr %state)",
            "call void @Py_IncRef(ptr %none)",
            "ret ptr %none",
            "}",
        ]
    )


def load(digest: str, code: bytes) -> tuple[Callable[..., None], int]:
    """The kernel as a function of arrays and floats, and the address of its `entry`.

    It checks the number of arguments, and nothing else: arrays of another dtype or size than its text means
    are read as if they were of it.
    """
    engine = _engine()
    binding: Any = importlib.import_module("llvmlite.binding")
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    method = _Method(
        b"kernel", engine.get_function_address(f"xpnet_call_{digest}"), 0x80, None
    )  # METH_FASTCALL
    _METHODS.append(method)
    new: Any = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    kernel = new(ctypes.addressof(method), None, None)
    return kernel, engine.get_function_address(f"xpnet_entry_{digest}")


class _Method(ctypes.Structure):  # PyMethodDef
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


_METHODS: list[_Method] = []  # functions point to them as long as the process lives


def _machine(binding: Any, processor: str = "", features: str = "") -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=3, jit=True, codemodel="jitdefault"
    )


@functools.cache
def _engine() -> Any:
    """What holds loaded code, as long as the process lives."""
    binding: Any = importlib.import_module("llvmlite.binding")
    for name in _PYTHON:
        function: Any = getattr(ctypes.pythonapi, name)
        binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    return binding.create_mcjit_compiler(binding.parse_assembly(""), _machine(binding))
