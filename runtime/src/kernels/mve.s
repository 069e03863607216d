@ Products of sixteen bytes at a time, for Armv8.1-M with vectors. Loops end in the middle of a vector by themselves.

    .syntax unified
    .cpu cortex-m55

@ A row of one output channel without its first and last column: products, then values, six columns at a time.
@
@ void ganlet_columns(Columns *columns)
@ struct Columns { const i8 *pixels[2], *even[2], *odd[2]; u32 c; u8 *out; i32 left; i32 offset; const i16 *table;
@                  u32 channels; i32 biases[4]; i32 multipliers[4]; u32 places[4]; }
@
@ Windows of two neighbouring pixels go by threes; `left` of them are to come, and `pixels` and `out` move on with
@ them. A null pointer instead of the second row's pixels leaves that row out. r0, r4, r8 add up the even columns,
@ r2, r6, r10 the odd ones.

@ The four sums in q0 become bytes, and their places come into q1. r1 is the table or null, r9 its second entry,
@ r7 what is added behind the multiplication.
.macro GANLET_FINISH
    vldrw.u32 q1, [r12, #48]
    vldrw.u32 q2, [r12, #64]
    vadd.i32 q0, q0, q1
    vrmulh.s32 q0, q0, q2
    vadd.i32 q0, q0, r7
    vqmovnb.s32 q0, q0
    cbz r1, 7f
    vmovlb.s16 q0, q0
    mov r3, #32768
    vadd.i32 q0, q0, r3
    vshr.u32 q2, q0, #8
    vldrh.s32 q1, [r1, q2, uxtw #1]
    vldrh.s32 q3, [r9, q2, uxtw #1]
    vshl.i32 q2, q2, #8
    vsub.i32 q0, q0, q2
    vsub.i32 q3, q3, q1
    vmul.i32 q0, q0, q3
    vshl.i32 q1, q1, #8
    vadd.i32 q0, q0, q1
    vrshr.s32 q0, q0, #16
    vqmovnb.s32 q0, q0
7:
    vqmovnb.s16 q0, q0
    vldrw.u32 q1, [r12, #80]
.endm

    .section .text.ganlet_columns, "ax", %progbits
    .global ganlet_columns
    .type ganlet_columns, %function
    .thumb_func
    .p2align 2
ganlet_columns:
    push {r4-r11, lr}
    sub sp, #4
    mov r12, r0
1:
    movs r0, #0
    movs r2, #0
    movs r4, #0
    movs r6, #0
    mov r8, #0
    mov r10, #0
    ldr r1, [r12]
    ldr r7, [r12, #8]
    ldr r9, [r12, #16]
    movs r11, #0
2:
    str r11, [sp]
    ldr r11, [r12, #24]
    add r3, r1, r11
    add r5, r3, r11
    lsl r11, r11, #1
    dlstp.8 lr, r11
3:
    vldrb.8 q3, [r7], #16
    vldrb.8 q0, [r1], #16
    vmladava.s8 r0, q0, q3
    vldrb.8 q1, [r3], #16
    vmladava.s8 r4, q1, q3
    vldrb.8 q2, [r5], #16
    vmladava.s8 r8, q2, q3
    vldrb.8 q3, [r9], #16
    vmladava.s8 r2, q0, q3
    vmladava.s8 r6, q1, q3
    vmladava.s8 r10, q2, q3
    letp lr, 3b
    ldr r11, [sp]
    cmp r11, #0
    bne 4f
    mov r11, #1
    ldr r1, [r12, #4]
    ldr r7, [r12, #12]
    ldr r9, [r12, #20]
    cmp r1, #0
    bne 2b
4:
    ldr r11, [r12, #28]
    ldr r7, [r12, #36]
    ldr r1, [r12, #40]
    add r9, r1, #2
    vmov q0[2], q0[0], r0, r4
    vmov q0[3], q0[1], r2, r6
    GANLET_FINISH
    vstrb.32 q0, [r11, q1]
    vmov q0[2], q0[0], r8, r8
    vmov q0[3], q0[1], r10, r10
    ldr r5, [r12, #44]
    add r11, r11, r5, lsl #2
    movs r2, #2
    GANLET_FINISH
    vctp.32 r2
    vpst
    vstrbt.32 q0, [r11, q1]
@ On by three windows, by fewer at the end, so that the last three end with the row.
    ldr r0, [r12, #32]
    subs r0, #3
    str r0, [r12, #32]
    ble 6f
    cmp r0, #3
    it gt
    movgt r0, #3
    mul r5, r5, r0
    ldr r1, [r12, #28]
    add r1, r1, r5, lsl #1
    str r1, [r12, #28]
    ldr r5, [r12, #24]
    mul r0, r0, r5
    ldrd r1, r2, [r12]
    add r1, r0
    str r1, [r12]
    cmp r2, #0
    beq.w 1b
    add r2, r0
    str r2, [r12, #4]
    b.w 1b
6:
    add sp, #4
    pop {r4-r11, pc}
    .size ganlet_columns, . - ganlet_columns

@ The first pixel times the low even weights, the last one times the high odd ones.
@
@ void ganlet_edges(const Edge *taps, u32 c, i32 sums[2])
@ struct Edge { const i8 *first, *last, *even, *odd; } for each tap row, then a null pointer.

    .section .text.ganlet_edges, "ax", %progbits
    .global ganlet_edges
    .type ganlet_edges, %function
    .thumb_func
    .p2align 2
ganlet_edges:
    push {r4-r8, lr}
    mov r12, r0
    mov r8, r2
    movs r0, #0
    movs r2, #0
    b 3f
1:
    ldrd r4, r5, [r12], #8
    ldr r6, [r12], #4
    dlstp.8 lr, r1
2:
    vldrb.8 q0, [r3], #16
    vldrb.8 q1, [r5], #16
    vmladava.s8 r0, q0, q1
    vldrb.8 q2, [r4], #16
    vldrb.8 q3, [r6], #16
    vmladava.s8 r2, q2, q3
    letp lr, 2b
3:
    ldr r3, [r12], #4
    cmp r3, #0
    bne 1b
    strd r0, r2, [r8]
    pop {r4-r8, pc}
    .size ganlet_edges, . - ganlet_edges

@ Values times four rows of weights.
@
@ void ganlet_rows(const i8 *values, const i8 *rows, u32 count, i32 sums[4])

    .section .text.ganlet_rows, "ax", %progbits
    .global ganlet_rows
    .type ganlet_rows, %function
    .thumb_func
    .p2align 2
ganlet_rows:
    push {r3-r9, lr}
    add r5, r1, r2
    add r7, r5, r2
    add r9, r7, r2
    dlstp.8 lr, r2
    mov r3, r0
    movs r0, #0
    movs r4, #0
    movs r6, #0
    mov r8, #0
2:
    vldrb.8 q0, [r3], #16
    vldrb.8 q1, [r1], #16
    vmladava.s8 r0, q0, q1
    vldrb.8 q2, [r5], #16
    vmladava.s8 r4, q0, q2
    vldrb.8 q3, [r7], #16
    vmladava.s8 r6, q0, q3
    vldrb.8 q1, [r9], #16
    vmladava.s8 r8, q0, q1
    letp lr, 2b
    ldr r3, [sp]
    stm r3!, {r0, r4, r6, r8}
    pop {r3-r9, pc}
    .size ganlet_rows, . - ganlet_rows
