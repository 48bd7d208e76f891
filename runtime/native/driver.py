"""The loop over the steps of a plan, and what threads need to walk it together, in LLVM IR.

Steps lie in memory as records of four words: kernel, operand table, shares, flags. Every thread of
a run walks all of them, does its share of each if it has one, and where the flag asks for it waits
until all others have come as far. The flags also say which thread has the first share.

    run(steps, count, part, parts, barrier)       the steps, as part `part` of `parts`
    launch(boxes, steps, count, parts, barrier)   gives parts 1 … parts - 1 to workers, is part 0
    work(box)                                     a worker: sleeps and runs until told to stop
    stop(box)                                     tells it

A record may be a loop over other records: instead of a kernel it names how often, which, and by
how many bytes each of their operands moves from one iteration to the next. Every thread has its own
table of these operands, filled when the loop begins and moved when an iteration ends, so that
nobody changes what another reads. The operands of a loop are those of all its records, in order;
those of a loop in a loop are among them. Threads go through a loop together, or, where its share is
one, one of them does it alone.

A thread that waits spins for a while (the others are usually microseconds away), now and then
giving way to one that may need this very processor; then it sleeps: on a futex on Linux, in short
naps elsewhere. What is waited for is always that a word leaves a known value. Who sleeps first
counts itself as a sleeper and then looks at the word again; who changes the word looks for sleepers
afterwards; both in the one order that all threads see (`seq_cst`), so nobody sleeps through.
"""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass

from graphcnn.runtime.native.code.jit import cached_object, check_runnable, load
from graphcnn.runtime.native.code.target import Target

#: A step is so many words of so many bytes: kernel, operand table, shares, flags.
STEP_WORDS, WORD = 4, 8
#: Flag of a step: wait for all threads before it.
BARRIER = 1
#: Flag of a step: it is a loop, and its first word points to what it is.
LOOP = 2
#: Times the number of the thread that has the first share, the next one having the second.
FIRST = 4

#: A loop: iterations, records, their number, operands, strides of these in bytes, own tables of
#: the threads, bytes of one such table.
LOOP_WORDS = 7

#: A barrier: threads that have come, epoch, sleepers, spins; i32, each in a cache line of its own.
BARRIER_BYTES, BARRIER_SPINS = 256, 192
#: A worker's box: ticket, sleeping, stop, spins (i32); steps, count, part, parts, barrier.
BOX_BYTES, BOX_SPINS = 128, 12

_ENTRIES = ("run", "launch", "work", "stop")

_TEXT = """
target triple = "{triple}"

define internal void @await(ptr %word, i32 %old, ptr %sleepers, i32 %spins) noinline {{
entry:
  br label %look
look:
  %left = phi i32 [ %spins, %entry ], [ %fewer, %spin ], [ %fewer, %polite ]
  %now = load atomic i32, ptr %word acquire, align 4
  %changed = icmp ne i32 %now, %old
  br i1 %changed, label %done, label %patience
patience:
  %out = icmp sle i32 %left, 0
  br i1 %out, label %bed, label %spin
spin:
  {pause}
  %fewer = sub i32 %left, 1
  %low = and i32 %fewer, 63
  %often = icmp eq i32 %low, 0
  br i1 %often, label %polite, label %look
polite:
  {give_way}
  br label %look
bed:
  %counted = atomicrmw add ptr %sleepers, i32 1 seq_cst
  br label %again
again:
  %late = load atomic i32, ptr %word seq_cst, align 4
  %moved = icmp ne i32 %late, %old
  br i1 %moved, label %up, label %sleep
sleep:
  {sleep}
  br label %again
up:
  %gone = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %done
done:
  ret void
}}

define internal void @advance(ptr %word, ptr %sleepers) {{
  %before = atomicrmw add ptr %word, i32 1 seq_cst
  %asleep = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp ne i32 %asleep, 0
  br i1 %any, label %call, label %done
call:
  {wake}
  br label %done
done:
  ret void
}}

define internal void @meet(ptr %barrier, i64 %parts) {{
  %word = getelementptr i8, ptr %barrier, i64 64
  %sleepers = getelementptr i8, ptr %barrier, i64 128
  %epoch = load atomic i32, ptr %word seq_cst, align 4
  %come = atomicrmw add ptr %barrier, i32 1 seq_cst
  %all = trunc i64 %parts to i32
  %mine = add i32 %come, 1
  %last = icmp eq i32 %mine, %all
  br i1 %last, label %open, label %wait
open:
  store atomic i32 0, ptr %barrier seq_cst, align 4
  call void @advance(ptr %word, ptr %sleepers)
  ret void
wait:
  %spins_at = getelementptr i8, ptr %barrier, i64 192
  %spins = load i32, ptr %spins_at
  call void @await(ptr %word, i32 %epoch, ptr %sleepers, i32 %spins)
  ret void
}}

define internal void @walk(ptr %steps, i64 %count, i64 %base, i64 %part, i64 %parts,
                           ptr %barrier) {{
entry:
  %alone = icmp eq i64 %parts, 1
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %tail ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %step, label %done
step:
  %record = getelementptr [4 x i64], ptr %steps, i64 %i
  %kernel = load ptr, ptr %record
  %table_at = getelementptr i64, ptr %record, i64 1
  %from = load i64, ptr %table_at
  %place = add i64 %from, %base
  %table = inttoptr i64 %place to ptr
  %flags_at = getelementptr i64, ptr %record, i64 3
  %flags = load i64, ptr %flags_at
  br i1 %alone, label %free, label %shared
shared:
  %flag = and i64 %flags, 1
  %must = icmp ne i64 %flag, 0
  br i1 %must, label %barred, label %free
barred:
  call void @meet(ptr %barrier, i64 %parts)
  br label %free
free:
  %kind = and i64 %flags, 2
  %again = icmp ne i64 %kind, 0
  br i1 %alone, label %whole, label %divided
whole:
  br i1 %again, label %loop_alone, label %once
once:
  call void %kernel(ptr %table, i64 0, i64 1)
  br label %tail
loop_alone:
  call void @loop(ptr %kernel, ptr %table, i64 0, i64 1, ptr %barrier)
  br label %tail
divided:
  %units_at = getelementptr i64, ptr %record, i64 2
  %units = load i64, ptr %units_at
  %together = icmp ne i64 %units, 1
  %loops = and i1 %again, %together
  br i1 %loops, label %loop_together, label %some
loop_together:
  call void @loop(ptr %kernel, ptr %table, i64 %part, i64 %parts, ptr %barrier)
  br label %tail
some:
  %fewer = icmp slt i64 %units, %parts
  %shares = select i1 %fewer, i64 %units, i64 %parts
  %first = lshr i64 %flags, 2
  %after = sub i64 %part, %first
  %around = add i64 %after, %parts
  %before = icmp slt i64 %after, 0
  %own = select i1 %before, i64 %around, i64 %after
  %mine = icmp slt i64 %own, %shares
  br i1 %mine, label %share, label %tail
share:
  br i1 %again, label %loop_alone, label %part_of
part_of:
  call void %kernel(ptr %table, i64 %own, i64 %shares)
  br label %tail
tail:
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}}

define internal void @loop(ptr %about, ptr %table, i64 %part, i64 %parts, ptr %barrier) {{
entry:
  %times = load i64, ptr %about
  %records_at = getelementptr i64, ptr %about, i64 1
  %records = load ptr, ptr %records_at
  %count_at = getelementptr i64, ptr %about, i64 2
  %count = load i64, ptr %count_at
  %operands_at = getelementptr i64, ptr %about, i64 3
  %operands = load i64, ptr %operands_at
  %strides_at = getelementptr i64, ptr %about, i64 4
  %strides = load ptr, ptr %strides_at
  %tables_at = getelementptr i64, ptr %about, i64 5
  %tables = load ptr, ptr %tables_at
  %bytes_at = getelementptr i64, ptr %about, i64 6
  %bytes = load i64, ptr %bytes_at
  %skipped = mul i64 %bytes, %part
  %own = getelementptr i8, ptr %tables, i64 %skipped
  %base = ptrtoint ptr %own to i64
  br label %fill
fill:
  %f = phi i64 [ 0, %entry ], [ %f_next, %fill_one ]
  %unfilled = icmp slt i64 %f, %operands
  br i1 %unfilled, label %fill_one, label %head
fill_one:
  %given_at = getelementptr i64, ptr %table, i64 %f
  %given = load i64, ptr %given_at
  %filled_at = getelementptr i64, ptr %own, i64 %f
  store i64 %given, ptr %filled_at
  %f_next = add i64 %f, 1
  br label %fill
head:
  %t = phi i64 [ 0, %fill ], [ %t_next, %move ]
  %more = icmp slt i64 %t, %times
  br i1 %more, label %iteration, label %done
iteration:
  call void @walk(ptr %records, i64 %count, i64 %base, i64 %part, i64 %parts, ptr %barrier)
  %t_next = add i64 %t, 1
  br label %move
move:
  %m = phi i64 [ 0, %iteration ], [ %m_next, %move_one ]
  %unmoved = icmp slt i64 %m, %operands
  br i1 %unmoved, label %move_one, label %head
move_one:
  %stride_at = getelementptr i64, ptr %strides, i64 %m
  %stride = load i64, ptr %stride_at
  %moved_at = getelementptr i64, ptr %own, i64 %m
  %old = load i64, ptr %moved_at
  %new = add i64 %old, %stride
  store i64 %new, ptr %moved_at
  %m_next = add i64 %m, 1
  br label %move
done:
  ret void
}}

define void @run(ptr %steps, i64 %count, i64 %part, i64 %parts, ptr %barrier) {{
entry:
  call void @walk(ptr %steps, i64 %count, i64 0, i64 %part, i64 %parts, ptr %barrier)
  %alone = icmp eq i64 %parts, 1
  br i1 %alone, label %done, label %last
last:
  call void @meet(ptr %barrier, i64 %parts)
  br label %done
done:
  ret void
}}

define void @launch(ptr %boxes, ptr %steps, i64 %count, i64 %parts, ptr %barrier) {{
entry:
  br label %head
head:
  %part = phi i64 [ 1, %entry ], [ %next, %post ]
  %more = icmp slt i64 %part, %parts
  br i1 %more, label %post, label %run
post:
  %before = sub i64 %part, 1
  %box = getelementptr [128 x i8], ptr %boxes, i64 %before
  %steps_at = getelementptr i8, ptr %box, i64 16
  store ptr %steps, ptr %steps_at
  %count_at = getelementptr i8, ptr %box, i64 24
  store i64 %count, ptr %count_at
  %part_at = getelementptr i8, ptr %box, i64 32
  store i64 %part, ptr %part_at
  %parts_at = getelementptr i8, ptr %box, i64 40
  store i64 %parts, ptr %parts_at
  %barrier_at = getelementptr i8, ptr %box, i64 48
  store ptr %barrier, ptr %barrier_at
  %sleeping = getelementptr i8, ptr %box, i64 4
  call void @advance(ptr %box, ptr %sleeping)
  %next = add i64 %part, 1
  br label %head
run:
  call void @run(ptr %steps, i64 %count, i64 0, i64 %parts, ptr %barrier)
  ret void
}}

define void @work(ptr %box) {{
entry:
  %sleeping = getelementptr i8, ptr %box, i64 4
  %stop_at = getelementptr i8, ptr %box, i64 8
  %spins_at = getelementptr i8, ptr %box, i64 12
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %ticket, %job ]
  %spins = load i32, ptr %spins_at
  call void @await(ptr %box, i32 %seen, ptr %sleeping, i32 %spins)
  %ticket = add i32 %seen, 1
  %stop = load atomic i32, ptr %stop_at seq_cst, align 4
  %ended = icmp ne i32 %stop, 0
  br i1 %ended, label %done, label %job
job:
  %steps_at = getelementptr i8, ptr %box, i64 16
  %steps = load ptr, ptr %steps_at
  %count_at = getelementptr i8, ptr %box, i64 24
  %count = load i64, ptr %count_at
  %part_at = getelementptr i8, ptr %box, i64 32
  %part = load i64, ptr %part_at
  %parts_at = getelementptr i8, ptr %box, i64 40
  %parts = load i64, ptr %parts_at
  %barrier_at = getelementptr i8, ptr %box, i64 48
  %barrier = load ptr, ptr %barrier_at
  call void @run(ptr %steps, i64 %count, i64 %part, i64 %parts, ptr %barrier)
  br label %idle
done:
  ret void
}}

define void @stop(ptr %box) {{
  %stop_at = getelementptr i8, ptr %box, i64 8
  store atomic i32 1, ptr %stop_at seq_cst, align 4
  %sleeping = getelementptr i8, ptr %box, i64 4
  call void @advance(ptr %box, ptr %sleeping)
  ret void
}}
{declarations}
"""

_WAIT, _WAKE, _ALL = 128, 129, 2**31 - 1  # both private to the process

_NAP = 200  # microseconds, where there is no futex


_POINTER, _WORD = ctypes.c_void_p, ctypes.c_int64
_KINDS = {
    "run": (_POINTER, _WORD, _WORD, _WORD, _POINTER),
    "launch": (_POINTER, _POINTER, _WORD, _WORD, _POINTER),
    "work": (_POINTER,),
    "stop": (_POINTER,),
}


@dataclass(frozen=True)
class Driver:
    """The functions. The interpreter's lock is released while one runs.

    `sleeps`: threads can be used; on Windows nothing to sleep with is known here.
    """

    run: Callable[..., None]
    launch: Callable[..., None]
    work: Callable[..., None]
    stop: Callable[..., None]
    sleeps: bool


@functools.cache
def driver(target: Target) -> Driver:
    """The functions for a processor that this machine has."""
    check_runnable(target)
    text = driver_text(target)
    addresses = load([cached_object(text, lambda: text, target)], *_KINDS)
    run, launch, work, stop = (
        ctypes.CFUNCTYPE(None, *kinds)(address)
        for kinds, address in zip(_KINDS.values(), addresses, strict=True)
    )
    return Driver(run, launch, work, stop, target.sleeps)


def driver_text(target: Target) -> str:
    """The LLVM IR for a processor and its operating system."""
    declarations, sleep, wake = [], "", ""
    if "@" in target.pause:
        declarations.append(target.pause.replace("call", "declare", 1))
    if target.futex is not None:
        declarations.append("declare i64 @syscall(i64, ...)")
        call = f"call i64 (i64, ...) @syscall(i64 {target.futex}, ptr %word,"
        sleep = f"%slept = zext i32 %old to i64\n  {call} i64 {_WAIT}, i64 %slept, ptr null)"
        wake = f"{call} i64 {_WAKE}, i64 {_ALL})"
    elif target.posix:
        declarations.append("declare i32 @usleep(i32)")
        sleep = f"call i32 @usleep(i32 {_NAP})"
    if target.posix:
        declarations.append("declare i32 @sched_yield()")
    return _TEXT.format(
        triple=target.triple,
        pause=target.pause,
        give_way="call i32 @sched_yield()" if target.posix else "",
        sleep=sleep,
        wake=wake,
        declarations="\n".join(declarations),
    )
