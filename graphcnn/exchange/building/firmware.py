"""For a processor without a system: a program that tries the network in an emulator.

With `-icount shift=0` an instruction takes a nanosecond of QEMU's time. The timer of a Cortex-M,
at 25 MHz, counts every fortieth; a RISC-V counts its instructions itself. Words go out by
semihosting: a debugger, or QEMU, does what is asked for.

Sources: Arm, "Armv7-M Architecture Reference Manual", B1.5 (vector table), B3.3 (SysTick) and
B3.2.20 (CPACR); "Semihosting for AArch32 and AArch64"; RISC-V, "Semihosting" and "The Instruction
Set Manual, Volume II", 3.1.6 (mstatus) and 3.1.10 (minstret); QEMU's documentation of mps2-an386,
mps2-an500 and virt.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from graphcnn.exchange.building.c_files import call, compared, declared
from graphcnn.exchange.building.contract import Contract
from graphcnn.ir.node import Array
from graphcnn.runtime.native.ahead.targets import Machine


@dataclass(frozen=True)
class _Board:
    """What differs between families of processors.

    Attributes:
        memory: parts of it, as the linker has them; `code` is where code goes.
        start: C and assembler that call `run` with the floating-point unit on, which its first
            instructions may need, and say what `host`, `begin` and `ticks` are.
        stack: the instruction that copies the stack pointer.
    """

    memory: str
    code: str
    start: str
    stack: str


_CORTEX = _Board(
    "FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M\n  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M",
    "FLASH",
    """\
void reset(void) {
  *(volatile unsigned *)0xE000ED88 |= 0xF << 20; /* the floating-point unit on */
  __asm__ volatile("dsb\\n isb");
  run();
}

static void tick(void);
__attribute__((section(".first"), used))
static void *const vectors[16] = {stack_top, (void *)reset, [15] = (void *)tick};

static int host(int call, const void *argument) {
  register int r0 __asm__("r0") = call;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

/* The timer counts 24 bits down, again and again, and calls `tick` at 0. */
static volatile unsigned *const timer = (unsigned *)0xE000E010;
static volatile unsigned turns;
static void tick(void) { turns++; }

static void begin(void) {
  turns = 0, timer[1] = 0xFFFFFF, timer[2] = 0, timer[0] = 7;
}

/* In QEMU 40 instructions; on most boards a cycle. */
enum { TICK = 40 };
static unsigned ticks(void) {
  unsigned high, low;
  do high = turns, low = timer[2]; while (high != turns);
  return (high << 24) - ((low - 1) & 0xFFFFFF);
}
""",
    "mov %0, sp",
)

_RISCV = _Board(
    "CODE (rx) : ORIGIN = 0x80000000, LENGTH = 64M\n  RAM (rwx) : ORIGIN = 0x84000000, LENGTH = 8M",
    "CODE",
    """\
__asm__(
    ".section .first, \\"ax\\"\\n"
    ".option push\\n.option norelax\\n.option norvc\\n"
    ".globl reset\\n"
    "reset: la sp, stack_top\\n"
    "  li t0, 0x2000\\n" /* the floating-point unit on */
    "  csrs mstatus, t0\\n"
    "  j run\\n"
    ".balign 16\\n"
    "host: slli zero, zero, 0x1f\\n"
    "  ebreak\\n"
    "  srai zero, zero, 7\\n"
    "  ret\\n"
    ".option pop\\n"
    ".text\\n");
int host(int call, const void *argument);

static void begin(void) {}

enum { TICK = 1 };
static unsigned ticks(void) {
  unsigned count;
  __asm__ volatile("csrr %0, minstret" : "=r"(count));
  return count;
}
""",
    "mv %0, sp",
)

#: By what triples begin with.
_BOARDS = {"thumbv7em": _CORTEX, "riscv32": _RISCV}

_LINKER = """\
/* The memory of QEMU's {name}. */
ENTRY(reset)
MEMORY {{
  {memory}
}}
SECTIONS {{
  .text : {{ KEEP(*(.first)) *(.text*) *(.rodata* .srodata*) }} > {code}
  .ARM.exidx : {{ *(.ARM.exidx*) }} > {code}
  .data : {{ *(.data* .sdata*) }} > RAM
  .bss : {{ *(.bss* .sbss*) *(COMMON) . = ALIGN(16); }} > RAM
  memory_end = .;
  stack_top = ORIGIN(RAM) + LENGTH(RAM);
}}
"""

_PROGRAM = """\
/* Runs {name} without a system and without a C library, and compares the result:
{build}
{run} */
#include "{name}.h"

extern unsigned stack_top[], memory_end[];
{weights}
{declared}

__attribute__((noinline, used)) void run(void);
{start}
static void put(const char *text, unsigned number) {{
  char digits[12];
  int i = 11;
  for (digits[i] = 0; number || i == 11; number /= 10) digits[--i] = '0' + number % 10;
  host(4, text), host(4, digits + i);
}}

void run(void) {{
  unsigned *top, *p;
  float worst = 0;
  unsigned wrong = 0;
  begin();
  fill();
  /* What of this a run overwrites is its stack. */
  __asm__ volatile("{stack}" : "=r"(top));
  for (p = memory_end; p < top; p++) *p = 0x5A5A5A5A;
  unsigned before = ticks();
  int refused = {call};
  unsigned spent = ticks() - before;
  for (p = memory_end; p < top && *p == 0x5A5A5A5A;) p++;
{compare}
  put("worst difference (1e-9): ", (unsigned)(worst * 1e9f));
  put("  wrong numbers: ", wrong);
  put("  instructions: ", spent * TICK);
  put("  bytes of stack: ", 4 * (unsigned)(top - p));
  host(4, refused ? "  refused\\n" : "\\n");
  host(0x18, (void *)(refused || wrong ? 0x20023 : 0x20026)); /* the end, a failure or not */
  for (;;);
}}
"""

#: The weights in a file of their own become memory that is only read.
_WEIGHTS = """
__asm__(
    ".section .rodata.weights, \\"a\\"\\n"
    ".balign 64\\n"
    "weights: .incbin \\"{name}.weights\\"\\n"
    ".previous\\n");
extern const unsigned char weights[];
"""


def program(of: Contract, want: Mapping[str, Array], machine: Machine) -> str:
    """`main.c`: what starts the processor, a run, and what came of it."""
    board, name = _board(machine), of.name
    lines = textwrap.wrap(machine.command(name), 90, break_long_words=False, break_on_hyphens=False)
    return _PROGRAM.format(
        name=name,
        build=" \\\n".join(f"     {'  ' * (i > 0)}{line}" for i, line in enumerate(lines)),
        run=f"     {machine.emulator} {name}.elf",
        weights="" if of.inside else _WEIGHTS.format(name=name),
        declared="\n".join(declared(of, want)),
        start=board.start,
        stack=board.stack,
        call=call(of),
        compare="\n".join(compared(t, want[t.name], "float") for t in of.outputs),
    )


def linker_file(machine: Machine) -> str:
    """`link.ld`: where things lie in memory."""
    board, emulated = _board(machine), machine.emulator.split(" -M ")[1].split()[0]
    return _LINKER.format(name=emulated, memory=board.memory, code=board.code)


def _board(machine: Machine) -> _Board:
    return _BOARDS[machine.target.triple.split("-")[0]]
