@ Multiplies four packed pixels of up to two rows by the words of one output channel. Empties the lanes before they overflow.
@
@ void ganlet_quad(Double *row); advances the pixel pointers of `row` by four pixels
@
@ r0 pixels, r1 words, r4-r11 the four 64-bit accumulators; the rest is temporary.
@ Stack: 0 row, 4 steps left in this tap row, 8 steps until the lanes must be emptied, 12 iterations left, 16 whether the second
@ tap row was started.

    .syntax unified

@ Offsets of the fields of `Double` (armv7m.rs).
    .equ LEFT, 72
    .equ ODD, 76
    .equ LAST, 80
    .equ HELD_AT, 84
    .equ AT, 88
    .equ EACH, 92
    .equ PIXELS, 96
    .equ W, 104
    .equ CHANNELS, 108
    .equ EVEN_WEIGHTS, 112
    .equ ODD_WEIGHTS, 116
    .equ C_IN, 120
    .equ SCRATCH, 124
    .equ SKIPPED, 128
    .equ BIASES, 132
    .equ MULTIPLIERS, 136
    .equ OUT, 140
    .equ OUT_STEP, 144
    .equ PACKED, 148
    .equ VALUES, 152
    .equ SUMS, 188
    .equ MULTIPLIER, 252
    .equ BYTES, 284

.macro GANLET_FINISH x
    GANLET_SCALE \x
    ssat \x, #8, \x
.endm

.macro GANLET_STEP
    ldrd r2, r3, [r0], #8
    ldrd r12, lr, [r1], #8
    smlal r4, r5, r2, r12
    smlal r6, r7, r2, lr
    smlal r8, r9, r3, r12
    smlal r10, r11, r3, lr
.endm

@ Adds the three lanes of an accumulator to the sums at r12.
.macro GANLET_EMPTY lo hi
    sbfx r2, \lo, #0, #21
    subs \lo, \lo, r2
    sbc \hi, \hi, r2, asr #31
    lsr \lo, \lo, #21
    orr \lo, \lo, \hi, lsl #11
    sbfx r3, \lo, #0, #21
    asr \hi, \hi, #10
    sub \hi, \hi, r3, asr #31
    ldrd \lo, lr, [r12]
    add \lo, \lo, r2
    add lr, lr, r3
    ldr r2, [r12, #8]
    strd \lo, lr, [r12], #8
    add r2, r2, \hi
    str r2, [r12], #4
.endm

    .section .text.ganlet_quad, "ax", %progbits
    .global ganlet_quad
    .type ganlet_quad, %function
    .thumb_func
    .p2align 2
ganlet_quad:
    push {r4-r11, lr}
    sub sp, #20
    mov r12, r0
    str r0, [sp]
    movs r4, #0
    str r4, [sp, #16]
    ldrd r0, r2, [r12]
    ldr r1, [r12, #16]
    ldr r3, [r12, #20]
    movs r5, #0
    movs r6, #0
    movs r7, #0
    mov r8, #0
    mov r9, #0
    mov r10, #0
    mov r11, #0
    add r12, #24
    stm r12!, {r4-r11}
    stm r12, {r4-r7}
@ The number of steps is the smaller of r2 (left in the row) and r3 (room in the lanes).
1:
    cmp r2, r3
    ite ls
    movls r12, r2
    movhi r12, r3
    sub r2, r12
    sub r3, r12
    strd r2, r3, [sp, #4]
    add r3, r12, #7
    lsrs r3, r3, #3
    str r3, [sp, #12]
    rsb r2, r12, #0
    and r2, r2, #7
    add r2, r2, r2, lsl #1
    @ Each step is 24 bytes of code. The first iteration jumps past the steps that it skips.
    adr r3, 2f
    add r3, r3, r2, lsl #3
    mov pc, r3
    .p2align 2
2:
    .rept 8
    GANLET_STEP
    .endr
    ldr r2, [sp, #12]
    subs r2, #1
    str r2, [sp, #12]
    bne.w 2b
    ldrd r2, r3, [sp, #4]
    cbz r3, 4f
@ The lanes have room left, so the row has ended. Continue with the second row, unless this was the second.
    ldr r2, [sp, #16]
    cbnz r2, 4f
    ldr r12, [sp]
    ldr r0, [r12, #8]
    ldr r2, [r12, #12]
    movs r12, #1
    str r12, [sp, #16]
    cmp r2, #0
    bne.w 1b
4:
    ldr r12, [sp]
    add r12, #24
    GANLET_EMPTY r4, r5
    GANLET_EMPTY r6, r7
    GANLET_EMPTY r8, r9
    GANLET_EMPTY r10, r11
    ldr r2, [sp, #4]
    ldr r12, [sp]
    cbnz r2, 5f
    ldr r3, [sp, #16]
    cbnz r3, 6f
    movs r3, #1
    str r3, [sp, #16]
    ldr r0, [r12, #8]
    ldr r2, [r12, #12]
    cbz r2, 6f
5:
    ldr r3, [r12, #20]
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    mov r8, #0
    mov r9, #0
    mov r10, #0
    mov r11, #0
    b 1b
6:
    ldrd r0, r1, [r12]
    ldr r2, [r12, #8]
    add r0, r0, r1, lsl #3
    add r2, r2, r1, lsl #3
    str r0, [r12]
    str r2, [r12, #8]
    @ If one to three pixels are left, these lanes include the last column, which has its own bias.
    ldr r2, [r12, #LEFT]
    cmp r2, #4
    bhs 8f
    ldrd r0, r1, [r12, #ODD]
    sub r1, r0
    cmp r2, #2
    add r0, r12, #40
    it eq
    addeq r0, #4
    it hi
    addhi r0, #24
    ldr r2, [r0]
    add r1, r2
    str r1, [r0]
8:
    add sp, #20
    pop {r4-r11, pc}
    .size ganlet_quad, . - ganlet_quad

@ Unpacks the compact weights of one output channel to words: for each step one for even and one for odd columns, each with a
@ low and a high weight.
@
@ void ganlet_unpack(const i8 *even, const i8 *odd, u32 channels, i32 *words)

.macro GANLET_UNPACK
    ldrsb r4, [r0, r2]
    ldrsb r5, [r0], #1
    ldrsb r6, [r1, r2]
    ldrsb r7, [r1], #1
    add r4, r4, r5, lsl #21
    add r6, r6, r7, lsl #21
    strd r4, r6, [r3], #8
.endm

    .section .text.ganlet_unpack, "ax", %progbits
    .global ganlet_unpack
    .type ganlet_unpack, %function
    .thumb_func
    .p2align 2
ganlet_unpack:
    push {r4-r8, lr}
    movs r8, #2
1:
    ands r12, r2, #7
    beq 3f
2:
    GANLET_UNPACK
    subs r12, #1
    bne 2b
3:
    lsrs r12, r2, #3
    beq 5f
4:
    .rept 8
    GANLET_UNPACK
    .endr
    subs r12, #1
    bne 4b
5:
    @ Skip the low weights, which follow the high ones, to the next tap row.
    add r0, r2
    add r1, r2
    subs r8, #1
    bne 1b
    pop {r4-r8, pc}
    .size ganlet_unpack, . - ganlet_unpack

@ Computes a row of a doubling layer, channel by channel: products, then values, eight columns at a time.
@
@ void ganlet_double(Double *row): the struct of this name in armv7m.rs.
@
@ r4 row, r5 multiplier, r6 zero point, r7 and r8 biases of even and odd columns, r9 and r10 contribution of earlier pixels
@ to the next odd and even column, r11 the value that waits for its right neighbor.

    .section .text.ganlet_double, "ax", %progbits
    .global ganlet_double
    .type ganlet_double, %function
    .thumb_func
    .p2align 2
ganlet_double:
    push {r3-r11, lr}
    mov r4, r0
    add r0, r4, #SUMS+32
    add r1, r4, #MULTIPLIER
    strd r0, r1, [r4, #VALUES+4]
1:
    ldrd r0, r1, [r4, #EVEN_WEIGHTS]
    ldrd r2, r3, [r4, #C_IN]
    cbz r0, 2f
    add r5, r0, r2, lsl #2
    add r6, r1, r2, lsl #2
    strd r5, r6, [r4, #EVEN_WEIGHTS]
    mov r5, r3
    bl ganlet_unpack
    b 3f
2:
    add r5, r1, r2, lsl #4
    str r5, [r4, #ODD_WEIGHTS]
    mov r5, r1
3:
    ldrd r0, r1, [r4, #SKIPPED]
    add r5, r0
    str r5, [r4, #16]
    add r0, r1, #64
    str r0, [r4, #BIASES]
    ldm r1, {r0-r3}
    mov r7, r0
    mov r10, r1
    mov r8, r2
    mov r9, r2
    strd r2, r3, [r4, #ODD]
    ldrd r0, r1, [r4, #MULTIPLIERS]
    ldr r5, [r0], #4
    ldr r2, [r4, #OUT_STEP]
    str r1, [r4, #AT]
    add r1, r2
    strd r0, r1, [r4, #MULTIPLIERS]
    ldr r6, [r4, #VALUES+20]
    ldrd r0, r1, [r4, #PIXELS]
    str r0, [r4]
    str r1, [r4, #8]
    ldr r0, [r4, #W]
    str r0, [r4, #LEFT]
    add r0, r4, #SUMS
    str r0, [r4, #HELD_AT]
    movs r11, #0
    ldr r0, [r4, #PACKED]
    cmp r0, #1
    bne.w 6f
4:
    mov r0, r4
    bl ganlet_quad
    add r12, r4, #24
    ldm r12!, {r0-r3}
    add r10, r0
    add r9, r3
    add r1, r7
    add r2, r7
    GANLET_FINISH r9
    GANLET_FINISH r10
    GANLET_FINISH r1
    ldr r0, [r4, #HELD_AT]
    add r9, r11, r9, lsl #21
    str r9, [r0]
    ldm r12!, {r0, r3, r9, r11}
    add r0, r8
    GANLET_FINISH r0
    add r2, r9
    add r0, r10, r0, lsl #21
    ldr r10, [r4, #AT]
    str r0, [r10]
    GANLET_FINISH r2
    add r11, r7
    GANLET_FINISH r11
    add r3, r8
    ldm r12, {r0, r9, r12, lr}
    add r3, r9
    add r9, lr, r8
    GANLET_FINISH r3
    add r12, r8
    GANLET_FINISH r12
    add r3, r1, r3, lsl #21
    add r12, r2, r12, lsl #21
    ldr r1, [r4, #EACH]
    ldr r2, [r4, #LEFT]
    cmp r2, #1
    it hi
    strhi r3, [r10, #4]
    cmp r2, #2
    it hi
    strhi r12, [r10, r1]
    add r3, r10, r1
    adds r3, #4
    add r10, r10, r1, lsl #1
    strd r3, r10, [r4, #HELD_AT]
    add r10, r0, r7
    subs r2, #4
    str r2, [r4, #LEFT]
    bhi 4b
    @ If the width is a multiple of four, the last column has not been written yet.
    bne 5f
    ldr r0, [r4, #LAST]
    subs r0, r0, r8
    add r9, r0
    GANLET_FINISH r9
    add r9, r11, r9, lsl #21
    ldr r0, [r4, #HELD_AT]
    str r9, [r0]
5:
    ldr r0, [r4, #CHANNELS]
    subs r0, #1
    str r0, [r4, #CHANNELS]
    bne.w 1b
    pop {r3-r11, pc}

@ Values of a plain row, or from a table: they are written as bytes first.
6:
    add r12, r4, #MULTIPLIER
    movs r0, #8
7:
    str r5, [r12], #4
    subs r0, #1
    bne 7b
    @ The first column lies before the row. In packed rows it is written to a place that is never read.
    ldr r11, [r4, #PACKED]
    cmp r11, #0
    itte eq
    ldreq r0, [r4, #AT]
    moveq r11, #4
    addne r0, r4, #BYTES+1
    it ne
    movne r11, #0
    str r0, [r4, #VALUES+12]
8:
    mov r0, r4
    bl ganlet_quad
    add r12, r4, #24
    ldm r12!, {r0-r3}
    add r9, r3
    add r10, r0
    add r1, r7
    add r2, r7
    strd r9, r10, [r4, #SUMS]
    str r1, [r4, #SUMS+12]
    ldm r12!, {r0, r3}
    add r0, r8
    str r0, [r4, #SUMS+8]
    add r3, r8
    ldm r12!, {r0, r1, r10}
    add r2, r0
    add r1, r7
    add r10, r7
    str r1, [r4, #SUMS+28]
    ldm r12, {r0, r1, r9}
    add r3, r0
    add r1, r8
    add r9, r8
    strd r3, r2, [r4, #SUMS+16]
    str r1, [r4, #SUMS+24]
    ldr r5, [r4, #LEFT]
    lsl r2, r5, #1
    adds r2, #1
    cmp r2, #8
    it hi
    movhi r2, #8
    bl 11f
    subs r5, #4
    str r5, [r4, #LEFT]
    bhi 8b
    bne 5b
    ldr r0, [r4, #LAST]
    subs r0, r0, r8
    add r9, r0
    str r9, [r4, #SUMS]
    movs r2, #1
    movs r5, #0
    bl 11f
    b 5b

@ Requantizes and writes the first r2 sums, except the first r11 / 4. r5 pixels are left.
11:
    push {r3, lr}
    add r0, r4, #SUMS
    add r0, r11
    str r0, [r4, #VALUES]
    sub r2, r2, r11, lsr #2
    str r2, [r4, #VALUES+16]
    movs r11, #0
    add r0, r4, #VALUES
    bl ganlet_finish
    ldr r0, [r4, #PACKED]
    cbnz r0, 12f
    ldrd r0, r1, [r4, #VALUES+12]
    ldr r2, [r4, #VALUES+32]
    mla r0, r1, r2, r0
    str r0, [r4, #VALUES+12]
    pop {r3, pc}
.macro GANLET_JOIN at
    ldrsb r2, [r4, #BYTES+\at]
    ldrsb r3, [r4, #BYTES+\at+1]
    add r2, r2, r3, lsl #21
.endm
12:
    ldrd r0, r1, [r4, #HELD_AT]
    GANLET_JOIN 0
    str r2, [r0]
    cbz r5, 13f
    GANLET_JOIN 2
    str r2, [r1]
    GANLET_JOIN 4
    cmp r5, #1
    it hi
    strhi r2, [r1, #4]
    GANLET_JOIN 6
    ldr r0, [r4, #EACH]
    cmp r5, #2
    it hi
    strhi r2, [r1, r0]
    add r2, r1, r0
    adds r2, #4
    add r1, r1, r0, lsl #1
    strd r2, r1, [r4, #HELD_AT]
    ldrb r2, [r4, #BYTES+8]
    strb r2, [r4, #BYTES]
13:
    pop {r3, pc}
    .size ganlet_double, . - ganlet_double
