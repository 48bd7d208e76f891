"""For a microcontroller without a system: a trial of the network in an emulator.

    arm-none-eabi-gcc … main.c NAME.o -T link.ld -nostdlib -o NAME.elf
    qemu-system-arm -M mps2-an386 -nographic -semihosting -icount shift=0 -kernel NAME.elf

With `-icount shift=0` an instruction takes a nanosecond, of which the timer, at 25 MHz, counts
every fortieth: so instructions are counted without hardware. Words go out by semihosting.

Sources: Arm, "Armv7-M Architecture Reference Manual", B1.5 (vector table), B3.3 (SysTick) and
B3.2.20 (CPACR); "Semihosting for AArch32 and AArch64"; QEMU's documentation of mps2-an386.
"""

from collections.abc import Mapping

from graphcnn.exchange.building.c_files import declared
from graphcnn.exchange.building.contract import Contract
from graphcnn.ir.node import Array

LINKER = """\
/* The memory of QEMU's mps2-an386 and -an500. */
ENTRY(reset)
MEMORY {
  FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
}
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .data : { *(.data*) } > RAM
  .bss : { *(.bss*) *(COMMON) } > RAM
  stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""

_PROGRAM = """\
/* Runs {name} on a microcontroller or in QEMU, without a C library, and compares the result:
{build}
     {run} */
#include "{name}.h"

void reset(void);
extern unsigned char stack_top[];
__attribute__((section(".vectors"), used))
static void *const vectors[2] = {{stack_top, (void *)reset}};

{declared}

/* Semihosting: the debugger, or QEMU, does what is asked for. */
static int host(int call, const void *argument) {{
  register int r0 __asm__("r0") = call;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}}

static void put(const char *text) {{ host(4, text); }}

static void put_number(unsigned number) {{
  char digits[12];
  int i = 11;
  for (digits[i] = 0; number || i == 11; number /= 10) digits[--i] = '0' + number % 10;
  put(digits + i);
}}

void reset(void) {{
  *(volatile unsigned *)0xE000ED88 |= 0xF << 20; /* the floating-point unit on */
  __asm__ volatile("dsb\\n isb");
  volatile unsigned *timer = (unsigned *)0xE000E010;
  timer[1] = 0xFFFFFF, timer[2] = 0, timer[0] = 5;
  fill();
  unsigned before = timer[2];
  int failed = {name}_run({arguments});
  unsigned after = timer[2];
  float worst = 0;
{compare}  put("worst difference (1e-9): "), put_number((unsigned)(worst * 1e9f));
  put("  instructions: "), put_number(((before - after) & 0xFFFFFF) * 40);
  put(failed ? "  refused\\n" : "\\n");
  host(0x18, (void *)0x20026);
  for (;;);
}}
"""


def program(of: Contract, want: Mapping[str, Array], compiler: str) -> str:
    """`main.c` for a Cortex-M: vectors, what starts it, a run, and what came of it."""
    arguments = ", ".join([*(t.name for t in (*of.inputs, *of.outputs)), "arena"])
    compare = "".join(
        f"  for (int i = 0; i < {len(want[t.name])}; i++) {{\n"
        f"    float d = (float){t.name}[i] - (float)want_{t.name}[i];\n"
        "    if (d < 0) d = -d;\n"
        "    if (!(d <= worst)) worst = d;\n"
        "  }\n"
        for t in of.outputs
    )
    board = "mps2-an500" if of.machine == "cortex-m7" else "mps2-an386"
    return _PROGRAM.format(
        name=of.name,
        build=f"     {compiler} \\\n       -T link.ld -ffreestanding -nostdlib",
        run=f"qemu-system-arm -M {board} -nographic -semihosting -icount shift=0 "
        f"-kernel {of.name}.elf",
        declared="\n".join(declared(of, want)),
        arguments=arguments,
        compare=compare,
    )
