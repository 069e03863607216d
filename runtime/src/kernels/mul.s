@ The macros of dsp.s for cores without the DSP extension.

    .syntax unified

@ Multiplies x by the multiplier in r5, keeps the rounded upper word, and adds the zero point in r6. lr is temporary.
.macro GANLET_SCALE x
    smull lr, \x, \x, r5
    adds lr, lr, #0x80000000
    adc \x, \x, r6
.endm

@ Multiplies two half-words at r1 + \at by the values in r10 and r11.
.macro GANLET_PAIR both low at
    ldr r12, [r1, #\at]
    sxth lr, r12
    mla \both, lr, r10, \both
    asr lr, r12, #16
    mla \both, lr, r11, \both
    sxtb lr, r12
    mla \low, lr, r10, \low
    sbfx lr, r12, #16, #8
    mla \low, lr, r11, \low
.endm

.macro GANLET_PAIRS at
    GANLET_PAIR r2, r3, \at
    GANLET_PAIR r4, r5, \at+8
    GANLET_PAIR r6, r7, \at+16
    GANLET_PAIR r8, r9, \at+24
.endm

@ Multiplies four values in r10 by the weights of eight outputs at r1. Uses the word at sp + 8.
.macro GANLET_FOUR
    str r10, [sp, #8]
    sbfx r11, r10, #16, #8
    sxtb r10, r10
    GANLET_PAIRS 0
    ldr r10, [sp, #8]
    asr r11, r10, #24
    sbfx r10, r10, #8, #8
    GANLET_PAIRS 4
    add r1, r1, #32
.endm
