@ Products of sixteen bytes at a time, for Armv8.1-M with vectors. Loops end in the middle of a vector by themselves.

    .syntax unified
    .cpu cortex-m55

@ Three windows of two neighbouring pixels, times the weights of the even and of the odd columns.
@
@ void ganlet_windows(const Tap *taps, u32 c, i32 sums[6])
@ struct Tap { const i8 *pixels, *even, *odd; } for each tap row, then a null pointer; sums: even, odd, by window.

    .section .text.ganlet_windows, "ax", %progbits
    .global ganlet_windows
    .type ganlet_windows, %function
    .thumb_func
    .p2align 2
ganlet_windows:
    push {r1, r2, r4-r11, lr}
    mov r12, r0
    movs r0, #0
    movs r2, #0
    movs r4, #0
    movs r6, #0
    mov r8, #0
    mov r10, #0
    b 3f
1:
    ldrd r7, r9, [r12], #8
    ldr r11, [sp]
    add r3, r1, r11
    add r5, r3, r11
    lsl r11, r11, #1
    dlstp.8 lr, r11
2:
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
    letp lr, 2b
3:
    ldr r1, [r12], #4
    cmp r1, #0
    bne 1b
    ldr r1, [sp, #4]
    stm r1!, {r0, r2, r4, r6, r8, r10}
    add sp, #8
    pop {r4-r11, pc}
    .size ganlet_windows, . - ganlet_windows

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
