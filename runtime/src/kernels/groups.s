@ Kernels for groups of eight outputs: accumulation and requantization.

@ Multiplies at most 512 values by the words of eight outputs, and adds the products to their sums.
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
    ldrd r1, r12, [r0]
    add r1, r1, r2
    add r12, r12, \lo
    strd r1, r12, [r0], #8
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
    ands lr, r2, #3
    beq 2f
1:
    GANLET_DENSE
    subs lr, #1
    bne 1b
2:
    ldr lr, [sp]
    lsrs lr, lr, #2
    beq 4f
3:
    .rept 4
    GANLET_DENSE
    .endr
    subs lr, #1
    bne 3b
4:
    ldr r0, [sp, #4]
    GANLET_SPLIT r4, r5
    GANLET_SPLIT r6, r7
    GANLET_SPLIT r8, r9
    GANLET_SPLIT r10, r11
    pop {r2-r11, pc}
    .size ganlet_dense, . - ganlet_dense

@ Multiplies a run of at most 512 values by the weights of eight outputs, and adds the products to their sums. Repeats this
@ for each group of eight outputs.
@
@ void ganlet_groups(const i8 *values, const i16 *weights, u32 count, i32 *sums, u32 groups)
@
@ r2 to r9: for each pair of outputs the sum of half-words and the sum of low bytes.
@ Stack: 0 remaining values, 4 values, 8 for GANLET_FOUR, 12 count, 16 sums, 56 remaining groups.

    .section .text.ganlet_groups, "ax", %progbits
    .global ganlet_groups
    .type ganlet_groups, %function
    .thumb_func
    .p2align 2
ganlet_groups:
    push {r0-r11, lr}
    sub sp, #4
1:
    ldr r0, [sp, #4]
    ldr r12, [sp, #12]
    bic r12, r12, #3
    movs r2, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    mov r8, #0
    mov r9, #0
    lsls r10, r12, #29
    bpl 5f
    @ The loop is unrolled twice. If the number of fours is odd, it starts in the middle.
    sub r12, #4
    str r12, [sp]
    b 3f
2:
    ldr r10, [r0], #4
    GANLET_FOUR
3:
    ldr r10, [r0], #4
4:
    GANLET_FOUR
    ldr r12, [sp]
5:
    subs r12, #8
    str r12, [sp]
    bpl 2b
    @ The last one to three values, if any, are processed once.
    adds r12, #8
    bne 6f
    ldr r12, [sp, #12]
    ands r12, r12, #3
    beq 6f
    movs r10, #0
    lsrs r12, r12, #1
    it cs
    ldrbcs r10, [r0, r12, lsl #1]
    beq 4b
    ldrh r11, [r0]
    orr r10, r11, r10, lsl #16
    b 4b
6:
    ldr r0, [sp, #16]
.macro GANLET_PART both low
    ldrd r10, r11, [r0]
    sub \both, \both, \low
    add r10, r10, \low
    add r11, r11, \both, asr #8
    strd r10, r11, [r0], #8
.endm
    GANLET_PART r2, r3
    GANLET_PART r4, r5
    GANLET_PART r6, r7
    GANLET_PART r8, r9
    str r0, [sp, #16]
    ldr r0, [sp, #56]
    subs r0, #1
    str r0, [sp, #56]
    bne.w 1b
    add sp, #4
    pop {r0-r11, pc}
    .size ganlet_groups, . - ganlet_groups

@ Depthwise: multiplies eight channels of neighboring pixels by their weights, and adds the products to the sums.
@
@ void ganlet_each(const i8 *pixels, const i8 *weights, u32 count, i32 *sums, u32 step)

.macro GANLET_EACH sum at
    ldrsb r10, [r0, #\at]
    ldrsb r11, [r1, #\at]
    mla \sum, r10, r11, \sum
.endm

    .section .text.ganlet_each, "ax", %progbits
    .global ganlet_each
    .type ganlet_each, %function
    .thumb_func
    .p2align 2
ganlet_each:
    push {r2-r11, lr}
    ldr lr, [sp, #44]
    mov r12, r2
    ldm r3, {r2-r9}
1:
    GANLET_EACH r2, 0
    GANLET_EACH r3, 1
    GANLET_EACH r4, 2
    GANLET_EACH r5, 3
    GANLET_EACH r6, 4
    GANLET_EACH r7, 5
    GANLET_EACH r8, 6
    GANLET_EACH r9, 7
    add r0, lr
    adds r1, #8
    subs r12, #1
    bne 1b
    ldr r0, [sp, #4]
    stm r0, {r2-r9}
    pop {r2-r11, pc}
    .size ganlet_each, . - ganlet_each

@ Requantizes sums.
@
@ void ganlet_finish(const Values *values)
@ struct Values { const i32 *sums; const i32 *biases; const i32 *multipliers; void *to; u32 count; i32 zero_point; u32 shift;
@                 const i16 *table; u32 step; }
@ Writes one byte every `step` bytes, through the table if there is one. If `step` is 0, adds the shifted values to every other
@ word instead (a packed row).

    .section .text.ganlet_finish, "ax", %progbits
    .global ganlet_finish
    .type ganlet_finish, %function
    .thumb_func
    .p2align 2
ganlet_finish:
    push {r4-r11, lr}
    ldm r0, {r0-r4, r6, r7, r9, r10}
.macro GANLET_NEXT
    ldr r12, [r0], #4
    ldr r8, [r1], #4
    ldr r5, [r2], #4
    add r12, r8
    GANLET_SCALE r12
.endm
    cmp r10, #0
    bne 2f
1:
    GANLET_NEXT
    ssat r12, #8, r12
    ldr r8, [r3]
    lsl r12, r12, r7
    add r8, r12
    str r8, [r3], #8
    subs r4, #1
    bne 1b
    pop {r4-r11, pc}
2:
    GANLET_NEXT
    cmp r9, #0
    beq 3f
    ssat r12, #16, r12
    add r12, #0x8000
    lsr r8, r12, #8
    add r8, r9, r8, lsl #1
    ldrsh r5, [r8]
    ldrsh r8, [r8, #2]
    uxtb r12, r12
    sub r8, r8, r5
    lsl r5, r5, #8
    mla r12, r8, r12, r5
    add r12, #0x8000
    asr r12, r12, #16
3:
    ssat r12, #8, r12
    strb r12, [r3]
    add r3, r10
    subs r4, #1
    bne 2b
    pop {r4-r11, pc}
    .size ganlet_finish, . - ganlet_finish
