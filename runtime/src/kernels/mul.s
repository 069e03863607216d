@ The same steps as in dsp.s, for cores without the DSP extension.

    .syntax unified

@ Requantises x by the multiplier in r5, adds the zero point in r6, saturates. lr is temporary.
.macro GANLET_FINISH x
    smull lr, \x, \x, r5
    adds lr, lr, #0x80000000
    adc \x, \x, r6
    ssat \x, #8, \x
.endm

@ Four inputs at r0 times four weights of the rows at r1, r1 + r3, r1 + 2 r3 and r1 + r8.
.macro GANLET_DOT
    .rept 4
    ldrsb r9, [r0], #1
    ldrsb r10, [r1, r3]
    ldrsb r11, [r1, r3, lsl #1]
    ldrsb r12, [r1, r8]
    mla r5, r10, r9, r5
    mla r6, r11, r9, r6
    ldrsb r10, [r1], #1
    mla r7, r12, r9, r7
    mla r4, r10, r9, r4
    .endr
.endm
