"""Compiles CUDA sources with NVIDIA's own compiler, and reports what each kernel needs of a GPU.

    python ci/compile_kernels.py FOLDER [--output FILE]

FOLDER holds sources as CuPy generates them (`CUPY_CACHE_SAVE_CUDA_SOURCE=1` leaves them in its cache). Each
kernel whose name starts with `xpnet_` is compiled by NVRTC, which needs no GPU, with the options that CuPy
gives it, down to machine code for several compute capabilities. It is an error if a kernel keeps values in
memory for want of registers ("spills"), or if one on float32 computes in float64, unless it is a sum
(`xpnet_..._sum`), which adds in float64. Run it by `ci/nvrtc`, which has the packages.
"""

import argparse
import ctypes
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

WANTED = (70, 80, 90)  # compute capabilities; the lowest there is for 70, and the newest besides
DTYPES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Kernel:
    """A kernel's name, the dtype of its arrays, and the source that it is in."""

    name: str
    dtype: str
    source: str


@dataclass(frozen=True)
class Cost:
    """What a kernel needs: registers of a thread, bytes spilled, instructions that compute in float64."""

    registers: int
    spills: int
    doubles: int


def kernels_in(folder: Path) -> list[Kernel]:
    """The kernels called `xpnet_...` in the sources of `folder`, each text once."""
    found = set()
    for path in folder.rglob("*.cu"):
        source = path.read_text()
        name = re.search(r"__global__\s+void\s+(xpnet_\w+)\s*\(", source)
        kind = re.search(r"typedef (float|double) T;", source)
        if name:
            found.add(Kernel(name[1], DTYPES[kind[1]] if kind else "none", source))
    return sorted(found, key=lambda kernel: (kernel.name, kernel.dtype, kernel.source))


def capabilities(supported: Iterable[int]) -> list[int]:
    """Those to compile for."""
    supported = sorted(supported)
    least = min(number for number in supported if number >= WANTED[0])
    return sorted({least, *(number for number in WANTED if number in supported), supported[-1]})


def cost(log: str, assembly: str) -> Cost:
    """Read from what the assembler prints of one kernel with `-v`, and from what it was given."""
    registers = re.search(r"Used (\d+) registers", log)
    # of the kernel, and of functions that it calls
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if not registers or not spills:
        raise ValueError(f"the assembler's report is not as expected:\n{log}")
    # loading a float64 parameter to make a float32 of it is no computation
    doubles = re.findall(r"^\s*(?:@%?!?\w+ )?(?!(?:ld|st|mov|cvt)\.)\w+\.\S*f64\b", assembly, re.MULTILINE)
    spilled = sum(int(stores) + int(loads) for stores, loads in spills)
    return Cost(int(registers[1]), spilled, len(doubles))


class Compiler:
    """NVRTC, as the packages of this environment have it."""

    def __init__(self) -> None:
        library = _folder("nvidia.cuda_nvrtc") / "lib" / "libnvrtc.so.12"
        self.library = ctypes.CDLL(str(library))
        own = _folder("cupy") / "_core" / "include"
        # as cupy/cuda/compiler.py and cupy/_core/core.pyx have them
        self.options = [f"-I{own / 'cupy' / '_cccl' / part}" for part in ("cub", "thrust", "libcudacxx")]
        self.options += [
            "--std=c++17",
            f"-I{own}",
            f"-I{_folder('nvidia.cuda_runtime') / 'include'}",
            "-ftz=true",
            "--device-as-default-execution-space",
            "--ptxas-options=-v",
        ]

    def version(self) -> str:
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def supported(self) -> list[int]:
        number = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(number))
        numbers = (ctypes.c_int * number.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return list(numbers)

    def compile(self, source: str, capability: int) -> Cost:
        """Compiles to machine code."""
        program = ctypes.c_void_p()
        text = source.encode()
        self._call("nvrtcCreateProgram", ctypes.byref(program), text, b"kernel.cu", 0, None, None)
        try:
            options = [option.encode() for option in (*self.options, f"-arch=sm_{capability}")]
            array = (ctypes.c_char_p * len(options))(*options)
            result = self.library.nvrtcCompileProgram(program, len(options), array)
            size = ctypes.c_size_t()
            self._call("nvrtcGetProgramLogSize", program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            self._call("nvrtcGetProgramLog", program, log)
            if result:
                raise RuntimeError(f"NVRTC refuses a kernel for sm_{capability}:\n{log.value.decode()}")
            self._call("nvrtcGetCUBINSize", program, ctypes.byref(size))
            if not size.value:
                raise RuntimeError(f"NVRTC made no machine code for sm_{capability}")
            self._call("nvrtcGetPTXSize", program, ctypes.byref(size))
            assembly = ctypes.create_string_buffer(size.value)
            self._call("nvrtcGetPTX", program, assembly)
            return cost(log.value.decode(), assembly.value.decode())
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _call(self, name: str, *arguments: object) -> None:
        result = getattr(self.library, name)(*arguments)
        if result:
            raise RuntimeError(f"{name} failed with error {result}")


def _folder(package: str) -> Path:
    """Where a package lies; it is not imported, for some want a GPU."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {package} is not installed; run ci/nvrtc, which installs it")
    return Path(next(iter(spec.submodule_search_locations)))


def table(costs: dict[tuple[str, str], dict[int, list[Cost]]], numbers: list[int]) -> list[str]:
    """A line for each kernel and dtype: how many forms of it there are, and the most that any needs."""
    width = max(len(name) for name, _ in costs)
    heads = "".join(f"{f'sm_{number}':>8}" for number in numbers)
    lines = [f"{'kernel':<{width}}  {'dtype':<8}{'forms':>6}{heads}{'spills':>8}"]
    for (name, dtype), own in sorted(costs.items()):
        registers = "".join(f"{max(part.registers for part in own[number]):>8}" for number in numbers)
        spills = max(part.spills for number in numbers for part in own[number])
        lines.append(f"{name:<{width}}  {dtype:<8}{len(own[numbers[0]]):>6}{registers}{spills:>8}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the sources, *.cu")
    parser.add_argument("--output", type=Path, help="where to write the report, too")
    options = parser.parse_args(arguments)
    kernels = kernels_in(options.folder)
    if not kernels:
        parser.error(f"there is no kernel called xpnet_... in any *.cu of {options.folder}")

    compiler = Compiler()
    numbers = capabilities(compiler.supported())
    # the compiler has a lock of its own, so threads would not help
    costs: dict[tuple[str, str], dict[int, list[Cost]]] = {}
    for kernel in kernels:
        own = costs.setdefault((kernel.name, kernel.dtype), {number: [] for number in numbers})
        for number in numbers:
            own[number].append(compiler.compile(kernel.source, number))

    def named(wrong: Callable[[str, str, Cost], int]) -> list[str]:
        return [
            f"{name} {dtype}"
            for (name, dtype), own in costs.items()
            if any(wrong(name, dtype, part) for parts in own.values() for part in parts)
        ]

    spilling = named(lambda name, dtype, part: part.spills)
    doubling = named(
        lambda name, dtype, part: dtype == "float32" and not name.endswith("_sum") and part.doubles
    )
    text = "\n".join(
        [
            "Registers of a thread and bytes spilled, the most of any form (dimensions, layout) of it.",
            f"NVRTC {compiler.version()}: {len(kernels)} sources of {len(costs)} kernels.",
            "",
            *table(costs, numbers),
            "",
            f"spilling: {', '.join(spilling) or 'none'}",
            f"computing in float64 on float32, but for sums: {', '.join(doubling) or 'none'}",
        ]
    )
    print(text)
    if options.output:
        options.output.write_text(text + "\n")
    return 1 if spilling or doubling else 0


if __name__ == "__main__":
    sys.exit(main())
