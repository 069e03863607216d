@ Four packed pixels of up to two rows times the words of one output channel, lanes emptied in time.
@
@ void ganlet_quad(const Run *run)
@ struct Run { const i32 *a0; u32 n0; const i32 *a1; u32 n1; const i32 *words; u32 interval; i32 lanes[12]; }
@
@ r0 pixels, r1 words, r4-r11 the four 64-bit accumulators; the rest is temporary.
@ Stack: 0 run, 4 steps left in this row, 8 steps until the lanes must be emptied, 12 turns left, 16 second row seen.

    .syntax unified

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
@ As many steps as the row and the lanes allow: r2 left in the row, r3 room in the lanes.
1:
    cmp r2, r3
    ite ls
    movls r12, r2
    movhi r12, r3
    sub r2, r12
    sub r3, r12
    strd r2, r3, [sp, #4]
    add r3, r12, #15
    lsrs r3, r3, #4
    str r3, [sp, #12]
    rsb r2, r12, #0
    and r2, r2, #15
    add r2, r2, r2, lsl #1
    @ Each step has 24 bytes; the first turn enters behind those it leaves out.
    adr r3, 2f
    add r3, r3, r2, lsl #3
    mov pc, r3
    .p2align 2
2:
    .rept 16
    GANLET_STEP
    .endr
    ldr r2, [sp, #12]
    subs r2, #1
    str r2, [sp, #12]
    bne.w 2b
    ldrd r2, r3, [sp, #4]
    cbz r3, 4f
@ Room is left, so the row is at its end: on to the second one, unless it was that.
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
    add sp, #20
    pop {r4-r11, pc}
    .size ganlet_quad, . - ganlet_quad

@ The compact weights of one output channel, as words: a low and a high byte each, for even and for odd columns.
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
    @ Behind the high weights lie the low ones, then the next tap row's.
    add r0, r2
    add r1, r2
    subs r8, #1
    bne 1b
    pop {r4-r8, pc}
    .size ganlet_unpack, . - ganlet_unpack

@ Values times the words of eight outputs; at most 512 values.
@
@ void ganlet_dense(const i8 *values, const i32 *words, u32 count, i32 *sums)

.macro GANLET_DENSE
    ldrsb r12, [r0], #1
    ldrd r2, r3, [r1], #8
    smlal r4, r5, r12, r2
    smlal r6, r7, r12, r3
    ldrd r2, r3, [r1], #8
    smlal r8, r9, r12, r2
    smlal r10, r11, r12, r3
.endm

.macro GANLET_SPLIT lo hi
    sbfx r2, \lo, #0, #24
    subs \lo, \lo, r2
    sbc \hi, \hi, r2, asr #31
    lsr \lo, \lo, #24
    orr \lo, \lo, \hi, lsl #8
    strd r2, \lo, [r0], #8
.endm

    .section .text.ganlet_dense, "ax", %progbits
    .global ganlet_dense
    .type ganlet_dense, %function
    .thumb_func
    .p2align 2
ganlet_dense:
    push {r2-r11, lr}
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    mov r8, #0
    mov r9, #0
    mov r10, #0
    mov r11, #0
    ands lr, r2, #7
    beq 2f
1:
    GANLET_DENSE
    subs lr, #1
    bne 1b
2:
    ldr lr, [sp]
    lsrs lr, lr, #3
    beq 4f
3:
    .rept 8
    GANLET_DENSE
    .endr
    subs lr, #1
    bne.w 3b
4:
    ldr r0, [sp, #4]
    GANLET_SPLIT r4, r5
    GANLET_SPLIT r6, r7
    GANLET_SPLIT r8, r9
    GANLET_SPLIT r10, r11
    pop {r2-r11, pc}
    .size ganlet_dense, . - ganlet_dense

@ A packed row of one output channel: products, then values, eight columns at a time.
@
@ void ganlet_packed(Channel *channel)
@ struct Channel { Run run; i32 *held_at; i32 *at; u32 each; i32 m; i32 zero_point; i32 even; i32 odd; i32 last;
@                  i32 carry_odd; i32 carry_even; i32 held; u32 left; }
@
@ r4 channel, r5 m, r6 zero point, r7 and r8 biases of even and odd columns, r9 and r10 what the pixels so far add to
@ the next odd and even column, r11 the value that waits for its neighbour.

    .section .text.ganlet_packed, "ax", %progbits
    .global ganlet_packed
    .type ganlet_packed, %function
    .thumb_func
    .p2align 2
ganlet_packed:
    push {r4-r11, lr}
    mov r4, r0
    add r12, r4, #84
    ldm r12!, {r5-r8}
    ldr r9, [r4, #104]
    ldr r10, [r4, #108]
1:
    mov r0, r4
    bl ganlet_quad
    ldrd r0, r1, [r4]
    ldr r2, [r4, #8]
    add r0, r0, r1, lsl #3
    add r2, r2, r1, lsl #3
    str r0, [r4]
    str r2, [r4, #8]
    ldr r2, [r4, #116]
    cmp r2, #4
    blo 3f
2:
    add r12, r4, #24
    ldm r12!, {r0-r3}
    add r10, r0
    add r9, r3
    add r1, r7
    add r2, r7
    GANLET_FINISH r9
    GANLET_FINISH r10
    GANLET_FINISH r1
    ldr r0, [r4, #72]
    add r9, r11, r9, lsl #21
    str r9, [r0]
    ldm r12!, {r0, r3, r9, r11}
    add r0, r8
    GANLET_FINISH r0
    add r2, r9
    add r0, r10, r0, lsl #21
    ldr r10, [r4, #76]
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
    ldr r1, [r4, #80]
    add r12, r2, r12, lsl #21
    ldr r2, [r4, #116]
    cmp r2, #1
    it hi
    strhi r3, [r10, #4]
    cmp r2, #2
    it hi
    strhi r12, [r10, r1]
    add r3, r10, r1
    adds r3, #4
    add r10, r10, r1, lsl #1
    strd r3, r10, [r4, #72]
    add r10, r0, r7
    subs r2, #4
    str r2, [r4, #116]
    bhi 1b
    str r9, [r4, #104]
    str r11, [r4, #112]
    pop {r4-r11, pc}
@ One to three pixels are left: the last column's bias differs. Behind it nothing is written.
3:
    ldr r0, [r4, #100]
    sub r0, r8
    cmp r2, #2
    add r12, r4, #40
    it eq
    addeq r12, #4
    it hi
    addhi r12, #24
    ldr r1, [r12]
    add r1, r0
    str r1, [r12]
    b 2b
    .size ganlet_packed, . - ganlet_packed

@ Values times four rows of compact weights. Counts are multiples of four and addresses too.
@
@ void ganlet_dots(const i8 *values, const i8 *rows, u32 fours, u32 stride, i32 *sums)

    .section .text.ganlet_dots, "ax", %progbits
    .global ganlet_dots
    .type ganlet_dots, %function
    .thumb_func
    .p2align 2
ganlet_dots:
    push {r4-r11, lr}
    add r8, r3, r3, lsl #1
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    ands lr, r2, #3
    beq 2f
1:
    GANLET_DOT
    subs lr, #1
    bne 1b
2:
    lsrs lr, r2, #2
    beq 4f
3:
    .rept 4
    GANLET_DOT
    .endr
    subs lr, #1
    bne.w 3b
4:
    ldr r0, [sp, #36]
    stm r0, {r4-r7}
    pop {r4-r11, pc}
    .size ganlet_dots, . - ganlet_dots
