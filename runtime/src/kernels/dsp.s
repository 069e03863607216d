@ The steps that the DSP extension makes shorter; without it: mul.s.

    .syntax unified

@ Requantizes x by the multiplier in r5 and adds the zero point in r6. lr is temporary.
.macro GANLET_SCALE x
    smmlar \x, \x, r5, r6
.endm

@ Two pairs of halves at r1 times the first and third value in r10, the second and fourth in r11.
.macro GANLET_PAIR both low
    ldrd r12, lr, [r1], #8
    smlad \both, r12, r10, \both
    sxtb16 r12, r12
    smlad \low, r12, r10, \low
    smlad \both, lr, r11, \both
    sxtb16 lr, lr
    smlad \low, lr, r11, \low
.endm

@ Four values in r10 times the weights of eight outputs at r1.
.macro GANLET_FOUR
    sxtb16 r11, r10, ror #8
    sxtb16 r10, r10
    GANLET_PAIR r2, r3
    GANLET_PAIR r4, r5
    GANLET_PAIR r6, r7
    GANLET_PAIR r8, r9
.endm
