@ Inner loops of Armv6-M. The main one multiplies two pairs of neighboring pixels by the weights of odd and even columns.
@
@ MULS overwrites a factor. LDRSB needs an address of two low registers. ADD reaches the high registers, which hold the
@ sums. So four products take five loads (one weight is loaded twice), four multiplications and four additions.

    .syntax unified

@ Multiplies one byte of each pair (r0, r1) by one weight of even (r2) and odd (r3) columns: four products.
@ r8 to r11 are the sums, r4 is the index.
.macro GANLET_FOUR
    subs r4, #1
    ldrsb r5, [r0, r4]
    ldrsb r6, [r1, r4]
    ldrsb r7, [r2, r4]
    muls r7, r5
    add r8, r7
    ldrsb r7, [r2, r4]
    muls r7, r6
    add r9, r7
    ldrsb r7, [r3, r4]
    muls r5, r7
    add r10, r5
    muls r6, r7
    add r11, r6
.endm

@ The same for one pair of pixels (r0): two products.
.macro GANLET_TWO
    subs r4, #1
    ldrsb r5, [r0, r4]
    ldrsb r7, [r2, r4]
    muls r7, r5
    add r8, r7
    ldrsb r7, [r3, r4]
    muls r5, r7
    add r10, r5
.endm

.macro GANLET_ENTER
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
.endm

.macro GANLET_LEAVE
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
.endm

@ void ganlet_pairs(const i8 *first, const i8 *second, const i8 *even, const i8 *odd, u32 count, i32 *sums)
@ Adds four dot products to the sums: first * odd, first * even, second * odd, second * even. The count is a multiple of 8.

    .section .text.ganlet_pairs, "ax", %progbits
    .global ganlet_pairs
    .type ganlet_pairs, %function
    .thumb_func
    .p2align 2
ganlet_pairs:
    GANLET_ENTER
    ldr r4, [sp, #40]
    ldm r4!, {r5-r7}
    mov r10, r5
    mov r8, r6
    mov r11, r7
    ldr r5, [r4]
    mov r9, r5
    ldr r4, [sp, #36]
1:
    .rept 8
    GANLET_FOUR
    .endr
    @ The flags of the last subtraction have been overwritten.
    cmp r4, #0
    beq 2f
    b 1b
2:
    ldr r4, [sp, #40]
    mov r0, r10
    mov r1, r8
    mov r2, r11
    mov r3, r9
    stm r4!, {r0-r3}
    GANLET_LEAVE
    .size ganlet_pairs, . - ganlet_pairs

@ void ganlet_pair(const i8 *first, u32 count, const i8 *even, const i8 *odd, i32 *sums)
@ Adds two dot products to the sums: first * odd, first * even. The count is a multiple of 8.

    .section .text.ganlet_pair, "ax", %progbits
    .global ganlet_pair
    .type ganlet_pair, %function
    .thumb_func
    .p2align 2
ganlet_pair:
    GANLET_ENTER
    ldr r4, [sp, #36]
    ldm r4!, {r5, r6}
    mov r10, r5
    mov r8, r6
    mov r4, r1
1:
    .rept 8
    GANLET_TWO
    .endr
    cmp r4, #0
    bne 1b
    ldr r4, [sp, #36]
    mov r0, r10
    mov r1, r8
    stm r4!, {r0, r1}
    GANLET_LEAVE
    .size ganlet_pair, . - ganlet_pair

@ Multiplies values, four at a time, by half-words of two weights, and adds to the sums of four outputs. The weights of the
@ group's other four outputs lie in between and are skipped.
@
@ void ganlet_group(const i8 *values, const i16 *weights, u32 fours, i32 *sums)

.macro GANLET_HALVES at both low
    movs r4, #\at
    ldrsh r6, [r1, r4]
    muls r6, r5
    add \both, r6
    ldrsb r6, [r1, r4]
    muls r6, r5
    add \low, r6
.endm

.macro GANLET_VALUE i at
    movs r4, #\i
    ldrsb r5, [r0, r4]
    GANLET_HALVES \at, r8, r9
    GANLET_HALVES \at+8, r10, r11
.endm

    .section .text.ganlet_group, "ax", %progbits
    .global ganlet_group
    .type ganlet_group, %function
    .thumb_func
    .p2align 2
ganlet_group:
    GANLET_ENTER
    movs r4, #0
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
1:
    GANLET_VALUE 0, 0
    GANLET_VALUE 2, 2
    GANLET_VALUE 1, 4
    GANLET_VALUE 3, 6
    adds r0, #4
    adds r1, #32
    subs r2, #1
    bne 1b
    mov r2, r3
    ldm r2!, {r0, r1, r4, r5}
    mov r6, r8
    mov r7, r9
    subs r6, r6, r7
    asrs r6, r6, #8
    adds r0, r0, r7
    adds r1, r1, r6
    mov r6, r10
    mov r7, r11
    subs r6, r6, r7
    asrs r6, r6, #8
    adds r4, r4, r7
    adds r5, r5, r6
    stm r3!, {r0, r1, r4, r5}
    GANLET_LEAVE
    .size ganlet_group, . - ganlet_group
