@ The steps that the DSP extension makes shorter; without it: mul.s.

    .syntax unified

@ Requantises x by the multiplier in r5, adds the zero point in r6, saturates. lr is temporary.
.macro GANLET_FINISH x
    smmlar \x, \x, r5, r6
    ssat \x, #8, \x
.endm

@ Four inputs times four weights of a row, those of the row in r12.
.macro GANLET_DOT_ROW sum
    sxtb16 r9, r12
    sxtb16 r12, r12, ror #8
    smlad \sum, r9, r10, \sum
    smlad \sum, r12, r11, \sum
.endm

@ Four inputs at r0 times four weights of the rows at r1, r1 + r3, r1 + 2 r3 and r1 + r8.
.macro GANLET_DOT
    ldr r9, [r0], #4
    ldr r12, [r1, r3]
    sxtb16 r10, r9
    sxtb16 r11, r9, ror #8
    GANLET_DOT_ROW r5
    ldr r12, [r1, r3, lsl #1]
    GANLET_DOT_ROW r6
    ldr r12, [r1, r8]
    GANLET_DOT_ROW r7
    ldr r12, [r1], #4
    GANLET_DOT_ROW r4
.endm
