@ Vector kernels of Armv8.1-M (Cortex-M55, M85): sixteen int8 products in one VMLADAVA.
@
@ Loads of bytes need no alignment. Lanes beyond the end of a tail-predicated loop (DLSTP, LETP) read and write nothing.

    .syntax unified
    @ The compiler's target flags do not apply to this text.
    .cpu cortex-m55

@ Fills a row of sums with biases, which are given for even columns, the first column, odd columns and the last column.
@
@ void ganlet_start(i32 *sums, const i32 *biases, u32 count)

    .section .text.ganlet_start, "ax", %progbits
    .global ganlet_start
    .type ganlet_start, %function
    .thumb_func
    .p2align 2
ganlet_start:
    push {r4, lr}
    mov r12, r0
    ldr r3, [r1]
    ldr r4, [r1, #8]
    vmov q0[2], q0[0], r3, r3
    vmov q0[3], q0[1], r4, r4
    dlstp.32 lr, r2
1:
    vstrw.32 q0, [r0], #16
    letp lr, 1b
    ldr r3, [r1, #4]
    ldr r4, [r1, #12]
    str r3, [r12]
    add r12, r12, r2, lsl #2
    str r4, [r12, #-4]
    pop {r4, pc}
    .size ganlet_start, . - ganlet_start

@ Multiplies three pairs of neighboring pixels by the weights of odd and even columns: six outputs at a time.
@
@ void ganlet_windows(const i8 *even, const i8 *odd, const i8 *pixels, i32 *sums, i32 *sums_end, u32 pixel, u32 steps)
@ Adds `steps` * 16 products to each sum. The next three pairs begin three pixels later.

    .section .text.ganlet_windows, "ax", %progbits
    .global ganlet_windows
    .type ganlet_windows, %function
    .thumb_func
    .p2align 2
ganlet_windows:
    push {r4-r11, lr}
    mov r7, r0
    mov r9, r1
    mov r1, r2
    mov lr, r3
    ldr r5, [sp, #40]
    ldr r11, [sp, #44]
    add r12, r5, r5, lsl #1
    sub r12, r12, r11, lsl #4
    add r3, r1, r5
    add r5, r5, r3
1:
    @ The pixel's length is not needed any more.
    str lr, [sp, #40]
    ldm lr, {r0, r2, r4, r6, r8, r10}
    dls lr, r11
2:
    vldrb.u8 q0, [r7], #16
    vldrb.u8 q1, [r9], #16
    vldrb.u8 q2, [r1], #16
    vmladava.s8 r0, q2, q1
    vmladava.s8 r2, q2, q0
    vldrb.u8 q3, [r3], #16
    vmladava.s8 r4, q3, q1
    vmladava.s8 r6, q3, q0
    vldrb.u8 q2, [r5], #16
    vmladava.s8 r8, q2, q1
    vmladava.s8 r10, q2, q0
    le lr, 2b
    sub r7, r7, r11, lsl #4
    sub r9, r9, r11, lsl #4
    add r1, r12
    add r3, r12
    add r5, r12
    ldr lr, [sp, #40]
    stm lr!, {r0, r2, r4, r6, r8, r10}
    ldr r0, [sp, #36]
    cmp lr, r0
    bne 1b
    pop {r4-r11, pc}
    .size ganlet_windows, . - ganlet_windows

@ Does the same for one pair of pixels: two outputs.
@
@ void ganlet_window(const i8 *even, const i8 *odd, const i8 *pixels, i32 *sums, u32 steps)

    .section .text.ganlet_window, "ax", %progbits
    .global ganlet_window
    .type ganlet_window, %function
    .thumb_func
    .p2align 2
ganlet_window:
    push {r4, r6, r7, lr}
    ldr r12, [sp, #16]
    ldm r3, {r4, r6}
    dls lr, r12
1:
    vldrb.u8 q2, [r2], #16
    vldrb.u8 q1, [r1], #16
    vmladava.s8 r4, q2, q1
    vldrb.u8 q0, [r0], #16
    vmladava.s8 r6, q2, q0
    le lr, 1b
    stm r3, {r4, r6}
    pop {r4, r6, r7, pc}
    .size ganlet_window, . - ganlet_window

@ Computes the first and the last column: one pixel times the weights of each.
@
@ void ganlet_edges(const i8 *a0, const i8 *w0, const i8 *a1, const i8 *w1, u32 count, i32 *first, i32 *last)

    .section .text.ganlet_edges, "ax", %progbits
    .global ganlet_edges
    .type ganlet_edges, %function
    .thumb_func
    .p2align 2
ganlet_edges:
    push {r4-r6, lr}
    ldr r12, [sp, #16]
    ldr r4, [sp, #20]
    ldr r6, [sp, #24]
    ldr r4, [r4]
    ldr r6, [r6]
    dlstp.8 lr, r12
1:
    vldrb.u8 q0, [r0], #16
    vldrb.u8 q1, [r1], #16
    vmladava.s8 r4, q0, q1
    vldrb.u8 q2, [r2], #16
    vldrb.u8 q3, [r3], #16
    vmladava.s8 r6, q2, q3
    letp lr, 1b
    ldr r0, [sp, #20]
    ldr r1, [sp, #24]
    str r4, [r0]
    str r6, [r1]
    pop {r4-r6, pc}
    .size ganlet_edges, . - ganlet_edges

@ Requantizes, adds the zero point and saturates. VRMULH is (a * b + 2^31) >> 32. Writes one value every `step` bytes.
@
@ void ganlet_finish(const i32 *sums, i8 *out, u32 step, i32 m, i32 zero_point, u32 count)

    .section .text.ganlet_finish, "ax", %progbits
    .global ganlet_finish
    .type ganlet_finish, %function
    .thumb_func
    .p2align 2
ganlet_finish:
    push {r4, lr}
    movs r4, #0
    vidup.u32 q2, r4, #1
    vdup.32 q1, r3
    vmul.i32 q2, q2, r2
    lsls r2, r2, #2
    ldr r4, [sp, #8]
    ldr r12, [sp, #12]
    dlstp.32 lr, r12
1:
    vldrw.u32 q0, [r0], #16
    vrmulh.s32 q0, q0, q1
    vadd.i32 q0, q0, r4
    vqmovnb.s32 q0, q0
    vqmovnb.s16 q0, q0
    vstrb.32 q0, [r1, q2]
    vadd.i32 q2, q2, r2
    letp lr, 1b
    pop {r4, pc}
    .size ganlet_finish, . - ganlet_finish

@ Requantizes and interpolates in a table of 257 i16.
@
@ void ganlet_table(const i32 *sums, i8 *out, u32 step, i32 m, const i16 *table, u32 count)

    .section .text.ganlet_table, "ax", %progbits
    .global ganlet_table
    .type ganlet_table, %function
    .thumb_func
    .p2align 2
ganlet_table:
    push {r4-r6, lr}
    vpush {d8-d11}
    movs r4, #0
    vidup.u32 q2, r4, #1
    vdup.32 q1, r3
    vmul.i32 q2, q2, r2
    lsls r2, r2, #2
    mov r4, #32768
    ldr r5, [sp, #48]
    ldr r12, [sp, #52]
    adds r6, r5, #2
    dlstp.32 lr, r12
1:
    vldrw.u32 q0, [r0], #16
    vrmulh.s32 q0, q0, q1
    vqmovnb.s32 q0, q0
    vmovlb.s16 q0, q0
    vadd.i32 q0, q0, r4
    vshr.u32 q3, q0, #8
    vmovlb.u8 q0, q0
    vmovlb.u16 q0, q0
    vldrh.s32 q4, [r5, q3, uxtw #1]
    vldrh.s32 q5, [r6, q3, uxtw #1]
    vsub.i32 q5, q5, q4
    vmul.i32 q5, q5, q0
    vshl.i32 q4, q4, #8
    vadd.i32 q4, q4, q5
    vrshr.s32 q4, q4, #16
    vqmovnb.s32 q4, q4
    vqmovnb.s16 q4, q4
    vstrb.32 q4, [r1, q2]
    vadd.i32 q2, q2, r2
    letp lr, 1b
    vpop {d8-d11}
    pop {r4-r6, pc}
    .size ganlet_table, . - ganlet_table

@ Like ganlet_finish, for neighboring values that have their own bias and multiplier.
@
@ void ganlet_finish_each(const i32 *sums, const i32 *biases, const i32 *scales, i8 *out, i32 zero_point, u32 count)

    .section .text.ganlet_finish_each, "ax", %progbits
    .global ganlet_finish_each
    .type ganlet_finish_each, %function
    .thumb_func
    .p2align 2
ganlet_finish_each:
    push {r4, lr}
    ldr r4, [sp, #8]
    ldr r12, [sp, #12]
    dlstp.32 lr, r12
1:
    vldrw.u32 q0, [r0], #16
    vldrw.u32 q1, [r1], #16
    vadd.i32 q0, q0, q1
    vldrw.u32 q2, [r2], #16
    vrmulh.s32 q0, q0, q2
    vadd.i32 q0, q0, r4
    vqmovnb.s32 q0, q0
    vqmovnb.s16 q0, q0
    vstrb.32 q0, [r3], #4
    letp lr, 1b
    pop {r4, pc}
    .size ganlet_finish_each, . - ganlet_finish_each

@ Multiplies values, eight at a time, by half-words of two weights, and adds to the sums of eight outputs.
@
@ void ganlet_group(const i8 *values, const i16 *weights, u32 eights, i32 *sums)
@
@ The even registers hold, for each pair of outputs, the sum of half-words and the sum of low bytes.

.macro GANLET_HALVES both low at wb
    vldrd.u64 q1, [q4, #\at]\wb
    vmladava.s16 \both, q1, q0
    vmovlb.s8 q2, q1
    vmladava.s16 \low, q2, q0
.endm

.macro GANLET_PART both low
    ldrd r5, r7, [r3]
    sub \both, \both, \low
    add r5, r5, \low
    add r7, r7, \both, asr #8
    strd r5, r7, [r3], #8
.endm

    .section .text.ganlet_group, "ax", %progbits
    .global ganlet_group
    .type ganlet_group, %function
    .thumb_func
    .p2align 2
ganlet_group:
    push {r3-r11, lr}
    vpush {d8-d9}
    mov r9, r0
    mov r11, r2
    sub r1, #64
    add r3, r1, #32
    movs r0, #0
    vdup.32 q4, r0
    vmov q4[2], q4[0], r1, r3
    @ The weights of four values are stored in the order first, third, second, fourth.
    adr r3, 3f
    vldrh.u16 q3, [r3]
    movs r2, #0
    movs r4, #0
    movs r6, #0
    mov r8, #0
    mov r10, #0
    mov r12, #0
    mov lr, #0
1:
    vldrb.s16 q0, [r9, q3]
    adds r9, #8
    GANLET_HALVES r0, r2, 64, !
    GANLET_HALVES r4, r6, 8
    GANLET_HALVES r8, r10, 16
    GANLET_HALVES r12, lr, 24
    subs r11, #1
    bne 1b
    vpop {d8-d9}
    ldr r3, [sp]
    GANLET_PART r0, r2
    GANLET_PART r4, r6
    GANLET_PART r8, r10
    GANLET_PART r12, lr
    pop {r3-r11, pc}
    .p2align 2
3:
    .short 0, 2, 1, 3, 4, 6, 5, 7
    .size ganlet_group, . - ganlet_group

@ Adds the sign-extended lower 24 bits of \hi:\lo to the next sum, and the bits above them to the sum after it.
.macro GANLET_LANES lo, hi
    sbfx r11, \lo, #0, #24
    lsr \lo, \lo, #24
    orr \lo, \lo, \hi, lsl #8
    @ A negative lower lane has borrowed from the upper one.
    sub \lo, \lo, r11, asr #31
    ldrd r6, r7, [r10]
    add r6, r11
    add r7, \lo
    strd r6, r7, [r10], #8
.endm

@ Multiplies values by words of two weights, and adds to the sums of eight outputs. Uses four 64-bit sums of two lanes each.
@
@ void ganlet_words(const i8 *values, const i32 *words, u32 fours, i32 *sums)

    .section .text.ganlet_words, "ax", %progbits
    .global ganlet_words
    .type ganlet_words, %function
    .thumb_func
    .p2align 2
ganlet_words:
    push {r4-r11, lr}
    vpush {d8-d9}
    @ Widening loads need low registers.
    mov r6, r0
    mov r7, r1
    mov r10, r3
    movs r0, #0
    movs r1, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    mov r8, r0
    mov r9, r0
    dls lr, r2
    movs r2, #0
1:
    vldrb.s32 q4, [r6], #4
    vld40.32 {q0, q1, q2, q3}, [r7]
    vld41.32 {q0, q1, q2, q3}, [r7]
    vld42.32 {q0, q1, q2, q3}, [r7]
    vld43.32 {q0, q1, q2, q3}, [r7]!
    vmlalva.s32 r0, r1, q4, q0
    vmlalva.s32 r2, r3, q4, q1
    vmlalva.s32 r4, r5, q4, q2
    vmlalva.s32 r8, r9, q4, q3
    le lr, 1b
    GANLET_LANES r0, r1
    GANLET_LANES r2, r3
    GANLET_LANES r4, r5
    GANLET_LANES r8, r9
    vpop {d8-d9}
    pop {r4-r11, pc}
    .size ganlet_words, . - ganlet_words

@ Splits words of two weights into bytes: for even and for odd columns the high weights, then the low ones.
@
@ void ganlet_split(const i32 *words, u32 eights, i8 *even, i8 *odd, u32 channels)
@ The upper half of a word is 32 times the high weight, minus one if the low weight is negative.

    .section .text.ganlet_split, "ax", %progbits
    .global ganlet_split
    .type ganlet_split, %function
    .thumb_func
    .p2align 2
ganlet_split:
    push {r4, lr}
    ldr r4, [sp, #8]
    dls lr, r1
    @ Narrowing stores need low registers.
    adds r1, r2, r4
    add r4, r3
1:
    vld40.16 {q0, q1, q2, q3}, [r0]
    vld41.16 {q0, q1, q2, q3}, [r0]
    vld42.16 {q0, q1, q2, q3}, [r0]
    vld43.16 {q0, q1, q2, q3}, [r0]!
    vrshr.s16 q1, q1, #5
    vrshr.s16 q3, q3, #5
    vstrb.16 q0, [r1], #8
    vstrb.16 q1, [r2], #8
    vstrb.16 q2, [r4], #8
    vstrb.16 q3, [r3], #8
    le lr, 1b
    pop {r4, pc}
    .size ganlet_split, . - ganlet_split
