"""nvidia-smi of a sandbox box: tells of the GPUs its instance type has on EC2, which are made up here.

Run as a script on the box: `python -I -S nvidia_smi.py BOX_JSON [nvidia-smi's own arguments]`.
Layout and wording follow NVIDIA's nvidia-smi of driver branch 570.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRIVER = "570.133.20"
CUDA = "12.8"
# GPU as EC2 names it -> the name the driver gives it, power limit in W, compute capability (NVIDIA data sheets).
MODELS = {
    "A10G": ("NVIDIA A10G", 300, "8.6"),
    "T4": ("Tesla T4", 70, "7.5"),
    "T4g": ("NVIDIA T4G", 70, "7.5"),
    "L4": ("NVIDIA L4", 72, "8.9"),
    "L40S": ("NVIDIA L40S", 350, "8.9"),
    "V100": ("Tesla V100-SXM2-16GB", 300, "7.0"),
    "A100": ("NVIDIA A100-SXM4-40GB", 400, "8.0"),
    "H100": ("NVIDIA H100 80GB HBM3", 700, "9.0"),
    "H200": ("NVIDIA H200", 700, "9.0"),
    "B200": ("NVIDIA B200", 1000, "10.0"),
    "B300": ("NVIDIA B300", 1100, "10.3"),
    "K80": ("Tesla K80", 149, "3.7"),
    "M60": ("Tesla M60", 150, "5.2"),
    "RTX PRO 4500": ("NVIDIA RTX PRO 4500 Blackwell", 200, "12.0"),
    "RTX PRO Server 6000": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 600, "12.0"),
}
HELP = f"""NVIDIA System Management Interface -- v{DRIVER} (of a sandbox box: the GPUs are made up)

nvidia-smi [-L] [-i ID] [-l SECONDS] [--query-gpu=FIELD,... --format=csv[,noheader][,nounits]]

    -h, --help             this text
    -L, --list-gpus        one line for each GPU
    -i, --id=ID            only this GPU (index or UUID)
    -l, --loop=SECONDS     again and again
        --query-gpu=...    the fields asked for, as CSV; `--help-query-gpu` names them
        --query-compute-apps=...   programs on the GPUs: none
        --version          versions of driver and CUDA
"""
INVALID = "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n"
RULE = "+-----------------------------------------+------------------------+----------------------+"
WIDE = "+" + "-" * 89 + "+"


class Refused(Exception):
    """What nvidia-smi says and exits with when it cannot do as asked."""

    def __init__(self, text: str, code: int):
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Gpu:
    """One GPU. Memory in MiB, power in W."""

    index: int
    name: str
    uuid: str
    bus: str
    memory: int
    power: int
    capability: str
    count: int


def gpus(box: dict[str, Any]) -> list[Gpu]:
    """The GPUs of the box; the memory of box.json is the total of all."""
    count = int(box["gpu_count"])
    gpu = str(box["gpu"]).removeprefix("NVIDIA ")  # box.json has the maker before it
    name, power, capability = MODELS.get(gpu, (f"NVIDIA {gpu}", 300, "8.0"))
    memory = int(box["gpu_memory_mib"]) // count
    if gpu == "V100" and memory > 16384:
        name = "Tesla V100-SXM2-32GB"
    if gpu == "A100" and memory > 40960:
        name = "NVIDIA A100-SXM4-80GB"
    found = []
    for index in range(count):
        own = uuid.uuid5(uuid.NAMESPACE_URL, f"{box['instance_id']}/{index}")
        slot = 0x1E if count == 1 else 0x10 + index
        found.append(Gpu(index, name, f"GPU-{own}", f"00000000:00:{slot:02X}.0", memory, power, capability, count))
    return found


def fixed(text: object, unit: str = "") -> tuple[Callable[[Gpu], object], str]:
    """A field that is the same for every GPU."""
    return lambda _: text, unit


FIELDS: dict[str, tuple[Callable[[Gpu], object], str]] = {
    "timestamp": (lambda _: time.strftime("%Y/%m/%d %H:%M:%S.000"), ""),
    "driver_version": fixed(DRIVER),
    "count": (lambda gpu: gpu.count, ""),
    "name": (lambda gpu: gpu.name, ""),
    "index": (lambda gpu: gpu.index, ""),
    "uuid": (lambda gpu: gpu.uuid, ""),
    "serial": fixed("[N/A]"),
    "pci.bus_id": (lambda gpu: gpu.bus, ""),
    "compute_cap": (lambda gpu: gpu.capability, ""),
    "persistence_mode": fixed("Enabled"),
    "display_mode": fixed("Disabled"),
    "display_active": fixed("Disabled"),
    "compute_mode": fixed("Default"),
    "ecc.mode.current": fixed("Enabled"),
    "mig.mode.current": fixed("[N/A]"),
    "pstate": fixed("P8"),
    "fan.speed": fixed("0", "%"),
    "temperature.gpu": fixed(27),
    "utilization.gpu": fixed(0, "%"),
    "utilization.memory": fixed(0, "%"),
    "memory.total": (lambda gpu: gpu.memory, "MiB"),
    "memory.reserved": fixed(0, "MiB"),
    "memory.used": fixed(0, "MiB"),
    "memory.free": (lambda gpu: gpu.memory, "MiB"),
    "power.draw": fixed("16.20", "W"),
    "power.limit": (lambda gpu: f"{gpu.power}.00", "W"),
    "power.max_limit": (lambda gpu: f"{gpu.power}.00", "W"),
    "clocks.sm": fixed(210, "MHz"),
    "clocks.mem": fixed(405, "MHz"),
    "clocks.gr": fixed(210, "MHz"),
}
ALIASES = {"gpu_name": "name", "gpu_uuid": "uuid", "gpu_bus_id": "pci.bus_id", "gpu_serial": "serial"}
ALIASES |= {"clocks.current.sm": "clocks.sm", "clocks.current.memory": "clocks.mem"}
APP_FIELDS = {"timestamp", "gpu_name", "gpu_bus_id", "gpu_serial", "gpu_uuid", "pid", "process_name", "name"}
APP_FIELDS |= {"used_gpu_memory", "used_memory"}


def table(cards: list[Gpu]) -> str:
    """The table that nvidia-smi prints without arguments."""
    lines = [
        time.strftime("%a %b %e %H:%M:%S %Y") + "       ",
        WIDE,
        f"| NVIDIA-SMI {DRIVER:<22} Driver Version: {DRIVER:<14} CUDA Version: {CUDA:<9}|",
        "|" + RULE[1:],
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |",
        "|                                         |                        |               MIG M. |",
        "|" + RULE[1:-1].replace("-", "=") + "|",
    ]
    for gpu in cards:
        name = gpu.name if len(gpu.name) <= 30 else gpu.name[:27] + "..."
        lines += [
            f"| {gpu.index:>3}  {name:<30} On  | {gpu.bus:>18} Off | {0:>20} |",
            f"| N/A   27C    P8           {16:>4}W / {gpu.power:>4}W | {0:>7}MiB / {gpu.memory:>6}MiB | "
            f"{0:>6}%      Default |",
            "|                                         |                        |                  N/A |",
            RULE,
        ]
    lines += [
        " " * 89,
        WIDE,
        "| Processes:" + " " * 78 + "|",
        "|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |",
        "|        ID   ID                                                               Usage      |",
        "|" + "=" * 89 + "|",
        "|  No running processes found" + " " * 61 + "|",
        WIDE,
    ]
    return "\n".join(lines) + "\n"


def query(cards: list[Gpu], names: str, style: str) -> str:
    """The fields asked for as CSV. Raises Refused for a field or a format that there is not."""
    header, units = _style(style)
    fields = []
    for name in (name.strip() for name in names.split(",")):
        known = FIELDS.get(ALIASES.get(name, name))
        if known is None:
            raise Refused(f'Field "{name}" is not a valid field to query.\n\n', 2)
        fields.append((name, *known))
    lines = [", ".join(f"{name} [{unit}]" if unit and units else name for name, _, unit in fields)] if header else []
    for gpu in cards:
        values = ((str(value(gpu)), unit if units else "") for _, value, unit in fields)
        lines.append(", ".join(f"{value} {unit}".rstrip() for value, unit in values))
    return "\n".join(lines) + "\n"


def query_apps(names: str, style: str) -> str:
    """The programs on the GPUs as CSV: none, ever."""
    header, units = _style(style)
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in APP_FIELDS:
            raise Refused(f'Field "{name}" is not a valid field to query.\n\n', 2)
    titles = [f"{name} [MiB]" if name.startswith("used") and units else name for name in asked]
    return ", ".join(titles) + "\n" if header else ""


def _style(style: str) -> tuple[bool, bool]:
    words = style.split(",")
    if "csv" not in words or set(words) - {"csv", "noheader", "nounits"}:
        raise Refused('"--format=" switch is missing or not csv[,noheader][,nounits].\n', 1)
    return "noheader" not in words, "nounits" not in words


def parse(argv: list[str]) -> dict[str, str]:
    """The options given, by long name. Raises Refused for one that there is not."""
    short = {"-L": "list-gpus", "-h": "help", "-i": "id", "-l": "loop", "-q": "query"}
    flags = {"list-gpus", "help", "version", "help-query-gpu", "query"}
    valued = {"id", "loop", "query-gpu", "query-compute-apps", "format"}
    given, words = {}, list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        name = short.get(name) or name.removeprefix("--")
        if name in flags and not equals:
            given[name] = ""
        elif name in valued and (equals or words):
            given[name] = value if equals else words.pop(0)
        else:
            raise Refused(INVALID, 1)
    return given


def answer(box: dict[str, Any], given: dict[str, str]) -> str:
    """What nvidia-smi prints once. Raises Refused."""
    cards = gpus(box)
    if "id" in given:
        wanted = set(given["id"].split(","))
        cards = [gpu for gpu in cards if wanted & {str(gpu.index), gpu.uuid, gpu.bus}]
        if not cards:
            raise Refused("No devices were found\n", 6)
    if "help" in given:
        return HELP
    if "help-query-gpu" in given:
        return "".join(f'"{name}"\n' for name in FIELDS)
    if "version" in given:
        return f"NVIDIA-SMI version  : {DRIVER}\nDRIVER version      : {DRIVER}\nCUDA Version        : {CUDA}\n"
    if "list-gpus" in given:
        return "".join(f"GPU {gpu.index}: {gpu.name} (UUID: {gpu.uuid})\n" for gpu in cards)
    if "query-gpu" in given:
        return query(cards, given["query-gpu"], given.get("format", ""))
    if "query-compute-apps" in given:
        return query_apps(given["query-compute-apps"], given.get("format", ""))
    if "query" in given:
        return query_all(cards)
    return table(cards)


def query_all(cards: list[Gpu]) -> str:
    """`-q`: every field known here, a block for each GPU."""
    lines = ["", "==============NVSMI LOG==============", "", f"Driver Version : {DRIVER}", f"CUDA Version   : {CUDA}"]
    for gpu in cards:
        lines += ["", f"GPU {gpu.bus}"]
        lines += [f"    {name:<24}: {value(gpu)} {unit}".rstrip() for name, (value, unit) in FIELDS.items()]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Print the answer, in a loop where asked; returns the exit code."""
    try:
        given = parse(argv[1:])
        pause = max(float(given["loop"]), 0.1) if "loop" in given else None
        while True:
            sys.stdout.write(answer(json.loads(Path(argv[0]).read_text()), given))
            sys.stdout.flush()
            if pause is None:
                return 0
            time.sleep(pause)
    except Refused as refusal:
        sys.stdout.write(str(refusal))
        return refusal.code
    except ValueError:
        sys.stdout.write(INVALID)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
