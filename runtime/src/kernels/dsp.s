@ Macros that use the DSP extension. mul.s has the same macros for cores without it.

    .syntax unified

@ Multiplies x by the multiplier in r5, keeps the rounded upper word, and adds the zero point in r6. lr is temporary.
.macro GANLET_SCALE x
    smmlar \x, \x, r5, r6
.endm

@ Multiplies the half-words at r1 by the values: first and third value in r10, second and fourth in r11.
.macro GANLET_PAIR both low
    ldrd r12, lr, [r1], #8
    smlad \both, r12, r10, \both
    sxtb16 r12, r12
    smlad \low, r12, r10, \low
    smlad \both, lr, r11, \both
    sxtb16 lr, lr
    smlad \low, lr, r11, \low
.endm

@ Multiplies four values in r10 by the weights of eight outputs at r1.
.macro GANLET_FOUR
    sxtb16 r11, r10, ror #8
    sxtb16 r10, r10
    GANLET_PAIR r2, r3
    GANLET_PAIR r4, r5
    GANLET_PAIR r6, r7
    GANLET_PAIR r8, r9
.endm
